//! Who has how much to do, when an incident counts as acknowledged, and how long it took.

use crate::app::TestApp;
use crate::shift::{ago, incident};
use chrono::{DateTime, Utc};
use watchfloor::model::{IncidentId, Product, Role, Severity, Status, TenantId};
use watchfloor::store::ingest::{self, Incident};
use watchfloor::store::shift;

/// What Microsoft says of an incident: how many minutes ago it was opened and updated, where it stands, whose it is.
fn said(opened: i64, updated: i64, status: Status, owner: Option<&str>) -> Incident {
    Incident {
        external_id: "7".into(),
        title: "Case".into(),
        severity: Severity::High,
        severity_raw: "high".into(),
        status,
        status_raw: status.as_str().into(),
        classification: None,
        determination: None,
        assigned_to: owner.map(str::to_owned),
        tags: Vec::new(),
        redirect_to: None,
        entities: Vec::new(),
        products: Vec::new(),
        url: None,
        created_at: whole(ago(opened)),
        updated_at: whole(ago(updated)),
        body: format!("{{\"updated\":{updated},\"owner\":\"{}\"}}", owner.unwrap_or_default()),
    }
}

/// The database keeps microseconds.
fn whole(at: DateTime<Utc>) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(at.timestamp_micros()).unwrap()
}

