//! What the layers around every route do where a route misbehaves, or is sent too much: an answer in the form that was asked for, and nothing of
//! the cause in it.

use crate::api::Program;
use crate::app::{TestApp, Visitor};
use crate::program::{self, portal};
use axum::Router;
use axum::body::Body;
use axum::http::{Method, StatusCode, header};
use axum::routing::get;
use futures_util::StreamExt;
use rustix::process::Signal;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use watchfloor::model::Role;

async fn breaks() {
    panic!("the row of ada@contoso.example is at /var/lib/secret");
}

/// Somebody at routes that break and routes that never answer, as pages and as calls.
fn at_bad_routes(app: &TestApp) -> Visitor {
    let mut routes = Router::new();
    for base in ["", "/api/v1"] {
        routes = routes.route(&format!("{base}/broken"), get(breaks)).route(&format!("{base}/endless"), get(std::future::pending::<()>));
    }
    app.stranger().at(&watchfloor::web::guarded(routes, app.state.clone()))
}

#[tokio::test]
async fn a_route_that_breaks_is_a_page_with_a_reference_and_nothing_of_the_cause_and_the_next_one_is_served() {
    let app = TestApp::start().await;
    let visitor = at_bad_routes(&app);
    for _ in 0..3 {
        let page = visitor.get("/broken").await;
        assert_eq!(
            (page.status, page.headers[header::CONTENT_TYPE].to_str().unwrap()),
            (StatusCode::INTERNAL_SERVER_ERROR, "text/html; charset=utf-8")
        );
        assert_eq!(page.texts("code").len(), 1, "its reference");
        let call = visitor.get("/api/v1/broken").await;
        assert_eq!(
            (call.status, &call.headers[header::CONTENT_TYPE]),
            (StatusCode::INTERNAL_SERVER_ERROR, &"application/problem+json".parse().unwrap())
        );
        let problem: Value = serde_json::from_str(&call.html).unwrap();
        assert_eq!((&problem["type"], &problem["status"]), (&json!("urn:watchfloor:problem:internal"), &json!(500)));
        for (reply, what) in [(&page, "page"), (&call, "call")] {
            for word in ["contoso", "/var", "panic", ".rs", "src/", "sqlx", "postgres", "watchfloor_"] {
                assert!(!reply.html.to_lowercase().contains(word), "{what}: {word}: {}", reply.html);
            }
            assert_eq!(reply.headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff", "{what}");
        }
    }
    assert_eq!(visitor.get("/nowhere").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_route_that_never_answers_is_given_up_after_a_quarter_of_a_minute() {
    let app = TestApp::start().await;
    let visitor = at_bad_routes(&app);
    let begun = Instant::now();
    let (page, call) = tokio::join!(visitor.get("/endless"), visitor.get("/api/v1/endless"));
    let took = begun.elapsed();
    assert!((15..18).contains(&took.as_secs()), "{took:?}");
    for (reply, kind) in [(page, "text/html; charset=utf-8"), (call, "application/problem+json")] {
        assert_eq!((reply.status, reply.headers[header::CONTENT_TYPE].to_str().unwrap()), (StatusCode::TOO_MANY_REQUESTS, kind));
        assert!(
            reply.headers.contains_key(header::RETRY_AFTER) && reply.html.contains("not certain whether that was saved"),
            "{}",
            reply.html
        );
    }
}

#[tokio::test]
async fn a_form_that_does_not_end_is_given_up_after_ten_seconds_with_the_headers_of_every_answer() {
    let app = TestApp::start().await;
    let begun = Instant::now();
    let endless = futures_util::stream::iter([Ok::<_, std::io::Error>("login=")]).chain(futures_util::stream::pending());
    let request = app.stranger().request(Method::POST, "/login").header("sec-fetch-site", "same-origin");
    let reply = app.stranger().send(request.body(Body::from_stream(endless)).unwrap()).await;
    let took = begun.elapsed();
    assert_eq!((reply.status, reply.texts("code").len()), (StatusCode::REQUEST_TIMEOUT, 1), "a page with its reference: {}", reply.html);
    assert!((10..13).contains(&took.as_secs()), "{took:?}");
    for name in ["content-security-policy", "x-content-type-options", "cache-control", "x-request-id"] {
        assert!(reply.headers.contains_key(name), "{name}: {:?}", reply.headers);
    }
}

#[tokio::test]
async fn more_than_64_kib_or_a_hundred_levels_are_refused_and_not_read() {
    let app = TestApp::start().await;
    let large = "x".repeat(65 * 1024);
    for (path, field) in [("/login", "login"), ("/setup/x", "password")] {
        let reply = app.stranger().post_raw(path, &[(field, &large)]).await;
        assert!(reply.status.is_client_error() && !reply.html.contains("xxx"), "{path}: {}", reply.status);
    }
    let admin = app.sign_in(Role::Admin).await;
    assert!(admin.post_form("/hunting", &[("query", &large)]).await.status.is_client_error());
    let program = Program::of(&app, Role::Admin, None).await;
    let deep = (0..200).fold(json!(1), |inner, _| json!([inner]));
    for body in [json!({"query": large, "all": true}), json!({"query": deep, "all": true})] {
        let (status, problem) = program.post("/hunts", body).await;
        assert!(status.is_client_error() && problem["type"].is_string(), "{status} {problem}");
    }
    // A form from another site is refused to a program in its own form as well.
    let request = app.stranger().request(Method::POST, "/api/v1/hunts").header("sec-fetch-site", "cross-site");
    let reply = app.stranger().send(request.body(Body::empty()).unwrap()).await;
    assert_eq!((reply.status, reply.headers[header::CONTENT_TYPE].to_str().unwrap()), (StatusCode::FORBIDDEN, "application/problem+json"));
}

#[tokio::test]
async fn who_is_told_to_stop_says_so_first_and_answers_what_was_begun() {
    let (dir, address) = portal();
    let mut program = program::Program::start(&dir, &["serve"]);
    program.line("There is no administrator yet");
    let port: u16 = address.rsplit(':').next().unwrap().parse().unwrap();
    let status = async |path: &str| {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        http.get(format!("http://127.0.0.1:{port}{path}")).send().await.map(|answer| answer.status().as_u16()).ok()
    };
    while status("/readyz").await != Some(200) {
        tokio::task::yield_now().await;
    }
    let mut begun = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let head = "POST /login HTTP/1.1\r\nhost: localhost\r\nsec-fetch-site: same-origin\r\nconnection: close\r\n\
                content-type: application/x-www-form-urlencoded\r\ncontent-length: 18\r\n\r\nlogin=a&";
    begun.write_all(head.as_bytes()).await.unwrap();
    program.signal(Signal::TERM);
    // Load balancers hear of it before the door is shut.
    let told = tokio::time::timeout(Duration::from_secs(3), async {
        while status("/readyz").await != Some(503) {
            tokio::task::yield_now().await;
        }
    });
    told.await.expect("it says that it is not ready");
    assert_eq!(status("/livez").await, Some(200), "and serves on for a moment");
    while status("/livez").await.is_some() {
        tokio::task::yield_now().await;
    }
    begun.write_all(b"password=b").await.unwrap();
    let mut answer = String::new();
    begun.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
    let end = tokio::task::spawn_blocking(move || program.end()).await.unwrap();
    assert!(end.success(), "{end}");
    std::fs::remove_dir_all(dir).unwrap();
}
