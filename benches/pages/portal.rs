//! The production router over one of the databases, on a socket, and somebody who is signed in.

use axum::Router;
use secrecy::SecretString;
use sqlx::postgres::PgConnectOptions;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use watchfloor::app::AppState;
use watchfloor::app::live::Live;
use watchfloor::app::notices::Notices;
use watchfloor::auth::passwords::Hasher;
use watchfloor::config::{self, Config, SecondFactor};
use watchfloor::microsoft::Client;
use watchfloor::model::{Role, TenantId};
use watchfloor::store::users::NewUser;
use watchfloor::store::{self, Db, DbRole};
use watchfloor::sync::engine::Queue;

const PASSWORD: &str = "a lake with nine herons";

pub struct Portal {
    pub db: Db,
    address: String,
    state: AppState,
}

/// Somebody with a session.
pub struct Person {
    pub client: reqwest::Client,
    pub address: String,
    pub cookie: String,
}

impl Portal {
    /// `owner`: how to reach the database.
    pub async fn start(owner: PgConnectOptions, apps: Vec<config::App>, microsoft: Client) -> Self {
        let db = Db::connect(owner, DbRole::Web, 10).await.unwrap();
        let mut config = Config::plain("http://127.0.0.1:8080".parse().unwrap(), ([127, 0, 0, 1], 0).into(), apps);
        config.login.second_factor = SecondFactor::Optional;
        let state = AppState {
            db: db.clone(),
            microsoft,
            config: Arc::new(config),
            hasher: Hasher::default(),
            queue: Queue::new(&db),
            notices: Notices::default(),
            live: Live::until(CancellationToken::new()),
            demo: None,
        };
        let address = listen(watchfloor::web::router(state.clone())).await;
        Self { db, address, state }
    }

    /// A new user, signed in through the page; without tenants one who sees all.
    pub async fn person(&self, role: Role, tenants: &[TenantId]) -> Person {
        let login = format!("{}@mssp.example", Uuid::new_v4().simple());
        let hash = self.state.hasher.hash(&SecretString::from(PASSWORD)).await.unwrap();
        let mut tx = self.db.all_tenants().await.unwrap();
        let new = NewUser { login: &login, display_name: "Somebody", role, all_tenants: tenants.is_empty(), password_hash: &hash };
        let user = store::users::insert(&mut tx, &new).await.unwrap().unwrap();
        store::reach::set(&mut tx, user, &store::reach::Reach { tenants: tenants.to_vec(), ..Default::default() }).await.unwrap();
        tx.commit().await.unwrap();
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let form = client.post(format!("{}/login", self.address)).header("sec-fetch-site", "same-origin");
        let answer = form.form(&[("login", login.as_str()), ("password", PASSWORD)]).send().await.unwrap();
        let cookie = answer.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
        Person { client, address: self.address.clone(), cookie }
    }
}

/// Serves a router on a port of its own, whose address it returns.
pub async fn listen(router: Router) -> String {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    address
}
