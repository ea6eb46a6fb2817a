//! The lists of incidents and alerts: order, pages, filters, counts, for few tenants and for all.

use crate::support::database;
use chrono::{DateTime, Utc};
use sqlx::{ConnectOptions, Executor};
use std::collections::HashSet;
use watchfloor::model::{Scope, Severity, Status, TenantId, clock};
use watchfloor::store::lists::{Choice, Filter, Hidden, Key, Order, Owner, Position, Span};
use watchfloor::store::{Db, Scoped, alerts, incidents, related};

const EACH: i32 = 40;

/// Two tenants with forty incidents each: severities 0 to 5 in turn, a third of them resolved. The first has a service level.
pub async fn two_tenants(db: &Db) -> (TenantId, TenantId) {
    let (a, b) = (TenantId::new(), TenantId::new());
    let mut tx = db.all_tenants().await.unwrap();
    tx.execute(
        "insert into service_levels (service_level_id, name, time_zone, opens, closes, days, changed_at)
             values ('70000000-0000-7000-8000-0000000000f1', 'Level', 'UTC', 480, 1080, '{1,2,3,4,5}', now());
         insert into service_level_targets (service_level_id, severity, acknowledge_minutes, resolve_minutes, always)
             select '70000000-0000-7000-8000-0000000000f1', n, 60, 600, n > 3 from generate_series(1, 5) as n",
    )
    .await
    .unwrap();
    for (tenant, name, level) in [(a, "Alder", Some("70000000-0000-7000-8000-0000000000f1")), (b, "Birch", None)] {
        sqlx::query(
            "insert into tenants (tenant_id, name, service_level_id, service_level_since) values ($1, $2, $3::uuid, '2026-01-01Z')",
        )
        .bind(tenant)
        .bind(name)
        .bind(level)
        .execute(&mut *tx)
        .await
        .unwrap();
        sqlx::query(
            "insert into incidents (tenant_id, incident_id, product, external_id, title, severity, severity_raw, status, status_raw, assigned_to,
                                    tags, entities, products, alert_count, created_at, updated_at)
             select $1, gen_random_uuid(), 'defender_xdr', n::text, $2 || ' 100% case ' || n, n % 6, 'x', case when n % 3 = 0 then 'resolved' else 'new' end,
                    'x', case when n % 4 = 0 then 'ada@example.com' end, array['t' || n % 2], array['user:eve' || n], array['cloud_apps'], n % 5,
                    timestamptz '2026-11-01Z' + n * interval '1 hour', timestamptz '2026-11-02Z' + (n / 2) * interval '1 hour'
             from generate_series(1, $3) as n",
        )
        .bind(tenant)
        .bind(name)
        .bind(EACH)
        .execute(&mut *tx)
        .await
        .unwrap();
    }
    tx.commit().await.unwrap();
    (a, b)
}

/// Every page of a list, seven rows at a time.
async fn walk(tx: &mut Scoped, filter: &Filter, order: &Order) -> Vec<incidents::Incident> {
    let mut rows: Vec<incidents::Incident> = Vec::new();
    let mut after: Option<Position> = None;
    loop {
        let page = incidents::list(tx, filter, order, after.as_ref(), 7).await.unwrap();
        rows.extend(page.rows);
        assert!(rows.len() < 1000, "the list has no end");
        // As the address of the next page holds it.
        let Some(next) = page.next else { return rows };
        after = Some(order.position(&next.to_string()).unwrap());
    }
}

/// What a key compares, as text or number.
fn value(row: &incidents::Incident, key: &str) -> (i64, String) {
    match key {
        "severity" => (row.severity as i64, String::new()),
        "updated" => (row.updated_at.timestamp(), String::new()),
        "created" => (row.created_at.timestamp(), String::new()),
        "tenant" => (0, row.tenant_name.to_lowercase()),
        "title" => (0, row.title.to_lowercase()),
        "status" => (i64::from(row.status == Status::Resolved), String::new()),
        "sla" => (row.deadline(clock::now()).map_or(i64::MIN, |first| -first.due.timestamp_micros()), String::new()),
        "owner" => (0, row.assigned_to.clone().unwrap_or_default()),
        _ => (i64::from(row.alert_count), String::new()),
    }
}

