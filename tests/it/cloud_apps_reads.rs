//! Defender for Cloud Apps: every question through the production client, the documented shapes, uploads, and the limit that all share.

use crate::cloud_apps::{EVERYTHING, changed, customer, register, rig_with, stands, target};
use crate::rig::{Customer, Rig};
use serde_json::{Value, json};
use watchfloor::demo::{Api, StreamShape};
use watchfloor::microsoft::operations::{self, cloud_apps as ops};
use watchfloor::microsoft::{CallError, cloud_apps};
use watchfloor::model::cloud_apps as words;
use watchfloor::model::{ChangeId, ChangeState, LookupId, LookupState, Product};
use watchfloor::store::audit::{Actor, By};
use watchfloor::store::{changes, lookups, uploads};
use watchfloor::sync::{lookup, push::push};

/// One question, asked and answered.
async fn asked(rig: &Rig, customer: Customer, new: &lookups::New<'_>) -> lookups::Lookup {
    let id = LookupId::new();
    let mut tx = rig.db.web.tenant(customer.tenant).await.unwrap();
    lookups::ask(&mut tx, &By { actor: Actor::Operator, ip: None }, customer.tenant, id, new, rig.now()).await.unwrap();
    tx.commit().await.unwrap();
    lookup::look_up(&rig.reader, customer.tenant, id, rig.now()).await.unwrap();
    let mut tx = rig.db.web.tenant(customer.tenant).await.unwrap();
    lookups::get(&mut tx, id).await.unwrap().unwrap()
}

async fn answer(rig: &Rig, customer: Customer, operation: &str, args: &[&str], request: Option<Value>) -> String {
    let found = asked(rig, customer, &lookups::New { operation, args, request, ..Default::default() }).await;
    assert_eq!(found.state, LookupState::Answered, "{operation}: {:?}", found.reason);
    found.answer.unwrap()
}

#[tokio::test]
async fn alerts_are_asked_for_in_both_ways_and_alone() {
    let rig = rig_with(&EVERYTHING).await;
    let customer = customer(&rig, "Alder").await;
    let query = words::open_alerts();
    let new = lookups::New { operation: "cloud_apps.alerts.list_get", query: &query, ..Default::default() };
    let open = asked(&rig, customer, &new).await.answer.unwrap();
    let list = cloud_apps::list::<cloud_apps::Alert>(&open).unwrap();
    assert_eq!((list.records.len(), list.total, list.more), (3, Some(3), false));
    let posted =
        answer(&rig, customer, "cloud_apps.alerts.list", &[], Some(json!({"filters": {"alertOpen": {"eq": true}}, "limit": 2}))).await;
    let posted = cloud_apps::list::<cloud_apps::Alert>(&posted).unwrap();
    assert_eq!((posted.records.len(), posted.more), (2, true));
    let one = answer(&rig, customer, "cloud_apps.alerts.get", &[&list.records[0].0.id], None).await;
    assert_eq!(serde_json::from_str::<Value>(&one).unwrap(), serde_json::from_str::<Value>(&list.records[0].1).unwrap());
}

