//! The page of the shift: what changed since somebody looked, whose mark that is, and the notes for whoever comes next.

use crate::app::{Reply, TestApp, Visitor};
use axum::http::StatusCode;
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use watchfloor::model::{IncidentId, NoteId, Role, TenantId, UserId, clock};
use watchfloor::store;

/// A time before now.
pub fn ago(minutes: i64) -> DateTime<Utc> {
    clock::now() - TimeDelta::minutes(minutes)
}

/// An incident that was opened two days ago: its title, severity, status and owner.
pub async fn incident(app: &TestApp, tenant: TenantId, (title, severity, status, owner): (&str, i16, &str, Option<&str>)) -> IncidentId {
    let id = IncidentId::new();
    let mut tx = app.db.worker.tenant(tenant).await.unwrap();
    sqlx::query(
        "insert into incidents (tenant_id, incident_id, product, external_id, title, severity, severity_raw, status, status_raw, assigned_to,
                                created_at, updated_at)
         values ($1, $2, 'defender_xdr', $2::text, $3, $4, 'x', $5, 'x', $6, now() - interval '2 days', now())",
    )
    .bind(tenant)
    .bind(id)
    .bind(title)
    .bind(severity)
    .bind(status)
    .bind(owner)
    .execute(&mut *tx)
    .await
    .unwrap();
    tx.commit().await.unwrap();
    id
}

/// What a change was: its kind, from what, to what.
type What<'a> = (&'a str, Option<&'a str>, Option<&'a str>);

/// So many changes alike, read at one time and dated another.
async fn happened(app: &TestApp, of: (TenantId, IncidentId), (read, at): (DateTime<Utc>, DateTime<Utc>), times: i32, what: What<'_>) {
    let mut tx = app.db.worker.tenant(of.0).await.unwrap();
    sqlx::query(
        "insert into incident_events (tenant_id, event_id, incident_id, at, kind, before, after)
         select $1, (lpad(to_hex($3), 12, '0') || '70008' || substr(md5($2::text || $5 || coalesce($7, '') || n), 1, 15))::uuid, $2, $4, $5, $6, $7
         from generate_series(1, $8) as n",
    )
    .bind(of.0)
    .bind(of.1)
    .bind(read.timestamp_millis())
    .bind(at)
    .bind(what.0)
    .bind(what.1)
    .bind(what.2)
    .bind(times)
    .execute(&mut *tx)
    .await
    .unwrap();
    tx.commit().await.unwrap();
}

/// An incident to which something happened, read and dated half an hour ago.
async fn changed(app: &TestApp, tenant: TenantId, title: &str, severity: i16, status: &str, what: What<'_>) -> IncidentId {
    let id = incident(app, tenant, (title, severity, status, None)).await;
    happened(app, (tenant, id), (ago(30), ago(30)), 1, what).await;
    id
}

async fn look(visitor: &Visitor, until: DateTime<Utc>) -> Reply {
    visitor.post_form("/shift/looked", &[("until", &until.to_rfc3339_opts(SecondsFormat::Micros, true))]).await
}

async fn shift(visitor: &Visitor) -> Reply {
    visitor.get("/shift").await.assert_success()
}

fn titles(page: &Reply) -> Vec<String> {
    page.texts("table.queue th.title a")
}

async fn mark(app: &TestApp, user: UserId) -> Option<DateTime<Utc>> {
    let mut tx = app.db.web.no_tenant().await.unwrap();
    sqlx::query_scalar("select looked_at from users where user_id = $1").bind(user).fetch_one(&mut *tx).await.unwrap()
}