#[tokio::test]
async fn pages_in_any_order_hold_every_row_once_for_one_tenant_and_for_all() {
    let db = database().await;
    let (a, b) = two_tenants(&db.web).await;
    let mut tx = db.web.all_tenants().await.unwrap();
    let all = Key::ALL.iter().flat_map(|key| [key.as_str().to_owned(), format!("-{}", key.as_str())]);
    let mixed = ["tenant,severity", "owner,-created,title", "-severity,-updated", "status,-tenant,alerts"].map(str::to_owned);
    for text in all.chain(mixed) {
        let order: Order = text.parse().unwrap();
        for (tenants, expected) in [(None, 2 * EACH), (Some(vec![a, b]), 2 * EACH), (Some(vec![b]), EACH), (Some(vec![]), 0)] {
            let rows = walk(&mut tx, &Filter { tenants: tenants.clone(), ..Filter::default() }, &order).await;
            let ids: HashSet<_> = rows.iter().map(|row| row.incident_id).collect();
            let expected = usize::try_from(expected).unwrap();
            assert_eq!((rows.len(), ids.len()), (expected, expected), "{text} {tenants:?}");
            for pair in rows.windows(2) {
                let first = text.split(',').find_map(|word| {
                    let key = word.trim_start_matches('-');
                    let ordering = value(&pair[0], key).cmp(&value(&pair[1], key));
                    let falls = word.starts_with('-') != matches!(key, "severity" | "updated" | "created" | "alerts" | "sla");
                    ordering.is_ne().then_some(if falls { ordering.reverse() } else { ordering })
                });
                assert!(first.is_none_or(std::cmp::Ordering::is_lt), "{text} {tenants:?}: {pair:?}");
            }
        }
    }
}

#[tokio::test]
async fn the_open_queue_is_walked_by_what_is_due_first_tenant_by_tenant_and_with_what_is_hidden() {
    let db = database().await;
    let (a, b) = two_tenants(&db.web).await;
    let mut tx = db.web.all_tenants().await.unwrap();
    tx.execute("update incidents set hidden = true where external_id::int % 5 = 0").await.unwrap();
    let statuses = || vec![Status::New, Status::InProgress, Status::Unknown].into();
    for hidden in [Hidden::No, Hidden::Too] {
        for tenants in [None, Some(vec![a, b]), Some(vec![a])] {
            let filter = Filter { tenants: tenants.clone(), statuses: statuses(), hidden, ..Filter::default() };
            let rows = walk(&mut tx, &filter, &Order::queue()).await;
            let counted = incidents::count(&mut tx, &filter).await.unwrap();
            let ids: HashSet<_> = rows.iter().map(|row| row.incident_id).collect();
            assert_eq!((i64::try_from(rows.len()).unwrap(), rows.len()), (counted, ids.len()), "{hidden:?} {tenants:?}");
            assert!(rows.is_sorted_by_key(|row| std::cmp::Reverse((value(row, "sla"), row.severity, row.updated_at, row.incident_id))));
            let due: HashSet<_> = rows.iter().map(|row| value(row, "sla").0).collect();
            assert!(due.len() > 10, "{hidden:?} {tenants:?}: only {} different times", due.len());
        }
    }
}

