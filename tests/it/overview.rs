//! What the overview tells of tenants and over all of them must be what their counters and readings say, each looked at.

use crate::support::{TestDb, database};
use sqlx::Executor;
use std::collections::BTreeSet;
use watchfloor::model::{Scope, TenantId};
use watchfloor::store::{Db, overview};

/// Tenants in several states, of which some were never counted and some are not read by Defender XDR. What is counted was read once, so each has a
/// reading.
async fn tenants(db: &Db) -> Vec<TenantId> {
    let mut tx = db.all_tenants().await.unwrap();
    tx.execute(
        "select setseed(0.5);
         insert into tenants (tenant_id, name, state)
         select gen_random_uuid(), 'Tenant ' || n, (array['active', 'paused', 'invited', 'offboarded', 'active'])[1 + n % 5] from generate_series(1, 60) as n;
         insert into sync_state (tenant_id, product, enabled, next_due, complete_until)
         select tenant_id, product, random() < 0.7, now(), case when random() < 0.8 then now() - random() * interval '1 hour' end
         from (select tenant_id, product, random() as dice from tenants, unnest(array['defender_xdr', 'cloud_apps', 'graph']) as product) as each
         where product = 'graph' or dice < 0.7;
         insert into tenant_counts (tenant_id, product, incidents_critical, incidents_high, incidents_unknown, incidents_unassigned)
         select tenant_id, 'defender_xdr', random() * 2, random() * 3, random() * 9, random() * 4 from tenants where random() < 0.6;
         insert into tenant_counts (tenant_id, product, alerts_critical, alerts_low)
         select tenant_id, product, random() * 9, random() * 9 from tenants, unnest(array['defender_xdr', 'cloud_apps', 'graph']) as product
         where random() < 0.8
         on conflict (tenant_id, product) do update set alerts_critical = excluded.alerts_critical, alerts_low = excluded.alerts_low",
    )
    .await
    .unwrap();
    let tenants = sqlx::query_scalar("select tenant_id from tenants order by tenant_id").fetch_all(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
    tenants
}

/// Of each tenant that is not offboarded, in no order: its name, open incidents, unassigned ones, alerts, and alerts beside them.
async fn looked(db: &Db, scope: &Scope) -> BTreeSet<(String, i64, i64, i64, i64)> {
    let mut tx = db.begin(scope).await.unwrap();
    let rows: Vec<(String, i64, i64, i64, i64)> = sqlx::query_as(
        "with counts as (
             select c.*, alerts_critical + alerts_low as alerts, c.product = 'cloud_apps' and exists (
                 select from sync_state as s where s.tenant_id = c.tenant_id and s.product = 'defender_xdr' and s.enabled) as beside
             from tenant_counts as c
         )
         select t.name, coalesce(sum(incidents_critical + incidents_high + incidents_unknown), 0), coalesce(sum(incidents_unassigned), 0),
                coalesce(sum(alerts) filter (where not beside), 0), coalesce(sum(alerts) filter (where beside), 0)
         from tenants as t left join counts as c on c.tenant_id = t.tenant_id where t.state <> 'offboarded' group by t.tenant_id, t.name",
    )
    .fetch_all(&mut *tx)
    .await
    .unwrap();
    rows.into_iter().collect()
}

#[tokio::test]
async fn the_overview_says_of_each_tenant_and_of_all_what_their_counters_say_the_worst_first() {
    let TestDb { worker, .. } = database().await;
    let all = tenants(&worker).await;
    for scope in [Scope::All, Scope::Tenants(all[10..40].to_vec()), Scope::Tenants(Vec::new())] {
        let expected = looked(&worker, &scope).await;
        let mut tx = worker.begin(&scope).await.unwrap();
        let lines = overview::tenants(&mut tx, 100).await.unwrap();
        let told = lines.iter().map(|line| (line.name.clone(), line.open(), line.unassigned, line.alerts, line.beside)).collect();
        assert_eq!(expected, told, "{scope:?}");
        assert_eq!(lines.len(), expected.len(), "each once");
        let worst = |line: &overview::TenantLine| (std::cmp::Reverse(line.incidents[..4].to_vec()), line.name.to_lowercase());
        assert!(lines.is_sorted_by_key(worst), "{scope:?}: {lines:#?}");

        let sum = overview::totals(&mut tx).await.unwrap();
        let of = |count: fn(&(String, i64, i64, i64, i64)) -> i64| expected.iter().map(count).sum::<i64>();
        let counted = (of(|_| 1), of(|line| line.1), of(|line| line.2), of(|line| line.3), of(|line| line.4));
        assert_eq!((sum.tenants, sum.incidents, sum.unassigned, sum.alerts, sum.beside), counted, "{scope:?}");
        assert_eq!(sum.worst, lines.iter().map(|line| line.incidents[0] + line.incidents[1]).sum::<i64>());

        for few in [1, 7] {
            let first: Vec<_> =
                overview::tenants(&mut tx, few).await.unwrap().into_iter().map(|line| line.incidents[..4].to_vec()).collect();
            let of_all: Vec<_> = lines.iter().take(first.len()).map(|line| line.incidents[..4].to_vec()).collect();
            assert_eq!((first.len(), &first), (lines.len().min(usize::try_from(few).unwrap()), &of_all));
        }
    }
    assert!(looked(&worker, &Scope::All).await.iter().any(|line| line.4 > 0), "nothing lies beside");
}
