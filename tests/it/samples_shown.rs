//! What Microsoft's samples of answers become: stored as they came, and shown.

use crate::fake::{self, Reply};
use crate::samples::{DEVICE, Desk, sample, serving, text};
use axum::http::Method;
use serde_json::{Value, json};
use uuid::Uuid;
use watchfloor::microsoft::{CallError, Target};
use watchfloor::model::cloud_apps::Upload;
use watchfloor::model::{ChangeId, ChangeState, DirectoryId, HuntId, Role, clock};
use watchfloor::store::lookups;

#[tokio::test]
async fn the_documented_device_is_stored_and_shown_with_every_field_and_as_it_came() {
    let desk = Desk::start(serving(&[("/api/machines", "mde-machines-list")])).await;
    let page = desk.page(&format!("/devices/{}", desk.device().await)).await;
    let record = &sample("mde-machines-list")["value"][0];
    let main = page.texts("main").join(" ");
    for member in
        ["id", "computerDnsName", "version", "lastIpAddress", "lastExternalIpAddress", "rbacGroupName", "riskScore", "aadDeviceId"]
    {
        assert!(main.contains(record[member].as_str().unwrap()), "{member}: {main}");
    }
    for shown in ["Exposure Medium", "Health Active", "test tag 1 test tag 2", "2018"] {
        assert!(main.contains(shown), "{shown}: {main}");
    }
    let original: Value = serde_json::from_str(&page.texts("details.original pre")[0]).unwrap();
    assert_eq!(&original, record);
    let listed = desk.page("/devices").await.texts("tbody tr");
    assert!(listed.len() == 1 && listed[0].contains("mymachine1.contoso.com") && listed[0].contains("Low"), "{listed:?}");
}

/// Operation, what it is about, path of the call, sample, page, and what stands in the answer's section (its selector).
type Question = (&'static str, &'static [&'static str], &'static str, &'static str, &'static str, &'static [&'static str]);

const ASKED: [Question; 7] = [
    (
        "endpoint.machines.users",
        &[DEVICE],
        "/logonusers",
        "mde-machine-logonusers-list",
        "{device}#ask-users",
        &["contoso\\user1 · Interactive · 2020-01-06T08:01:48Z"],
    ),
    (
        "endpoint.machines.alerts",
        &[DEVICE],
        "/alerts",
        "mde-alerts-list",
        "{device}#ask-alerts",
        &["Low · Suspicious 'Meterpreter' behavior was detected · New"],
    ),
    ("endpoint.machines.alert_count", &[DEVICE], "/alerts/$count", "mde-alerts-count", "{device}#ask-count", &["4"]),
    (
        "endpoint.actions.list",
        &[DEVICE],
        "/machineactions",
        "mde-machineactions-list",
        "{device}#ask-actions",
        &[
            "CollectInvestigationPackage · Succeeded · Analyst@contoso.com · test",
            "RunAntiVirusScan · Full · Succeeded · Analyst@contoso.com · Check machine for viruses due to alert 3212",
            "StopAndQuarantineFile · Succeeded",
        ],
    ),
    (
        "endpoint.investigations.list",
        &[],
        "/investigations",
        "mde-investigations-list",
        "/tenants/{tenant}/endpoint#investigations",
        &["63017", "desktop-gtrcon0", "Running", "2020-01-06T14:11:34Z"],
    ),
    (
        "endpoint.indicators.list",
        &[],
        "/indicators",
        "mde-indicators-list",
        "/tenants/{tenant}/endpoint#indicators",
        &["12.13.14.15", "IpAddress", "220e7d15b0b3d7fac48f2bd61114db1022197f7f", "AlertAndBlock", "2020-12-12T00:00:00Z", "TestPrdApp"],
    ),
    (
        "cloud_apps.subnets.list",
        &[],
        "/api/v1/subnet/",
        "mdca-subnets-list",
        "/tenants/{tenant}/cloud-apps/ranges#",
        &["range name", "197.198.192.20/16", "Contoso"],
    ),
];

#[tokio::test]
async fn each_documented_answer_to_a_question_is_stored_as_it_came_and_shown_in_its_section() {
    let mut paths: Vec<(&str, &str)> = ASKED.iter().map(|(_, _, path, name, ..)| (*path, *name)).collect();
    paths.push(("/api/machines", "mde-machines-list"));
    let desk = Desk::start(serving(paths.leak())).await;
    let device = format!("/devices/{}", desk.device().await);
    for (operation, args, _, name, place, words) in ASKED {
        let answer = desk.asked(&lookups::New { operation, args, ..lookups::New::default() }).await;
        assert_eq!(answer.answer.as_deref().map(str::trim), Some(text(name).trim()), "{operation}: {:?}", answer.reason);
        let place = place.replace("{device}", &device);
        let (path, section) = place.split_once('#').unwrap();
        let section = if section.is_empty() { "main".to_owned() } else { format!("#{section}") };
        let shown = desk.page(path).await.texts(&format!("{section} li, {section} td"));
        for word in words {
            let is_there = if word.len() < 3 { shown.iter().any(|text| text == word) } else { shown.join(" ").contains(word) };
            assert!(is_there, "{operation}: {word} is not in {shown:#?}");
        }
    }
}