#[tokio::test]
async fn activities_are_filtered_fetched_and_scanned_to_their_end() {
    let rig = rig_with(&["Investigation.Read"]).await;
    let customer = customer(&rig, "Alder").await;
    let now = rig.now();
    rig.cloud.world().seed_history(customer.directory, 30, 900, now);
    let alert = rig.cloud.world().open_cloud_alerts(customer.directory)[0].clone();
    let of_alert = answer(&rig, customer, "cloud_apps.activities.list", &[], Some(words::alert_activities(&alert))).await;
    let list = cloud_apps::list::<cloud_apps::Activity>(&of_alert).unwrap();
    assert_eq!(list.records.len(), 3, "an alert's activities and no others");
    let first = &list.records[0].0;
    assert!(first.timestamp.is_some() && first.ip().is_some() && first.place().is_some() && first.agent().is_some());
    let one = answer(&rig, customer, "cloud_apps.activities.get", &[first.id.as_deref().unwrap()], None).await;
    assert_eq!(serde_json::from_str::<Value>(&one).unwrap()["_id"], first.id.as_deref().unwrap());
    let (user, ip) = (first.user().unwrap().to_owned(), first.ip().unwrap().to_owned());
    let query = words::ActivityQuery { user: user.clone(), ip: ip.clone(), ..Default::default() };
    let mine = answer(&rig, customer, "cloud_apps.activities.list", &[], Some(query.body().unwrap())).await;
    let mine = cloud_apps::list::<cloud_apps::Activity>(&mine).unwrap();
    assert!(!mine.records.is_empty() && mine.records.iter().all(|(row, _)| row.user() == Some(&user) && row.ip() == Some(&ip)));
    let mut request = words::ActivityQuery { scan: true, ..Default::default() }.body().unwrap();
    let (mut seen, mut pages) = (std::collections::BTreeSet::new(), 0);
    loop {
        let page = answer(&rig, customer, "cloud_apps.activities.list", &[], Some(request.clone())).await;
        pages += 1;
        let list = cloud_apps::list::<cloud_apps::Activity>(&page).unwrap();
        for (row, _) in list.records {
            assert!(seen.insert(row.id.unwrap()), "an activity came twice");
        }
        let Some(next) = words::next_page(&request, &serde_json::from_str(&page).unwrap()) else { break };
        request = next;
    }
    let whole = answer(&rig, customer, "cloud_apps.activities.list", &[], Some(words::everything())).await;
    let total = cloud_apps::list::<Value>(&whole).unwrap().total.unwrap();
    assert!(pages > 1 && seen.len() as u64 == total, "{pages} pages, {} of {total}", seen.len());
}

#[tokio::test]
async fn accounts_and_files_are_listed_fetched_and_their_tree_is_read() {
    let rig = rig_with(&["Investigation.Read"]).await;
    let customer = customer(&rig, "Alder").await;
    let all = answer(&rig, customer, "cloud_apps.entities.list", &[], Some(words::everything())).await;
    let list = cloud_apps::list::<cloud_apps::Account>(&all).unwrap();
    let (account, original) = &list.records[0];
    let key = account.key().unwrap();
    let one = answer(&rig, customer, "cloud_apps.entities.get", &[&key], None).await;
    assert_eq!(serde_json::from_str::<Value>(&one).unwrap(), serde_json::from_str::<Value>(original).unwrap());
    let tree: Value = serde_json::from_str(&answer(&rig, customer, "cloud_apps.entities.tree", &[&key], None).await).unwrap();
    assert_eq!(tree["children"].as_array().unwrap().len(), 3);
    let broken = asked(&rig, customer, &lookups::New { operation: "cloud_apps.entities.get", args: &["e30="], ..Default::default() }).await;
    assert!(broken.reason.unwrap().contains("id, saas and inst"));
    let keys = [(account.id.clone().unwrap(), 0)];
    let named = answer(&rig, customer, "cloud_apps.entities.list", &[], words::alert_entities(&keys)).await;
    assert_eq!(cloud_apps::list::<cloud_apps::Account>(&named).unwrap().records.len(), 1);
    let files = answer(&rig, customer, "cloud_apps.files.list", &[], Some(words::everything())).await;
    let files = cloud_apps::list::<cloud_apps::File>(&files).unwrap();
    let file = &files.records[0].0;
    assert!(file.name.is_some() && file.access.is_some() && file.modified_date.is_some());
    let one = answer(&rig, customer, "cloud_apps.files.get", &[file.id.as_deref().unwrap()], None).await;
    assert_eq!(serde_json::from_str::<Value>(&one).unwrap()["name"], file.name.as_deref().unwrap());
}