#[tokio::test]
async fn alerts_are_walked_in_every_order_that_they_have() {
    let db = database().await;
    let (a, _) = two_tenants(&db.web).await;
    let mut tx = db.web.all_tenants().await.unwrap();
    sqlx::query(
        "insert into alerts (tenant_id, alert_id, product, external_id, title, severity, severity_raw, status, status_raw, assigned_to, created_at, updated_at)
         select $1, gen_random_uuid(), 'cloud_apps', n::text, 'Alert ' || n % 4, n % 6, 'x', (array['new', 'in_progress', 'unknown', 'resolved', 'redirected'])[1 + n % 5], 'x',
                case when n % 3 = 0 then 'ada@example.com' end, now() - n % 7 * interval '1 minute', now() - n % 11 * interval '1 minute'
         from generate_series(1, 60) as n",
    )
    .bind(a)
    .execute(&mut *tx)
    .await
    .unwrap();
    for key in Key::ALL.iter().filter(|key| !Key::OF_INCIDENTS.contains(key)) {
        for order in [Order::by(*key), Order::by(*key).toggled(*key), Order::default().toggled(*key)] {
            let (mut ids, mut after) = (Vec::new(), None);
            loop {
                let page = alerts::list(&mut tx, &Filter::default(), &order, after.as_ref(), 7).await.unwrap();
                ids.extend(page.rows.iter().map(|row| row.alert_id));
                after = page.next;
                if after.is_none() || ids.len() > 60 {
                    break;
                }
            }
            assert_eq!((ids.len(), ids.iter().collect::<HashSet<_>>().len()), (60, 60), "{order}");
            assert_eq!(
                alerts::ids(&mut tx, &Filter::default(), &order, 1000).await.unwrap(),
                ids,
                "{order}: the file has the list's order"
            );
        }
    }
}

#[tokio::test]
async fn what_takes_long_to_count_has_no_number_and_spoils_nothing() {
    let db = database().await;
    let (_, b) = two_tenants(&db.web).await;
    let mut owner = db.owner.connect().await.unwrap();
    owner.execute("begin; lock table incidents in access exclusive mode").await.unwrap();
    let mut tx = db.web.all_tenants().await.unwrap();
    assert_eq!(incidents::count_quickly(&mut tx, &Filter::default()).await.unwrap(), None);
    owner.execute("rollback").await.unwrap();
    assert_eq!(incidents::count_quickly(&mut tx, &Filter::default()).await.unwrap(), Some(i64::from(2 * EACH)));
    let limit: String = sqlx::query_scalar("show statement_timeout").fetch_one(&mut *tx).await.unwrap();
    assert_eq!(
        (limit.as_str(), incidents::count(&mut tx, &Filter { tenants: Some(vec![b]), ..Filter::default() }).await.unwrap()),
        ("10s", i64::from(EACH))
    );
}

type Wanted = fn(&incidents::Incident) -> bool;

