//! Secrets in the database: sealed, each at its own place, and sealed anew with another key while the portal runs.

use crate::app::TestApp;
use crate::guests::portal;
use crate::support::{TestDb, database};
use secrecy::{ExposeSecret, SecretString};
use sqlx::{AssertSqlSafe, ConnectOptions, Executor};
use std::collections::BTreeSet;
use watchfloor::model::{InviteId, Role, TenantId, clock};
use watchfloor::store::audit::{Actor, By};
use watchfloor::store::consents::{self, LIFETIME, SignIn};
use watchfloor::store::staff::{self, Answered, Start, Trip};
use watchfloor::store::vault::columns::SEALED;
use watchfloor::store::vault::{Vault, keys::MasterKey, rotation};
use watchfloor::store::{Db, factors, flows, tickets};

/// What must not be found anywhere.
pub const SECRETS: [&str; 6] = [
    "planted-nonce-of-staff",
    "planted-verifier-of-staff",
    "planted-nonce-of-consent",
    "planted-verifier-of-consent",
    "planted-key-of-a-factor",
    "planted-key-of-a-flow",
];

/// Who rotates.
pub fn by() -> By {
    By { actor: Actor::Operator, ip: None }
}

/// A master key.
pub fn key() -> MasterKey {
    MasterKey::random().unwrap()
}

/// A pool with these keys.
pub fn with(db: &Db, keys: &[&MasterKey]) -> Db {
    db.clone().with_vault(Vault::new(keys.iter().map(|&key| key.clone()).collect()))
}

/// Begins a trip of staff; its state's hash.
pub async fn begin(db: &Db, n: usize) -> Vec<u8> {
    let state_hash = tickets::hash(&format!("state {n} {}", uuid::Uuid::new_v4()));
    let start =
        Start { state_hash: &state_hash, browser_hash: b"browser", nonce: SECRETS[0], pkce_verifier: SECRETS[1], next: "/", proves: None };
    let mut tx = db.no_tenant().await.unwrap();
    staff::begin(&mut tx, &start).await.unwrap();
    tx.commit().await.unwrap();
    state_hash
}

/// Answers it.
pub async fn answer(db: &Db, state: &[u8]) -> sqlx::Result<Trip> {
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

/// Somebody's second factor, and one that is being made.
async fn factor(app: &TestApp) {
    let (_, user) = app.user(Role::Viewer, None).await;
    let mut tx = app.db.web.no_tenant().await.unwrap();
    let [key, begun] = [SECRETS[4], SECRETS[5]].map(|text| SecretString::from(text.to_owned()));
    factors::insert(&mut tx, user, (factors::Kind::Totp, "Phone"), &key, None).await.unwrap();
    flows::begin(&mut tx, (flows::Kind::NewFactor, &[7; 32]), user, "", Some(&begun)).await.unwrap();
    let found = factors::secrets(&mut tx, user, factors::Kind::Totp).await.unwrap();
    assert_eq!(found[0].1.expose_secret(), SECRETS[4]);
    assert_eq!(flows::find(&mut tx, flows::Kind::NewFactor, &[7; 32]).await.unwrap().unwrap().secret.unwrap().expose_secret(), SECRETS[5]);
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn no_secret_lies_in_clear_anywhere_and_every_sealed_column_is_known() {
    let app = portal().await;
    let tenant = app.tenant("Contoso").await;
    let (state, consent) = (begin(&app.db.web, 0).await, consent(&app, tenant).await);
    app.stranger().get("/login/entra").await;
    app.stranger().get("/login/customer").await;
    factor(&app).await;
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
            let hex = watchfloor::model::hex::encode(secret.as_bytes());
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
    assert_eq!([found.nonce.expose_secret(), found.pkce_verifier.expose_secret()], SECRETS[2..4]);
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
