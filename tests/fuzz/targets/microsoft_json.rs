//! What Microsoft's lists hold: each record becomes a row, or is set aside with a reason; none is lost.
#![no_main]

use libfuzzer_sys::fuzz_target;
use url::Url;
use watchfloor::microsoft::fuzz;
use watchfloor::model::{Cloud, DirectoryId, Product};
use watchfloor::sync::rows::{Origin, Rows, identity, kind};

fuzz_target!(|body: &str| {
    let asked = Url::parse("https://api.security.microsoft.com/api/incidents").expect("an address");
    let _ = fuzz::list(body, &asked);
    let directory = DirectoryId::parse("aaaabbbb-0000-cccc-1111-dddd2222eeee").expect("a directory");
    for product in [Product::DefenderXdr, Product::DefenderEndpoint, Product::CloudApps, Product::Graph] {
        for api in [product, Product::Graph] {
            let mut rows = Rows::default();
            rows.add(product, kind(product), Origin { directory, cloud: Cloud::Commercial, api }, body);
            assert_ne!(rows.incidents.len() + rows.alerts.len() + rows.bad.len(), 0, "it is lost");
            assert!(rows.bad.iter().all(|bad| !bad.reason.is_empty()));
            assert!(rows.times().count() <= rows.incidents.len() + rows.alerts.len());
            let _ = identity(kind(product), body);
        }
    }
});
