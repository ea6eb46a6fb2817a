//! Microsoft's documented samples of Defender for Cloud Apps: our requests have their shape, and their answers are read whole.

use serde_json::{Value, json};
use watchfloor::microsoft::cloud_apps;
use watchfloor::model::cloud_apps as words;

fn fixture(name: &str) -> Value {
    let path = format!("{}/tests/fixtures/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// The members of an object and the types of their values.
fn shape(value: &Value) -> Value {
    match value {
        Value::Object(members) => Value::Object(members.iter().map(|(name, value)| (name.clone(), shape(value))).collect()),
        Value::Array(items) => json!([items.first().map(shape)]),
        Value::String(_) => json!("text"),
        Value::Number(_) => json!("number"),
        Value::Bool(_) => json!("boolean"),
        Value::Null => Value::Null,
    }
}

#[test]
fn our_requests_have_the_shape_of_the_documented_samples() {
    let feedback = || words::Feedback { text: "Feedback text".to_owned(), contact: Some("user@contoso.com".to_owned()) };
    let ids = || ["55af7415f8a0a7a29eef2e1f", "55af741cf8a0a7a29eef2e20", "5f8d70bfc1ffb25b0a541c7d"].map(str::to_owned).to_vec();
    let mut sample = fixture("mdca-close-benign-request");
    sample["contactEmail"] = json!("user@contoso.com"); // the sample's begins with a space
    let benign = words::Closing::new(ids(), words::Verdict::Benign, Some(5), "Irrelevant", Some(feedback())).unwrap();
    assert_eq!(benign.body(), sample);
    let mut sample = fixture("mdca-close-false-positive-request");
    sample["contactEmail"] = json!("user@contoso.com");
    let false_positive = words::Closing::new(ids(), words::Verdict::FalsePositive, Some(0), "Irrelevant", Some(feedback())).unwrap();
    assert_eq!(false_positive.body(), sample);
    let range = words::Range::new("range name", 5, "192.168.1.0/24 192.168.2.0/16", "Microsoft", "existing tag").unwrap();
    assert_eq!(range.body(), fixture("mdca-subnet-create-request"));
    let sample = fixture("mdca-filters-request");
    let list = words::everything();
    for member in ["filters", "skip", "limit"] {
        assert_eq!(shape(&list[member]).is_object(), shape(&sample[member]).is_object(), "{member}");
        assert_eq!(list[member].is_u64(), sample[member].is_u64(), "{member}");
    }
    let key = fixture("mdca-entity-pk-decoded");
    let made = words::entity_key(key["id"].as_str().unwrap(), key["saas"].as_i64().unwrap(), key["inst"].as_i64().unwrap());
    let bytes = base64::Engine::decode(&base64::prelude::BASE64_STANDARD, made).unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&bytes).unwrap(), key);
}

#[test]
fn the_documented_answers_are_read_whole() {
    let text = |name: &str| fixture(name).to_string();
    let closed = cloud_apps::closed(words::Verdict::Benign, &text("mdca-close-benign-ok")).unwrap();
    assert_eq!((closed.count, closed.not_found.len()), (1, 0));
    let closed = cloud_apps::closed(words::Verdict::FalsePositive, &text("mdca-close-false-positive-notfound")).unwrap();
    assert_eq!((closed.count, closed.not_found), (0, vec!["5f843e9cfe3f6d80fe58a962".to_owned()]));
    assert_eq!(cloud_apps::closed(words::Verdict::TruePositive, &text("mdca-close-benign-ok")), None);
    let empty = cloud_apps::list::<cloud_apps::Activity>(&text("mdca-list-envelope-empty")).unwrap();
    assert_eq!((empty.records.len(), empty.total, empty.more), (0, Some(5), false));
    let ranges = cloud_apps::list::<cloud_apps::Subnet>(&text("mdca-subnets-list")).unwrap();
    let (range, original) = &ranges.records[0];
    assert_eq!((range.id.as_str(), range.name.as_deref(), range.category), ("5fd767259cd24bb563567d7c", Some("range name"), Some(5)));
    assert_eq!((range.subnets.as_slice(), range.tags.as_slice()), (&["197.198.192.20/16".to_owned()][..], &["Contoso".to_owned()][..]));
    assert_eq!(range.last_modified.unwrap().timestamp_millis(), 1_607_952_165_309);
    assert_eq!(serde_json::from_str::<Value>(original).unwrap(), fixture("mdca-subnets-list")["data"][0]);
    let old = r#"{"data":[{"_id":"a","subnets":{"originalString":"192.0.2.0/24"},"builtIn":true}],"hasNext":false}"#;
    assert_eq!(cloud_apps::list::<cloud_apps::Subnet>(old).unwrap().records[0].0.subnets, ["192.0.2.0/24"], "the form of 2020");
    let stream = cloud_apps::streams(&text("mdca-discovery-stream")).unwrap();
    assert_eq!(stream[0].0.display_name.as_deref(), Some("dependency_udp"));
    assert_eq!(stream[0].0.last_data_received.unwrap().to_rfc3339(), "2020-12-18T06:33:32.908+00:00");
    let categories = cloud_apps::categories(&text("mdca-discovery-categories")).unwrap();
    assert_eq!((words::category(&categories[0].id), categories[0].total), ("Product design".to_owned(), Some(2)));
}
