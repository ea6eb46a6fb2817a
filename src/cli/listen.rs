//! Accepts connections within limits, and ends in order: first not ready, then no new connections, then what runs may finish.

use crate::app::places::{Place, Places};
use crate::app::seats::Seats;
use crate::config::Cidr;
use anyhow::{Context, Result};
use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::CancellationToken;
use tower::{Service as _, ServiceExt as _};

/// Connections at once. For one more somebody who waits for nothing but their own next word is hung up on.
const CONNECTIONS: usize = 2_000;
/// Of these, those of one address that is no proxy's.
const OF_EACH: usize = 50;
/// For all the headers of one request, from the moment from which it can come: a connection that says nothing is closed.
const HEADER_TIME: Duration = Duration::from_secs(10);
/// The same for proxies, which keep connections for the next request: longer than they do, or they would send one to a connection that ends.
const PROXY_TIME: Duration = Duration::from_secs(90);
const HEADER_BYTES: usize = 16 * 1024;
const HEADERS: usize = 100;
/// For a reader to take the next piece of an answer.
const WRITE_TIME: Duration = Duration::from_secs(30);
/// After SIGTERM a load balancer has this long to notice that we are not ready.
const NOTICE: Duration = Duration::from_secs(3);
/// What runs has this long to finish.
const DRAIN: Duration = Duration::from_secs(25);
/// When the process has no file descriptor left for another connection.
const BACKOFF: Duration = Duration::from_millis(100);

/// The stages of stopping.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    /// We are about to stop: not ready any more, and nothing long is begun.
    pub asked: CancellationToken,
    /// No new connections.
    closing: CancellationToken,
    /// At once.
    now: CancellationToken,
}

impl Stop {
    /// Follows SIGTERM and SIGINT (Ctrl-C, which skips the notice for load balancers); a second signal means at once.
    pub fn on_signals() -> std::io::Result<Self> {
        let stop = Self::default();
        let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let stages = stop.clone();
        tokio::spawn(async move {
            let notice = tokio::select! { _ = terminate.recv() => NOTICE, _ = interrupt.recv() => Duration::ZERO };
            tracing::info!("stopping");
            stages.asked.cancel();
            let in_order = async {
                tokio::time::sleep(notice).await;
                stages.closing.cancel();
                tokio::time::sleep(DRAIN).await;
            };
            tokio::select! { () = in_order => {}, _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
            stages.closing.cancel();
            stages.now.cancel();
        });
        Ok(stop)
    }
}

/// Lets this process have as many files and connections open as it may have at all: shells and containers often begin with fewer than
/// there may be connections.
pub fn open_many() {
    let limit = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum }) {
        tracing::warn!(%error, "the limit of open files stays at {:?}", limit.current);
    }
}

/// Takes the address; `key` is the configuration's name for it.
pub async fn bind(key: &str, address: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("cannot listen on {key} = {address}"))
}

/// Serves until told to stop. Only HTTP/1.1: whoever speaks for browsers before us (TLS is theirs too) speaks it, and each of its limits is
/// known. `proxies` may have any number of connections, everybody else fifty for each address.
pub async fn serve(listener: TcpListener, router: Router, proxies: &[Cidr], stop: Stop) {
    let mut service =
        router.layer(from_fn_with_state(stop.clone(), not_ready_when_stopping)).into_make_service_with_connect_info::<SocketAddr>();
    let (usual, patient) = (builder(HEADER_TIME), builder(PROXY_TIME));
    let limits = Limits { all: Arc::new(Semaphore::new(CONNECTIONS)), each: Places::new(OF_EACH), seats: Seats::default(), proxies };
    let running = GracefulShutdown::new();
    while let Some(Accepted { stream, peer, by_proxy, place }) = accept(&listener, &limits, &stop).await {
        let Ok(service) = service.call(peer).await;
        let seat = limits.seats.take();
        let own = seat.clone();
        let service = service.map_request(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(own.clone());
            request
        });
        let mut stream = TimeoutStream::new(stream);
        stream.set_write_timeout(Some(WRITE_TIME));
        let builder = if by_proxy { &patient } else { &usual };
        let connection = builder.serve_connection(TokioIo::new(Box::pin(stream)), TowerToHyperService::new(service));
        let connection = running.watch(connection);
        tokio::spawn(async move {
            tokio::select! {
                ended = connection => if let Err(error) = ended {
                    tracing::debug!(%error, "a connection ended early");
                },
                () = seat.hung_up() => {}
            }
            drop(place);
        });
    }
    drop(listener);
    tokio::select! { () = running.shutdown() => {}, () = stop.now.cancelled() => tracing::warn!("running requests were cut off") }
}

/// How many connections there may be.
struct Limits<'a> {
    all: Arc<Semaphore>,
    each: Places<IpAddr>,
    /// Who could make room.
    seats: Seats,
    /// They bring many people's connections.
    proxies: &'a [Cidr],
}

/// A connection with its places; a proxy needs none of its own.
struct Accepted {
    stream: TcpStream,
    peer: SocketAddr,
    by_proxy: bool,
    place: (OwnedSemaphorePermit, Option<Place<IpAddr>>),
}

/// The next connection, once there is a place for it; none when closing. Whoever has too many already is hung up on, and where there are too
/// many in all, whoever has waited longest.
async fn accept(listener: &TcpListener, limits: &Limits<'_>, stop: &Stop) -> Option<Accepted> {
    let next = async {
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => {
                    let address = peer.ip().to_canonical();
                    let own = limits.each.take(address);
                    let by_proxy = limits.proxies.iter().any(|range| range.contains(address));
                    if own.is_none() && !by_proxy {
                        metrics::counter!("watchfloor_connections_refused_total").increment(1);
                        tracing::debug!(%peer, "too many connections from one address");
                        continue;
                    }
                    if limits.all.available_permits() == 0 {
                        limits.seats.make_room();
                    }
                    let place = Arc::clone(&limits.all).acquire_owned().await.ok()?;
                    let _ = stream.set_nodelay(true);
                    return Some(Accepted { stream, peer, by_proxy, place: (place, own) });
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(BACKOFF).await;
                }
            }
        }
    };
    tokio::select! { accepted = next => accepted, () = stop.closing.cancelled() => None }
}

fn builder(header_time: Duration) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(header_time).max_buf_size(HEADER_BYTES).max_headers(HEADERS);
    builder
}

async fn not_ready_when_stopping(State(stop): State<Stop>, request: Request, next: Next) -> Response {
    if stop.asked.is_cancelled() && request.uri().path() == "/readyz" {
        return (StatusCode::SERVICE_UNAVAILABLE, "stopping\n").into_response();
    }
    next.run(request).await
}
