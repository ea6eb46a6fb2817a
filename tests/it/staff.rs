//! Our own staff with browsers: a directory of the provider at the stand-in, the app they sign in with, and the way there and back.

use crate::app::{Reply, TestApp, Visitor};
use crate::apps::{APP_SECRET, secret_file};
use crate::customer::Answer;
use axum::body::Body;
use axum::http::{Method, Request, header};
use url::Url;
use uuid::Uuid;
use watchfloor::config::{Credential, EntraLogin};
use watchfloor::demo::{self, Account, Directory, StandIn};
use watchfloor::model::{Cloud, DirectoryId, Product, Role};

/// The provider's own directory.
pub const OWN: DirectoryId = DirectoryId(Uuid::from_u128(0x0e57_0000_0000_4000_8000_0000_0000_0001));
/// The app of `[login.entra]`.
pub const CLIENT: Uuid = Uuid::from_u128(0x0e57_0000_0000_4000_8000_0000_0000_0002);
/// A group whose members are leads.
pub const LEADS: Uuid = Uuid::from_u128(0x0e57_0000_0000_4000_8000_0000_0000_0003);
/// Ann.
pub const ANN: Uuid = Uuid::from_u128(0x0e57_0000_0000_4000_8000_0000_0000_0a11);

const MAIL: &str = "ann@watchers.example";

/// A portal whose staff sign in at Entra. In their directory there is Ann, who is an analyst.
pub async fn portal() -> TestApp {
    TestApp::start_with_login(register).await
}

/// How such a portal is configured; Microsoft's side is set up.
pub fn register(stand_in: &StandIn) -> EntraLogin {
    let mut directory = Directory::new(OWN, "Watchers", "watchers.example");
    directory.accounts = vec![person(ANN, MAIL, &["Watchfloor.Analyst"])];
    let graph = |permission: &str| (Product::Graph, permission.to_owned());
    let app = demo::App {
        client_id: CLIENT,
        name: "Watchfloor staff".to_owned(),
        publisher: "Watchers Ltd".to_owned(),
        credentials: vec![demo::Credential::Secret(APP_SECRET.to_owned(), None)],
        redirect_uris: vec!["http://127.0.0.1:8080/login/entra/callback".to_owned()],
        roles: vec![graph("User.Read.All"), graph("GroupMember.Read.All"), graph("Directory.Read.All")],
        home: Some(OWN),
    };
    let mut world = stand_in.world();
    world.add_directory(directory);
    world.register_app_in(Cloud::Commercial, app);
    world.grant(OWN, CLIENT);
    let role = |name: &str, role| (format!("Watchfloor.{name}"), role);
    EntraLogin {
        directory_id: OWN,
        client_id: CLIENT,
        cloud: Cloud::Commercial,
        credential: Credential::secret_file(secret_file(Uuid::new_v4())),
        roles: [role("Admin", Role::Admin), role("Analyst", Role::Analyst), role("Viewer", Role::Viewer)].into(),
        groups: [(LEADS, Role::Lead)].into(),
    }
}

/// Somebody of a directory.
pub fn person(object_id: Uuid, upn: &str, roles: &[&str]) -> Account {
    let (name, roles) = ("Ann Example".to_owned(), roles.iter().map(|&role| role.to_owned()).collect());
    Account { object_id, name, upn: upn.to_owned(), roles, ..Account::default() }
}

/// What the directory says of Ann from now on.
pub fn ann(app: &TestApp, change: impl FnOnce(&mut Account)) {
    let mut world = app.stand_in.world();
    change(world.directory_mut(OWN).unwrap().accounts.iter_mut().find(|account| account.object_id == ANN).unwrap());
}

