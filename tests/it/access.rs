//! Who may visit what. Every route is visited as everybody; a route without a row here, or a row without a route, fails.

use crate::app::{Reply, TestApp, Visitor};
use axum::http::StatusCode;
use std::collections::BTreeSet;
use std::path::Path;
use watchfloor::model::Role;

/// The least that a visitor must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Who {
    Anybody,
    Signed,
    Analyst,
    Lead,
    Admin,
}
use Who::{Admin, Anybody, Lead, Signed};

const GET: &str = "GET";
const POST: &str = "POST";

/// Route, method, least visitor.
const ROUTES: &[(&str, &str, Who)] = &[
    ("/livez", GET, Anybody),
    ("/readyz", GET, Anybody),
    ("/static/{file}", GET, Anybody),
    ("/login", GET, Anybody),
    ("/login", POST, Anybody),
    ("/logout", POST, Signed),
    ("/setup/{token}", GET, Anybody),
    ("/setup/{token}", POST, Anybody),
    ("/account", GET, Signed),
    ("/account/password", POST, Signed),
    ("/account/appearance", POST, Signed),
    ("/account/sessions/end", POST, Signed),
    ("/", GET, Signed),
    ("/incidents", GET, Signed),
    ("/incidents/export.csv", GET, Signed),
    ("/incidents/export.json", GET, Signed),
    ("/alerts/export.csv", GET, Signed),
    ("/alerts/export.json", GET, Signed),
    ("/views", POST, Signed),
    ("/views/{id}/delete", POST, Signed),
    ("/suppressions", GET, Signed),
    ("/suppressions", POST, Lead),
    ("/suppressions/new", GET, Lead),
    ("/suppressions/preview", POST, Lead),
    ("/suppressions/{id}", GET, Signed),
    ("/suppressions/{id}/end", POST, Lead),
    ("/suppressions/{id}/extend", POST, Lead),
    ("/incidents/{id}", GET, Signed),
    ("/live", GET, Signed),
    ("/incidents/news", GET, Signed),
    ("/incidents/{id}/news", GET, Signed),
    ("/alerts/news", GET, Signed),
    ("/alerts/{id}/news", GET, Signed),
    ("/incidents/{id}/notes", POST, Who::Analyst),
    ("/incidents/{id}/notes/{note}/pin", POST, Who::Analyst),
    ("/incidents/{id}/work", POST, Who::Analyst),
    ("/alerts", GET, Signed),
    ("/alerts/{id}", GET, Signed),
    ("/tenants", GET, Signed),
    ("/tenants/{tenant}", GET, Signed),
    ("/tenants/{tenant}/changes", GET, Signed),
    ("/tenants/{tenant}/changes/{change}/again", POST, Lead),
    ("/tenants/{tenant}/changes/{change}/cancel", POST, Lead),
    ("/tenants/{tenant}/changes/{change}/collected", POST, Lead),
    ("/incidents/{id}", POST, Who::Analyst),
    ("/alerts/{id}", POST, Who::Analyst),
    ("/alerts/batch", POST, Who::Analyst),
    ("/alerts/batch/{change}", GET, Who::Analyst),
    ("/incidents/{id}/preview", GET, Signed),
    ("/palette", GET, Signed),
    ("/incidents/batch", POST, Who::Analyst),
    ("/incidents/batch/{batch}", GET, Who::Analyst),
    ("/incidents/batch/undo", POST, Who::Analyst),
    ("/tenants/{tenant}/endpoint", GET, Signed),
    ("/tenants/{tenant}/endpoint/ask", POST, Who::Analyst),
    ("/tenants/{tenant}/endpoint/read", POST, Who::Analyst),
    ("/tenants/{tenant}/endpoint/alert", GET, Who::Analyst),
    ("/tenants/{tenant}/endpoint/alert", POST, Who::Analyst),
    ("/devices", GET, Signed),
    ("/devices/{device}", GET, Signed),
    ("/devices/{device}/ask", POST, Who::Analyst),
    ("/devices/{device}/label", POST, Who::Analyst),
    ("/devices/{device}/act", GET, Lead),
    ("/devices/{device}/act", POST, Lead),
    ("/tenants/{tenant}/sync", POST, Who::Analyst),
    ("/tenants/{tenant}/check", POST, Who::Analyst),
    ("/tenants/{tenant}/region", POST, Lead),
    ("/tenants/{tenant}/consent", GET, Signed),
    ("/tenants/{tenant}/consent/acknowledge", POST, Who::Analyst),
    ("/hunting", GET, Who::Analyst),
    ("/hunting", POST, Who::Analyst),
    ("/hunting/{hunt}", GET, Who::Analyst),
    ("/hunting/{hunt}/csv", GET, Who::Analyst),
    ("/hunting/{hunt}/cancel", POST, Who::Analyst),
    ("/hunting/{hunt}/again", POST, Who::Analyst),
    ("/hunting/queries", POST, Who::Analyst),
    ("/hunting/queries/{query}", GET, Who::Analyst),
    ("/hunting/queries/{query}", POST, Who::Analyst),
    ("/hunting/queries/{query}/delete", POST, Who::Analyst),
    ("/tenants/{tenant}/cloud-apps", GET, Signed),
    ("/tenants/{tenant}/cloud-apps/alerts", POST, Who::Analyst),
    ("/tenants/{tenant}/cloud-apps/compare", POST, Who::Analyst),
    ("/tenants/{tenant}/cloud-apps/activities", GET, Signed),
    ("/tenants/{tenant}/cloud-apps/activities", POST, Who::Analyst),
    ("/tenants/{tenant}/cloud-apps/activities/one", POST, Who::Analyst),
    ("/tenants/{tenant}/cloud-apps/activities/feedback", POST, Who::Analyst),
    ("/tenants/{tenant}/cloud-apps/entities", GET, Signed),
    ("/tenants/{tenant}/cloud-apps/entities", POST, Who::Analyst),
    ("/tenants/{tenant}/cloud-apps/entities/one", POST, Who::Analyst),
    ("/tenants/{tenant}/cloud-apps/files", GET, Signed),
    ("/tenants/{tenant}/cloud-apps/files", POST, Who::Analyst),
    ("/tenants/{tenant}/cloud-apps/files/one", POST, Who::Analyst),
    ("/tenants/{tenant}/cloud-apps/ranges", GET, Signed),
    ("/tenants/{tenant}/cloud-apps/ranges", POST, Who::Analyst),
    ("/tenants/{tenant}/cloud-apps/ranges/new", GET, Lead),
    ("/tenants/{tenant}/cloud-apps/ranges/new", POST, Lead),
    ("/tenants/{tenant}/cloud-apps/ranges/{range}", GET, Lead),
    ("/tenants/{tenant}/cloud-apps/ranges/{range}", POST, Lead),
    ("/tenants/{tenant}/cloud-apps/ranges/{range}/delete", GET, Lead),
    ("/tenants/{tenant}/cloud-apps/ranges/{range}/delete", POST, Lead),
    ("/tenants/{tenant}/cloud-apps/discovery", GET, Signed),
    ("/tenants/{tenant}/cloud-apps/discovery", POST, Who::Analyst),
    ("/tenants/{tenant}/cloud-apps/discovery/categories", POST, Who::Analyst),
    ("/tenants/{tenant}/cloud-apps/discovery/script", POST, Who::Analyst),
    ("/tenants/{tenant}/cloud-apps/discovery/script/{lookup}", GET, Signed),
    ("/tenants/{tenant}/cloud-apps/discovery/upload", POST, Lead),
    ("/alerts/{id}/cloud-apps", POST, Who::Analyst),
    ("/admin/tenants", GET, Lead),
    ("/admin/tenants/new", GET, Lead),
    ("/admin/tenants/new", POST, Lead),
    ("/admin/tenants/import", GET, Lead),
    ("/admin/tenants/import", POST, Lead),
    ("/admin/tenants/{tenant}", GET, Lead),
    ("/admin/tenants/{tenant}", POST, Lead),
    ("/admin/tenants/{tenant}/invites", POST, Lead),
    ("/admin/tenants/{tenant}/invites/{invite}/revoke", POST, Lead),
    ("/admin/tenants/{tenant}/directory", POST, Lead),
    ("/admin/tenants/{tenant}/directory/entry", POST, Lead),
    ("/admin/tenants/reconsent", GET, Lead),
    ("/admin/tenants/reconsent", POST, Lead),
    ("/admin/tenants/{tenant}/state", POST, Lead),
    ("/admin/tenants/{tenant}/offboard", GET, Lead),
    ("/admin/tenants/{tenant}/offboard", POST, Lead),
    ("/admin/tenants/{tenant}/rebind", POST, Lead),
    ("/admin/tenants/{tenant}/rebind/decision", POST, Lead),
    ("/admin/users", GET, Admin),
    ("/admin/users", POST, Admin),
    ("/admin/users/{user}", GET, Admin),
    ("/admin/users/{user}", POST, Admin),
    ("/admin/users/{user}/link", POST, Admin),
    ("/admin/users/{user}/disabled", POST, Admin),
    ("/admin/apps", GET, Admin),
    ("/admin/audit", GET, Admin),
    ("/admin/health", GET, Admin),
    ("/onboard/{invite}", GET, Anybody),
    ("/onboard/{invite}/consent/{app}", POST, Anybody),
    ("/onboard/{invite}/accepted/{app}", POST, Anybody),
    ("/onboard/{invite}/skip/{app}", POST, Anybody),
    ("/consent/callback", GET, Anybody),
];