#[tokio::test]
async fn single_records_and_a_filtered_list_are_answered_as_they_came_through_the_api() {
    let desk = Desk::start(serving(&[
        ("/api/machines/1e5bc9d7e413ddd7902c2932e418702b84d0cc07", "mde-machine-get"),
        ("/machineactions/5382f7ea-7557-4ab7-9782-d50480024a4e", "mde-machineaction-get"),
        ("/machineactions", "mde-machineactions-filter-requestor"),
        ("/api/alerts/da637308392288907382_-880718168", "mde-alert-get"),
        ("/api/v1/alerts/603f704aaf7417985bbf3b22/", "mdca-alert-fetch"),
        ("/api/v1/activities/", "mdca-list-envelope-empty"),
    ]))
    .await;
    let program = crate::api::Program::of(&desk.app, Role::Analyst, None).await;
    let requestor = [("$filter", "requestor eq 'Analyst@contoso.com' and type eq 'RunAntiVirusScan'")];
    for (operation, args, query, name) in [
        ("endpoint.machines.get", &[DEVICE][..], &[][..], "mde-machine-get"),
        ("endpoint.actions.get", &["5382f7ea-7557-4ab7-9782-d50480024a4e"], &[], "mde-machineaction-get"),
        ("endpoint.actions.list", &[], &requestor, "mde-machineactions-filter-requestor"),
        ("endpoint.alerts.get", &["da637308392288907382_-880718168"], &[], "mde-alert-get"),
        ("cloud_apps.alerts.get", &["603f704aaf7417985bbf3b22"], &[], "mdca-alert-fetch"),
        ("cloud_apps.activities.list", &[], &[], "mdca-list-envelope-empty"),
    ] {
        let request = (operation == "cloud_apps.activities.list").then(|| json!({"filters": {}, "skip": 0, "limit": 100}));
        let asked = desk.asked(&lookups::New { operation, args, query, request }).await;
        let (_, told) = program.get(&format!("/lookups/{}", asked.lookup_id)).await;
        assert_eq!(told["answer"], sample(name), "{operation}: {told}");
        let call = desk.fake.calls().pop().unwrap();
        assert_eq!(call.query.get("$filter").map(String::as_str), query.first().map(|(_, text)| *text), "{operation}");
    }
}

#[tokio::test]
async fn the_documented_report_and_its_categories_are_shown_as_tables() {
    // The sample has no id; without one no report can be asked about.
    let report = "5fdb7a1c0b7d0c6d6c4d3f01";
    let desk = Desk::start(move |seen| {
        if !seen.path.ends_with("/discovery/streams/") {
            return serving(&[("/categories/", "mdca-discovery-categories")])(seen);
        }
        let mut stream = sample("mdca-discovery-stream");
        stream["_id"] = json!(report);
        Some(Reply::json(stream.to_string()))
    })
    .await;
    desk.asked(&lookups::New { operation: "cloud_apps.discovery.reports", ..lookups::New::default() }).await;
    let request = Some(json!({"streamId": report, "skip": 0, "limit": 100, "sortField": "score", "sortDirection": "desc"}));
    desk.asked(&lookups::New { operation: "cloud_apps.discovery.categories", request, ..lookups::New::default() }).await;
    let page = desk.page(&format!("/tenants/{{tenant}}/cloud-apps/discovery?report={report}")).await;
    let shown = page.texts("main").join(" ");
    assert!(shown.contains("dependency_udp") && shown.contains("Product design"), "{shown}");
}

