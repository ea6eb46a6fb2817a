//! How complete what we hold is, in one sentence, and what is missing.

use crate::support::{TestDb, database};
use chrono::{DateTime, Utc};
use std::time::Duration;
use uuid::Uuid;
use watchfloor::model::{Product, Scope, SyncHealth, TenantId};
use watchfloor::store::coverage::{self, Summary, Which};

const INTERVAL: Duration = Duration::from_secs(60);

fn at(minute: u32) -> DateTime<Utc> {
    format!("2026-11-22T14:{minute:02}:00Z").parse().unwrap()
}

fn tenant(n: u128) -> TenantId {
    TenantId(Uuid::from_u128(n))
}

/// A reading of a tenant, which is made if it is not there.
async fn row(db: &TestDb, n: u128, (product, enabled): (Product, bool), state: SyncHealth, until: Option<u32>) {
    let mut tx = db.web.tenant(tenant(n)).await.unwrap();
    let text = "insert into tenants (tenant_id, name, state) values ($1, $2, 'active') on conflict do nothing";
    sqlx::query(text).bind(tenant(n)).bind(n.to_string()).execute(&mut *tx).await.unwrap();
    let text = "insert into sync_state (tenant_id, product, enabled, state, complete_until) values ($1, $2, $3, $4, $5)";
    let query = sqlx::query(text).bind(tenant(n)).bind(product).bind(enabled).bind(state).bind(until.map(at));
    query.execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
}

async fn summary(db: &TestDb, scope: &Scope, (tenants, products): (Option<&[TenantId]>, &[Product]), minute: u32) -> Summary {
    let mut tx = db.web.begin(scope).await.unwrap();
    coverage::summary(&mut tx, &Which { tenants, products, now: at(minute), interval: INTERVAL }).await.unwrap()
}

async fn gaps(db: &TestDb, scope: &Scope, products: &[Product], minute: u32) -> Vec<(u128, Product)> {
    let mut tx = db.web.begin(scope).await.unwrap();
    let rows = coverage::gaps(&mut tx, &Which { tenants: None, products, now: at(minute), interval: INTERVAL }).await.unwrap();
    let mut rows: Vec<_> = rows.into_iter().map(|row| (row.tenant_id.0.as_u128(), row.product)).collect();
    rows.sort_by_key(|(tenant, product)| (*tenant, product.as_str()));
    rows
}

#[tokio::test]
async fn the_sentence_names_the_oldest_of_the_complete_and_counts_the_rest_apart() {
    use Product::{CloudApps, DefenderXdr};
    use SyncHealth::{Backfilling, ConsentLost, NoPermission, Ok};
    let db = database().await;
    for (n, product, state, until) in [
        (1, DefenderXdr, Ok, Some(33)),
        (1, CloudApps, Ok, Some(34)),
        (2, DefenderXdr, Ok, Some(32)),
        (3, DefenderXdr, ConsentLost, Some(1)),
        (4, DefenderXdr, Ok, Some(34)),
        (4, CloudApps, NoPermission, None),
        (5, DefenderXdr, Ok, Some(20)),
        (6, DefenderXdr, Backfilling, None),
    ] {
        row(&db, n, (product, true), state, until).await;
    }
    let sum = summary(&db, &Scope::All, (None, Product::ALL), 34).await;
    let expected =
        Summary { complete_until: Some(at(32)), complete: 2, total: 6, blind: 1, degraded: 1, late: 1, loading: 1, paused: 0, readings: 8 };
    assert_eq!(sum, expected);
    assert_eq!(sum.sentence(at(34)), "Complete to 14:32 UTC for 2 of 6 tenants; 1 blind; 1 degraded; 1 late; 1 loading history");
    let told = "Incidents are complete to 14:32 UTC for 2 of 6 tenants; 1 not read; 1 partly read; 1 late; 1 loading history";
    assert_eq!(sum.sentence_of("Incidents", at(34)), told, "of one list no tenant is called blind");
    assert_eq!(gaps(&db, &Scope::All, Product::ALL, 34).await, [(3, DefenderXdr), (4, CloudApps), (5, DefenderXdr), (6, DefenderXdr)]);

    // Of one product, of some tenants, of a scope.
    let xdr = summary(&db, &Scope::All, (None, &[DefenderXdr]), 34).await;
    assert_eq!((xdr.complete, xdr.total, xdr.degraded, xdr.readings), (3, 6, 0, 6));
    assert_eq!(summary(&db, &Scope::All, (Some(&[tenant(1), tenant(3)]), Product::ALL), 34).await.total, 2);
    let one = summary(&db, &Scope::one(tenant(4)), (None, Product::ALL), 34).await;
    assert_eq!(one, Summary { total: 1, degraded: 1, readings: 2, ..Summary::default() });
    assert_eq!(gaps(&db, &Scope::one(tenant(4)), Product::ALL, 34).await, [(4, CloudApps)]);
    assert_eq!(summary(&db, &Scope::one(tenant(9)), (Some(&[tenant(1)]), Product::ALL), 34).await, Summary::default());
}

#[tokio::test]
async fn a_dead_worker_shows_as_late_and_a_disabled_product_is_nobodys_fault() {
    let db = database().await;
    row(&db, 1, (Product::DefenderXdr, true), SyncHealth::Ok, Some(30)).await;
    row(&db, 1, (Product::CloudApps, false), SyncHealth::Waiting, None).await;
    assert_eq!(summary(&db, &Scope::All, (None, Product::ALL), 33).await.complete, 1);
    assert_eq!(gaps(&db, &Scope::All, Product::ALL, 33).await, []);
    let late = summary(&db, &Scope::All, (None, Product::ALL), 34).await;
    assert_eq!((late.complete, late.late), (0, 1));
    assert_eq!(late.sentence(at(34)), "Complete for none of 1 tenant; 1 late");
    assert_eq!(gaps(&db, &Scope::All, Product::ALL, 34).await, [(1, Product::DefenderXdr)]);
    let none = summary(&db, &Scope::one(tenant(7)), (None, Product::ALL), 34).await;
    assert_eq!(none.sentence(at(34)), "No tenant is read yet");

    let mut tx = db.web.tenant(tenant(1)).await.unwrap();
    sqlx::query("update tenants set state = 'paused'").execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
    let paused = summary(&db, &Scope::All, (None, Product::ALL), 34).await;
    assert_eq!((paused.paused, paused.total, paused.late), (1, 0, 0));
}
