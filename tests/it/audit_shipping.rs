//! The audit log reaches a syslog receiver: everything, in order, and nothing is lost while the receiver is away.

use crate::program::portal;
use crate::support::{TestDb, database};
use std::process::{Command, Stdio};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};
use tokio_util::sync::CancellationToken;
use watchfloor::config::{Audit, LogFormat};
use watchfloor::model::clock;
use watchfloor::store::audit::{Actor, Event, record};
use watchfloor::store::audit_shipping::{self, Shipping};
use watchfloor::sync::audit::{keep_up, run};

fn receiver(scheme: &str, port: u16, format: LogFormat) -> Audit {
    Audit { syslog: Some(format!("{scheme}://127.0.0.1:{port}").parse().unwrap()), format }
}

async fn write(db: &TestDb, object: &str) {
    let mut tx = db.web.no_tenant().await.unwrap();
    record(&mut tx, Event::new(Actor::Stranger, "login").ip(Some("203.0.113.7".to_owned())).object(object).refused()).await.unwrap();
    tx.commit().await.unwrap();
}

async fn send(db: &TestDb, audit: &Audit) -> Shipping {
    keep_up(&db.worker, audit, "portal.example.com", clock::now()).await.unwrap();
    shipping(db).await.unwrap()
}

async fn shipping(db: &TestDb) -> Option<Shipping> {
    let mut tx = db.web.no_tenant().await.unwrap();
    audit_shipping::list(&mut tx, clock::now()).await.unwrap().pop()
}

/// One connection: the messages by their lengths.
async fn take(listener: &TcpListener) -> Vec<String> {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    let (mut messages, mut rest) = (Vec::new(), text.as_str());
    while let Some((length, after)) = rest.split_once(' ') {
        let (message, next) = after.split_at(length.parse().unwrap());
        messages.push(message.to_owned());
        rest = next;
    }
    messages
}