#[tokio::test]
async fn the_documented_answers_to_closing_end_the_change_and_say_which_alert_microsoft_does_not_know() {
    let desk = Desk::start(serving(&[
        ("/close_benign/", "mdca-close-benign-ok"),
        ("/close_false_positive/", "mdca-close-false-positive-notfound"),
        ("/create_rule/", "mdca-close-benign-ok"),
    ]))
    .await;
    let alerts = ["5f843e9cfe3f6d80fe58a962"];
    let mut tx = desk.app.db.worker.tenant(desk.tenant).await.unwrap();
    let alert = Uuid::now_v7();
    sqlx::query(
        "insert into alerts (tenant_id, alert_id, product, external_id, title, severity, severity_raw, status, status_raw, created_at, updated_at)
         values ($1, $2, 'cloud_apps', $3, 'Title', 4, 'High', 'new', 'New', now(), now())",
    )
    .bind(desk.tenant)
    .bind(alert)
    .bind(alerts[0])
    .execute(&mut *tx)
    .await
    .unwrap();
    tx.commit().await.unwrap();
    let (path, id) = (format!("/tenants/{}/cloud-apps/alerts", desk.tenant), alert.to_string());
    for (verdict, call, state, told) in [
        ("benign:5", "close_benign", ChangeState::Done, None),
        ("false_positive:0", "close_false_positive", ChangeState::Failed, Some("5f843e9cfe3f6d80fe58a962")),
    ] {
        let change = ChangeId::new().to_string();
        let named = [("change", change.as_str()), ("act", "close"), ("alert", &id), ("verdict", verdict), ("comment", "Irrelevant")];
        let sent = desk.lead.post_form(&path, &named).await;
        assert!(sent.status.is_redirection(), "{}", sent.html);
        let [change] = desk.waiting().await[..] else { panic!("one change") };
        let ended = desk.pushed(change).await;
        assert_eq!(ended.state, state, "{verdict}: {:?}", ended.reason);
        let calls = desk.fake.calls();
        let made: Vec<_> = calls.iter().filter(|made| made.path.ends_with(&format!("/{call}/"))).collect();
        let [made] = made[..] else { panic!("{call} was made {} times", made.len()) };
        let (documented, body) = (sample("mdca-close-benign-request"), serde_json::from_str::<Value>(&made.body).unwrap());
        assert_eq!(body["filters"]["id"]["eq"], json!(alerts));
        for member in body.as_object().unwrap().keys() {
            assert!(documented.get(member).is_some(), "{member} is not in the sample");
        }
        let shown = desk.page("/tenants/{tenant}/changes").await.texts("tbody tr").join(" ");
        assert!(told.is_none_or(|told| shown.contains(told)), "{shown}");
    }
}

#[tokio::test]
async fn the_documented_hunting_results_are_rows_of_the_hunts_page() {
    let desk = Desk::start(serving(&[
        ("/advancedhunting/run", "xdr-advanced-hunting-response"),
        ("/advancedqueries/run", "mde-advanced-query-response"),
        ("/runHuntingQuery", "graph-hunting-response"),
    ]))
    .await;
    for (api, name, rows) in [
        ("defender_xdr", "xdr-advanced-hunting-response", "Results"),
        ("defender_endpoint", "mde-advanced-query-response", "Results"),
        ("graph", "graph-hunting-response", "results"),
    ] {
        let fields = [("query", "DeviceProcessEvents"), ("over", "all"), ("api", api)];
        let reply = desk.lead.post_form("/hunting", &fields).await;
        let path = reply.headers["location"].to_str().unwrap().to_owned();
        let id = HuntId(path.rsplit('/').next().unwrap().parse().unwrap());
        watchfloor::sync::hunt::hunt(&desk.reader, desk.tenant, id, clock::now()).await.unwrap();
        let shown = desk.page(&path).await.texts("main").join(" ");
        for row in sample(name)[rows].as_array().unwrap() {
            for value in row.as_object().unwrap().values().filter_map(Value::as_str) {
                assert!(shown.contains(value), "{api}: {value} is not in {shown}");
            }
        }
    }
}

#[tokio::test]
async fn a_log_goes_to_the_address_that_the_documented_answer_names_and_a_placeholder_is_no_address() {
    let upload = Upload::new("traffic.log", "GENERIC_CEF", "Firewall", false).unwrap();
    for (store, outcome) in [("<initiate_file_upload_response_url>", Err(200)), ("adallom.blob.core.windows.net/log", Ok(()))] {
        let answer = text("mdca-discovery-upload-url").replace("<initiate_file_upload_response_url>", store);
        let desk = Desk::start(move |seen| {
            Some(match seen.path.as_str() {
                path if path.ends_with("/upload_url/") => Reply::json(answer.clone()),
                path if path.ends_with("/done_upload/") => Reply::json("{}"),
                _ if seen.method == Method::PUT => Reply::status(201),
                _ => return None,
            })
        })
        .await;
        let target = Target { directory: DirectoryId::parse(fake::DIRECTORY).unwrap(), ..fake::target() };
        let log = (3, &b"log"[..]);
        let placed = desk.reader.microsoft.cloud_apps_put(&target, fake::APP, &upload, log, clock::now()).await;
        let told = match placed {
            Ok(placed) => desk.reader.microsoft.cloud_apps_done(&target, fake::APP, &upload, &placed, clock::now()).await,
            Err(error) => Err(error),
        };
        let put = desk.fake.calls().iter().filter(|call| call.method == Method::PUT).map(|call| call.body.clone()).collect::<Vec<_>>();
        match told {
            Ok(_) => assert_eq!((outcome, put), (Ok(()), vec!["log".to_owned()])),
            Err(CallError::Rejected { status, .. }) => assert_eq!((outcome, put), (Err(status), vec![])),
            Err(other) => panic!("{store}: {other:?}"),
        }
    }
}
