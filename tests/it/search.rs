//! Search by words and entities: what it finds, for whom, and that it finds the same where it must walk the list.

use crate::support::database;
use std::collections::BTreeSet;
use uuid::Uuid;
use watchfloor::model::{Scope, TenantId};
use watchfloor::store::lists::{Choice, Filter, Order};
use watchfloor::store::{Db, Scoped, alerts, incidents};

/// Two tenants, each with incidents and alerts of the same words, numbers and entities; `many` of them are called "Common".
async fn two_tenants(db: &Db, many: i32) -> (TenantId, TenantId) {
    let (a, b) = (TenantId::new(), TenantId::new());
    let mut tx = db.all_tenants().await.unwrap();
    for (tenant, name) in [(a, "Alder"), (b, "Birch")] {
        sqlx::query("insert into tenants (tenant_id, name) values ($1, $2)").bind(tenant).bind(name).execute(&mut *tx).await.unwrap();
        for (table, id) in [("incidents", "incident_id"), ("alerts", "alert_id")] {
            let text = format!(
                "insert into {table} (tenant_id, {id}, product, external_id, title, severity, severity_raw, status, status_raw, entities, created_at, updated_at)
                 select $1, gen_random_uuid(), 'defender_xdr', 'N' || n, case when n > 3 then 'Common thing ' else 'Rare 100% thing ' end || n, 3, 'x',
                        'new', 'x', array['user:eve' || n % 10, 'hash:' || n], now(), now() - n * interval '1 s'
                 from generate_series(1, $2) as n"
            );
            sqlx::query(sqlx::AssertSqlSafe(text)).bind(tenant).bind(many).execute(&mut *tx).await.unwrap();
        }
    }
    tx.commit().await.unwrap();
    (a, b)
}

async fn found(tx: &mut Scoped, function: &'static str, key: Option<&str>, words: Option<&str>) -> BTreeSet<Uuid> {
    let text = if function == "incidents" { "select search_incidents($1, $2, $3, 100)" } else { "select search_alerts($1, $2, $3, 100)" };
    let keys: Vec<&str> = key.into_iter().collect();
    let ids: Vec<Uuid> = sqlx::query_scalar(text).bind(words).bind(words).bind(keys).fetch_all(&mut **tx).await.unwrap();
    ids.into_iter().collect()
}

#[tokio::test]
async fn the_functions_of_search_find_nothing_outside_the_scope_and_without_one_nothing_at_all() {
    let db = database().await;
    let (a, b) = two_tenants(&db.web, 20).await;
    for pool in [&db.web, &db.worker] {
        for table in ["incidents", "alerts"] {
            for (key, words, each) in
                [(Some("user:eve1"), None, 2), (None, Some("%thing 7%"), 1), (None, Some("N7"), 1), (None, Some("%thing%"), 20)]
            {
                let mut seen = Vec::new();
                for scope in [Scope::Tenants(Vec::new()), Scope::one(a), Scope::one(b), Scope::one(TenantId::new()), Scope::All] {
                    let mut tx = pool.begin(&scope).await.unwrap();
                    let ids = found(&mut tx, table, key, words).await;
                    // What row-level security shows of these ids is all of them.
                    let text = format!("select count(*) from {table} where {}_id = any($1)", table.trim_end_matches('s'));
                    let visible: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(text))
                        .bind(ids.iter().copied().collect::<Vec<_>>())
                        .fetch_one(&mut *tx)
                        .await
                        .unwrap();
                    assert_eq!(usize::try_from(visible).unwrap(), ids.len(), "{table} {key:?} {words:?} {scope:?}");
                    seen.push(ids.len());
                }
                assert_eq!(seen, [0, each, each, 0, 2 * each], "{table} {key:?} {words:?}");
            }
        }
        for attempt in ["set role watchfloor_search", "alter function search_alerts owner to current_user", "drop policy search on alerts"]
        {
            let mut tx = pool.all_tenants().await.unwrap();
            // The sessions of tests belong to the schema's owner, who may become the role; the roles that run are no members of it.
            let member: bool =
                sqlx::query_scalar("select pg_has_role(current_user, 'watchfloor_search', 'usage')").fetch_one(&mut *tx).await.unwrap();
            assert!(!member);
            if !attempt.starts_with("set role") {
                assert!(sqlx::raw_sql(attempt).execute(&mut *tx).await.is_err(), "{attempt}");
            }
        }
    }
}

#[tokio::test]
async fn a_list_finds_the_same_by_its_indexes_as_by_walking_rare_or_common() {
    let db = database().await;
    let (a, _) = two_tenants(&db.web, 2_600).await;
    let mut all = db.web.all_tenants().await.unwrap();
    let text = |words: &str| Filter { text: Some(words.to_owned()), ..Filter::default() };
    let entity = |key: &str| Filter { entities: vec![key.to_owned()].into(), ..Filter::default() };
    let without = Filter { entities: Choice { any: Vec::new(), not: vec!["user:eve1".to_owned()] }, ..text("rare 100%") };
    for (filter, incidents_found) in [
        (text("rare 100%"), 6),
        (text("100_ thing"), 0),
        (text("n77"), 0),
        (text("N77"), 2),
        (text("eve3"), 520),
        (text("hash:17"), 2),
        (text("common"), 5_194),
        (text("th"), 5_200),
        (entity("user:eve3"), 520),
        (entity("user:eve"), 0),
        (without, 4),
        (Filter { entities: vec!["user:eve1".to_owned()].into(), ..text("rare") }, 2),
        (Filter { tenants: Some(vec![a]), ..text("rare") }, 3),
    ] {
        assert_eq!(incidents::ids(&mut all, &filter, &Order::default(), 10_000).await.unwrap().len(), incidents_found, "{filter:?}");
        assert_eq!(alerts::ids(&mut all, &filter, &Order::default(), 10_000).await.unwrap().len(), incidents_found, "{filter:?}");
        let counted = incidents::count(&mut all, &filter).await.unwrap();
        assert_eq!(counted, i64::try_from(incidents_found).unwrap().min(1_001), "{filter:?}");
    }
    let newest = incidents::list(&mut all, &text("common"), &Order::default(), None, 3).await.unwrap();
    assert!(newest.rows.iter().all(|row| ["N4", "N5"].contains(&row.external_id.as_str())), "in the order of the list: {:?}", newest.rows);
    let mut one = db.web.tenant(a).await.unwrap();
    assert_eq!(incidents::ids(&mut one, &text("eve3"), &Order::default(), 10_000).await.unwrap().len(), 260);
}
