//! Incidents, alerts and devices changed at Microsoft: once each, with what Microsoft answers stored, also when an answer is lost.

use crate::acting::{ENDPOINT, ann, change, device, pushed, wanted};
use crate::rig::{Customer, Rig};
use serde_json::{Value, json};
use watchfloor::app::triage::{self, Event};
use watchfloor::app::{acting, collected as app_collected};
use watchfloor::demo::{Api, Fault, Loss, Times};
use watchfloor::model::ChangeState;
use watchfloor::model::action::Deed;
use watchfloor::store::changes::{Change, New};

async fn update(rig: &Rig, customer: Customer, (operation, id): (&str, &str), request: Value) -> Change {
    let change = acting::fresh();
    let mut tx = rig.db.web.tenant(customer.tenant).await.unwrap();
    let new = New { operation, args: &[id], subject: "An object", request: Some(request), comment: None };
    acting::want(&mut tx, &rig.reader.queue, &ann(), customer.tenant, change, &new).await.unwrap();
    tx.commit().await.unwrap();
    pushed(rig, customer, change).await
}

#[tokio::test]
async fn an_incident_is_changed_once_its_answer_is_stored_and_microsofts_words_are_shown() {
    let rig = Rig::start().await;
    let customer = rig.acting_customer("Fir").await;
    rig.verify(customer, 3).await;
    let incident = rig.cloud.world().add_incident(customer.directory, "One").unwrap().to_string();
    let of = ("xdr.incidents.update", incident.as_str());
    // The sample of Microsoft's page, as it stands there.
    let sample: Value = serde_json::from_str(include_str!("../fixtures/xdr-incident-update-request.json")).unwrap();
    assert_eq!(update(&rig, customer, of, sample.clone()).await.state, ChangeState::Done);
    let stored = rig.text(customer, "select concat_ws(' ', status, assigned_to, classification, determination) from incidents").await;
    assert_eq!(stored.as_deref(), Some("resolved secop2@contoso.com TruePositive Malware"));
    for (fault, state) in [
        (Fault::Acted(Loss::Cut), ChangeState::Done),
        (Fault::Acted(Loss::Half), ChangeState::Done),
        (Fault::Acted(Loss::Status(500)), ChangeState::Done),
        (Fault::TruncatedJson, ChangeState::Done),
        (Fault::Cut, ChangeState::Lost),
        (Fault::html(), ChangeState::Lost),
        (Fault::empty(), ChangeState::Lost),
    ] {
        rig.fault(customer, Api::DefenderXdr, fault, Times::Calls(1));
        let comment = format!("note of {state} {} (ann)", rig.now());
        let ended = update(&rig, customer, of, json!({"status": "InProgress", "comment": comment})).await;
        assert_eq!(ended.state, state, "{:?}", ended.reason);
        let begun = rig.cloud.world().ledger.requests_of(customer.directory, Api::DefenderXdr);
        assert_eq!(begun.iter().filter(|call| call.json.as_ref().is_some_and(|body| body.contains(&comment))).count(), 1);
    }
    let wrong = update(&rig, customer, of, json!({"classification": "Nonsense"})).await;
    assert!(wrong.state == ChangeState::Failed && wrong.reason.unwrap().contains("Allowed values"));
    let wrong = update(&rig, customer, of, json!({"Status": "Resolved"})).await;
    assert_eq!(wrong.state, ChangeState::Failed, "names are case-sensitive");
}