#[tokio::test]
async fn reports_are_read_in_every_documented_form_with_categories_and_scripts() {
    let rig = rig_with(&EVERYTHING).await;
    let customer = customer(&rig, "Alder").await;
    let mut id = String::new();
    for (shape, count) in [(StreamShape::Array, 2), (StreamShape::Wrapper, 2), (StreamShape::Object, 1)] {
        rig.cloud.world().set_stream_shape(customer.directory, shape);
        let reports = cloud_apps::streams(&answer(&rig, customer, "cloud_apps.discovery.reports", &[], None).await).unwrap();
        assert_eq!(reports.len(), count, "{shape:?}");
        id = reports[0].0.id.clone().unwrap();
    }
    let body = json!({"streamId": id, "sortField": "score", "limit": 5});
    let categories = answer(&rig, customer, "cloud_apps.discovery.categories", &[], Some(body)).await;
    let categories = cloud_apps::categories(&categories).unwrap();
    assert_eq!(categories.len(), 5);
    assert!(categories.iter().any(|category| words::category(&category.id) == "Supply chain and logistics"));
    for (format, _) in words::FORMATS {
        let format = format.to_string();
        let query = [("format", format.as_str()), ("type", "banned")];
        let new = lookups::New { operation: "cloud_apps.discovery.block_script", query: &query, ..Default::default() };
        assert!(asked(&rig, customer, &new).await.answer.unwrap().contains("freefileshare.example"), "{format}");
    }
    let ranges = answer(&rig, customer, "cloud_apps.subnets.list", &[], Some(words::everything())).await;
    let ranges = cloud_apps::list::<cloud_apps::Subnet>(&ranges).unwrap();
    assert!(ranges.records.iter().any(|(range, _)| range.subnets == ["198.51.100.0/24"] && range.last_modified.is_some()));
    assert!(!watchfloor::app::questions::is_question("cloud_apps.discovery.upload_url"), "an address that opens a store is never stored");
}

#[tokio::test]
async fn each_operation_is_refused_without_one_of_its_permissions() {
    let rig = rig_with(&EVERYTHING).await;
    let customer = rig.customer("Alder").await;
    for operation in operations::all().filter(|operation| operation.product == Product::CloudApps) {
        let every =
            ["Investigation.Read", "Investigation.Manage", "Discovery.Read", "Discovery.Manage", "Settings.Read", "Settings.Manage"];
        let others: Vec<&str> = every.into_iter().filter(|name| operation.rank(name).is_none()).collect();
        register(&rig, &others);
        rig.cloud.world().revoke(customer.directory, crate::rig::CLIENT_ID);
        rig.cloud.world().grant(customer.directory, crate::rig::CLIENT_ID);
        rig.pass(70);
        let args = ["5f843e9cfe3f6d80fe58a962"];
        let body = json!({"filters": {"id": {"eq": args}}});
        let (client, target, now) = (&rig.reader.microsoft, target(customer), rig.now());
        let answer = if operation.way == watchfloor::microsoft::operations::Way::Read {
            client.look_up(&target, "defender", operation, &args, (&[], None), now).await
        } else {
            client.change(&target, "defender", operation, &args, Some(&body), now).await
        };
        assert!(matches!(answer, Err(CallError::Forbidden { .. })), "{}: {answer:?}", operation.name);
    }
}

/// A log that lies here, and the change that carries it.
async fn log(rig: &Rig, customer: Customer, content: &[u8], stream: &str, snapshot: bool) -> ChangeId {
    let change = ChangeId::new();
    let upload = words::Upload::new("proxy.log", "SQUID", stream, snapshot).unwrap();
    let mut tx = rig.db.web.tenant(customer.tenant).await.unwrap();
    for (part, bytes) in content.chunks(uploads::PART).enumerate() {
        assert!(uploads::put(&mut tx, customer.tenant, change, i32::try_from(part).unwrap(), bytes, rig.now()).await.unwrap());
    }
    let new = changes::New {
        operation: ops::DISCOVERY_DONE.name,
        args: &[stream],
        subject: "proxy.log",
        request: Some(upload.request()),
        comment: None,
    };
    changes::intend(&mut tx, &By { actor: Actor::Operator, ip: None }, customer.tenant, change, &new, &changes::Kept::default(), rig.now())
        .await
        .unwrap();
    tx.commit().await.unwrap();
    push(&rig.reader, customer.tenant, change, rig.now()).await.unwrap();
    change
}

