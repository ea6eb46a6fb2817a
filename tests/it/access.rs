//! Who may visit what. Every route is visited as everybody; a route without a row here, or a row without a route, fails.

use crate::app::{Reply, TestApp, Visitor};
use crate::routes::Who::{self, Admin, Anybody, Lead, Signed};
use crate::routes::{GET, POST, ROUTES, every};
use crate::second::limits_pass;
use axum::body::Body;
use axum::http::{Method, StatusCode};
use std::collections::BTreeSet;
use std::path::Path;
use watchfloor::model::Role;

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
    every().filter(|(_, method)| *method == GET).map(|(path, _)| unnamed(path)).collect()
}

/// `/a/{b}` as `/a/{}`.
pub fn unnamed(path: &str) -> String {
    path.split('/').map(|part| if part.starts_with('{') { "{}" } else { part }).collect::<Vec<_>>().join("/")
}

#[test]
fn every_route_has_its_row_and_every_row_its_route() {
    let rows: BTreeSet<_> = every().map(|(path, method)| (path.to_owned(), method.to_owned())).collect();
    let source = routes_in_source();
    let missing: Vec<_> = source.difference(&rows).collect();
    let gone: Vec<_> = rows.difference(&source).collect();
    assert!(missing.is_empty(), "routes without a row in this test: {missing:?}");
    assert!(gone.is_empty(), "rows without a route: {gone:?}");
}

/// A path with every parameter filled by something that does not exist.
pub fn example(route: &str) -> String {
    let filled = route.split('/').map(|part| if part.starts_with('{') { "01890000-0000-7000-8000-000000000000" } else { part });
    filled.collect::<Vec<_>>().join("/")
}

pub async fn visit(visitor: &Visitor, route: &str, method: &str) -> Reply {
    if method == GET { visitor.get(&example(route)).await } else { visitor.post_form(&example(route), &[]).await }
}

#[tokio::test]
async fn everybody_gets_in_exactly_where_they_may() {
    let app = TestApp::start().await;
    app.sign_in(Role::Admin).await; // so that /setup has nothing to do
    for (route, method, least, _) in ROUTES {
        limits_pass(&app).await; // so many sign-ins are too many
        let stranger = visit(&app.stranger(), route, method).await;
        if *least == Anybody {
            assert!(!refused(&stranger), "{method} {route} as a stranger: {}", stranger.status);
            continue;
        }
        assert_eq!(stranger.status, StatusCode::SEE_OTHER, "{method} {route} as a stranger");
        assert!(stranger.headers["location"].to_str().unwrap().starts_with("/login"), "{method} {route} as a stranger");
        for (role, is) in [
            (Role::Viewer, Signed),
            (Role::Analyst, Who::Analyst),
            (Role::Responder, Who::Responder),
            (Role::Lead, Lead),
            (Role::Admin, Admin),
        ] {
            app.forget_attempts().await; // hundreds sign in here
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
    for (route, _, least, _) in ROUTES.iter().filter(|(_, method, ..)| *method == POST) {
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

const FORM: &str = "application/x-www-form-urlencoded";

#[tokio::test]
async fn a_form_of_no_page_of_ours_in_another_encoding_or_by_another_method_does_nothing() {
    let app = TestApp::start().await;
    let ann = app.sign_in(Role::Analyst).await;
    let token = ann.form_token("/account/appearance");
    let send = async |method: Method, origin: Option<&str>, kind: &str| {
        let mut request = ann.request(method, "/account/appearance").header("content-type", kind);
        if let Some(origin) = origin {
            request = request.header("origin", origin);
        }
        ann.send(request.body(Body::from(format!("form_token={token}&theme=dark"))).unwrap()).await.status
    };
    for origin in ["null", "https://evil.example", "http://127.0.0.1:8081", "https://127.0.0.1:8080.evil.example"] {
        assert_eq!(send(Method::POST, Some(origin), FORM).await, StatusCode::FORBIDDEN, "{origin:?}");
    }
    for kind in ["text/plain", "application/json", "multipart/form-data; boundary=x"] {
        assert!(send(Method::POST, Some("http://127.0.0.1:8080"), kind).await.is_client_error(), "{kind}");
    }
    for method in [Method::GET, Method::PUT, Method::PATCH, Method::DELETE] {
        assert_eq!(send(method.clone(), Some("http://127.0.0.1:8080"), FORM).await, StatusCode::METHOD_NOT_ALLOWED, "{method}");
    }
    assert!(ann.get("/account").await.html.contains("data-theme=\"system\""), "nothing was changed");
    assert_eq!(send(Method::POST, Some("http://127.0.0.1:8080"), FORM).await, StatusCode::SEE_OTHER);
    assert!(ann.get("/account").await.html.contains("data-theme=\"dark\""));
}

#[tokio::test]
async fn a_file_is_not_made_for_another_sites_page() {
    let app = TestApp::start().await;
    let admin = app.sign_in(Role::Admin).await;
    let files: Vec<&str> = ROUTES.iter().filter(|(route, ..)| route.contains("/export.")).map(|(route, ..)| *route).collect();
    assert_eq!(files.len(), 5, "{files:?}");
    for route in files {
        for (site, status) in [
            ("cross-site", StatusCode::FORBIDDEN),
            ("same-site", StatusCode::FORBIDDEN),
            ("same-origin", StatusCode::OK),
            ("none", StatusCode::OK),
        ] {
            let request = admin.request(Method::GET, route).header("sec-fetch-site", site);
            assert_eq!(admin.send(request.body(Body::empty()).unwrap()).await.status, status, "{route} {site}");
        }
    }
    admin.get("/incidents/export.csv").await.assert_success(); // an older browser says nothing
}
