//! The address of a list, with its filters, order and cursor: what is read from it writes an address that reads the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use watchfloor::web::list::Asked;

fuzz_target!(|query: &str| {
    for path in ["/incidents", "/alerts"] {
        let Ok(asked) = Asked::read(path, query) else { continue };
        let again = Asked::read(path, &asked.address.query()).ok().expect("an address of ours can be read");
        assert_eq!(asked.address.query(), again.address.query());
        assert_eq!(format!("{:?}", asked.after), format!("{:?}", again.after));
        let bare = asked.address.bare();
        assert!(bare.starts_with(path) && !bare.contains("after="), "{bare}");
    }
});
