//! Before an incident is changed it is read again: whoever comes second is told what the first one did, and overwrites nothing.

use crate::app::Visitor;
use crate::graph_triage::{Customer, Portal, portal};
use axum::http::StatusCode;
use chrono::TimeDelta;
use uuid::Uuid;
use watchfloor::demo::{Api, Fault, Times};
use watchfloor::microsoft::Pace;
use watchfloor::model::{Adapter, ChangeId, ChangeState, Role, clock};
use watchfloor::store::changes;
use watchfloor::sync::push;

const BOTH: [(&str, Adapter, Api); 2] =
    [("ThroughGraph", Adapter::Graph, Api::Graph), ("ThroughDefender", Adapter::Defender, Api::DefenderXdr)];

async fn customer(portal: &Portal, name: &str, through: Adapter) -> Customer {
    portal.customer(name, &["respond", "graph"], Some(through)).await
}

/// Sends the form of an incident that was shown open and without an owner.
async fn asked(visitor: &Visitor, of: &Customer, rest: &[(&str, &str)]) -> StatusCode {
    asked_of(visitor, &format!("/incidents/{}", of.incident), rest).await
}

async fn asked_of(visitor: &Visitor, path: &str, rest: &[(&str, &str)]) -> StatusCode {
    let change = Uuid::now_v7().to_string();
    let shown = [("was_status", "Active"), ("was_owner", ""), ("was_verdict", "/"), ("was_tags", "")];
    let given = |name: &str| rest.iter().any(|(other, _)| *other == name);
    let empty = ["status", "assigned_to", "verdict", "tags", "comment"].into_iter().filter(|name| !given(name)).map(|name| (name, ""));
    let fields: Vec<_> = [("change", change.as_str())]
        .into_iter()
        .chain(shown.into_iter().filter(|(name, _)| !given(name)))
        .chain(rest.iter().copied())
        .chain(empty)
        .collect();
    visitor.post_form(path, &fields).await.status
}

/// How often an incident was to be changed.
fn patches(portal: &Portal, of: &Customer, api: Api) -> usize {
    portal.app.stand_in.world().ledger.requests_of(of.directory, api).iter().filter(|call| call.method == "PATCH").count()
}

const OWNER: &str = "select coalesce(assigned_to, 'nobody') from incidents";

#[tokio::test]
async fn of_two_who_take_the_same_incident_one_has_it_and_the_other_is_told_who() {
    let portal = portal().await;
    for (name, through, api) in BOTH {
        let of = customer(&portal, name, through).await;
        let (first, second) = (portal.app.sign_in(Role::Analyst).await, portal.app.sign_in(Role::Analyst).await);
        for visitor in [&first, &second] {
            assert_eq!(asked(visitor, &of, &[("take", "1")]).await, StatusCode::SEE_OTHER, "nothing is known of the other's form yet");
        }
        let ends = portal.sent(of.tenant).await;
        let owner = portal.text(of.tenant, OWNER).await;
        assert_eq!(ends[0].1, "done", "{name}");
        assert!(ends[1].1.starts_with("failed Not sent: somebody has changed it meanwhile"), "{name}: {ends:?}");
        assert!(ends[1].1.ends_with(&format!("the owner is {owner} now.")), "{name}: {ends:?}");
        assert_eq!(patches(&portal, &of, api), 1, "{name}");
        let page = second.get(&format!("/incidents/{}", of.incident)).await.assert_success();
        assert!(page.html.contains(&format!("the owner is {owner} now")), "{name}: what failed stands on the page");
        assert_eq!(asked(&second, &of, &[("take", "1"), ("was_owner", &owner)]).await, StatusCode::SEE_OTHER);
        assert_eq!(portal.sent(of.tenant).await[0].1, "done", "{name}: who has seen it and wants it all the same");
    }
}

