//! What strangers hold open takes nothing from anybody else: silent connections end, one address has few, and too many requests are told
//! to come later.

use crate::app::TestApp;
use crate::program::{Program, portal};
use axum::http::StatusCode;
use rustix::process::{Resource, Rlimit, Signal, getrlimit, setrlimit};
use sqlx::Executor as _;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use watchfloor::model::Role;

/// A connection from this address of the machine's own.
async fn connect(from: &str, port: u16) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(format!("{from}:0").parse().unwrap()).unwrap();
    socket.connect(format!("127.0.0.1:{port}").parse().unwrap()).await.unwrap()
}

/// Whether somebody at this address gets an answer.
async fn is_served(from: &str, port: u16) -> bool {
    answers(connect(from, port).await).await
}

async fn answers(mut stream: TcpStream) -> bool {
    let sent = stream.write_all(b"GET /livez HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await;
    let mut answer = String::new();
    sent.is_ok() && stream.read_to_string(&mut answer).await.is_ok() && answer.starts_with("HTTP/1.1 200 ")
}

#[tokio::test]
async fn silent_connections_are_closed_and_one_address_has_fifty() {
    let (dir, address) = portal();
    let mut config = std::fs::OpenOptions::new().append(true).open(dir.join("watchfloor.toml")).unwrap();
    writeln!(config, "trusted_proxies = [\"127.0.0.4/32\"]").unwrap();
    let mut program = Program::start(&dir, &["serve", "--role", "web"]);
    program.line("There is no administrator yet");
    let port: u16 = address.rsplit(':').next().unwrap().parse().unwrap();
    while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
        tokio::task::yield_now().await;
    }
    let begun = Instant::now();
    let mut proxy = Vec::new();
    for _ in 0..60 {
        proxy.push(connect("127.0.0.4", port).await);
    }
    let mut silent = Vec::new();
    for n in 0..50 {
        let mut stream = connect("127.0.0.2", port).await;
        // Some say nothing, some begin, and none goes on.
        let start: &[u8] = [b"".as_slice(), b"P", b"GET /", b"GET /livez HTTP/1.1\r\nhost: a\r\n"][n % 4];
        stream.write_all(start).await.unwrap();
        silent.push(stream);
    }
    assert!(!is_served("127.0.0.2", port).await, "the fifty-first of one address is hung up on");
    assert!(is_served("127.0.0.3", port).await, "everybody else is served");
    for mut stream in silent {
        let ended = tokio::time::timeout(Duration::from_secs(30), async { stream.read_to_end(&mut Vec::new()).await });
        ended.await.expect("a silent connection is closed").ok();
    }
    assert!(begun.elapsed() < Duration::from_secs(25), "within about ten seconds");
    assert!(is_served("127.0.0.2", port).await, "its places are free again");
    for stream in proxy {
        assert!(answers(stream).await, "a proxy keeps its connections, and has as many as it needs");
    }
    end(program, dir).await;
}

/// Ends it well, and takes its directory away. Killed, it would leave its database behind to end by itself, which still writes there.
async fn end(program: Program, dir: PathBuf) {
    let end = tokio::task::spawn_blocking(move || program.stop(Signal::INT)).await.unwrap();
    assert!(end.success(), "{end}");
    std::fs::remove_dir_all(dir).unwrap();
}

/// What those send who take their time: nothing, a part of the headers, a form that does not end.
const STARTS: [&[u8]; 3] = [
    b"",
    b"GET /login HTTP/1.1\r\nhost: a\r\n",
    b"POST /login HTTP/1.1\r\nhost: a\r\nsec-fetch-site: same-origin\r\ncontent-type: application/x-www-form-urlencoded\r\ncontent-length: 60000\r\n\r\nlogin=",
];

#[tokio::test]
async fn whoever_holds_all_connections_and_says_nothing_or_little_keeps_nobody_waiting() {
    let most = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: most, maximum: most }).unwrap();
    let (dir, address) = portal();
    let mut program = Program::start(&dir, &["serve", "--role", "web"]);
    program.line("There is no administrator yet");
    let port: u16 = address.rsplit(':').next().unwrap().parse().unwrap();
    while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
        tokio::task::yield_now().await;
    }
    let patient = connect("127.0.0.3", port).await;
    let mut held = Vec::new();
    for n in 0..2_200_usize {
        let mut stream = connect(&format!("127.0.1.{}", n / 50), port).await;
        stream.write_all(STARTS[n % 3]).await.ok();
        held.push(stream);
        if n % 200 == 199 {
            let begun = Instant::now();
            assert!(is_served("127.0.0.3", port).await, "beside {n} others");
            assert!(begun.elapsed() < Duration::from_secs(3), "beside {n} others: {:?}", begun.elapsed());
        }
    }
    drop((patient, held));
    end(program, dir).await;
}

#[tokio::test]
async fn what_is_too_much_is_told_to_come_later_at_once_and_health_is_told_all_the_same() {
    let app = TestApp::start().await;
    let viewer = app.sign_in(Role::Viewer).await;
    // Whoever wants to know who is signed in waits for this transaction.
    let mut owner = sqlx::ConnectOptions::connect(&app.db.owner).await.unwrap();
    owner.execute("begin; lock table sessions in access exclusive mode").await.unwrap();
    let asked = (0..300).map(|_| async {
        let begun = Instant::now();
        (viewer.get("/incidents").await, begun.elapsed())
    });
    let health = async {
        // Behind them all: the first of them are waiting by now.
        tokio::task::yield_now().await;
        app.stranger().get("/livez").await
    };
    let (replies, health) = tokio::join!(futures_util::future::join_all(asked), health);
    owner.execute("rollback").await.unwrap();
    assert_eq!(health.status, StatusCode::OK);
    let shed: Vec<_> = replies.iter().filter(|(reply, _)| reply.html.contains("Nothing was done")).collect();
    assert_eq!(shed.len(), 300 - 256);
    for (reply, took) in shed {
        assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(reply.headers.contains_key("retry-after") && reply.headers.contains_key("content-security-policy"));
        assert!(*took < Duration::from_secs(2), "at once: {took:?}");
    }
    viewer.get("/incidents").await.assert_success();
    let long = format!("/incidents?q={}", "x".repeat(9_000));
    assert_eq!(viewer.get(&long).await.status, StatusCode::URI_TOO_LONG);
}
