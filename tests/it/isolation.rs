//! What one transaction's scope lets through, for every table of tenants' data, and that a scope never outlives its transaction.

use crate::catalogue::TENANT_TABLES;
use crate::support::{TestDb, database};
use sqlx::{AssertSqlSafe, ConnectOptions, Executor};
use std::collections::BTreeSet;
use watchfloor::model::{Scope, TenantId};
use watchfloor::store::{Db, Scoped};

/// One row of one tenant ($1) for each table, in an order that satisfies the foreign keys.
const ROWS: &[(&str, &str)] = &[
    ("tenants", "insert into tenants (tenant_id, name) values ($1, 'Tenant ' || $1)"),
    ("grants", "insert into grants select $1, user_id from users limit 1"),
    (
        "rebind_requests",
        "insert into rebind_requests (tenant_id, request_id, reason, requested_by) select $1, gen_random_uuid(), 'moved', user_id from users limit 1",
    ),
    (
        "directory_entries",
        "insert into directory_entries (tenant_id, entry_id, directory_id, entered_by)
         select $1, gen_random_uuid(), gen_random_uuid(), user_id from users limit 1",
    ),
    (
        "invites",
        "insert into invites (tenant_id, invite_id, token_hash, expires_at) values ($1, gen_random_uuid(), sha256($1::text::bytea), now())",
    ),
    (
        "consent_attempts",
        "insert into consent_attempts (tenant_id, attempt_id, invite_id, app, step, state_hash, browser_hash, expires_at)
         select $1, gen_random_uuid(), coalesce((select invite_id from invites where tenant_id = $1), gen_random_uuid()), 'a', 'sign_in', '', '', now()",
    ),
    ("tenant_permissions", "insert into tenant_permissions (tenant_id, app, product, permission) values ($1, 'a', 'graph', 'X')"),
    ("sync_state", "insert into sync_state (tenant_id, product) values ($1, 'graph')"),
    ("sync_runs", "insert into sync_runs (tenant_id, run_id, product, started_at) values ($1, gen_random_uuid(), 'graph', now())"),
    (
        "quarantine",
        "insert into quarantine (tenant_id, quarantine_id, product, kind, body_hash, body, reason)
         values ($1, gen_random_uuid(), 'graph', 'alert', '', '{}', 'no id')",
    ),
    (
        "incidents",
        "insert into incidents (tenant_id, incident_id, product, external_id, title, severity, severity_raw, status, status_raw, created_at, updated_at)
         values ($1, $1, 'defender_xdr', '1', 'Title', 4, 'high', 'new', 'active', now(), now())",
    ),
    ("incident_raw", "insert into incident_raw (tenant_id, incident_id, api, body, body_hash, updated_at) values ($1, $1, 'graph', '{}', '', now())"),
    ("incident_events", "insert into incident_events (tenant_id, event_id, incident_id, at, kind) values ($1, gen_random_uuid(), $1, now(), 'opened')"),
    (
        "alerts",
        "insert into alerts (tenant_id, alert_id, product, external_id, title, severity, severity_raw, status, status_raw, created_at, updated_at)
         values ($1, $1, 'defender_xdr', '1', 'Title', 4, 'high', 'new', 'new', now(), now())",
    ),
    ("alert_raw", "insert into alert_raw (tenant_id, alert_id, api, body, body_hash, updated_at) values ($1, $1, 'graph', '{}', '', now())"),
    (
        "notes",
        "insert into notes (tenant_id, note_id, incident_id, author, login, text, created_at) values ($1, gen_random_uuid(), $1, 'Ann', 'ann', 'x', now())",
    ),
    (
        "incident_leases",
        "insert into incident_leases (tenant_id, incident_id, user_id, name, login, since, until) values ($1, $1, $1, 'Ann', 'ann', now(), now())",
    ),
    (
        "bulk_tenants",
        "with job as (insert into bulk_jobs (bulk_id, actor, words, created_at) values (gen_random_uuid(), 'ann', 'A', now()) returning bulk_id)
         insert into bulk_tenants (tenant_id, bulk_id, matched, next_at) select $1, bulk_id, 1, now() from job",
    ),
    (
        "bulk_incidents",
        "insert into bulk_incidents (tenant_id, bulk_id, incident_id)
         select $1, coalesce((select bulk_id from bulk_tenants where tenant_id = $1 limit 1), gen_random_uuid()), $1",
    ),
    ("tenant_counts", "insert into tenant_counts (tenant_id, product) values ($1, 'graph')"),
    ("api_usage", "insert into api_usage (tenant_id, budget, hour, minute) values ($1, 'graph security', now(), now())"),
    (
        "changes",
        "insert into changes (tenant_id, change_id, operation, args, subject, actor)
         values ($1, gen_random_uuid(), 'xdr.incidents.update', array['1'], 'An incident', 'ann')",
    ),
    (
        "lookups",
        "insert into lookups (tenant_id, lookup_id, operation, args, actor) values ($1, gen_random_uuid(), 'xdr.incidents.get', array['1'], 'ann')",
    ),
    ("token_claims", "insert into token_claims (tenant_id, app, product, fetched_at) values ($1, 'a', 'graph', now())"),
    (
        "permission_drifts",
        "insert into permission_drifts (tenant_id, app, product, permission, at, was, became) values ($1, 'a', 'graph', 'X', now(), 'works', 'revoked')",
    ),
    ("devices", "insert into devices (tenant_id, device_id, external_id, name, body, synced_at) values ($1, $1, '1', 'A device', '{}', now())"),
    ("device_reads", "insert into device_reads (tenant_id, next_due) values ($1, now())"),
    (
        "hunt_tenants",
        "with hunt as (insert into hunts (hunt_id, title, query, actor, tenants) values (gen_random_uuid(), 'A', 'DeviceInfo', 'ann', 1) returning hunt_id)
         insert into hunt_tenants (tenant_id, hunt_id) select $1, hunt_id from hunt",
    ),
    (
        "hunt_rows",
        "insert into hunt_rows (tenant_id, hunt_id, piece, rows)
         select $1, coalesce((select hunt_id from hunt_tenants where tenant_id = $1 limit 1), gen_random_uuid()), 0, '[]'",
    ),
    (
        "upload_parts",
        "insert into upload_parts (tenant_id, change_id, part, bytes) values ($1, gen_random_uuid(), 0, '\\x00')",
    ),
    (
        "suppression_tenants",
        "with rule as (insert into suppressions (suppression_id, tenants, title, reason, owner, made_at, expires_at)
                       values (gen_random_uuid(), 1, 'A', 'x', 'ann', now(), now() + interval '1 day') returning suppression_id)
         insert into suppression_tenants (tenant_id, suppression_id) select $1, suppression_id from rule",
    ),
    (
        "suppression_hits",
        "insert into suppression_hits (tenant_id, suppression_id, alert_id, at, severity)
         select $1, coalesce((select suppression_id from suppression_tenants where tenant_id = $1 limit 1), gen_random_uuid()), $1, now(), 3",
    ),
    (
        "customers",
        "insert into customers (tenant_id, customer_id, issuer, directory_id, object_id, display_name, username, is_admin, invited_by)
         values ($1, $1, 'i', $1, $1, 'Eve', 'eve', true, 'Ann')",
    ),
    (
        "customer_invites",
        "insert into customer_invites (tenant_id, invite_id, ticket_hash, label, is_admin, made_by, expires_at)
         values ($1, gen_random_uuid(), sha256($1::text::bytea), 'Eve', true, 'Ann', now())",
    ),
    (
        "customer_sessions",
        "insert into customer_sessions (tenant_id, session_hash, customer_id, expires_at) values ($1, sha256($1::text::bytea), $1, now())",
    ),
    ("incident_shares", "insert into incident_shares (tenant_id, incident_id, shared_by) values ($1, $1, 'Ann')"),
    ("staff_looks", "insert into staff_looks (tenant_id, day, incident_id, user_id, name) values ($1, '2000-01-01', $1, $1, 'Ann')"),
    (
        "reading_marks",
        "insert into reading_marks (tenant_id, there, enabled, reads, known) values ($1, 1, 1, 1, 1) on conflict (tenant_id) do update set there = 1",
    ),
    ("daily_counts", "insert into daily_counts (tenant_id, day) values ($1, '2000-01-01')"),
];