#[tokio::test]
async fn each_kind_of_change_is_counted_once_an_incident_and_only_for_those_who_see_it() {
    let app = TestApp::start().await;
    let (own, foreign, gone) = (app.tenant("Own").await, app.tenant("Foreign").await, app.tenant("Gone").await);
    changed(&app, own, "opened", 5, "new", ("opened", None, Some("critical"))).await;
    let taken = changed(&app, own, "taken", 2, "new", ("owner", None, Some("ann"))).await;
    happened(&app, (own, taken), (ago(20), ago(20)), 3, ("owner", None, Some("bob"))).await;
    changed(&app, own, "handed on", 2, "new", ("owner", Some("ann"), Some("bob"))).await;
    changed(&app, own, "raised", 4, "in_progress", ("severity", Some("medium"), Some("high"))).await;
    changed(&app, own, "lowered", 1, "new", ("severity", Some("high"), Some("informational"))).await;
    changed(&app, own, "resolved", 5, "resolved", ("status", Some("new"), Some("resolved"))).await;
    changed(&app, own, "reopened", 3, "in_progress", ("status", Some("resolved"), Some("in_progress"))).await;
    incident(&app, own, ("unchanged", 5, "new", None)).await;
    let hidden = changed(&app, own, "HIDDEN", 5, "new", ("opened", None, Some("critical"))).await;
    for tenant in [foreign, gone] {
        changed(&app, tenant, "FOREIGN", 5, "new", ("opened", None, Some("critical"))).await;
    }
    let mut tx = app.db.web.all_tenants().await.unwrap();
    sqlx::query("update incidents set hidden = true where incident_id = $1").bind(hidden).execute(&mut *tx).await.unwrap();
    sqlx::query("update tenants set state = 'offboarded' where tenant_id = $1").bind(gone).execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();

    let page = shift(&app.sign_in_for(Role::Viewer, &[own]).await).await;
    assert_eq!(page.texts(".tile .label"), ["Changed", "First read", "Taken", "Raised", "Seen resolved", "Reopened"]);
    assert_eq!(page.texts(".tile .value"), ["7", "1", "1", "1", "1", "1"]);
    assert_eq!(
        titles(&page),
        ["opened", "raised", "reopened", "taken", "handed on", "lowered", "resolved"],
        "open ones first, then the worst"
    );
    assert!(!page.html.contains("FOREIGN") && !page.html.contains("HIDDEN"));
    let words = page.texts("td.happened");
    assert_eq!(words[1], "Severity: Medium → High");
    assert_eq!(words[3], "Owner: nobody → ann Owner: nobody → bob Owner: nobody → bob Owner: nobody → bob");
    assert_eq!(words[6], "Status: New → Resolved");
    assert_eq!(page.texts("tr.gone th.title a"), ["resolved"]);
    let page = shift(&app.sign_in(Role::Viewer).await).await;
    assert_eq!(page.texts(".tile .value"), ["8", "2", "1", "1", "1", "1"], "who sees all tenants, but for the offboarded one");
}

#[tokio::test]
async fn what_is_read_after_one_looked_is_shown_however_old_its_date_and_what_a_first_reading_finds_is_not() {
    let app = TestApp::start().await;
    let tenant = app.tenant("Own").await;
    for (title, read, dated) in [("LATE", 30, 300), ("HISTORY", 30, 30 * 1440), ("SEEN", 120, 120)] {
        let id = incident(&app, tenant, (title, 3, "new", None)).await;
        happened(&app, (tenant, id), (ago(read), ago(dated)), 1, ("opened", None, Some("medium"))).await;
    }
    let analyst = app.sign_in(Role::Analyst).await;
    let page = shift(&analyst).await;
    assert_eq!(titles(&page).len(), 2, "a day");
    assert!(page.texts(".page-head p")[0].contains("you have not said yet"), "{:?}", page.texts(".page-head p"));
    look(&analyst, ago(60)).await.assert_redirect("/shift");
    let page = shift(&analyst).await;
    assert_eq!((titles(&page), &page.texts(".tile .value")[..2]), (vec!["LATE".to_owned()], &["1".to_owned(), "1".to_owned()][..]));
    assert!(page.texts(".page-head p")[0].ends_with("when you looked last."), "{:?}", page.texts(".page-head p"));
    look(&analyst, ago(10)).await;
    let page = shift(&analyst).await;
    assert_eq!((titles(&page).len(), &page.texts(".empty h2")[0][..15]), (0, "Nothing changed"));
    for since in ["8h", "24h", "looked&since="] {
        let reply = analyst.get(&format!("/shift?since={since}")).await;
        assert_eq!(reply.status, if since.contains('&') { StatusCode::BAD_REQUEST } else { StatusCode::OK }, "{since}");
    }
    assert_eq!(titles(&analyst.get("/shift?since=8h").await).len(), 2);
    let clock = ago(90).format("%H:%M").to_string();
    let page = analyst.get(&format!("/shift?since={}", clock.replace(':', "%3A"))).await.assert_success();
    assert_eq!((titles(&page), page.attribute("#since", "value").unwrap()), (vec!["LATE".to_owned()], clock));
    for bad in ["9h", "25:00", "6:00", "yesterday", "%00"] {
        assert_eq!(analyst.get(&format!("/shift?since={bad}")).await.status, StatusCode::BAD_REQUEST, "{bad}");
    }
}

