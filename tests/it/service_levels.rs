//! Service levels: what is agreed, and the clocks that follow from it.

use crate::app::TestApp;
use crate::bulk::run;
use crate::staff::ask;
use chrono::{DateTime, TimeDelta, Utc};
use sqlx::AssertSqlSafe;
use tokio_util::sync::CancellationToken;
use watchfloor::config::Sync;
use watchfloor::microsoft::Client;
use watchfloor::model::{Aim, IncidentId, ServiceLevelId, Severity, SlaState, TenantId, clock};
use watchfloor::store::audit::{Actor, By};
use watchfloor::store::incidents::{self, Incident};
use watchfloor::store::service_levels::{self, Target, Terms, Which};
use watchfloor::sync::clocks;
use watchfloor::sync::read::Reader;

const OPERATOR: By = By { actor: Actor::Operator, ip: None };

fn terms(name: &str, targets: &[(Severity, i32, i32, bool)]) -> Terms {
    let target = |&(severity, acknowledge, resolve, always): &(Severity, i32, i32, bool)| Target {
        severity,
        acknowledge_minutes: Some(acknowledge),
        resolve_minutes: Some(resolve),
        always,
    };
    let (days, holidays) = ((1..=5).collect(), vec!["2026-12-25".parse().unwrap()]);
    let targets = targets.iter().map(target).collect();
    Terms { name: name.into(), time_zone: "Europe/Berlin".into(), opens: 480, closes: 1_080, days, holidays, targets }
}

/// A service level that a tenant has, for its incidents of high severity around the clock: an hour to acknowledge, four to resolve.
pub async fn agreed(app: &TestApp, tenant: TenantId) -> ServiceLevelId {
    let level = ServiceLevelId::new();
    let mut tx = app.db.web.all_tenants().await.unwrap();
    let terms = terms(&format!("Level {level}"), &[(Severity::High, 60, 240, true)]);
    service_levels::save(&mut tx, &OPERATOR, (level, None), &terms, clock::now()).await.unwrap();
    let since = clock::now() - TimeDelta::days(1);
    assert_eq!(service_levels::give(&mut tx, &OPERATOR, &Which::One(tenant), Some(level), since).await.unwrap(), 1);
    tx.commit().await.unwrap();
    level
}

async fn read(app: &TestApp, id: IncidentId) -> Incident {
    incidents::get(&mut app.db.web.all_tenants().await.unwrap(), id).await.unwrap().unwrap()
}

async fn deadline(app: &TestApp, id: IncidentId) -> Option<(Aim, i64, SlaState)> {
    let now = clock::now();
    let deadline = read(app, id).await.deadline(now)?;
    Some((deadline.aim, (deadline.due - now).num_minutes(), deadline.state))
}

pub async fn has_deadline(app: &TestApp, id: IncidentId) -> bool {
    deadline(app, id).await.is_some()
}

/// Opens an incident of this severity so many minutes ago.
pub async fn opened(app: &TestApp, tenant: TenantId, title: &str, severity: Severity, minutes: i64) -> IncidentId {
    let id = IncidentId::new();
    let mut tx = app.db.worker.tenant(tenant).await.unwrap();
    sqlx::query(
        "insert into incidents (tenant_id, incident_id, product, external_id, title, severity, severity_raw, status, status_raw, created_at, updated_at)
         values ($1, $2, 'defender_xdr', $2::text, $3, $4, '', 'new', 'Active', $5, $5)",
    )
    .bind(tenant)
    .bind(id)
    .bind(title)
    .bind(severity)
    .bind(clock::now() - TimeDelta::minutes(minutes))
    .execute(&mut *tx)
    .await
    .unwrap();
    tx.commit().await.unwrap();
    id
}

#[tokio::test]
async fn working_time_knows_nights_weekends_holidays_and_summer_time() {
    let app = TestApp::start().await;
    let tenant = app.tenant("Contoso").await;
    agreed(&app, tenant).await;
    let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
    // Berlin is an hour ahead in winter: 08:00 to 18:00 there is 07:00Z to 17:00Z.
    for (since, minutes, wanted) in [
        ("2026-11-27T09:00:00Z", 60, "2026-11-27T10:00:00Z"),
        ("2026-11-27T16:30:00Z", 60, "2026-11-30T07:30:00Z"),
        ("2026-11-28T12:00:00Z", 1, "2026-11-30T07:01:00Z"),
        ("2026-11-27T03:00:00Z", 600, "2026-11-27T17:00:00Z"),
        ("2026-12-24T16:00:00Z", 120, "2026-12-28T08:00:00Z"),
        ("2027-03-26T16:00:00Z", 120, "2027-03-29T07:00:00Z"),
    ] {
        let text = format!("select working_end(l, false, '{since}'::timestamptz, {}::bigint) from service_levels as l", minutes * 60);
        let mut tx = app.db.web.all_tenants().await.unwrap();
        let end: DateTime<Utc> = sqlx::query_scalar(AssertSqlSafe(text)).fetch_one(&mut *tx).await.unwrap();
        assert_eq!(end, at(wanted), "{since} and {minutes} minutes");
        let text = format!("select working_seconds(l, false, '{since}'::timestamptz, '{wanted}'::timestamptz) from service_levels as l");
        let between: i64 = sqlx::query_scalar(AssertSqlSafe(text)).fetch_one(&mut *tx).await.unwrap();
        assert_eq!(between, minutes * 60, "{since}");
    }
}

