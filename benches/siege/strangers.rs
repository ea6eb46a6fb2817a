//! Those who guess passwords, and those who hold connections.

use crate::demo::Demo;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

/// Addresses that guess, and connections that one address may have.
const GUESSERS: u32 = 2_000;
const OF_EACH: u32 = 50;

/// The n-th address of a network of the machine's own.
fn address(network: u8, n: u32) -> [u8; 4] {
    let [.., high, low] = n.to_be_bytes();
    [127, network, high, low.max(1)]
}

async fn connect(from: [u8; 4], port: u16) -> Option<TcpStream> {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((IpAddr::from(from), 0).into()).ok()?;
    socket.connect(([127, 0, 0, 1], port).into()).await.ok()
}

/// Attempts at this rate for ever, each from another address, half of them by the owner's name.
pub async fn guess(demo: Arc<Demo>, rate: u32, attempts: Arc<AtomicUsize>) {
    let mut tick = tokio::time::interval(Duration::from_secs(1) / rate);
    for n in 0_u32.. {
        tick.tick().await;
        let (demo, attempts) = (demo.clone(), attempts.clone());
        tokio::spawn(async move {
            let login = if n.is_multiple_of(2) { demo.login.clone() } else { format!("nobody-{n}") };
            let body = format!("login={login}&password=guessed+again+and+again");
            let form = format!(
                "POST /login HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nsec-fetch-site: same-origin\r\n\
                 content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            );
            // Without a client's comfort, which would cost more than the guess.
            if let Some(mut stream) = connect(address(10, n % GUESSERS), demo.port).await
                && stream.write_all(form.as_bytes()).await.is_ok()
                && stream.read_to_end(&mut Vec::new()).await.is_ok()
            {
                attempts.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
}

/// Connections that say nothing, and connections that say a little now and then: in their headers, or in a form that does not end. Whichever is
/// closed is opened anew. Counted are all that were opened.
pub async fn hold(demo: Arc<Demo>, idle: u32, slow: u32, opened: Arc<AtomicUsize>) {
    let mut all = tokio::task::JoinSet::new();
    for n in 0..idle + slow {
        let (port, opened) = (demo.port, opened.clone());
        all.spawn(async move {
            loop {
                if let Some(mut stream) = connect(address(11, n / OF_EACH), port).await {
                    opened.fetch_add(1, Ordering::Relaxed);
                    if n < idle { wait(&mut stream).await } else { dawdle(&mut stream, n).await }
                }
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        });
        if n.is_multiple_of(500) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    while all.join_next().await.is_some() {}
}

async fn wait(stream: &mut TcpStream) {
    let _ = stream.read(&mut [0; 64]).await;
}

async fn dawdle(stream: &mut TcpStream, n: u32) {
    let start: &[u8] = if n.is_multiple_of(2) {
        b"GET /login HTTP/1.1\r\nhost: localhost\r\nx-a: "
    } else {
        b"POST /login HTTP/1.1\r\nhost: localhost\r\nsec-fetch-site: same-origin\r\ncontent-type: application/x-www-form-urlencoded\r\ncontent-length: 60000\r\n\r\nlogin="
    };
    let mut sent = stream.write_all(start).await;
    while sent.is_ok() {
        tokio::time::sleep(Duration::from_secs(1)).await;
        sent = stream.write_all(b"a").await;
    }
}
