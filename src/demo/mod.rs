//! Plays Microsoft on loopback, for `watchfloor demo` and for the tests.
//!
//! A real HTTP server: sign-in, consent and tokens of Entra, and the Defender XDR, Defender for Endpoint, Defender for
//! Cloud Apps and Microsoft Graph security APIs, as Microsoft's public documentation describes them. It is strict: what Microsoft would refuse is refused
//! with Microsoft's status and error body. It writes its own JSON and shares no type with the production client, or a wrong
//! field name would agree with itself.
//!
//! The first path segment is the host that is played: `https://HOST/path` is found at `http://127.0.0.1:PORT/HOST/path`. A
//! request whose `Host` header already names a host of Microsoft's (a TLS proxy stands in front) is understood as well.

mod accounts;
mod acted;
mod actions;
mod actions_list;
mod alert_writes;
mod assertion;
mod azure;
mod call;
mod cloud_apps;
mod consent;
mod content;
mod endpoint;
mod examples;
mod examples_list;
mod faults;
mod front;
mod gate;
mod graph;
mod hosts;
mod hunting;
mod id_token;
mod keys;
mod ledger;
mod login;
mod machines;
mod odata;
mod pages;
mod records;
mod rng;
mod signin;
mod story;
mod token;
mod world;
mod xdr;

pub use accounts::Account;
pub use actions::Ending;
pub use azure::{Machine, VaultEntry};
pub use cloud_apps::{StreamShape, Uploaded};
pub use examples::{Example, ExampleKind, examples, prepare};
pub use faults::{Fault, HostFault, IdTokenLie, Loss, Times};
pub use graph::GraphManners;
pub use hosts::Api;
pub use hunting::HuntFault;
pub use ledger::{Ledger, Request, Shown};
pub use world::{App, Credential, Directory, World};

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use call::Call;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The stand-in's memory, shared between its server and whoever pulls its strings.
pub type Shared = Arc<Mutex<World>>;

/// A running stand-in. It stops when this is dropped.
pub struct StandIn {
    world: Shared,
    address: SocketAddr,
    server: tokio::task::JoinHandle<()>,
}

impl StandIn {
    /// Listens on 127.0.0.1; port 0 takes a free one.
    pub async fn start(world: World, port: u16) -> std::io::Result<Self> {
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let address = listener.local_addr()?;
        let world = Arc::new(Mutex::new(world));
        let app = router(Arc::clone(&world));
        let server = tokio::spawn(async move {
            if let Err(err) = axum::serve(listener, app).await {
                tracing::error!(error = %err, "the stand-in cloud stopped");
            }
        });
        Ok(Self { world, address, server })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What stands in for `https://`: append `HOST/path`. Ends with a slash.
    pub fn base(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// Where `https://HOST/path` is played; anything else is returned as it is.
    pub fn local(&self, microsoft: &str) -> String {
        microsoft.strip_prefix("https://").map_or_else(|| microsoft.to_owned(), |rest| self.base() + rest)
    }

    /// The strings to pull. Hold it for one statement only: the server waits meanwhile.
    pub fn world(&self) -> MutexGuard<'_, World> {
        lock(&self.world)
    }

    /// The same memory, for a task of one's own.
    pub fn shared(&self) -> Shared {
        Arc::clone(&self.world)
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// The server without its socket.
pub fn router(world: Shared) -> Router {
    Router::new().fallback(play).with_state(world)
}

/// A panic elsewhere must not silence the stand-in.
fn lock(world: &Shared) -> MutexGuard<'_, World> {
    world.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn play(State(world): State<Shared>, request: axum::extract::Request) -> Response {
    let call = match Call::read(request).await {
        Ok(call) => call,
        Err(refusal) => return refusal.into_response(),
    };
    let answer = {
        let mut world = lock(&world);
        let answer = hosts::dispatch(&mut world, &call);
        let answer = world.bent_by_host(&call, answer);
        let now = world.now();
        world.ledger.note(now, &call, &answer);
        answer.header(axum::http::header::DATE, now.format("%a, %d %b %Y %H:%M:%S GMT").to_string())
    };
    if let Some(delay) = answer.delay {
        tokio::time::sleep(delay).await;
    }
    answer.into_response()
}
