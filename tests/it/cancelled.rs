//! A browser that goes away in the middle of a request cancels whatever that request awaits. Seen with sqlx 0.9: a `begin` cancelled in
//! flight gave back a connection with an open transaction, and the next user's acknowledged write vanished in it.

use crate::support::{TestDb, database};
use sqlx::ConnectOptions;
use sqlx::postgres::PgConnectOptions;
use std::path::Path;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixListener, UnixStream};
use watchfloor::store::{Db, DbRole, embedded};

const LATENCY: Duration = Duration::from_millis(8);

/// Puts a connection that is slow both ways between the portal and the server; gives the options to reach it.
fn slow(owner: &PgConnectOptions, dir: &Path) -> PgConnectOptions {
    std::fs::create_dir(dir).unwrap();
    let listener = UnixListener::bind(dir.join(".s.PGSQL.5432")).unwrap();
    let upstream = owner.clone();
    tokio::spawn(async move {
        loop {
            let (client, _) = listener.accept().await.unwrap();
            let (read, write) = client.into_split();
            if let Some(socket) = upstream.get_socket() {
                let path = socket.join(format!(".s.PGSQL.{}", upstream.get_port()));
                let (upstream_read, upstream_write) = UnixStream::connect(path).await.unwrap().into_split();
                tokio::spawn(carry(read, upstream_write));
                tokio::spawn(carry(upstream_read, write));
            } else {
                let address = (upstream.get_host().to_owned(), upstream.get_port());
                let (upstream_read, upstream_write) = TcpStream::connect(address).await.unwrap().into_split();
                tokio::spawn(carry(read, upstream_write));
                tokio::spawn(carry(upstream_read, write));
            }
        }
    });
    owner.clone().socket(dir).port(5432)
}

async fn carry(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        tokio::time::sleep(LATENCY).await;
        if to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}

#[tokio::test]
async fn a_begin_that_is_cancelled_in_flight_poisons_no_connection_and_loses_no_acknowledged_write() {
    let TestDb { owner, .. } = database().await;
    let dir = embedded::temporary_dir();
    let web = Db::connect(slow(&owner, &dir), DbRole::Web, 2).await.unwrap();
    let pool = web.engine_pool();
    let mut direct = owner.connect().await.unwrap();
    for n in 0..40_u64 {
        // From "not yet sent" to "answered, and about to be handed over".
        let cancelled_after = Duration::from_millis(n % 20);
        drop(tokio::time::timeout(cancelled_after, web.all_tenants()).await);

        let hash = n.to_be_bytes();
        sqlx::query("insert into setup_tokens (token_hash, expires_at) values ($1, now())").bind(&hash[..]).execute(&pool).await.unwrap();
        let durable: bool = sqlx::query_scalar("select exists (select from setup_tokens where token_hash = $1)")
            .bind(&hash[..])
            .fetch_one(&mut direct)
            .await
            .unwrap();
        assert!(durable, "write {n} was acknowledged and is not there");
    }
    web.close().await;
    std::fs::remove_dir_all(dir).unwrap();
    let idle: i64 = sqlx::query_scalar(
        "select count(*) from pg_stat_activity where datname = current_database() and state like 'idle in transaction%'",
    )
    .fetch_one(&mut direct)
    .await
    .unwrap();
    assert_eq!(idle, 0);
}

#[tokio::test]
async fn a_clean_connection_is_kept_and_one_with_an_open_transaction_is_closed() {
    let TestDb { owner, .. } = database().await;
    let web = Db::connect(owner, DbRole::Web, 1).await.unwrap();
    let pool = web.engine_pool();
    let backend = async || -> i32 { sqlx::query_scalar("select pg_backend_pid()").fetch_one(&pool).await.unwrap() };
    let first = backend().await;
    assert_eq!(backend().await, first, "a clean connection is used again");
    web.all_tenants().await.unwrap().commit().await.unwrap();
    drop(web.all_tenants().await.unwrap());
    assert_eq!(backend().await, first, "a connection whose transaction ended is used again");
    sqlx::raw_sql("begin").execute(&pool).await.unwrap();
    assert_ne!(backend().await, first, "a connection inside a transaction is closed");
}