#[tokio::test]
async fn a_clock_runs_to_the_acknowledgement_then_to_the_end_and_stands_still_while_the_customer_is_waited_for() {
    let app = TestApp::start().await;
    let (contoso, fabrikam) = (app.tenant("Contoso").await, app.tenant("Fabrikam").await);
    agreed(&app, contoso).await;
    let id = opened(&app, contoso, "Phishing", Severity::High, 10).await;
    assert_eq!(deadline(&app, id).await, Some((Aim::Acknowledge, 49, SlaState::OnTrack)));
    let low = opened(&app, contoso, "Adware", Severity::Low, 10).await;
    let other = opened(&app, fabrikam, "Phishing", Severity::High, 10).await;
    assert_eq!((deadline(&app, low).await, deadline(&app, other).await), (None, None), "nothing was agreed for these");

    run(&app, contoso, "update incidents set created_at = now() - interval '46 minutes' where title = 'Phishing'").await;
    assert_eq!(deadline(&app, id).await, Some((Aim::Acknowledge, 13, SlaState::AtRisk)));
    run(&app, contoso, "update incidents set created_at = now() - interval '70 minutes' where title = 'Phishing'").await;
    assert_eq!(deadline(&app, id).await, Some((Aim::Acknowledge, -10, SlaState::Breached)));
    run(&app, contoso, "update incidents set assigned_to = 'kim', acknowledged_at = now() where title = 'Phishing'").await;
    assert_eq!(deadline(&app, id).await, Some((Aim::Resolve, 169, SlaState::OnTrack)));
    let promised = read(&app, id).await.acknowledge_by;

    run(&app, contoso, "update incidents set waiting_since = now() - interval '30 minutes' where title = 'Phishing'").await;
    assert_eq!(deadline(&app, id).await, None, "it stands still");
    run(&app, contoso, "update incidents set waiting_since = null where title = 'Phishing'").await;
    assert_eq!(deadline(&app, id).await, Some((Aim::Resolve, 199, SlaState::OnTrack)), "and goes on with what was left");
    assert_eq!(read(&app, id).await.acknowledge_by, promised, "what was late stays late");

    run(&app, contoso, "update incidents set severity = 2 where title = 'Phishing'").await;
    assert_eq!(deadline(&app, id).await, None);
    run(&app, contoso, "update incidents set severity = 4 where title = 'Phishing'").await;
    run(&app, contoso, "update incidents set status = 'resolved', resolved_at = now() where title = 'Phishing'").await;
    let closed = read(&app, id).await;
    assert!(closed.deadline(clock::now()).is_none() && closed.resolve_by.is_some(), "what was promised stays known");
}

#[tokio::test]
async fn what_was_done_is_judged_by_the_clock_of_its_day() {
    let app = TestApp::start().await;
    let (contoso, fabrikam) = (app.tenant("Contoso").await, app.tenant("Fabrikam").await);
    let before = opened(&app, fabrikam, "Before", Severity::High, 300).await;
    run(&app, fabrikam, "update incidents set assigned_to = 'kim', acknowledged_at = now() - interval '4 hours'").await;
    agreed(&app, contoso).await;
    // Taken while it waits: the clock stood still.
    let id = opened(&app, contoso, "Phishing", Severity::High, 300).await;
    run(&app, contoso, "update incidents set waiting_since = now() - interval '290 minutes'").await;
    run(&app, contoso, "update incidents set assigned_to = 'kim', acknowledged_at = now()").await;
    let taken = read(&app, id).await;
    assert!(taken.acknowledged_at < taken.acknowledge_by, "{taken:?}");
    // What is closed stays as it was, whatever is agreed or said of it later.
    run(&app, contoso, "update incidents set status = 'resolved', resolved_at = now()").await;
    let closed = read(&app, id).await;
    run(&app, contoso, "update tenants set service_level_id = null, service_level_since = null").await;
    run(&app, contoso, "update incidents set severity = 2, assigned_to = null").await;
    let later = read(&app, id).await;
    assert!(closed.resolve_by.is_some());
    assert_eq!((later.acknowledge_by, later.resolve_by), (closed.acknowledge_by, closed.resolve_by));

    // What was taken before anything was agreed was promised to nobody.
    let level = ask::<ServiceLevelId>(&app, "select service_level_id from service_levels").await;
    let mut tx = app.db.web.all_tenants().await.unwrap();
    service_levels::give(&mut tx, &OPERATOR, &Which::One(fabrikam), Some(level), clock::now()).await.unwrap();
    assert!(service_levels::settle(&mut tx, fabrikam).await.unwrap());
    tx.commit().await.unwrap();
    let old = read(&app, before).await;
    assert!(old.acknowledge_by.is_none() && old.resolve_by.is_some());
}