/// Reads it, and says since when it is acknowledged.
async fn read(app: &TestApp, tenant: TenantId, incident: &Incident) -> Option<DateTime<Utc>> {
    let mut tx = app.db.worker.tenant(tenant).await.unwrap();
    ingest::store(&mut tx, tenant, Product::DefenderXdr, std::slice::from_ref(incident), &[]).await.unwrap();
    let at =
        sqlx::query_scalar("select acknowledged_at from incidents where tenant_id = $1").bind(tenant).fetch_one(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
    at
}

#[tokio::test]
async fn an_incident_is_acknowledged_when_it_is_first_seen_to_be_and_that_never_moves() {
    let app = TestApp::start().await;
    let tenant = app.tenant("Own").await;
    assert_eq!(read(&app, tenant, &said(600, 590, Status::New, None)).await, None);
    assert_eq!(read(&app, tenant, &said(600, 580, Status::Unknown, None)).await, None, "a word nobody knows is no work");
    let taken = said(600, 500, Status::New, Some("ann"));
    assert_eq!(read(&app, tenant, &taken).await, Some(taken.updated_at), "however long ago it was opened");
    for next in [
        said(600, 400, Status::InProgress, Some("bob")),
        said(600, 300, Status::Resolved, None),
        said(600, 200, Status::New, None),
        said(600, 100, Status::InProgress, Some("cid")),
    ] {
        assert_eq!(read(&app, tenant, &next).await, Some(taken.updated_at), "{next:?}");
    }
}

#[tokio::test]
async fn what_was_taken_when_it_was_first_read_counts_only_if_it_had_just_been_opened() {
    let app = TestApp::start().await;
    for (n, (first, known)) in [
        (said(50, 10, Status::New, Some("ann")), true),
        (said(50, 10, Status::InProgress, None), true),
        (said(50, 10, Status::Resolved, None), true),
        (said(50, 10, Status::New, None), false),
        (said(70, 10, Status::New, Some("ann")), false),
        (said(30 * 1440, 10, Status::Resolved, Some("ann")), false),
    ]
    .into_iter()
    .enumerate()
    {
        let tenant = app.tenant(&format!("Tenant {n}")).await;
        assert_eq!(read(&app, tenant, &first).await, known.then_some(first.updated_at), "{first:?}");
        if first.assigned_to.is_some() {
            let handed_on = Incident { assigned_to: Some("bob".into()), updated_at: whole(ago(5)), body: "{}".into(), ..first.clone() };
            assert_eq!(read(&app, tenant, &handed_on).await, known.then_some(first.updated_at), "nobody saw when: {first:?}");
        }
    }
    let (tenant, odd) = (app.tenant("Own").await, said(20, 30, Status::InProgress, None));
    assert_eq!(read(&app, tenant, &odd).await, Some(odd.created_at), "not before it was opened");
}

/// When an incident was opened, taken and resolved: minutes ago.
async fn took(app: &TestApp, tenant: TenantId, severity: i16, opened: i64, taken: i64, resolved: i64) -> IncidentId {
    let id = incident(app, tenant, ("Done", severity, "resolved", Some("ann"))).await;
    let mut tx = app.db.worker.tenant(tenant).await.unwrap();
    sqlx::query(
        "update incidents set created_at = b.at - $2 * interval '1 minute', acknowledged_at = b.at - $3 * interval '1 minute',
             resolved_at = b.at - $4 * interval '1 minute' from (values (now())) as b (at) where incident_id = $1",
    )
    .bind(id)
    .bind(opened)
    .bind(taken)
    .bind(resolved)
    .execute(&mut *tx)
    .await
    .unwrap();
    tx.commit().await.unwrap();
    id
}

#[tokio::test]
async fn the_times_are_the_medians_and_percentiles_of_the_last_seven_days_by_severity() {
    let app = TestApp::start().await;
    let (own, foreign) = (app.tenant("Own").await, app.tenant("Foreign").await);
    for n in 1..=10 {
        took(&app, own, 4, 1000, 1000 - n, 1000 - 10 * n).await; // taken after n minutes, resolved after ten times that
    }
    took(&app, own, 2, 1000, 940, 400).await;
    took(&app, own, 4, 20 * 1440, 8 * 1440, 8 * 1440 - 1).await; // before the week
    took(&app, foreign, 5, 5000, 100, 50).await;
    let viewer = app.sign_in_for(Role::Viewer, &[own]).await;
    let page = viewer.get("/shift").await.assert_success();
    let rows = page.texts("section[aria-labelledby=times-head] tbody tr");
    assert_eq!(
        rows,
        ["All 11 6 min 10 min 11 1 h 1 h 40 min", "▲ High 10 5 min 9 min 10 55 min 1 h 31 min", "● Low 1 1 h 1 h 1 10 h 10 h"]
    );
    let mut tx = app.db.web.tenant(own).await.unwrap();
    let lasted = shift::acknowledged(&mut tx, ago(7 * 1440)).await.unwrap();
    let high = lasted.iter().find(|one| one.severity == Some(Severity::High)).unwrap();
    assert_eq!((high.incidents, high.median, high.p90), (10, Some(330.0), Some(546.0)));
    assert!(!page.html.contains("In time"), "nothing was promised");
    let mut tx = app.db.worker.tenant(own).await.unwrap();
    let promise = "update incidents set acknowledge_by = created_at + interval '3 minutes' + make_interval(secs => severity), resolve_by = created_at + interval '11 hours'";
    sqlx::query(promise).execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
    let kept = viewer.get("/shift").await.assert_success().texts("section[aria-labelledby=times-head] td[data-label='In time']");
    assert_eq!(kept, ["27 %", "100 %", "30 %", "100 %", "0 %", "100 %"]);
    let none = app.sign_in_for(Role::Viewer, &[]).await.get("/shift").await.assert_success();
    assert!(none.texts("section[aria-labelledby=times-head]")[0].contains("Nothing to measure"));
}

/// A change that somebody asked for.
async fn asked(app: &TestApp, tenant: TenantId, actor: &str, state: &str, minutes: i64) {
    let mut tx = app.db.web.tenant(tenant).await.unwrap();
    sqlx::query(
        "insert into changes (tenant_id, change_id, operation, args, subject, actor, state, created_at)
         values ($1, gen_random_uuid(), 'xdr.incidents.update', array['1'], 'An incident', $2, $3, $4)",
    )
    .bind(tenant)
    .bind(actor)
    .bind(state)
    .bind(ago(minutes))
    .execute(&mut *tx)
    .await
    .unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn each_owner_has_a_row_with_what_is_open_and_what_was_done_and_nobody_stands_on_top() {
    let app = TestApp::start().await;
    let (own, second, foreign) = (app.tenant("Own").await, app.tenant("Second").await, app.tenant("Foreign").await);
    for (tenant, severity, owner) in [
        (own, 2, Some("Ann@example.com")),
        (second, 5, Some("ann@Example.com")),
        (own, 3, Some("bob & co")),
        (own, 1, None),
        (foreign, 5, Some("FOREIGN")),
        (foreign, 5, None),
    ] {
        incident(&app, tenant, ("Case", severity, "new", owner)).await;
    }
    let hidden = incident(&app, own, ("Case", 5, "new", Some("HIDDEN"))).await;
    let mut tx = app.db.worker.tenant(own).await.unwrap();
    sqlx::query("update incidents set hidden = true where incident_id = $1").bind(hidden).execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
    took(&app, own, 3, 1000, 900, 30).await;
    took(&app, own, 3, 9000, 8000, 7000).await;
    for (tenant, actor, state, minutes) in [
        (own, "ANN@example.com", "done", 30),
        (own, "ann@example.com", "failed", 40),
        (second, "ann@example.com", "lost", 50),
        (own, "zoe", "intended", 60),
        (own, "zoe", "done", 5000),
        (foreign, "FOREIGN", "failed", 30),
    ] {
        asked(&app, tenant, actor, state, minutes).await;
    }
    let rows =
        ["Nobody 1 ○ Informational 0", "Ann@example.com 2 ◆ Critical 0 3 2", "bob & co 1 ■ Medium 0 0 0", "ann 0 1 0 0", "zoe 0 0 1 0"];
    let (few, every) = (app.sign_in_for(Role::Viewer, &[own, second]).await, app.sign_in(Role::Viewer).await);
    let page = few.get("/shift").await.assert_success();
    let work = |css: &str| format!("section[aria-labelledby=work-head] {css}");
    assert_eq!(page.texts(&work("tbody tr")), rows);
    let links: Vec<String> = (1..=3).filter_map(|n| page.attribute(&work(&format!("tbody tr:nth-child({n}) th a")), "href")).collect();
    assert_eq!(links[0], "/incidents?owner=none");
    assert_eq!(links[2], "/incidents?owner=bob+%26+co");
    let queue = few.get(&links[1]).await.assert_success();
    assert_eq!(queue.texts("td.who").len(), 2, "both spellings: {}", links[1]);

    // Who sees every tenant is told owner by owner, from one to the next in the index.
    let mut tx = app.db.web.all_tenants().await.unwrap();
    sqlx::query("update tenants set state = 'offboarded' where tenant_id = $1").bind(foreign).execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(every.get("/shift").await.assert_success().texts(&work("tbody tr")), rows);
}

#[tokio::test]
async fn the_first_hundred_owners_are_shown_and_that_there_are_more() {
    let app = TestApp::start().await;
    let tenant = app.tenant("Own").await;
    for n in 0..100 {
        incident(&app, tenant, ("Case", 3, "new", Some(&format!("owner {n:03}")))).await;
    }
    let (few, every) = (app.sign_in_for(Role::Viewer, &[tenant]).await, app.sign_in(Role::Viewer).await);
    for (more, shown) in [(false, 101), (true, 101)] {
        if more {
            incident(&app, tenant, ("Case", 3, "new", Some("owner 100"))).await;
        }
        for visitor in [&few, &every] {
            let page = visitor.get("/shift").await.assert_success();
            assert_eq!(page.texts("section[aria-labelledby=work-head] tbody tr").len(), shown);
            assert_eq!(page.html.contains("The first 100 people are shown"), more);
        }
    }
}
