//! Secrets in the database: sealed, each at its own place, and sealed anew with another key while the portal runs.

use crate::app::TestApp;
use crate::staff::{ask, portal};
use crate::support::{TestDb, database};
use secrecy::{ExposeSecret, SecretString};
use sqlx::{AssertSqlSafe, ConnectOptions, Executor};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use watchfloor::model::{InviteId, TenantId, clock};
use watchfloor::store::audit::{Actor, By};
use watchfloor::store::consents::{self, LIFETIME, SignIn};
use watchfloor::store::staff::{self, Answered, Start, Trip};
use watchfloor::store::vault::columns::SEALED;
use watchfloor::store::vault::{Vault, keys::MasterKey, rotation};
use watchfloor::store::{Db, tickets};

const SECRETS: [&str; 4] =
    ["planted-nonce-of-staff", "planted-verifier-of-staff", "planted-nonce-of-consent", "planted-verifier-of-consent"];

fn by() -> By {
    By { actor: Actor::Operator, ip: None }
}

fn key() -> MasterKey {
    MasterKey::random().unwrap()
}

fn with(db: &Db, keys: &[&MasterKey]) -> Db {
    db.clone().with_vault(Vault::new(keys.iter().map(|&key| key.clone()).collect()))
}

/// Begins a trip of staff; its state's hash.
async fn begin(db: &Db, n: usize) -> Vec<u8> {
    let state_hash = tickets::hash(&format!("state {n} {}", uuid::Uuid::new_v4()));
    let start = Start { state_hash: &state_hash, browser_hash: b"browser", nonce: SECRETS[0], pkce_verifier: SECRETS[1], next: "/" };
    let mut tx = db.no_tenant().await.unwrap();
    staff::begin(&mut tx, &start).await.unwrap();
    tx.commit().await.unwrap();
    state_hash
}

async fn answer(db: &Db, state: &[u8]) -> sqlx::Result<Trip> {
    let mut tx = db.no_tenant().await.unwrap();
    let Answered::Now(trip) = staff::answer(&mut tx, state).await? else { panic!("the trip was answered before") };
    tx.commit().await.map(|()| trip)
}

/// A trip of a customer's that has secrets; its state's hash.
async fn consent(app: &TestApp, tenant: TenantId) -> Vec<u8> {
    let state_hash = tickets::hash(&uuid::Uuid::new_v4().to_string());
    let secrets = SignIn { nonce: SECRETS[2].to_owned().into(), pkce_verifier: SECRETS[3].to_owned().into() };
    let mut tx = app.db.web.tenant(tenant).await.unwrap();
    let invite = InviteId::new();
    sqlx::query("insert into invites (tenant_id, invite_id, token_hash, expires_at) values ($1, $2, $3, now() + interval '1 day')")
        .bind(tenant)
        .bind(invite)
        .bind(&state_hash)
        .execute(&mut *tx)
        .await
        .unwrap();
    let start = consents::Start {
        tenant,
        invite,
        app: "defender",
        state_hash: &state_hash,
        browser_hash: b"browser",
        expires_at: clock::now() + LIFETIME,
        sign_in: Some((watchfloor::model::DirectoryId(uuid::Uuid::new_v4()), &secrets)),
    };
    consents::begin(&mut tx, &by(), &start, clock::now()).await.unwrap();
    tx.commit().await.unwrap();
    state_hash
}

async fn secrets(app: &TestApp, tenant: TenantId, state: &[u8]) -> sqlx::Result<SignIn> {
    let mut tx = app.db.web.tenant(tenant).await.unwrap();
    let attempt = consents::find(&mut tx, tenant, state).await.unwrap().unwrap();
    consents::take_secrets(&mut tx, &attempt).await.map(Option::unwrap)
}