async fn insert(tx: &mut Scoped, statement: &'static str, tenant: TenantId) -> sqlx::Result<()> {
    sqlx::query(statement).bind(tenant).execute(&mut **tx).await.map(drop)
}

/// Two tenants with a row in every table.
pub async fn two_tenants(db: &Db) -> (TenantId, TenantId) {
    let tenants = (TenantId::new(), TenantId::new());
    let mut tx = db.all_tenants().await.unwrap();
    tx.execute(
        "insert into users (user_id, login, display_name, role, password_hash) values (gen_random_uuid(), 'ann', 'Ann', 'lead', '')",
    )
    .await
    .unwrap();
    for tenant in [tenants.0, tenants.1] {
        for (table, statement) in ROWS {
            insert(&mut tx, statement, tenant).await.unwrap_or_else(|error| panic!("{table}: {error}"));
        }
    }
    tx.commit().await.unwrap();
    tenants
}

async fn seen(tx: &mut Scoped, table: &str) -> BTreeSet<TenantId> {
    let query = format!("select tenant_id from {table}");
    sqlx::query_scalar(AssertSqlSafe(query)).fetch_all(&mut **tx).await.unwrap().into_iter().collect()
}

fn is_refused(result: sqlx::Result<impl Sized>) -> bool {
    result.is_err_and(|error| error.as_database_error().is_some_and(|error| error.code().as_deref() == Some("42501")))
}

#[tokio::test]
async fn the_rows_below_cover_every_table_of_tenants_data() {
    let TestDb { owner, .. } = database().await;
    let mut connection = owner.connect().await.unwrap();
    let tables: Vec<String> =
        sqlx::query_scalar(AssertSqlSafe(format!("select name from ({TENANT_TABLES}) t"))).fetch_all(&mut connection).await.unwrap();
    let covered: BTreeSet<String> = ROWS.iter().map(|(table, _)| (*table).to_owned()).collect();
    assert_eq!(tables.into_iter().collect::<BTreeSet<_>>(), covered);
}