/// Routes in the source: what stands in `.route("…", get(…).post(…))`.
fn routes_in_source() -> BTreeSet<(String, String)> {
    let mut found = BTreeSet::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src/web")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.extend(routes_of(&std::fs::read_to_string(path).unwrap()));
            }
        }
    }
    found
}

fn routes_of(source: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for part in source.split(".route(").skip(1) {
        let Some(rest) = part.trim_start().strip_prefix('"') else { continue };
        let (path, rest) = rest.split_once('"').unwrap();
        let mut depth = 1;
        let end = rest.char_indices().find(|(_, c)| {
            depth += match c {
                '(' => 1,
                ')' => -1,
                _ => 0,
            };
            depth == 0
        });
        let handlers = &rest[..end.unwrap().0];
        for (word, method) in [("get(", GET), ("post(", POST)] {
            if handlers.contains(word) {
                found.push((path.to_owned(), method.to_owned()));
            }
        }
    }
    found
}

/// The path of each page, its parameters without their names.
pub fn pages() -> BTreeSet<String> {
    ROUTES.iter().filter(|(_, method, _)| *method == GET).map(|(path, _, _)| unnamed(path)).collect()
}

/// `/a/{b}` as `/a/{}`.
pub fn unnamed(path: &str) -> String {
    path.split('/').map(|part| if part.starts_with('{') { "{}" } else { part }).collect::<Vec<_>>().join("/")
}