#[tokio::test]
async fn a_wait_counts_from_the_agreement_and_not_into_the_next() {
    let app = TestApp::start().await;
    let contoso = app.tenant("Contoso").await;
    let id = opened(&app, contoso, "Phishing", Severity::High, 60 * 24 * 9).await;
    run(&app, contoso, "update incidents set waiting_since = now() - interval '8 days'").await;
    let level = agreed(&app, contoso).await; // since a day
    run(&app, contoso, "update incidents set waiting_since = null").await;
    assert_eq!(deadline(&app, id).await, Some((Aim::Acknowledge, 59, SlaState::OnTrack)), "it stood still for that day");
    run(&app, contoso, "update tenants set service_level_since = now() - interval '10 minutes'").await;
    run(&app, contoso, "update incidents set urgency = 0").await;
    assert_eq!(deadline(&app, id).await, Some((Aim::Acknowledge, 49, SlaState::OnTrack)), "and not for days of the new one");
    let mut tx = app.db.web.all_tenants().await.unwrap();
    sqlx::query("update tenants set state = 'offboarded'").execute(&mut *tx).await.unwrap();
    service_levels::delete(&mut tx, &OPERATOR, level).await.unwrap();
}

#[tokio::test]
async fn clocks_follow_a_change_of_what_is_agreed_and_what_was_before_the_agreement_is_counted_from_its_day() {
    let app = TestApp::start().await;
    let (contoso, fabrikam) = (app.tenant("Contoso").await, app.tenant("Fabrikam").await);
    let id = opened(&app, contoso, "Old", Severity::High, 60 * 24 * 9).await;
    let level = agreed(&app, contoso).await;
    let client = Client::stand_in(app.stand_in.address(), &[], clock::now()).unwrap();
    let reader = Reader::new(app.db.worker.clone(), client, Sync::default(), CancellationToken::new());
    clocks::keep_up(&reader).await.unwrap();
    assert_eq!(deadline(&app, id).await, Some((Aim::Acknowledge, 60 - 24 * 60, SlaState::Breached)));

    let mut tx = app.db.web.all_tenants().await.unwrap();
    let (before, version) = service_levels::get(&mut tx, level).await.unwrap().unwrap();
    let after = Terms { targets: terms("", &[(Severity::High, 2_880, 14_400, true)]).targets, ..before.clone() };
    let (changed, stale) = (clock::now(), (level, Some(version - TimeDelta::seconds(1))));
    assert!(service_levels::save(&mut tx, &OPERATOR, stale, &after, changed).await.is_err(), "of another version");
    service_levels::save(&mut tx, &OPERATOR, (level, Some(version)), &after, changed).await.unwrap();
    tx.commit().await.unwrap();
    let mut reading = app.db.worker.tenant(contoso).await.unwrap();
    let turn = "select pg_advisory_xact_lock(hashtextextended('ingest ' || $1::text, 0))";
    sqlx::query(turn).bind(contoso).execute(&mut *reading).await.unwrap();
    clocks::keep_up(&reader).await.unwrap();
    assert_eq!(deadline(&app, id).await.unwrap().2, SlaState::Breached, "not while a reading is being stored");
    reading.commit().await.unwrap();
    clocks::keep_up(&reader).await.unwrap();
    assert_eq!(deadline(&app, id).await, Some((Aim::Acknowledge, 24 * 60 - 1, SlaState::OnTrack)));
    assert_eq!(ask::<i64>(&app, "select count(*) from tenants where clocks_stale_at is not null").await, 0);

    let mut tx = app.db.web.all_tenants().await.unwrap();
    assert_eq!(service_levels::give(&mut tx, &OPERATOR, &Which::Without, Some(level), changed).await.unwrap(), 1);
    assert_eq!(service_levels::of_tenant(&mut tx, fabrikam).await.unwrap().unwrap().0, level);
    assert!(service_levels::delete(&mut tx, &OPERATOR, level).await.is_err());
}
