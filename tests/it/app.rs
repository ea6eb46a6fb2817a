//! The whole portal for one test: the production router over a database of its own, beside the stand-in cloud.

use crate::apps::{app, registration};
use crate::support::{TestDb, database};
use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use axum::response::Response;
use scraper::{Html, Selector};
use secrecy::SecretString;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use url::form_urlencoded;
use uuid::Uuid;
use watchfloor::app::AppState;
use watchfloor::app::live::Live;
use watchfloor::app::notices::Notices;
use watchfloor::auth::form_tokens::{FIELD, FormKey};
use watchfloor::auth::passwords::Hasher;
use watchfloor::config::{self, Config, EntraLogin, Login, SecondFactor, Sync};
use watchfloor::demo::{StandIn, World};
use watchfloor::microsoft::Client;
use watchfloor::model::{Product, Role, TenantId, UserId, clock};
use watchfloor::store;
use watchfloor::store::users::NewUser;
use watchfloor::sync::engine::Queue;
use watchfloor::sync::read::Reader;
use watchfloor::sync::verify;

/// Everybody's password.
pub const PASSWORD: &str = "a lake with nine herons";

/// The portal, without a socket: requests go straight into the router.
pub struct TestApp {
    pub db: TestDb,
    pub stand_in: StandIn,
    /// Of the configured app `defender`.
    pub client_id: Uuid,
    pub state: AppState,
    router: Router,
}

/// An answer.
pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub html: String,
}

/// Somebody with a browser: a cookie, or none.
#[derive(Clone)]
pub struct Visitor {
    router: Router,
    /// The session's secret.
    pub session: Option<String>,
    /// The name of its cookie: "sid" of staff, "cid" of customers.
    pub cookie: &'static str,
}

/// Most tests sign in with a password alone.
fn open(entra: Option<EntraLogin>) -> Login {
    Login { second_factor: SecondFactor::Optional, entra, customers: None }
}

impl TestApp {
    pub async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// The same with other apps: `edit` gets the list with `defender` in it. Each has the same secret, and is registered at the stand-in.
    pub async fn start_with(edit: impl FnOnce(&mut Vec<config::App>)) -> Self {
        let stand_in = StandIn::start(World::new(7), 0).await.unwrap();
        let client_id = Uuid::new_v4();
        let mut apps = vec![app(client_id)];
        edit(&mut apps);
        Self::assemble(database().await, stand_in, client_id, (apps, open(None)))
    }

    /// The same, but staff sign in at Entra too. `register` sets Microsoft's side up and says how the portal is configured.
    pub async fn start_with_login(register: impl FnOnce(&StandIn) -> EntraLogin) -> Self {
        Self::start_as(|stand_in| open(Some(register(stand_in)))).await
    }

    /// The same, and how staff sign in is said by `register` alone.
    pub async fn start_as(register: impl FnOnce(&StandIn) -> Login) -> Self {
        let stand_in = StandIn::start(World::new(7), 0).await.unwrap();
        let (client_id, login) = (Uuid::new_v4(), register(&stand_in));
        Self::assemble(database().await, stand_in, client_id, (vec![app(client_id)], login))
    }

    /// The portal started again with another list of apps; what it stored, and Microsoft, stay.
    pub fn reconfigured(self, edit: impl FnOnce(&mut Vec<config::App>)) -> Self {
        let mut apps = self.state.config.app.clone();
        edit(&mut apps);
        let login = self.state.config.login.clone();
        Self::assemble(self.db, self.stand_in, self.client_id, (apps, login))
    }

    fn assemble(db: TestDb, stand_in: StandIn, client_id: Uuid, (apps, login): (Vec<config::App>, Login)) -> Self {
        for app in &apps {
            stand_in.world().register_app_in(app.cloud, registration(app));
        }
        let config = Config::plain("http://127.0.0.1:8080".parse().unwrap(), ([127, 0, 0, 1], 0).into(), apps);
        let config = Config { login, ..config };
        let microsoft = Client::stand_in(stand_in.address(), &config.app, clock::now()).unwrap();
        let microsoft = microsoft.with_logins(&config.login, clock::now()).unwrap();
        let state = AppState {
            db: db.web.clone(),
            config: Arc::new(config),
            hasher: Hasher::default(),
            queue: Queue::new(&db.web),
            microsoft,
            notices: Notices::default(),
            live: Live::until(CancellationToken::new()),
            demo: None,
        };
        let router = watchfloor::web::router(state.clone());
        Self { db, stand_in, client_id, state, router }
    }