#[tokio::test]
async fn a_row_is_one_message_whatever_stands_in_it() {
    let db = database().await;
    write(&db, "a \"quoted\" ]end\\ \r\n<13>1 - forged - - - - line \u{202e}").await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let audit = receiver("tcp", listener.local_addr().unwrap().port(), LogFormat::Rfc5424);
    let (messages, shipping) = tokio::join!(take(&listener), send(&db, &audit));
    assert_eq!(shipping.position, 1);
    let [message] = messages.as_slice() else { panic!("{messages:?}") };
    assert!(
        message.starts_with("<108>1 20") && message.contains("Z portal.example.com watchfloor - login [audit@32473 position=\"1\" hash=\"")
    );
    assert!(message.contains(" ip=\"203.0.113.7\"") && message.contains(" result=\"refused\""), "{message}");
    assert!(message.contains(r#"object="a \"quoted\" \]end\\ u{d}u{a}<13>1 - forged"#), "{message}");
    assert!(!message.contains('\n') && !message.contains('\r'));

    let audit = receiver("tcp", listener.local_addr().unwrap().port(), LogFormat::Cef);
    let (messages, _) = tokio::join!(take(&listener), send(&db, &audit));
    let message = &messages[0];
    assert!(message.contains(" login - CEF:0|Watchfloor|Watchfloor|") && message.contains("|login|login|6|rt="), "{message}");
    assert!(
        message.contains(" suser=stranger ") && message.contains(" src=203.0.113.7 ") && message.contains(" outcome=refused"),
        "{message}"
    );
    assert!(message.contains(r#"cs1Label=object cs1=a "quoted" ]end\\ u{d}u{a}<13>1 - forged"#), "{message}");
}

#[tokio::test]
async fn a_receiver_that_is_away_or_breaks_off_gets_everything_later_and_the_failure_is_told() {
    let db = database().await;
    write(&db, "first").await;
    // Nobody listens.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let audit = receiver("tcp", port, LogFormat::Rfc5424);
    let shipping = send(&db, &audit).await;
    assert_eq!(shipping.position, 0);
    assert!(shipping.reason.as_ref().unwrap().contains("did not take the audit log"), "{shipping:?}");
    let since = shipping.failing_since.unwrap();

    // Somebody listens, and hangs up with a reset before having read.
    let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    write(&db, "second").await;
    let reset = async {
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_zero_linger().unwrap();
    };
    let ((), shipping) = tokio::join!(reset, send(&db, &audit));
    assert_eq!((shipping.position, shipping.failing_since), (0, Some(since)), "it fails since the first time");

    write(&db, "third").await;
    let (messages, shipping) = tokio::join!(take(&listener), send(&db, &audit));
    let objects: Vec<&str> = messages.iter().map(|message| message.split("object=\"").nth(1).unwrap().split('"').next().unwrap()).collect();
    assert_eq!(objects, ["first", "second", "third"]);
    assert_eq!((shipping.position, shipping.failing_since, shipping.reason), (3, None, None));
}

#[tokio::test]
async fn of_two_processes_one_sends() {
    let db = database().await;
    write(&db, "once").await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let audit = receiver("tcp", listener.local_addr().unwrap().port(), LogFormat::Rfc5424);
    // The first is still at it: it waits for the receiver, which has not read yet.
    let first = send(&db, &audit);
    let second = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        keep_up(&db.worker, &audit, "portal.example.com", clock::now()).await.unwrap();
        assert_eq!(shipping(&db).await, None, "the other process leaves it alone");
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        stream.shutdown().await.unwrap();
        text
    };
    let (first, text) = tokio::join!(first, second);
    assert_eq!((first.position, text.matches("object=\"once\"").count()), (1, 1));
}

#[tokio::test]
async fn a_process_that_ends_does_not_wait_for_a_receiver() {
    let db = database().await;
    write(&db, "held up").await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let audit = receiver("tcp", listener.local_addr().unwrap().port(), LogFormat::Rfc5424);
    let stop = CancellationToken::new();
    let work = async {
        run(&db.worker, &audit, "portal.example.com", &stop).await;
    };
    let end = async {
        let held = listener.accept().await.unwrap(); // and never read
        stop.cancel();
        held
    };
    let ended = tokio::time::timeout(Duration::from_secs(10), async { tokio::join!(work, end) });
    ended.await.expect("it ends at once");
}

#[tokio::test]
async fn a_datagram_carries_a_row() {
    let db = database().await;
    write(&db, "first").await;
    write(&db, "second").await;
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let shipping = send(&db, &receiver("udp", socket.local_addr().unwrap().port(), LogFormat::Rfc5424)).await;
    assert_eq!(shipping.position, 2);
    for object in ["first", "second"] {
        let mut buffer = [0; 2048];
        let read = socket.recv(&mut buffer).await.unwrap();
        assert!(String::from_utf8_lossy(&buffer[..read]).contains(&format!("object=\"{object}\"")));
    }
}

/// A real syslog daemon, killed when dropped.
struct Daemon(std::process::Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn a_real_syslog_daemon_understands_every_row() {
    let db = database().await;
    let hostile = "Ünïcode ] \" \\ = | \n second line";
    write(&db, hostile).await;
    for n in 0..600 {
        write(&db, &format!("row {n}")).await;
    }
    let (dir, address) = portal();
    let port: u16 = address.rsplit(':').next().unwrap().parse().unwrap();
    let out = dir.join("out");
    let config = format!(
        "module(load=\"imtcp\")\nglobal(workDirectory=\"{dir}\" maxMessageSize=\"64k\")\ninput(type=\"imtcp\" port=\"{port}\" address=\"127.0.0.1\")\n\
         template(name=\"told\" type=\"string\" string=\"%hostname% %app-name% %msgid% %pri% %structured-data%%msg%\\n\")\n\
         action(type=\"omfile\" file=\"{out}\" template=\"told\")\n",
        dir = dir.display(),
        out = out.display(),
    );
    std::fs::write(dir.join("rsyslog.conf"), config).unwrap();
    let pid = dir.join("pid");
    let daemon = Command::new("/usr/sbin/rsyslogd")
        .args(["-n", "-f", dir.join("rsyslog.conf").to_str().unwrap(), "-i", pid.to_str().unwrap()])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("rsyslogd is there: script/setup test installs it");
    let _daemon = Daemon(daemon);
    let audit = receiver("tcp", port, LogFormat::Rfc5424);
    let mut shipping = send(&db, &audit).await;
    while shipping.position < 601 {
        tokio::task::yield_now().await; // it is still starting
        shipping = send(&db, &audit).await;
    }
    let lines = || std::fs::read_to_string(&out).unwrap_or_default().lines().map(str::to_owned).collect::<Vec<_>>();
    let told = tokio::time::timeout(Duration::from_secs(30), async {
        while lines().len() < 601 {
            tokio::task::yield_now().await;
        }
        lines()
    });
    let lines = told.await.unwrap();
    assert_eq!(lines.len(), 601);
    assert!(lines.iter().all(|line| line.starts_with("portal.example.com watchfloor login 108 [audit@32473 position=\"")), "{}", lines[0]);
    assert!(lines[0].contains(r#"object="Ünïcode \] \" \\ = | u{a} second line""#), "{}", lines[0]);
    assert!(lines[600].contains("object=\"row 599\""), "{}", lines[600]);
}