#[tokio::test]
async fn what_comes_between_making_the_page_and_pressing_is_shown_next_time() {
    let app = TestApp::start().await;
    let tenant = app.tenant("Own").await;
    changed(&app, tenant, "BEFORE", 3, "new", ("opened", None, Some("medium"))).await;
    let viewer = app.sign_in(Role::Viewer).await;
    let page = shift(&viewer).await;
    assert_eq!(titles(&page), ["BEFORE"]);
    let until = page.attribute("input[name=until]", "value").unwrap();
    let between = incident(&app, tenant, ("BETWEEN", 3, "new", None)).await;
    happened(&app, (tenant, between), (clock::now(), clock::now()), 1, ("opened", None, Some("medium"))).await;
    viewer.post_form("/shift/looked", &[("until", &until)]).await.assert_redirect("/shift");
    assert_eq!(titles(&shift(&viewer).await), ["BETWEEN"]);
}

#[tokio::test]
async fn a_mark_is_ones_own_moves_forward_only_and_never_into_the_future() {
    let app = TestApp::start().await;
    let ((login, ann), (_, bob)) = (app.user(Role::Viewer, None).await, app.user(Role::Viewer, None).await);
    let visitor = app.enter(&login).await;
    let hour = ago(60);
    look(&visitor, hour).await.assert_redirect("/shift");
    let marked = mark(&app, ann).await.unwrap();
    assert_eq!((marked.timestamp_micros(), mark(&app, bob).await), (hour.timestamp_micros(), None));
    look(&visitor, ago(120)).await.assert_redirect("/shift");
    assert_eq!(mark(&app, ann).await, Some(marked), "an older page does not take it back");
    assert_eq!(look(&visitor, clock::now() + TimeDelta::minutes(1)).await.status, StatusCode::BAD_REQUEST);
    for fields in [&[("until", "soon")][..], &[], &[("until", "2026-01-01T00:00:00Z"), ("user", "x")]] {
        assert_eq!(visitor.post_form("/shift/looked", fields).await.status, StatusCode::BAD_REQUEST, "{fields:?}");
    }
    let stranger = app.enter(&login).await.post_raw("/shift/looked", &[("until", "2026-01-01T00:00:00Z"), ("form_token", "x")]).await;
    assert_eq!(stranger.status, StatusCode::FORBIDDEN);
    assert_eq!(mark(&app, ann).await, Some(marked));
    let mut tx = app.db.web.no_tenant().await.unwrap();
    store::users::looked(&mut tx, ann, clock::now() + TimeDelta::days(9)).await.unwrap();
    tx.commit().await.unwrap();
    assert!(mark(&app, ann).await.unwrap() <= clock::now());
    assert_eq!(mark(&app, bob).await, None);
}