    /// Does what the queued check of a tenant's consent would do.
    pub async fn verify(&self, tenant: TenantId) {
        let microsoft = self.state.microsoft.clone();
        let reader = Reader::new(self.db.worker.clone(), microsoft, Sync::default(), CancellationToken::new());
        verify::verify(&reader, tenant, 3, clock::now()).await.unwrap();
    }

    /// Nobody signed in.
    pub fn stranger(&self) -> Visitor {
        Visitor { router: self.router.clone(), session: None, cookie: "sid" }
    }

    /// A user of this role, signed in through the sign-in page, who sees all tenants.
    pub async fn sign_in(&self, role: Role) -> Visitor {
        let (login, _) = self.user(role, None).await;
        self.enter(&login).await
    }

    /// The same, but for these tenants only.
    pub async fn sign_in_for(&self, role: Role, tenants: &[TenantId]) -> Visitor {
        let (login, _) = self.user(role, Some(tenants)).await;
        self.enter(&login).await
    }

    /// A user with [`PASSWORD`]: login and id.
    pub async fn user(&self, role: Role, tenants: Option<&[TenantId]>) -> (String, UserId) {
        let login = format!("{role}-{}@example.com", Uuid::new_v4().simple());
        let hash = self.state.hasher.hash(&SecretString::from(PASSWORD)).await.unwrap();
        let mut tx = self.db.web.all_tenants().await.unwrap();
        let new = NewUser { login: &login, display_name: "Test Person", role, all_tenants: tenants.is_none(), password_hash: &hash };
        let user = store::users::insert(&mut tx, &new).await.unwrap().unwrap();
        store::reach::set(&mut tx, user, &store::reach::Reach { tenants: tenants.unwrap_or_default().to_vec(), ..Default::default() })
            .await
            .unwrap();
        tx.commit().await.unwrap();
        (login, user)
    }

    /// As if nobody had tried to sign in for a while.
    pub async fn forget_attempts(&self) {
        let mut tx = self.db.web.no_tenant().await.unwrap();
        sqlx::query("delete from buckets").execute(&mut *tx).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// Signs in through the page.
    pub async fn enter(&self, login: &str) -> Visitor {
        let reply = self.stranger().post_raw("/login", &[("login", login), ("password", PASSWORD)]).await;
        assert_eq!(reply.status, StatusCode::SEE_OTHER, "{}", reply.html);
        let cookie = reply.headers[header::SET_COOKIE].to_str().unwrap();
        let session = cookie.strip_prefix("sid=").unwrap().split(';').next().unwrap().to_owned();
        Visitor { session: Some(session), ..self.stranger() }
    }

    /// An active tenant in the registry.
    pub async fn tenant(&self, name: &str) -> TenantId {
        let tenant = TenantId::new();
        let mut tx = self.db.web.all_tenants().await.unwrap();
        sqlx::query("insert into tenants (tenant_id, name, state) values ($1, $2, 'active')")
            .bind(tenant)
            .bind(name)
            .execute(&mut *tx)
            .await
            .unwrap();
        tx.commit().await.unwrap();
        tenant
    }

    /// Says how the reading of one product of a tenant goes.
    pub async fn reading(&self, tenant: TenantId, product: Product, state: &str, reason: Option<&str>) {
        let mut tx = self.db.worker.tenant(tenant).await.unwrap();
        sqlx::query(
            "insert into sync_state (tenant_id, product, state, reason, complete_until, last_success, failing_since)
             values ($1, $2, $3, $4, case when $3 = 'ok' then now() end, case when $3 = 'ok' then now() end, case when $3 <> 'ok' then now() end)
             on conflict (tenant_id, product) do update set state = excluded.state, reason = excluded.reason, failing_since = excluded.failing_since",
        )
        .bind(tenant)
        .bind(product)
        .bind(state)
        .bind(reason)
        .execute(&mut *tx)
        .await
        .unwrap();
        tx.commit().await.unwrap();
    }
}

impl Visitor {
    pub async fn get(&self, path: &str) -> Reply {
        self.send(self.request(Method::GET, path).body(Body::empty()).unwrap()).await
    }