#[tokio::test]
async fn alerts_are_changed_one_by_one_and_many_at_once_and_made_from_an_event() {
    let rig = Rig::start().await;
    let customer = rig.acting_customer("Gorse").await;
    let device = device(&rig, customer).await;
    rig.cloud.world().add_incident(customer.directory, "One").unwrap();
    rig.cloud.world().add_incident(customer.directory, "Two").unwrap();
    rig.verify(customer, 3).await;
    rig.settle(customer).await;
    let rows = rig.rows(customer, "select external_id from alerts where product = 'defender_endpoint' order by 1").await;
    let ids: Vec<String> = rows.iter().map(|row| sqlx::Row::get(row, 0)).collect();
    let sample: Value = serde_json::from_str(include_str!("../fixtures/mde-alert-update-request.json")).unwrap();
    for fault in [None, Some(Fault::Acted(Loss::Cut))] {
        if let Some(fault) = fault {
            rig.fault(customer, ENDPOINT, fault, Times::Calls(1));
        }
        assert_eq!(update(&rig, customer, ("endpoint.alerts.update", &ids[0]), sample.clone()).await.state, ChangeState::Done);
    }
    assert_eq!(rig.count(customer, "alerts where status = 'resolved' and classification = 'FalsePositive'").await, 1);
    for (fault, state) in
        [(None, ChangeState::Done), (Some(Fault::Acted(Loss::Cut)), ChangeState::Done), (Some(Fault::Cut), ChangeState::Lost)]
    {
        if let Some(fault) = fault {
            rig.fault(customer, ENDPOINT, fault, Times::Calls(1));
        }
        let mut body: Value = serde_json::from_str(include_str!("../fixtures/mde-alerts-batchupdate-request.json")).unwrap();
        body["alertIds"] = json!(ids);
        body["comment"] = json!(format!("batch at {}", rig.now()));
        let ended = update(&rig, customer, ("endpoint.alerts.batch", "batch"), body).await;
        assert_eq!(ended.state, state, "{:?}", ended.reason);
        rig.pass(60);
    }
    let event = json!({"machineId": device.external_id, "severity": "Low", "title": "Found by hunting", "description": "x",
        "recommendedAction": "Look", "eventTime": "2026-11-25T10:00:00Z", "reportId": "20776", "category": "Exploit"});
    assert_eq!(update(&rig, customer, ("endpoint.alerts.create", "alert"), event).await.state, ChangeState::Done);
    assert_eq!(rig.count(customer, "alerts where title = 'Found by hunting'").await, 1);
}

#[tokio::test]
async fn an_alert_that_was_not_made_and_is_asked_for_again_is_found_by_its_new_id_when_the_answer_is_lost() {
    let rig = Rig::start().await;
    let customer = rig.acting_customer("Juniper").await;
    let machine = device(&rig, customer).await.external_id;
    rig.verify(customer, 3).await;
    let event = Event {
        machine: &machine,
        event_time: "2026-11-25T10:00:00Z",
        report_id: "20776",
        title: "Found by hunting",
        severity: "Low",
        category: "Exploit",
        description: "A strange file",
        recommended_action: "Look",
    };
    let (first, second) = (acting::fresh(), acting::fresh());
    let begin = async || rig.db.web.tenant(customer.tenant).await.unwrap();
    rig.fault(customer, ENDPOINT, Fault::Cut, Times::Calls(1));
    let mut tx = begin().await;
    triage::create(&mut tx, &rig.reader.queue, &ann(), customer.tenant, first, &event).await.unwrap();
    tx.commit().await.unwrap();
    let lost = pushed(&rig, customer, first).await;
    assert_eq!(lost.state, ChangeState::Lost, "{:?}", lost.reason);
    rig.fault(customer, ENDPOINT, Fault::Acted(Loss::Cut), Times::Calls(1));
    let mut tx = begin().await;
    acting::again(&mut tx, &rig.reader.queue, &ann(), &lost, second).await.unwrap();
    tx.commit().await.unwrap();
    let found = pushed(&rig, customer, second).await;
    assert_eq!(found.state, ChangeState::Done, "{:?}", found.reason);
    let description = found.request.unwrap()["description"].as_str().unwrap().to_owned();
    assert_eq!(description, format!("A strange file (ann, watchfloor {second})"));
}

