//! The marks of readings, from which every list says how complete it is, are kept by triggers; the readings themselves must say the same.

use crate::support::{TestDb, database};
use chrono::{DateTime, TimeDelta, Utc};
use sqlx::Executor;
use std::time::Duration;
use watchfloor::model::{Product, Scope, SyncHealth, TenantId};
use watchfloor::store::coverage::{self, Summary, Which};
use watchfloor::store::{Db, sync_state};

const INTERVAL: Duration = Duration::from_secs(60);
const PRODUCTS: [&[Product]; 3] = [Product::ALL, &[Product::DefenderXdr, Product::Graph], &[Product::CloudApps]];

/// Tenants in every state, of which each has some readings.
async fn tenants(db: &Db, n: i32) -> Vec<TenantId> {
    let mut tx = db.all_tenants().await.unwrap();
    tx.execute("select setseed(0.5)").await.unwrap();
    sqlx::query(
        "insert into tenants (tenant_id, name, state)
         select gen_random_uuid(), 'Tenant ' || n, (array['active', 'degraded', 'blind', 'paused', 'invited', 'offboarded', 'active'])[1 + n % 7]
         from generate_series(1, $1) as n",
    )
    .bind(n)
    .execute(&mut *tx)
    .await
    .unwrap();
    tx.execute(
        "insert into sync_state (tenant_id, product, next_due) select tenant_id, product, now()
         from tenants, unnest(array['defender_xdr', 'defender_endpoint', 'cloud_apps', 'graph']) as product where random() < 0.7",
    )
    .await
    .unwrap();
    let tenants = sqlx::query_scalar("select tenant_id from tenants order by tenant_id").fetch_all(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
    tenants
}

/// What the readings say, each looked at.
async fn looked(db: &Db, scope: &Scope, which: &Which<'_>) -> Summary {
    let mut tx = db.begin(scope).await.unwrap();
    let expected: Vec<&str> =
        SyncHealth::ALL.iter().filter(|state| state.is_reading() || **state == SyncHealth::Waiting).map(|state| state.as_str()).collect();
    let words: Vec<(String, i64, i64, Option<DateTime<Utc>>)> = sqlx::query_as(
        "with reading as (
             select s.tenant_id, t.state, count(*) filter (where enabled) as needed, count(*) filter (where enabled and s.state = any ($4)) as read,
                    count(complete_until) filter (where enabled) as known, min(complete_until) filter (where enabled) as until
             from sync_state as s join tenants as t on t.tenant_id = s.tenant_id
             where ($1::uuid[] is null or s.tenant_id = any ($1)) and product = any ($2) and t.state in ('active', 'degraded', 'blind', 'paused')
             group by s.tenant_id, t.state
         )
         select case when state = 'paused' then 'paused' when read = 0 then 'blind' when read < needed then 'degraded'
                     when known < needed then 'loading' when until < $3 then 'late' else 'complete' end as word,
                count(*), coalesce(sum(needed), 0)::bigint, min(until) from reading group by word",
    )
    .bind(which.tenants)
    .bind(which.products.iter().map(|product| product.as_str()).collect::<Vec<_>>())
    .bind(which.now - TimeDelta::minutes(3))
    .bind(expected)
    .fetch_all(&mut *tx)
    .await
    .unwrap();
    let of = |word: &str| words.iter().find(|told| told.0 == word).map_or(0, |told| told.1);
    Summary {
        complete_until: words.iter().find(|told| told.0 == "complete").and_then(|told| told.3),
        complete: of("complete"),
        total: words.iter().filter(|told| told.0 != "paused").map(|told| told.1).sum(),
        blind: of("blind"),
        degraded: of("degraded"),
        late: of("late"),
        loading: of("loading"),
        paused: of("paused"),
        readings: words.iter().map(|told| told.2).sum(),
    }
}

/// How many tenants' marks are not those of their readings.
async fn drift(db: &Db) -> i64 {
    let mut tx = db.all_tenants().await.unwrap();
    sqlx::query_scalar(
        "with counted as (
             select tenant_id, sum(product_bit(product)) as there, coalesce(sum(product_bit(product)) filter (where enabled), 0) as enabled,
                    coalesce(sum(product_bit(product)) filter (where state in ('waiting', 'backfilling', 'ok')), 0) as reads,
                    coalesce(sum(product_bit(product)) filter (where complete_until is not null), 0) as known
             from sync_state group by tenant_id
         ), marked as (select tenant_id, there::bigint, enabled::bigint, reads::bigint, known::bigint from reading_marks where there <> 0)
         select count(*) from ((table counted except table marked) union all (table marked except table counted)) as other",
    )
    .fetch_one(&mut *tx)
    .await
    .unwrap()
}