#[test]
fn every_route_has_its_row_and_every_row_its_route() {
    let rows: BTreeSet<_> = ROUTES.iter().map(|(path, method, _)| ((*path).to_owned(), (*method).to_owned())).collect();
    let source = routes_in_source();
    let missing: Vec<_> = source.difference(&rows).collect();
    let gone: Vec<_> = rows.difference(&source).collect();
    assert!(missing.is_empty(), "routes without a row in this test: {missing:?}");
    assert!(gone.is_empty(), "rows without a route: {gone:?}");
}

/// A path with every parameter filled by something that does not exist.
fn example(route: &str) -> String {
    let filled = route.split('/').map(|part| if part.starts_with('{') { "01890000-0000-7000-8000-000000000000" } else { part });
    filled.collect::<Vec<_>>().join("/")
}

async fn visit(visitor: &Visitor, route: &str, method: &str) -> Reply {
    if method == GET { visitor.get(&example(route)).await } else { visitor.post_form(&example(route), &[]).await }
}

#[tokio::test]
async fn everybody_gets_in_exactly_where_they_may() {
    let app = TestApp::start().await;
    app.sign_in(Role::Admin).await; // so that /setup has nothing to do
    for (route, method, least) in ROUTES {
        let stranger = visit(&app.stranger(), route, method).await;
        if *least == Anybody {
            assert!(!refused(&stranger), "{method} {route} as a stranger: {}", stranger.status);
            continue;
        }
        assert_eq!(stranger.status, StatusCode::SEE_OTHER, "{method} {route} as a stranger");
        assert!(stranger.headers["location"].to_str().unwrap().starts_with("/login"), "{method} {route} as a stranger");
        for (role, is) in [(Role::Viewer, Signed), (Role::Analyst, Who::Analyst), (Role::Lead, Lead), (Role::Admin, Admin)] {
            let visitor = app.sign_in(role).await;
            let reply = visit(&visitor, route, method).await;
            assert_eq!(refused(&reply), is < *least, "{method} {route} as {role}: {}", reply.status);
        }
    }
}

fn refused(reply: &Reply) -> bool {
    reply.status == StatusCode::FORBIDDEN || reply.headers.get("location").is_some_and(|to| to.to_str().unwrap().starts_with("/login?"))
}

#[tokio::test]
async fn a_form_without_our_token_or_from_another_site_is_refused_and_changes_nothing() {
    let app = TestApp::start().await;
    let admin = app.sign_in(Role::Admin).await;
    let other = app.sign_in(Role::Admin).await;
    for (route, _, least) in ROUTES.iter().filter(|(_, method, _)| *method == POST) {
        let path = example(route);
        let good = admin.form_token(&path);
        let stolen = other.form_token(&path);
        let elsewhere = admin.form_token("/elsewhere");
        assert_eq!(admin.post_from("cross-site", &path, &[("form_token", &good)]).await.status, StatusCode::FORBIDDEN, "{route}");
        assert_eq!(admin.post_from("same-site", &path, &[("form_token", &good)]).await.status, StatusCode::FORBIDDEN, "{route}");
        if *least == Anybody {
            continue;
        }
        for token in ["", "x", stolen.as_str(), elsewhere.as_str()] {
            let status = admin.post_raw(&path, &[("form_token", token)]).await.status;
            // These read files, which this form has none of: it gets no further.
            let reads_files = ["/admin/tenants/import", "/tenants/{tenant}/cloud-apps/discovery/upload"].contains(route);
            let expected = if reads_files { StatusCode::BAD_REQUEST } else { StatusCode::FORBIDDEN };
            assert_eq!(status, expected, "{route} {token}");
        }
    }
    admin.get("/account").await.assert_success(); // nobody was signed out
}