#[tokio::test]
async fn each_filter_finds_what_it_names_and_the_count_agrees() {
    let db = database().await;
    let (a, _) = two_tenants(&db.web).await;
    let mut tx = db.web.tenant(a).await.unwrap();
    let since: DateTime<Utc> = "2026-11-02T10:00:00Z".parse().unwrap();
    let not = |statuses: Vec<Status>| Choice { any: Vec::new(), not: statuses };
    let cases: [(Filter, Wanted); 17] = [
        (Filter { severities: vec![Severity::High, Severity::Critical].into(), ..Filter::default() }, |row| row.severity >= Severity::High),
        (Filter { statuses: vec![Status::New, Status::InProgress].into(), ..Filter::default() }, |row| row.status == Status::New),
        (Filter { owners: vec![Owner::Nobody].into(), ..Filter::default() }, |row| row.assigned_to.is_none()),
        (Filter { owners: vec![Owner::Is("ada@example.com".into())].into(), ..Filter::default() }, |row| row.assigned_to.is_some()),
        (Filter { tags: vec!["t1".into()].into(), ..Filter::default() }, |row| row.tags == ["t1"]),
        (Filter { text: Some("EVE7".into()), ..Filter::default() }, |row| row.external_id == "7"),
        (Filter { text: Some("100% case 12".into()), ..Filter::default() }, |row| row.external_id == "12"),
        (Filter { updated: Span { since: Some(since), until: None }, ..Filter::default() }, |row| {
            row.updated_at >= "2026-11-02T10:00:00Z".parse::<DateTime<Utc>>().unwrap()
        }),
        (Filter { statuses: not(vec![Status::New]), ..Filter::default() }, |row| row.status == Status::Resolved),
        (Filter { severities: Choice { any: Vec::new(), not: vec![Severity::High] }, ..Filter::default() }, |row| {
            row.severity != Severity::High
        }),
        (Filter { owners: Choice { any: Vec::new(), not: vec![Owner::Nobody] }, ..Filter::default() }, |row| row.assigned_to.is_some()),
        (Filter { owners: Choice { any: Vec::new(), not: vec![Owner::Is("ada@example.com".into())] }, ..Filter::default() }, |row| {
            row.assigned_to.is_none()
        }),
        (Filter { owners: vec![Owner::Nobody, Owner::Is("ada@example.com".into())].into(), ..Filter::default() }, |_| true),
        (Filter { tags: Choice { any: Vec::new(), not: vec!["t1".into()] }, ..Filter::default() }, |row| row.tags == ["t0"]),
        (Filter { entities: vec!["user:eve7".into(), "user:eve8".into()].into(), ..Filter::default() }, |row| {
            ["7", "8"].contains(&row.external_id.as_str())
        }),
        (Filter { updated: Span { since: None, until: Some(since) }, ..Filter::default() }, |row| {
            row.updated_at < "2026-11-02T10:00:00Z".parse::<DateTime<Utc>>().unwrap()
        }),
        (Filter { classifications: vec!["none".into()].into(), ..Filter::default() }, |_| true),
    ];
    let all = walk(&mut tx, &Filter::default(), &Order::by(Key::Updated)).await;
    for (filter, wanted) in cases {
        let found: HashSet<_> = walk(&mut tx, &filter, &Order::default()).await.iter().map(|row| row.incident_id).collect();
        let expected: HashSet<_> = all.iter().filter(|row| wanted(row)).map(|row| row.incident_id).collect();
        assert!(!expected.is_empty() && found == expected, "{filter:?}: {} found, {} expected", found.len(), expected.len());
        assert_eq!(incidents::count(&mut tx, &filter).await.unwrap(), i64::try_from(expected.len()).unwrap(), "{filter:?}");
    }
    let wildcard = Filter { text: Some("100_ case".into()), ..Filter::default() };
    assert_eq!(incidents::count(&mut tx, &wildcard).await.unwrap(), 0, "a wildcard in a search is a plain character");
}

#[tokio::test]
async fn a_filter_cannot_reach_beyond_the_scope_and_sightings_stay_inside_it() {
    let db = database().await;
    let (a, b) = two_tenants(&db.web).await;
    let mut tx = db.web.begin(&Scope::one(a)).await.unwrap();
    let foreign = Filter { tenants: Some(vec![b]), ..Filter::default() };
    assert_eq!(walk(&mut tx, &foreign, &Order::default()).await.len(), 0);
    assert_eq!(incidents::count(&mut tx, &foreign).await.unwrap(), 0);
    let entity = ["user:eve7".to_owned()];
    let own = walk(&mut tx, &Filter { text: Some("eve7".into()), ..Filter::default() }, &Order::default()).await;
    let of = (a, own[0].incident_id);
    assert!(related::elsewhere(&mut tx, of, &entity, clock::now()).await.unwrap().unwrap().sightings.is_empty());
    let mut all = db.web.all_tenants().await.unwrap();
    let seen = related::elsewhere(&mut all, of, &entity, clock::now()).await.unwrap().unwrap().sightings;
    assert_eq!(seen.iter().map(|seen| (seen.entity.as_str(), seen.incidents, seen.tenants)).collect::<Vec<_>>(), [("user:eve7", 1, 1)]);
}