#[tokio::test]
async fn the_sentence_is_what_the_readings_say_after_any_mix_of_new_changed_and_deleted_ones() {
    let TestDb { worker, owner, .. } = database().await;
    let all = tenants(&worker, 60).await;
    let now = watchfloor::model::clock::now();
    let mut words = std::collections::BTreeSet::new();
    for round in 0..12 {
        let mut tx = worker.all_tenants().await.unwrap();
        sqlx::query(
            "update sync_state set enabled = random() < 0.9, complete_until = case when random() < 0.9 then $1 - random() * interval '3.2 minutes' end,
                    state = (array['ok', 'ok', 'ok', 'ok', 'ok', 'ok', 'ok', 'ok', 'backfilling', 'waiting', 'throttled', 'no_permission', 'no_licence',
                                   'consent_lost', 'our_credential', 'failing'])[1 + floor(random() * 16)::int]
             where random() < 0.6",
        )
        .bind(now)
        .execute(&mut *tx)
        .await
        .unwrap();
        // As most readings are: nothing changes but the time.
        sqlx::query("update sync_state set complete_until = $1 where complete_until is not null and random() < 0.3")
            .bind(now)
            .execute(&mut *tx)
            .await
            .unwrap();
        tx.commit().await.unwrap();
        delete_some(owner.clone()).await;
        assert_eq!(drift(&worker).await, 0, "round {round}");
        for products in PRODUCTS {
            for (scope, tenants) in [
                (Scope::All, None),
                (Scope::All, Some(&all[..20])),
                (Scope::Tenants(all[10..40].to_vec()), None),
                (Scope::Tenants(all[10..40].to_vec()), Some(&all[30..])),
                (Scope::Tenants(Vec::new()), None),
            ] {
                let which = Which { tenants, products, now, interval: INTERVAL };
                let mut tx = worker.begin(&scope).await.unwrap();
                let told = coverage::summary(&mut tx, &which).await.unwrap();
                assert_eq!(told, looked(&worker, &scope, &which).await, "round {round}, {products:?}, {scope:?}");
                words.extend(told.sentence(now).split(' ').filter(|word| word.parse::<u32>().is_err()).map(str::to_owned));
            }
        }
    }
    for word in ["blind", "degraded", "late", "loading", "paused"] {
        assert!(words.iter().any(|other| other.trim_end_matches(';') == word), "{word} never came: {words:?}");
    }
}

/// Nothing of ours deletes readings but the deletion of their tenant; the marks would follow if it did.
async fn delete_some(owner: sqlx::postgres::PgConnectOptions) {
    use sqlx::{ConnectOptions, Connection};
    let mut connection = owner.connect().await.unwrap();
    connection.execute("select set_config('app.all_tenants', 'on', false)").await.unwrap();
    connection.execute("delete from sync_state where random() < 0.02").await.unwrap();
    connection.close().await.unwrap();
}

#[tokio::test]
async fn marks_stay_right_and_nobody_is_stuck_while_many_write_the_same_tenants() {
    let TestDb { worker, .. } = database().await;
    let all = tenants(&worker, 14).await;
    let mut tasks = tokio::task::JoinSet::new();
    for (n, product) in ["defender_xdr", "defender_endpoint", "cloud_apps"].into_iter().enumerate() {
        let worker = worker.clone();
        // Readings of one product of every tenant, which end otherwise than before.
        tasks.spawn(async move {
            for round in 0..25 {
                let mut tx = worker.all_tenants().await.unwrap();
                sqlx::query("update sync_state set state = case when state = 'ok' then 'failing' else 'ok' end where product = $1 and ($2 + hashtext(tenant_id::text)) % 3 <> 0")
                    .bind(product)
                    .bind(i32::try_from(n).unwrap() + round)
                    .execute(&mut *tx)
                    .await
                    .unwrap();
                tx.commit().await.unwrap();
            }
        });
    }
    for tenant in [all[0], all[5], all[9]] {
        let worker = worker.clone();
        // A check of permissions, which sets one product of a tenant after the other.
        tasks.spawn(async move {
            for round in 0..25 {
                let mut tx = worker.tenant(tenant).await.unwrap();
                for product in [Product::CloudApps, Product::Graph, Product::DefenderXdr, Product::DefenderEndpoint] {
                    let trouble = (round % 2 == 0).then_some((SyncHealth::NoLicence, "None.", "Buy one."));
                    let now = watchfloor::model::clock::now();
                    sync_state::set_enabled(&mut tx, tenant, product, round % 3 > 0, trouble, now).await.unwrap();
                }
                tx.commit().await.unwrap();
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    assert_eq!(drift(&worker).await, 0);
}