#[tokio::test]
async fn whoever_saves_twice_is_not_told_of_their_own_first_change() {
    let portal = portal().await;
    for (name, through, api) in BOTH {
        let of = customer(&portal, name, through).await;
        let (analyst, other) = (portal.app.sign_in(Role::Analyst).await, portal.app.sign_in(Role::Analyst).await);
        // All from a page that showed it open and without an owner.
        let again = [("status", "Resolved"), ("verdict", "FalsePositive/Other"), ("comment", "Nothing"), ("take", "1")];
        assert_eq!(asked(&analyst, &of, &[("status", "InProgress"), ("take", "1")]).await, StatusCode::SEE_OTHER);
        assert_eq!(asked(&other, &of, &[("status", "InProgress"), ("take", "1")]).await, StatusCode::SEE_OTHER);
        assert_eq!(asked(&analyst, &of, &again).await, StatusCode::SEE_OTHER);
        let ends = portal.sent(of.tenant).await;
        assert!(ends[1].1.contains("somebody has changed it meanwhile"), "{name}: what is not one's own is told all the same");
        assert!([&ends[0], &ends[2]].iter().all(|(_, end)| end == "done"), "{name}: {ends:?}");
        assert_eq!(patches(&portal, &of, api), 2, "{name}");
        assert_eq!(portal.text(of.tenant, "select status from incidents").await, "resolved", "{name}");
    }
}

#[tokio::test]
async fn of_two_who_take_the_same_alert_one_has_it() {
    let portal = portal().await;
    for (name, through, _) in BOTH {
        let of = customer(&portal, name, through).await;
        let path = "select '/alerts/' || alert_id from alerts where product = 'defender_endpoint'";
        let path = portal.text(of.tenant, path).await;
        for visitor in [portal.app.sign_in(Role::Analyst).await, portal.app.sign_in(Role::Analyst).await] {
            assert_eq!(asked_of(&visitor, &path, &[("take", "1")]).await, StatusCode::SEE_OTHER);
        }
        let ends = portal.sent(of.tenant).await;
        let owner = portal.text(of.tenant, "select assigned_to from alerts where product = 'defender_endpoint'").await;
        assert_eq!(ends[0].1, "done", "{name}");
        assert!(ends[1].1.ends_with(&format!("the owner is {owner} now.")), "{name}: {ends:?}");
    }
}

#[tokio::test]
async fn what_was_changed_at_microsoft_after_it_was_read_is_seen_before_anything_is_sent() {
    let portal = portal().await;
    for (name, through, api) in BOTH {
        let of = customer(&portal, name, through).await;
        let number = portal.text(of.tenant, "select external_id from incidents").await.parse().unwrap();
        let analyst = portal.app.sign_in(Role::Analyst).await;
        assert_eq!(asked(&analyst, &of, &[("status", "InProgress"), ("comment", "I look at it")]).await, StatusCode::SEE_OTHER);
        portal.app.stand_in.world().resolve_incident(of.directory, number);
        let ends = portal.sent(of.tenant).await;
        assert!(ends[0].1.starts_with("failed Not sent: somebody has changed it meanwhile"), "{name}: {ends:?}");
        assert!(ends[0].1.to_lowercase().ends_with("the status is resolved now."), "{name}: {ends:?}");
        assert!(ends[1..].iter().all(|(_, end)| end.starts_with("cancelled Not sent")), "{name}: a comment is not sent alone: {ends:?}");
        assert_eq!((patches(&portal, &of, api), portal.comments(&of).len()), (0, 0), "{name}");
        assert_eq!(portal.text(of.tenant, "select status from incidents").await, "resolved", "{name}: its page shows it");
    }
}

#[tokio::test]
async fn what_had_to_wait_is_compared_again_and_only_what_is_to_change() {
    let portal = portal().await;
    for (name, through, api) in BOTH {
        let of = customer(&portal, name, through).await;
        let number = portal.text(of.tenant, "select external_id from incidents").await.parse().unwrap();
        let analyst = portal.app.sign_in(Role::Analyst).await;
        portal.app.stand_in.world().fault(of.directory, api, Fault::Throttle(Some("0".to_owned())), Times::Calls(1));
        assert_eq!(asked(&analyst, &of, &[("status", "InProgress")]).await, StatusCode::SEE_OTHER);
        assert!(portal.sent(of.tenant).await[0].1.starts_with("intended"), "{name}");
        portal.app.stand_in.world().resolve_incident(of.directory, number);
        let end = &portal.sent(of.tenant).await[0].1;
        assert!(end.to_lowercase().ends_with("the status is resolved now."), "{name}: {end}");
        // The status is nothing that whoever takes it has changed.
        assert_eq!(asked(&analyst, &of, &[("take", "1")]).await, StatusCode::SEE_OTHER);
        assert_eq!(portal.sent(of.tenant).await[0].1, "done", "{name}");
    }
}