/// One value of the database.
pub async fn ask<T>(app: &TestApp, sql: &'static str) -> T
where
    T: Send + Unpin + for<'r> sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>,
{
    sqlx::query_scalar(sql).fetch_one(&mut *app.db.web.all_tenants().await.unwrap()).await.unwrap()
}

/// A change made behind the portal's back.
pub async fn alter(app: &TestApp, sql: &'static str) {
    let mut tx = app.db.web.all_tenants().await.unwrap();
    sqlx::query(sql).execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
}

/// A way in by Microsoft: where it begins, and what its cookies are called.
struct Way {
    start: &'static str,
    trip: &'static str,
    session: &'static str,
}

const STAFF: Way = Way { start: "/login/entra", trip: "trip", session: "sid" };
const CUSTOMERS: Way = Way { start: "/login/customer", trip: "ctrip", session: "cid" };

/// A browser with our two cookies.
pub struct Browser {
    way: &'static Way,
    visitor: Visitor,
    http: reqwest::Client,
    /// Binds a sign-in to this browser.
    pub trip: Option<String>,
}

impl Visitor {
    /// The same browser with another session, in a cookie of this name.
    pub fn with(mut self, cookie: &'static str, session: Option<String>) -> Self {
        (self.cookie, self.session) = (cookie, session);
        self
    }
}

impl Browser {
    pub fn new(app: &TestApp) -> Self {
        Self::on(&STAFF, app)
    }

    /// The same of somebody of a customer's.
    pub fn customer(app: &TestApp) -> Self {
        Self::on(&CUSTOMERS, app)
    }

    fn on(way: &'static Way, app: &TestApp) -> Self {
        let http = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let visitor = app.stranger().with(way.session, None);
        Self { way, visitor, http, trip: None }
    }

    /// Another tab of the same browser, in which nobody is signed in.
    pub fn tab(&self, app: &TestApp) -> Self {
        Self { trip: self.trip.clone(), ..Self::on(self.way, app) }
    }

    pub async fn get(&mut self, path: &str) -> Reply {
        let request = Request::builder().method(Method::GET).uri(path).header(header::HOST, "127.0.0.1:8080");
        let cookies = [(self.way.trip, &self.trip), (self.way.session, &self.visitor.session)];
        let cookies: Vec<String> = cookies.iter().filter_map(|(name, value)| Some(format!("{name}={}", value.as_ref()?))).collect();
        let request = request.header(header::COOKIE, cookies.join("; ")).header("sec-fetch-site", "cross-site");
        let reply = self.visitor.send(request.body(Body::empty()).unwrap()).await;
        for cookie in reply.headers.get_all(header::SET_COOKIE) {
            let (name, value) = cookie.to_str().unwrap().split(';').next().unwrap().split_once('=').unwrap();
            let value = (!value.is_empty()).then(|| value.to_owned());
            if name == self.way.trip { self.trip = value } else { self.visitor.session = value }
        }
        reply
    }

    /// Whoever is signed in here, for forms.
    pub fn visitor(&self) -> Visitor {
        self.visitor.clone()
    }

    /// Presses the button; where it leads.
    pub async fn go(&mut self, path: &str) -> Url {
        let reply = self.get(path).await;
        Url::parse(reply.headers.get(header::LOCATION).unwrap_or_else(|| panic!("{}", reply.html)).to_str().unwrap()).unwrap()
    }

    /// Picks an account of our directory; what Microsoft sends back with, or none where it keeps the visitor.
    pub async fn pick(&self, url: Url, upn: &str) -> Option<Answer> {
        self.pick_of(url, OWN, upn).await
    }

    /// The same of any directory.
    pub async fn pick_of(&self, url: Url, directory: DirectoryId, upn: &str) -> Option<Answer> {
        let answer = self.http.post(url).form(&[("account", format!("{directory}/{upn}"))]).send().await.unwrap();
        let location = Url::parse(answer.headers().get("location")?.to_str().unwrap()).unwrap();
        assert_eq!(location.path(), format!("{}/callback", self.way.start));
        Some(location.query_pairs().into_owned().collect())
    }

    /// To Microsoft as Ann, but not back yet.
    pub async fn answer(&mut self) -> Answer {
        let url = self.go("/login/entra").await;
        self.pick(url, MAIL).await.unwrap()
    }

    /// Brings an answer to us.
    pub async fn back(&mut self, answer: &Answer) -> Reply {
        let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(answer).finish();
        self.get(&format!("{}/callback?{query}", self.way.start)).await
    }

    /// The whole way as one of our directory.
    pub async fn sign_in(&mut self, upn: &str) -> Reply {
        let url = self.go("/login/entra").await;
        let answer = self.pick(url, upn).await.unwrap();
        self.back(&answer).await
    }
}