#[tokio::test]
async fn a_scope_reads_and_writes_its_own_tenants_rows_and_no_others_in_every_table() {
    let TestDb { web, worker, .. } = database().await;
    let (ours, theirs) = two_tenants(&web).await;
    for db in [&web, &worker] {
        for (table, statement) in ROWS {
            let mut tx = db.no_tenant().await.unwrap();
            assert_eq!(seen(&mut tx, table).await, BTreeSet::new(), "{table} without a scope");
            assert!(is_refused(insert(&mut tx, statement, theirs).await), "{table}: a row was written without a scope");
            drop(tx);

            let mut tx = db.all_tenants().await.unwrap();
            assert_eq!(seen(&mut tx, table).await, BTreeSet::from([ours, theirs]), "{table} over all tenants");
            drop(tx);

            let mut tx = db.tenant(ours).await.unwrap();
            assert_eq!(seen(&mut tx, table).await, BTreeSet::from([ours]), "{table} in one tenant's scope");
            let touch = format!("update {table} set tenant_id = tenant_id where tenant_id = $1");
            match sqlx::query(AssertSqlSafe(touch)).bind(theirs).execute(&mut *tx).await {
                Ok(done) => assert_eq!(done.rows_affected(), 0, "{table}: another tenant's row was changed"),
                refused => assert!(is_refused(refused), "{table}"),
            }
            drop(tx);

            let mut tx = db.tenant(ours).await.unwrap();
            let hand_over = format!("update {table} set tenant_id = $1");
            let handed_over = sqlx::query(AssertSqlSafe(hand_over)).bind(theirs).execute(&mut *tx).await;
            assert!(is_refused(handed_over), "{table}: a row was handed to another tenant");
            drop(tx);

            let mut tx = db.tenant(ours).await.unwrap();
            assert!(is_refused(insert(&mut tx, statement, theirs).await), "{table}: a row was written for another tenant");
        }
    }
}

#[tokio::test]
async fn deleting_reaches_no_other_tenant() {
    let TestDb { web, worker, .. } = database().await;
    let (ours, theirs) = two_tenants(&web).await;
    for (db, table) in [
        (&web, "grants"),
        (&web, "tenants"),
        (&worker, "quarantine"),
        (&worker, "sync_runs"),
        (&worker, "alerts"),
        (&worker, "devices"),
        (&worker, "tenants"),
    ] {
        let mut tx = db.tenant(ours).await.unwrap();
        let everything = format!("delete from {table}");
        assert_eq!(tx.execute(AssertSqlSafe(everything)).await.unwrap().rows_affected(), 1, "{table}");
        drop(tx);
        let mut tx = db.all_tenants().await.unwrap();
        assert_eq!(seen(&mut tx, table).await, BTreeSet::from([ours, theirs]));
    }
}

#[tokio::test]
async fn an_audit_row_is_read_within_its_tenants_scope_and_written_from_any() {
    use watchfloor::store::audit::{Actor, Event, record};
    let TestDb { web, .. } = database().await;
    let (ours, theirs) = two_tenants(&web).await;
    let mut tx = web.no_tenant().await.unwrap();
    for tenant in [ours, theirs] {
        record(&mut tx, Event::new(Actor::Stranger, "invite.refused").tenant(tenant)).await.unwrap();
    }
    record(&mut tx, Event::new(Actor::Stranger, "login.failed")).await.unwrap();
    tx.commit().await.unwrap();
    for (scope, rows) in [(Scope::All, 3), (Scope::one(ours), 1), (Scope::Tenants(vec![]), 0)] {
        let mut tx = web.begin(&scope).await.unwrap();
        let count: i64 = sqlx::query_scalar("select count(*) from audit_log").fetch_one(&mut *tx).await.unwrap();
        assert_eq!(count, rows, "{scope:?}");
    }
}

#[tokio::test]
async fn a_pooled_query_after_a_scoped_transaction_sees_nothing_however_that_one_ended() {
    let TestDb { web, .. } = database().await;
    let (ours, _) = two_tenants(&web).await;
    let pool = web.engine_pool();
    for ending in ["commit", "drop", "error", "session setting"] {
        let mut tx = web.tenant(ours).await.unwrap();
        match ending {
            "commit" => tx.commit().await.unwrap(),
            "drop" => drop(tx),
            "error" => drop(tx.execute("select 1/0").await.unwrap_err()),
            _ => {
                tx.execute("select set_config('app.all_tenants', 'on', false)").await.unwrap();
                tx.commit().await.unwrap();
            }
        }
        for _ in 0..12 {
            let rows: i64 = sqlx::query_scalar("select count(*) from incidents").fetch_one(&pool).await.unwrap();
            assert_eq!(rows, 0, "after {ending}");
        }
    }
}