#[tokio::test]
async fn no_secret_lies_in_clear_anywhere_and_every_sealed_column_is_known() {
    let app = portal().await;
    let tenant = app.tenant("Contoso").await;
    let (state, consent) = (begin(&app.db.web, 0).await, consent(&app, tenant).await);
    app.stranger().get("/login/entra").await;
    rotation::acquaint(&app.db.web).await.unwrap();
    let mut owner = app.db.owner.connect().await.unwrap();
    owner.execute("select set_config('app.all_tenants', 'on', false)").await.unwrap();
    let columns: Vec<(String, String)> = sqlx::query_as(
        "select table_name::text, column_name::text from information_schema.columns where table_schema in ('public', 'jobs') and is_generated = 'NEVER'",
    )
    .fetch_all(&mut owner)
    .await
    .unwrap();
    assert!(columns.len() > 300, "the whole schema is looked at");
    let known: BTreeSet<(&str, &str)> = SEALED.iter().map(|column| (column.table, column.name)).collect();
    let mut sealed = BTreeSet::new();
    for (table, column) in &columns {
        let schema = if sqlx::query_scalar("select to_regclass('public.' || quote_ident($1)) is not null")
            .bind(table)
            .fetch_one(&mut owner)
            .await
            .unwrap()
        {
            "public"
        } else {
            "jobs"
        };
        let all = format!("select \"{column}\"::text from {schema}.\"{table}\" where \"{column}\" is not null");
        let values: Vec<String> = sqlx::query_scalar(AssertSqlSafe(all)).fetch_all(&mut owner).await.unwrap();
        for secret in SECRETS {
            let hex = watchfloor::store::vault::columns::hex(secret.as_bytes());
            assert!(!values.iter().any(|value| value.contains(secret) || value.contains(&hex)), "{secret} lies in {table}.{column}");
        }
        if values.iter().any(|value| value.starts_with("v1:")) {
            sealed.insert((table.as_str(), column.as_str()));
        }
    }
    assert_eq!(sealed, known, "what is sealed, and what rotation knows of");
    let trip = answer(&app.db.web, &state).await.unwrap();
    assert_eq!([trip.nonce.expose_secret(), trip.pkce_verifier.expose_secret()], SECRETS[..2]);
    let found = secrets(&app, tenant, &consent).await.unwrap();
    assert_eq!([found.nonce.expose_secret(), found.pkce_verifier.expose_secret()], SECRETS[2..]);
}

#[tokio::test]
async fn what_was_moved_to_another_row_column_or_tenant_does_not_open() {
    let app = portal().await;
    let db = &app.db.web;
    let change = async |sql: &'static str| {
        let mut tx = db.all_tenants().await.unwrap();
        sqlx::query(sql).execute(&mut *tx).await.unwrap();
        tx.commit().await.unwrap();
    };
    let (one, two) = (begin(db, 1).await, begin(db, 2).await);
    change("update sign_in_trips as t set nonce = o.nonce from sign_in_trips as o where o.state_hash <> t.state_hash").await;
    assert!(answer(db, &one).await.is_err() && answer(db, &two).await.is_err(), "another row");
    let state = begin(db, 3).await;
    change("update sign_in_trips set nonce = pkce_verifier, pkce_verifier = nonce").await;
    assert!(answer(db, &state).await.is_err(), "another column");
    let (contoso, fabrikam) = (app.tenant("Contoso").await, app.tenant("Fabrikam").await);
    let (ours, theirs) = (consent(&app, contoso).await, consent(&app, fabrikam).await);
    change(
        "update consent_attempts as t set nonce = o.nonce, pkce_verifier = o.pkce_verifier from consent_attempts as o where o.tenant_id <> t.tenant_id",
    )
    .await;
    assert!(secrets(&app, contoso, &ours).await.is_err() && secrets(&app, fabrikam, &theirs).await.is_err(), "another tenant");
}

#[tokio::test]
async fn the_database_takes_no_clear_text_where_something_is_sealed() {
    let app = TestApp::start().await;
    for change in [
        "insert into vault_check (sealed) values ('a clear text')",
        "insert into sign_in_trips (state_hash, browser_hash, nonce, next, expires_at) values ('a', 'b', 'a clear text', '/', now())",
        "insert into sign_in_trips (state_hash, browser_hash, pkce_verifier, next, expires_at) values ('a', 'b', 'a clear text', '/', now())",
    ] {
        let mut tx = app.db.web.all_tenants().await.unwrap();
        let refusal = sqlx::query(change).execute(&mut *tx).await.unwrap_err();
        assert_eq!(refusal.as_database_error().unwrap().code().as_deref(), Some("23514"), "{change}: {refusal}");
    }
}

#[tokio::test]
async fn a_process_without_the_key_of_what_is_sealed_is_told_which_and_what_to_do() {
    let TestDb { web, .. } = database().await;
    let (old, new) = (key(), key());
    rotation::acquaint(&web.clone().with_vault(Vault::default())).await.unwrap();
    let first = with(&web, &[&old]);
    rotation::acquaint(&first).await.unwrap();
    rotation::acquaint(&first).await.unwrap();
    for db in [with(&web, &[&new]), web.clone().with_vault(Vault::default())] {
        let refusal = rotation::acquaint(&db).await.unwrap_err().to_string();
        assert!(refusal.contains(old.kid()) && refusal.contains("key_files") && refusal.contains("vault_check"), "{refusal}");
    }
    let state = begin(&with(&web, &[&new, &old]), 0).await;
    let refusal = rotation::acquaint(&first).await.unwrap_err().to_string();
    assert!(refusal.contains(new.kid()) && refusal.contains("sign_in_trips"), "{refusal}");
    assert!(answer(&first, &state).await.unwrap_err().to_string().contains(new.kid()));
    rotation::acquaint(&with(&web, &[&old, &new])).await.unwrap();
}

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