#[tokio::test]
async fn while_a_change_of_an_incident_is_on_its_way_no_other_one_of_it_is_sent() {
    let portal = portal().await;
    let of = customer(&portal, "Contoso", Adapter::Defender).await;
    let analyst = portal.app.sign_in(Role::Analyst).await;
    for comment in ["One", "Two"] {
        assert_eq!(asked(&analyst, &of, &[("comment", comment)]).await, StatusCode::SEE_OTHER);
    }
    let mut tx = portal.app.db.worker.tenant(of.tenant).await.unwrap();
    let ids: Vec<ChangeId> = sqlx::query_scalar("select change_id from changes order by created_at").fetch_all(&mut *tx).await.unwrap();
    let first = changes::get(&mut tx, ids[0]).await.unwrap().unwrap();
    assert!(changes::claim(&mut tx, &first, clock::now()).await.unwrap().is_some());
    tx.commit().await.unwrap();
    let carry = async |id, now| push::carry(&portal.reader, of.tenant, id, Pace::Person, now).await.unwrap();
    assert_eq!(carry(ids[1], clock::now()).await, Some(TimeDelta::seconds(2)));
    assert_eq!(patches(&portal, &of, Api::DefenderXdr), 0);
    let mut tx = portal.app.db.worker.tenant(of.tenant).await.unwrap();
    assert_eq!(changes::get(&mut tx, ids[1]).await.unwrap().unwrap().state, ChangeState::Intended);
    // Its process died; once nothing can be under way any more, the other one's turn has come.
    sqlx::query("update changes set state = 'unknown' where change_id = $1").bind(ids[0]).execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(carry(ids[1], clock::now()).await, Some(TimeDelta::seconds(2)));
    assert_eq!(carry(ids[1], clock::now() + TimeDelta::minutes(3)).await, None);
    assert_eq!(patches(&portal, &of, Api::DefenderXdr), 1);
}

#[tokio::test]
async fn half_of_a_form_is_never_called_off() {
    let portal = portal().await;
    let of = customer(&portal, "Contoso", Adapter::Graph).await;
    let analyst = portal.app.sign_in(Role::Analyst).await;
    let closing = [("status", "Resolved"), ("verdict", "FalsePositive/NotMalicious"), ("comment", "A test of ours")];
    for (begun, off) in [(true, 0), (false, 2)] {
        assert_eq!(asked(&analyst, &of, &closing).await, StatusCode::SEE_OTHER);
        let mut tx = portal.app.db.worker.tenant(of.tenant).await.unwrap();
        let text = "select change_id from changes where state = 'intended' order by created_at";
        let ids: Vec<ChangeId> = sqlx::query_scalar(text).fetch_all(&mut *tx).await.unwrap();
        let update = changes::get(&mut tx, ids[0]).await.unwrap().unwrap();
        if begun {
            changes::claim(&mut tx, &update, clock::now()).await.unwrap().unwrap();
        }
        // Whatever order they are named in.
        let named = [ids[1], ids[0]];
        assert_eq!(changes::withdraw(&mut tx, of.tenant, &named, "Called off.", clock::now()).await.unwrap().len(), off, "{begun}");
        drop(tx);
        let mut tx = portal.app.db.worker.tenant(of.tenant).await.unwrap();
        sqlx::query("update changes set state = 'cancelled' where state = 'intended'").execute(&mut *tx).await.unwrap();
        tx.commit().await.unwrap();
    }
}
