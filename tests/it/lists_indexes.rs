//! Which indexes the lists of incidents and alerts are read from.

use crate::lists::two_tenants;
use crate::support::database;
use sqlx::{AssertSqlSafe, ConnectOptions, Executor};
use watchfloor::model::Status;
use watchfloor::store::lists::{Filter, Key, Order, Owner};
use watchfloor::store::{Scoped, alerts, incidents};

#[tokio::test]
async fn the_open_queue_is_read_from_its_index() {
    let db = database().await;
    let (a, b) = two_tenants(&db.web).await;
    let mut tx = db.web.all_tenants().await.unwrap();
    // Enough rows for an index to pay, most of them closed.
    sqlx::query(
        "insert into incidents (tenant_id, incident_id, product, external_id, title, severity, severity_raw, status, status_raw, created_at, updated_at)
         select $1, gen_random_uuid(), 'defender_xdr', 'old' || n, 'old', n % 6, 'x', 'resolved', 'x', now(), now() - n * interval '1 minute'
         from generate_series(1, 20000) as n",
    )
    .bind(b)
    .execute(&mut *tx)
    .await
    .unwrap();
    tx.commit().await.unwrap();
    let mut tx = db.web.all_tenants().await.unwrap();
    let before = reads(&mut tx).await;
    for tenants in [None, Some(vec![a, b])] {
        let open = Filter { tenants, statuses: vec![Status::New, Status::InProgress, Status::Unknown].into(), ..Filter::default() };
        assert_eq!(incidents::list(&mut tx, &open, &Order::default(), None, 50).await.unwrap().rows.len(), 50);
    }
    let rows = reads(&mut tx).await - before;
    assert_eq!(rows, 0, "rows of the table were read one after the other");
}

/// Twelve thousand open rows over all tenants, all with the same title and status, and each tenth of one owner.
async fn many_alike(tx: &mut Scoped, (table, id): (&str, &str)) {
    let text = format!(
        "insert into {table} (tenant_id, {id}, product, external_id, title, severity, severity_raw, status, status_raw, assigned_to, created_at,
                              updated_at)
         select tenant_id, gen_random_uuid(), 'defender_xdr', 'alike' || n, 'alike', n % 6, 'x', 'new', 'x',
                case when n % 10 = 0 then 'ada@example.com' end, now() - n * interval '1 minute', now() - n * interval '1 minute'
         from generate_series(1, 12000) as n join (select tenant_id, row_number() over () as place from tenants) as t on t.place = n % 40 + 1"
    );
    sqlx::query(AssertSqlSafe(text)).execute(&mut **tx).await.unwrap();
}

#[tokio::test]
async fn the_open_queue_is_read_from_an_index_by_whatever_one_key_it_is_sorted() {
    let db = database().await;
    let mut tx = db.web.all_tenants().await.unwrap();
    tx.execute("insert into tenants (tenant_id, name) select gen_random_uuid(), 'Tenant ' || n from generate_series(1, 40) as n")
        .await
        .unwrap();
    many_alike(&mut tx, ("incidents", "incident_id")).await;
    many_alike(&mut tx, ("alerts", "alert_id")).await;
    tx.commit().await.unwrap();
    db.owner.connect().await.unwrap().execute("analyze incidents, alerts").await.unwrap();
    let open = Filter { statuses: vec![Status::New, Status::InProgress, Status::Unknown].into(), ..Filter::default() };
    // Tenants are gone through by name, each by its own index; alerts have no alerts.
    for key in Key::ALL.iter().filter(|key| **key != Key::Tenant) {
        let mut tx = db.web.all_tenants().await.unwrap();
        let before = touched(&mut tx).await;
        // As a click on its head in the queue has it.
        let clicked = if *key == Key::Sla { Order::queue() } else { Order::queue().toggled(*key) };
        let page = incidents::list(&mut tx, &open, &clicked, None, 50).await.unwrap();
        incidents::list(&mut tx, &open, &clicked, page.next.as_ref(), 50).await.unwrap();
        if !Key::OF_INCIDENTS.contains(key) {
            alerts::list(&mut tx, &open, &Order::by(*key), None, 50).await.unwrap();
        }
        let touched = touched(&mut tx).await - before;
        assert!((100..1_000).contains(&touched), "{}: {touched} rows were read for pages of 50", key.as_str());
    }
    let mut tx = db.web.all_tenants().await.unwrap();
    let before = touched(&mut tx).await;
    let adas = Filter { owners: vec![Owner::Is("ada@example.com".into())].into(), ..open };
    assert_eq!(incidents::list(&mut tx, &adas, &Order::queue(), None, 50).await.unwrap().rows.len(), 50);
    let touched = touched(&mut tx).await - before;
    assert!((50..200).contains(&touched), "{touched} rows were read for a page of an owner's");
}

/// Rows read by scanning the whole table, so far in this transaction.
async fn reads(tx: &mut Scoped) -> i64 {
    sqlx::query_scalar("select seq_tup_read from pg_stat_xact_user_tables where relname = 'incidents'").fetch_one(&mut **tx).await.unwrap()
}

/// Rows of both tables read in any way, so far on this connection.
async fn touched(tx: &mut Scoped) -> i64 {
    let text = "select coalesce(sum(seq_tup_read + idx_tup_fetch), 0)::bigint from pg_stat_xact_user_tables where relname in ('incidents', 'alerts')";
    sqlx::query_scalar(text).fetch_one(&mut **tx).await.unwrap()
}
