//! Streams that say when something has changed: in time, from any process, and to nobody else.

use crate::app::{TestApp, Visitor};
use crate::pages::case;
use axum::Router;
use axum::body::{Body, BodyDataStream};
use axum::http::{Method, StatusCode, header};
use futures_util::StreamExt;
use sqlx::{ConnectOptions, Executor};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use watchfloor::app::AppState;
use watchfloor::app::live::Live;
use watchfloor::model::{ChangeId, Product, Role, TenantId, UserId};
use watchfloor::store::live::Told;
use watchfloor::store::{self, ingest};

/// From the commit to the page.
const IN_TIME: Duration = Duration::from_secs(2);

/// One process of the portal over a test's database, with a listening connection of its own.
pub struct Process {
    pub router: Router,
    closing: CancellationToken,
    listening: JoinHandle<()>,
}

impl Process {
    /// It listens when this returns.
    pub async fn start(app: &TestApp, places: usize) -> Self {
        let closing = CancellationToken::new();
        let live = Live::new(places, closing.clone());
        let mut first = live.join(UserId::new()).unwrap();
        let (options, tells) = (app.db.owner.clone(), live.clone());
        let listening = tokio::spawn(async move { match store::live::listen(options, |told| tells.tell(told)).await {} });
        let told = tokio::time::timeout(Duration::from_secs(10), first.heard.recv()).await.unwrap().unwrap();
        assert_eq!(told, Told::Missed);
        drop(first);
        let router = watchfloor::web::router(AppState { live, ..app.state.clone() });
        Self { router, closing, listening }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

/// A stream as a page holds it.
struct Stream {
    body: BodyDataStream,
}

impl Stream {
    async fn open(visitor: &Visitor, process: &Process) -> Self {
        let reply = visitor.at(&process.router).open("/live").await;
        assert_eq!((reply.status(), &reply.headers()[header::CONTENT_TYPE]), (StatusCode::OK, &"text/event-stream".parse().unwrap()));
        Self { body: reply.into_body().into_data_stream() }
    }

    /// What the next event says, which must come in time; none if the stream ends instead.
    async fn event(&mut self) -> Option<String> {
        let next = tokio::time::timeout(IN_TIME, self.body.next()).await.expect("an event or the end within two seconds");
        let text = String::from_utf8(next?.unwrap().to_vec()).unwrap();
        let data = text.strip_prefix("event: news\ndata: ").and_then(|rest| rest.strip_suffix("\n\n"));
        Some(data.unwrap_or_else(|| panic!("{text:?} is no event")).to_owned())
    }
}

/// Somebody asks for a change of something: a row of its own kind.
async fn ask_for_a_change(app: &TestApp, tenant: TenantId) {
    let mut tx = app.db.web.tenant(tenant).await.unwrap();
    sqlx::query("insert into changes (tenant_id, change_id, operation, args, subject, actor) values ($1, $2, 'x', array['x'], 'x', 'x')")
        .bind(tenant)
        .bind(ChangeId(uuid::Uuid::now_v7()))
        .execute(&mut *tx)
        .await
        .unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn a_change_is_on_the_streams_of_every_process_and_the_end_of_one_process_takes_nothing_from_another() {
    let app = TestApp::start().await;
    let tenant = app.tenant("Alder").await;
    let analyst = app.sign_in(Role::Analyst).await;
    let (one, other) = (Process::start(&app, 9).await, Process::start(&app, 9).await);
    let (mut here, mut there) = (Stream::open(&analyst, &one).await, Stream::open(&analyst, &other).await);
    case(&app, tenant, "ONE").await;
    assert_eq!(here.event().await.as_deref(), Some("incidents alerts"));
    assert_eq!(there.event().await.as_deref(), Some("incidents alerts"));
    drop((here, one));
    case(&app, tenant, "TWO").await;
    assert_eq!(there.event().await.as_deref(), Some("incidents alerts"));
}

#[tokio::test]
async fn a_reader_hears_of_own_tenants_only_and_no_more_once_one_is_taken_away() {
    let app = TestApp::start().await;
    let (own, foreign) = (app.tenant("Alder").await, app.tenant("Birch").await);
    let (login, user) = app.user(Role::Viewer, Some(&[own])).await;
    let viewer = app.enter(&login).await;
    let process = Process::start(&app, 9).await;
    let mut stream = Stream::open(&viewer, &process).await;
    case(&app, foreign, "FOREIGN").await;
    ask_for_a_change(&app, own).await;
    assert_eq!(stream.event().await.as_deref(), Some("changes"), "nothing of the incident and the alert elsewhere");
    let mut tx = app.db.web.all_tenants().await.unwrap();
    store::reach::set(&mut tx, user, &store::reach::Reach::default()).await.unwrap();
    tx.commit().await.unwrap();
    case(&app, own, "OWN").await;
    assert_eq!(stream.event().await, None);
}

#[tokio::test]
async fn who_signs_out_hears_no_more_and_a_stranger_hears_nothing() {
    let app = TestApp::start().await;
    let tenant = app.tenant("Alder").await;
    let analyst = app.sign_in(Role::Analyst).await;
    let process = Process::start(&app, 9).await;
    let mut stream = Stream::open(&analyst, &process).await;
    analyst.post_form("/logout", &[]).await;
    case(&app, tenant, "ONE").await;
    assert_eq!(stream.event().await, None);
    for visitor in [analyst, app.stranger()] {
        let reply = visitor.at(&process.router).get("/live").await.assert_redirect("/login?next=%2Flive");
        assert_eq!(reply.html, "");
    }
}

/// When the session of the only user was last used.
async fn last_used(app: &TestApp) -> chrono::DateTime<chrono::Utc> {
    let mut tx = app.db.web.no_tenant().await.unwrap();
    sqlx::query_scalar("select last_seen_at from sessions").fetch_one(&mut *tx).await.unwrap()
}

#[tokio::test]
async fn what_a_page_asks_by_itself_keeps_no_session_alive() {
    let app = TestApp::start().await;
    let analyst = app.sign_in(Role::Analyst).await;
    let news = analyst.get("/incidents").await.attribute("[data-news]", "data-news").unwrap();
    let mut tx = app.db.web.no_tenant().await.unwrap();
    tx.execute("update sessions set last_seen_at = now() - interval '20 minutes'").await.unwrap();
    tx.commit().await.unwrap();
    let before = last_used(&app).await;
    analyst.get(&news).await.assert_success();
    drop(analyst.open("/live").await);
    assert_eq!(last_used(&app).await, before);
    analyst.get("/incidents").await.assert_success();
    assert!(last_used(&app).await > before);
}

#[tokio::test]
async fn a_listening_connection_that_is_lost_comes_back_and_pages_are_told_to_look() {
    let app = TestApp::start().await;
    let tenant = app.tenant("Alder").await;
    let analyst = app.sign_in(Role::Analyst).await;
    let process = Process::start(&app, 9).await;
    let mut stream = Stream::open(&analyst, &process).await;
    let mut owner = app.db.owner.connect().await.unwrap();
    let killed = "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'watchfloor_live' and datname = current_database()";
    assert_eq!(owner.fetch_all(killed).await.unwrap().len(), 1);
    assert_eq!(stream.event().await.as_deref(), Some("incidents alerts changes"));
    ask_for_a_change(&app, tenant).await;
    assert_eq!(stream.event().await.as_deref(), Some("changes"));
}

#[tokio::test]
async fn streams_have_places_and_all_of_them_end_with_the_process() {
    let app = TestApp::start().await;
    let analyst = app.sign_in(Role::Analyst).await;
    let process = Process::start(&app, 1).await;
    let mut stream = Stream::open(&analyst, &process).await;
    let full = analyst.at(&process.router).get("/live").await;
    assert_eq!((full.status, &full.headers[header::RETRY_AFTER]), (StatusCode::SERVICE_UNAVAILABLE, &"30".parse().unwrap()));
    drop(stream);
    stream = Stream::open(&analyst, &process).await;
    process.closing.cancel();
    assert_eq!(stream.event().await, None);
    assert_eq!(analyst.at(&process.router).get("/live").await.status, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn a_stream_is_neither_compressed_nor_kept_back_nor_stored() {
    let app = TestApp::start().await;
    let analyst = app.sign_in(Role::Analyst).await;
    let request = analyst.request(Method::GET, "/live").header(header::ACCEPT_ENCODING, "gzip, br");
    let reply = watchfloor::web::router(app.state.clone()).oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    assert!(!reply.headers().contains_key(header::CONTENT_ENCODING));
    assert_eq!(
        (&reply.headers()["x-accel-buffering"], &reply.headers()[header::CACHE_CONTROL]),
        (&"no".parse().unwrap(), &"no-store".parse().unwrap())
    );
}

#[tokio::test]
async fn a_reading_without_news_tells_nothing() {
    let app = TestApp::start().await;
    let tenant = app.tenant("Alder").await;
    let analyst = app.sign_in(Role::Analyst).await;
    let process = Process::start(&app, 9).await;
    let mut stream = Stream::open(&analyst, &process).await;
    let at = "2026-11-22T10:00:00Z".parse().unwrap();
    let incident = ingest::Incident {
        external_id: "7".into(),
        title: "Case".into(),
        severity: watchfloor::model::Severity::High,
        severity_raw: "High".into(),
        status: watchfloor::model::Status::New,
        status_raw: "Active".into(),
        classification: None,
        determination: None,
        assigned_to: None,
        tags: Vec::new(),
        redirect_to: None,
        entities: Vec::new(),
        products: Vec::new(),
        url: None,
        created_at: at,
        updated_at: at,
        body: "{}".into(),
    };
    for told in [Some("incidents"), None] {
        let mut tx = app.db.worker.tenant(tenant).await.unwrap();
        ingest::store(&mut tx, tenant, Product::DefenderXdr, std::slice::from_ref(&incident), &[]).await.unwrap();
        tx.commit().await.unwrap();
        if told.is_some() {
            assert_eq!(stream.event().await.as_deref(), told);
        }
    }
    ask_for_a_change(&app, tenant).await;
    assert_eq!(stream.event().await.as_deref(), Some("changes"));
}
