//! A link to the next page: it is followed to the very API that was asked, or not at all.
#![no_main]

use libfuzzer_sys::fuzz_target;
use url::Url;
use watchfloor::microsoft::fuzz::next_page;

fuzz_target!(|link: &str| {
    for asked in ["https://api.security.microsoft.com/api/alerts?$top=10", "https://graph.microsoft.com/v1.0/security/incidents"] {
        let asked = Url::parse(asked).expect("an address");
        let Some(next) = next_page(&asked, link) else { continue };
        assert_eq!((next.scheme(), next.host_str(), next.port()), ("https", asked.host_str(), None), "{next}");
        assert_eq!((next.username(), next.password(), next.fragment()), ("", None, None), "{next}");
        assert!(next.path() == asked.path() || next.path().starts_with(&format!("{}/", asked.path())), "{next}");
        let rest = next.path().strip_prefix(asked.path()).unwrap_or("..");
        assert!(!rest.contains(['%', '\\']) && !rest.contains("..") && link.len() <= 8 * 1024, "{next}");
    }
});