#[tokio::test]
async fn a_log_reaches_cloud_discovery_whole_and_its_address_is_written_down_nowhere() {
    let rig = rig_with(&EVERYTHING).await;
    let customer = customer(&rig, "Alder").await;
    let content: Vec<u8> = (0..=250).cycle().take(3 * uploads::PART + 17).collect();
    let done = log(&rig, customer, &content, "Proxy in October", true).await;
    let done = stands(&rig, customer, done).await;
    assert_eq!((done.state, done.reason.as_deref()), (ChangeState::Done, None));
    let arrived = rig.cloud.world().uploaded(customer.directory);
    assert_eq!(
        (arrived[0].filename.as_str(), arrived[0].source.as_str(), arrived[0].stream.as_str()),
        ("proxy.log", "SQUID", "Proxy in October")
    );
    assert!(arrived[0].content == content);
    assert_eq!(rig.count(customer, "upload_parts").await, 0, "it is not kept");
    let everything =
        rig.rows(customer, "select to_jsonb(c)::text from changes c union all select to_jsonb(a)::text from audit_log a").await;
    assert!(!everything.iter().any(|row| sqlx::Row::get::<String, _>(row, 0).contains("blob.core")));
    let store: Vec<_> = rig.cloud.world().ledger.requests().filter(|request| request.host.contains("blob.core")).cloned().collect();
    assert_eq!(store.len(), 1);
    assert!(!store[0].headers.iter().any(|(name, _)| name == "authorization"), "no token goes to the store");
    let unknown = log(&rig, customer, b"x", "No such source", false).await;
    assert!(stands(&rig, customer, unknown).await.reason.unwrap().contains("no data source"));
}

#[tokio::test]
async fn a_log_is_put_nowhere_but_into_microsofts_stores() {
    let rig = rig_with(&EVERYTHING).await;
    let customer = customer(&rig, "Alder").await;
    for (url, provider) in [
        ("https://evil.example/x", "azure"),
        ("http://a.blob.core.windows.net/x", "azure"),
        ("https://a.blob.core.windows.net.evil.example/x", "azure"),
        ("https://portal.cloudappsecurity.com/cas/api/v1/alerts/", "azure"),
        ("https://a.blob.core.windows.net/x", "aws"),
    ] {
        rig.cloud.world().set_upload_address(customer.directory, Some((url, provider)));
        let refused = log(&rig, customer, b"a log", "Proxy", true).await;
        let refused = stands(&rig, customer, refused).await;
        assert_eq!(refused.state, ChangeState::Failed, "{url}");
        rig.pass(10);
    }
    let asked: Vec<String> =
        rig.cloud.world().ledger.requests_of(customer.directory, Api::CloudApps).iter().map(|r| r.path.clone()).collect();
    assert!(!asked.iter().any(|path| path.contains("done_upload")));
    assert!(rig.cloud.world().uploaded(customer.directory).is_empty());
}

#[tokio::test]
async fn people_and_reading_together_never_pass_thirty_calls_in_a_minute() {
    let rig = rig_with(&EVERYTHING).await;
    let customer = customer(&rig, "Alder").await;
    let (mut answered, mut waiting) = (0, 0);
    for n in 0..45 {
        if n % 5 == 0 {
            rig.pass(7);
            rig.read(customer, Product::CloudApps).await;
        }
        let new = lookups::New { operation: "cloud_apps.subnets.list", request: Some(words::everything()), ..Default::default() };
        let found = asked(&rig, customer, &new).await;
        if found.state == LookupState::Answered {
            answered += 1;
        } else {
            assert!(found.reason.unwrap().contains("wait for"), "it says so");
            waiting += 1;
        }
    }
    let requests = rig.cloud.world().ledger.requests_of(customer.directory, Api::CloudApps);
    assert!(requests.iter().all(|request| request.status != 429), "the stand-in never had to refuse");
    let times: Vec<_> = requests.iter().map(|request| request.at).collect();
    for (n, at) in times.iter().enumerate() {
        let within = times[n..].iter().filter(|other| **other - *at < chrono::TimeDelta::minutes(1)).count();
        assert!(within <= 30, "{within} calls in a minute");
    }
    assert!(answered >= 25 && waiting > 0, "{answered} answered, {waiting} told to wait");
    let closing = words::Closing::new(vec!["5f843e9cfe3f6d80fe58a962".to_owned()], words::Verdict::TruePositive, None, "", None).unwrap();
    for _ in 0..40 {
        asked(
            &rig,
            customer,
            &lookups::New { operation: "cloud_apps.subnets.list", request: Some(words::everything()), ..Default::default() },
        )
        .await;
    }
    let put_back =
        changed(&rig, customer, "cloud_apps.alerts.close_true_positive", &["5f843e9cfe3f6d80fe58a962"], Some(closing.body())).await;
    assert_eq!(put_back.state, ChangeState::Intended, "a change waits for its turn: {:?}", put_back.reason);
}