    /// The same person at another process of the portal.
    pub fn at(&self, router: &Router) -> Self {
        Self { router: router.clone(), ..self.clone() }
    }

    /// The answer as it begins, its body still to come.
    pub async fn open(&self, path: &str) -> Response {
        self.router.clone().oneshot(self.request(Method::GET, path).body(Body::empty()).unwrap()).await.unwrap()
    }

    /// A form of our own page: same site, with its token.
    pub async fn post_form(&self, path: &str, fields: &[(&str, &str)]) -> Reply {
        let token = self.form_token(path);
        let fields: Vec<(&str, &str)> = fields.iter().copied().chain([(FIELD, token.as_str())]).collect();
        self.post_raw(path, &fields).await
    }

    /// A form of the same site, exactly as given.
    pub async fn post_raw(&self, path: &str, fields: &[(&str, &str)]) -> Reply {
        self.post_from("same-origin", path, fields).await
    }

    /// A form with this `Sec-Fetch-Site`, exactly as given.
    pub async fn post_from(&self, site: &str, path: &str, fields: &[(&str, &str)]) -> Reply {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let request = self.request(Method::POST, path).header("sec-fetch-site", site);
        self.send(request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded").body(Body::from(body)).unwrap()).await
    }

    /// What the page would have put into the form.
    pub fn form_token(&self, path: &str) -> String {
        let secret = SecretString::from(self.session.clone().unwrap_or_default());
        FormKey::of_session(&secret).token(path.split('?').next().unwrap())
    }

    pub fn request(&self, method: Method, path: &str) -> axum::http::request::Builder {
        let request = Request::builder().method(method).uri(path).header(header::HOST, "127.0.0.1:8080");
        match &self.session {
            Some(session) => request.header(header::COOKIE, format!("{}={session}", self.cookie)),
            None => request,
        }
    }

    pub async fn send(&self, request: Request<Body>) -> Reply {
        let (parts, body) = self.router.clone().oneshot(request).await.unwrap().into_parts();
        // A stream of events has no end.
        let has_end = parts.headers.get(header::CONTENT_TYPE).is_none_or(|kind| kind != "text/event-stream");
        let bytes = if has_end { to_bytes(body, usize::MAX).await.unwrap() } else { Bytes::new() };
        Reply { status: parts.status, headers: parts.headers, html: String::from_utf8_lossy(&bytes).into_owned() }
    }
}

impl Reply {
    /// It is a page, not an error.
    #[track_caller]
    pub fn assert_success(self) -> Self {
        assert_eq!(self.status, StatusCode::OK, "{}", self.html);
        self
    }

    /// It leads there.
    #[track_caller]
    pub fn assert_redirect(self, to: &str) -> Self {
        assert_eq!(
            (self.status, self.headers.get(header::LOCATION).unwrap().to_str().unwrap()),
            (StatusCode::SEE_OTHER, to),
            "{}",
            self.html
        );
        self
    }

    /// The text of each element a CSS selector finds, with white space made single.
    pub fn texts(&self, selector: &str) -> Vec<String> {
        let selector = Selector::parse(selector).unwrap();
        let squeeze = |text: String| text.split_whitespace().collect::<Vec<_>>().join(" ");
        Html::parse_document(&self.html).select(&selector).map(|element| squeeze(element.text().collect())).collect()
    }

    /// An attribute of the first element a CSS selector finds.
    pub fn attribute(&self, selector: &str, name: &str) -> Option<String> {
        let selector = Selector::parse(selector).unwrap();
        Html::parse_document(&self.html).select(&selector).next()?.value().attr(name).map(str::to_owned)
    }
}
