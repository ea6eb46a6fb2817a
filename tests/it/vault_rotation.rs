//! Sealing everything anew with another key: broken off and gone on with, and beside those who write.

use crate::staff::{ask, portal};
use crate::support::{TestDb, database};
use crate::vault::{SECRETS, answer, begin, by, key, with};
use secrecy::{ExposeSecret, SecretString};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use watchfloor::store::vault::rotation;

#[tokio::test]
async fn a_rotation_that_is_broken_off_goes_on_and_afterwards_the_old_key_is_not_needed() {
    let TestDb { web, .. } = database().await;
    let (old, new) = (key(), key());
    let before = with(&web, &[&old]);
    rotation::acquaint(&before).await.unwrap();
    let mut states = Vec::new();
    for n in 0..350 {
        states.push(begin(&before, n).await);
    }
    let both = with(&web, &[&new, &old]);
    let left = async || {
        let mut tx = web.no_tenant().await.unwrap();
        let left: i64 = sqlx::query_scalar(
            "select count(*) from sign_in_trips where nonce like 'v1:' || $1 || ':%' or pkce_verifier like 'v1:' || $1 || ':%'",
        )
        .bind(old.kid())
        .fetch_one(&mut *tx)
        .await
        .unwrap();
        left
    };
    let begun = tokio::spawn({
        let both = both.clone();
        async move { rotation::rotate(&both, &by()).await }
    });
    let some_are_done = async {
        let done = "select exists (select from sign_in_trips where starts_with(nonce, 'v1:' || $1))";
        while !sqlx::query_scalar::<_, bool>(done).bind(new.kid()).fetch_one(&mut *web.no_tenant().await.unwrap()).await.unwrap() {}
    };
    tokio::time::timeout(Duration::from_secs(20), some_are_done).await.unwrap();
    begun.abort();
    assert!(begun.await.unwrap_err().is_cancelled() && left().await > 0, "it broke off in the middle");
    let looked_at: Vec<Vec<u8>> = states.drain(..10).collect();
    for state in looked_at.into_iter().chain(states.drain(300..310)) {
        assert_eq!(answer(&both, &state).await.unwrap().nonce.expose_secret(), SECRETS[0], "half way everything opens");
    }

    let done = rotation::rotate(&both, &by()).await.unwrap();
    assert!(done.iter().any(|(column, count)| (column.table, column.name) == ("sign_in_trips", "pkce_verifier") && *count > 0), "{done:?}");
    assert_eq!(left().await, 0);
    assert!(rotation::rotate(&both, &by()).await.unwrap().iter().all(|(_, count)| *count == 0), "there is nothing left to do");
    let after = with(&web, &[&new]);
    rotation::acquaint(&after).await.unwrap();
    for state in states {
        assert_eq!(answer(&after, &state).await.unwrap().pkce_verifier.expose_secret(), SECRETS[1]);
    }
}

#[tokio::test]
async fn a_rotation_beside_writers_loses_nothing_and_is_written_down() {
    let app = portal().await;
    let web = &app.db.web;
    let (old, new) = (key(), key());
    // One process seals with the old key still, another with the new one.
    let (late, early) = (with(web, &[&old, &new]), with(web, &[&new, &old]));
    rotation::acquaint(&late).await.unwrap();
    for n in 0..150 {
        begin(&late, n).await;
    }
    let stop = Arc::new(AtomicBool::new(false));
    let writers = [late.clone(), early.clone()].map(|db| {
        let stop = Arc::clone(&stop);
        tokio::spawn(async move {
            let mut count = 0;
            while !stop.load(Ordering::Relaxed) {
                let state = begin(&db, count).await;
                if count % 2 == 0 {
                    assert_eq!(answer(&db, &state).await.unwrap().nonce.expose_secret(), SECRETS[0]);
                }
                count += 1;
            }
            count
        })
    });
    rotation::rotate(&early, &by()).await.unwrap();
    stop.store(true, Ordering::Relaxed);
    for writer in writers {
        assert!(writer.await.unwrap() > 0);
    }
    rotation::rotate(&early, &by()).await.unwrap();
    let mut tx = web.all_tenants().await.unwrap();
    assert!(rotation::in_use(&mut tx).await.unwrap().iter().all(|key| key.kid == new.kid()));
    drop(tx);
    let open: Vec<Vec<u8>> = sqlx::query_scalar("select state_hash from sign_in_trips where answered_at is null")
        .fetch_all(&mut *web.no_tenant().await.unwrap())
        .await
        .unwrap();
    assert!(open.len() >= 150);
    for state in open {
        assert_eq!(answer(&with(web, &[&new]), &state).await.unwrap().pkce_verifier.expose_secret(), SECRETS[1]);
    }
    let written: String =
        ask(&app, "select string_agg(actor || ' ' || object || ' ' || result, ', ') from audit_log where action = 'keys.rotate'").await;
    assert_eq!(written, format!("command line {0} ok, command line {0} ok", new.kid()));
    let told: SecretString =
        ask::<String>(&app, "select string_agg(after::text, ' ') from audit_log where action = 'keys.rotate'").await.into();
    assert!(told.expose_secret().contains("sign_in_trips.nonce"));
}