#[tokio::test]
async fn a_pinned_note_is_shown_to_those_who_see_its_tenant_and_unpinned_from_there() {
    let app = TestApp::start().await;
    let (own, foreign) = (app.tenant("Own").await, app.tenant("Foreign").await);
    let (analyst, viewer) = (app.sign_in(Role::Analyst).await, app.sign_in_for(Role::Viewer, &[own]).await);
    let mut pins = Vec::new();
    for (tenant, text) in [(own, "Call <them> at nine"), (foreign, "FOREIGN")] {
        let id = incident(&app, tenant, ("Case", 3, "new", None)).await;
        let note = NoteId::new().to_string();
        analyst.post_form(&format!("/incidents/{id}/notes"), &[("note", &note), ("text", text)]).await;
        pins.push(format!("/incidents/{id}/notes/{note}/pin"));
    }
    assert!(shift(&analyst).await.texts("#pinned")[0].contains("No note is pinned"), "neither is pinned yet");
    for pin in &pins {
        analyst.post_form(pin, &[("pinned", "true")]).await;
    }
    let page = shift(&viewer).await;
    assert_eq!(page.texts("#pinned .note-text"), ["Call <them> at nine"]);
    assert!(page.texts("#pinned .note-head")[0].contains("Case Own · #") && page.texts("#pinned form").is_empty());
    let page = shift(&analyst).await;
    assert_eq!(page.texts("#pinned .note-text"), ["FOREIGN", "Call <them> at nine"], "the newest first");
    assert_eq!(page.attribute("#pinned form", "action").as_deref(), Some(pins[1].as_str()));
    for back in ["elsewhere", "https://example.com"] {
        let refused = analyst.post_form(&pins[1], &[("pinned", "false"), ("back", back)]).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{back}");
    }
    analyst.post_form(&pins[1], &[("pinned", "false"), ("back", "shift")]).await.assert_redirect("/shift#pinned");
    assert_eq!(shift(&analyst).await.texts("#pinned .note-text"), ["Call <them> at nine"]);
}

#[tokio::test]
async fn the_queue_shows_what_changed_since_its_reader_looked() {
    let app = TestApp::start().await;
    let tenant = app.tenant("Own").await;
    for (title, read, updated, opened) in
        [("LATE", 30, 300, 400), ("HISTORY", 30, 30 * 1440, 30 * 1440), ("SEEN", 120, 120, 130), ("NEW", 5, 5, 6)]
    {
        let id = incident(&app, tenant, (title, 3, "new", None)).await;
        let mut tx = app.db.worker.tenant(tenant).await.unwrap();
        let query = sqlx::query("update incidents set synced_at = $2, updated_at = $3, created_at = $4 where incident_id = $1");
        query.bind(id).bind(ago(read)).bind(ago(updated)).bind(ago(opened)).execute(&mut *tx).await.unwrap();
        tx.commit().await.unwrap();
    }
    let (viewer, other) = (app.sign_in(Role::Viewer).await, app.sign_in(Role::Viewer).await);
    look(&viewer, ago(60)).await.assert_redirect("/shift");
    let page = viewer.get("/incidents?updated=looked").await.assert_success();
    assert_eq!(titles(&page), ["NEW", "LATE"]);
    assert_eq!(page.texts(".views a[aria-current=page]"), ["Changed since I looked 2"]);
    assert_eq!(page.texts("select[name=updated] option[selected]"), ["since I last looked"]);
    assert_eq!(titles(&viewer.get("/incidents?created=looked").await), ["NEW"]);
    assert_eq!(titles(&other.get("/incidents?updated=looked").await), ["NEW", "SEEN", "LATE"], "who never looked is told of a day");
}

#[tokio::test]
async fn more_changes_than_are_looked_at_are_told_as_such() {
    let app = TestApp::start().await;
    let tenant = app.tenant("Own").await;
    let id = incident(&app, tenant, ("Busy", 3, "new", None)).await;
    let viewer = app.sign_in(Role::Viewer).await;
    happened(&app, (tenant, id), (ago(30), ago(30)), 10_000, ("owner", Some("ann"), Some("bob"))).await;
    assert!(!shift(&viewer).await.html.contains("More was read"));
    happened(&app, (tenant, id), (ago(31), ago(31)), 1, ("owner", Some("bob"), Some("cid"))).await;
    let page = shift(&viewer).await;
    assert!(page.html.contains("these are the newest 10,000 changes"));
    assert!(page.texts("td.happened")[0].starts_with("earlier changes, then"));
}