#[tokio::test]
async fn devices_are_read_tagged_and_valued_and_those_that_are_gone_are_marked() {
    let rig = Rig::start().await;
    let customer = rig.acting_customer("Hazel").await;
    let device = device(&rig, customer).await;
    assert_eq!(rig.count(customer, "devices").await, 10);
    for (fault, action, there) in
        [(None, "Add", 1), (Some(Fault::Acted(Loss::Cut)), "Remove", 0), (Some(Fault::Acted(Loss::Cut)), "Add", 1)]
    {
        if let Some(fault) = fault {
            rig.fault(customer, ENDPOINT, fault, Times::Calls(1));
        }
        let of = ("endpoint.machines.tags", device.external_id.as_str());
        assert_eq!(update(&rig, customer, of, json!({"Value": "VIP", "Action": action})).await.state, ChangeState::Done);
        assert_eq!(rig.count(customer, "devices where tags @> array['VIP']").await, there, "{action}");
    }
    let of = ("endpoint.machines.update", device.external_id.as_str());
    assert_eq!(update(&rig, customer, of, json!({"deviceValue": "High"})).await.state, ChangeState::Done);
    assert_eq!(rig.count(customer, "devices where value = 'High'").await, 1);
    assert_eq!(update(&rig, customer, of, json!({"deviceValue": "Priceless"})).await.state, ChangeState::Failed);
    // A 404 is an empty list.
    rig.pass(60);
    rig.cloud.world().directory_mut(customer.directory).unwrap().forget_devices();
    watchfloor::sync::devices::read(&rig.reader, customer.tenant, rig.now()).await.unwrap();
    assert_eq!(rig.count(customer, "devices where gone_at is not null").await, 10);
    assert_eq!(rig.count(customer, "device_reads where read_at is not null and failing_since is null").await, 1);
    // A failing reading keeps what is known and says so.
    rig.fault(customer, ENDPOINT, Fault::Forbidden, Times::Calls(1));
    watchfloor::sync::devices::read(&rig.reader, customer.tenant, rig.now()).await.unwrap();
    assert_eq!(rig.count(customer, "device_reads where reason like '%permission is missing%'").await, 1);
}

#[tokio::test]
async fn questions_about_devices_are_answered_and_links_to_what_was_collected_are_never_stored() {
    let rig = Rig::start().await;
    let customer = rig.acting_customer("Iris").await;
    let device = device(&rig, customer).await;
    rig.cloud.world().add_incident(customer.directory, "One").unwrap();
    let ask = async |operation: &'static str| {
        let args = [device.external_id.as_str()];
        let new = watchfloor::store::lookups::New { operation, args: &args, ..Default::default() };
        let answer = crate::lookups::asked(&rig, customer, &new).await;
        serde_json::from_str::<Value>(answer.answer.as_deref().unwrap_or("null")).unwrap()
    };
    assert_eq!(ask("endpoint.machines.get").await["id"], device.external_id.as_str());
    assert_eq!(ask("endpoint.machines.users").await["value"].as_array().unwrap().len(), 1);
    let alerts = ask("endpoint.machines.alerts").await["value"].as_array().unwrap().len();
    assert_eq!(ask("endpoint.machines.alert_count").await, json!(alerts), "a bare number");
    assert_eq!(ask("endpoint.indicators.list").await["value"][0]["indicatorType"], "IpAddress");
    assert_eq!(ask("endpoint.investigations.list").await["value"], json!([]));

    for (deed, index) in [(Deed::Collect, None), (Deed::LiveResponse, Some(0))] {
        let id = wanted(&rig, &device, deed).await;
        let collected = async || {
            let of = change(&rig, customer, id).await;
            app_collected::link(&rig.db.web, &rig.reader.microsoft, &ann(), &of, index).await.unwrap()
        };
        watchfloor::sync::push::push(&rig.reader, customer.tenant, id, rig.now()).await.unwrap();
        assert!(collected().await.is_err(), "not before it has ended");
        assert_eq!(pushed(&rig, customer, id).await.state, ChangeState::Done);
        let link = collected().await.unwrap();
        assert!(
            link.scheme() == "https"
                && ["userrequests-us.securitycenter.windows.com", "core.windows.net"].contains(&link.host_str().unwrap())
        );
        rig.pass(120);
    }
    for place in [
        "changes where changes::text like '%safedownload%' or changes::text like '%CustomPlaybook%'",
        "lookups where answer like '%safedownload%'",
    ] {
        assert_eq!(rig.count(customer, place).await, 0, "{place}");
    }
    assert_eq!(rig.audited(customer, "action.collected").await, 4);
}
