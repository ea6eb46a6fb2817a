//! The counters that pages read are kept by triggers; a recount of the rows must give the same numbers.

use crate::support::{TestDb, database};
use chrono::NaiveDate;
use sqlx::{Executor, PgConnection};
use watchfloor::model::{Scope, TenantId};
use watchfloor::store::overview;

/// A few dozen incidents at once for three tenants; half of the external ids exist already, so new rows and changed rows mix.
const INCIDENTS: &str = "
    insert into incidents as i (tenant_id, incident_id, product, external_id, title, severity, severity_raw, status, status_raw, assigned_to,
                                created_at, updated_at, resolved_at)
    select distinct on (tenant_id, product, external_id) tenant_id, gen_random_uuid(), product, external_id, 'Title', severity, 'raw', status, 'raw', owner,
           created_at, now(), case when status = 'resolved' then created_at + random() * interval '2 days' end
    from (select tenant_id, (array['defender_xdr', 'graph'])[1 + floor(random() * 2)::int] as product, floor(random() * 60)::int::text as external_id,
                 floor(random() * 6)::int as severity, (array['new', 'in_progress', 'resolved', 'redirected', 'unknown'])[1 + floor(random() * 5)::int] as status,
                 case when random() < 0.5 then 'ann@example.com' end as owner,
                 timestamptz '2026-03-28 22:00Z' + random() * interval '3 days' as created_at
          from tenants, generate_series(1, 12)) as made
    on conflict (tenant_id, product, external_id) do update set
        severity = excluded.severity, status = excluded.status, assigned_to = excluded.assigned_to, resolved_at = excluded.resolved_at";

const ALERTS: &str = "
    insert into alerts as a (tenant_id, alert_id, product, external_id, title, severity, severity_raw, status, status_raw, created_at, updated_at)
    select distinct on (tenant_id, product, external_id) tenant_id, gen_random_uuid(), product, external_id, 'Title', severity, 'raw', status, 'raw', now(), now()
    from (select tenant_id, (array['defender_endpoint', 'cloud_apps'])[1 + floor(random() * 2)::int] as product,
                 floor(random() * 60)::int::text as external_id, floor(random() * 6)::int as severity,
                 (array['new', 'in_progress', 'resolved', 'unknown'])[1 + floor(random() * 4)::int] as status
          from tenants, generate_series(1, 12)) as made
    on conflict (tenant_id, product, external_id) do update set severity = excluded.severity, status = excluded.status";

const RECOUNT: &str = "
    select tenant_id, product,
           count(*) filter (where i and severity = 5) as incidents_critical, count(*) filter (where i and severity = 4) as incidents_high,
           count(*) filter (where i and severity = 3) as incidents_medium, count(*) filter (where i and severity = 2) as incidents_low,
           count(*) filter (where i and severity = 1) as incidents_informational, count(*) filter (where i and severity = 0) as incidents_unknown,
           count(*) filter (where i and assigned_to is null) as incidents_unassigned,
           count(*) filter (where not i and severity = 5) as alerts_critical, count(*) filter (where not i and severity = 4) as alerts_high,
           count(*) filter (where not i and severity = 3) as alerts_medium, count(*) filter (where not i and severity = 2) as alerts_low,
           count(*) filter (where not i and severity = 1) as alerts_informational, count(*) filter (where not i and severity = 0) as alerts_unknown
    from (select tenant_id, product, severity, assigned_to, true as i from incidents where is_open and not hidden
          union all select tenant_id, product, severity, null, false from alerts where is_open and not hidden) as rows
    group by tenant_id, product";

const RECOUNT_DAYS: &str = "
    select tenant_id, day, sum(opened)::int as opened, sum(resolved)::int as resolved
    from (select tenant_id, (created_at at time zone 'UTC')::date as day, 1 as opened, 0 as resolved from incidents
          union all select tenant_id, (resolved_at at time zone 'UTC')::date, 0, 1 from incidents where resolved_at is not null) as changes
    group by tenant_id, day";

/// How many counter rows differ from the recount, either way; rows of nothing but zeros count as absent.
async fn drift(connection: &mut PgConnection) -> i64 {
    let query = format!(
        "with counted as (select * from tenant_counts where row(tenant_counts.*)::text ~ ',[1-9-][0-9]*[,)]'), recounted as ({RECOUNT}),
              days as (select tenant_id, day, opened, resolved from daily_counts where opened <> 0 or resolved <> 0), redays as ({RECOUNT_DAYS})
         , sums as (select day, sum(opened)::bigint as opened, sum(resolved)::bigint as resolved
                    from (select day, opened, resolved from day_sums union all select day, opened, resolved from day_news) as kept
                    group by day having sum(opened) <> 0 or sum(resolved) <> 0),
              resums as (select day, sum(opened)::bigint as opened, sum(resolved)::bigint as resolved from daily_counts
                         group by day having sum(opened) <> 0 or sum(resolved) <> 0)
         select (select count(*) from ((table sums except table resums) union all (table resums except table sums)) c)
              + (select count(*) from ((table counted except table recounted) union all (table recounted except table counted)) a)
              + (select count(*) from ((table days except table redays) union all (table redays except table days)) b)"
    );
    sqlx::query_scalar(sqlx::AssertSqlSafe(query)).fetch_one(connection).await.unwrap()
}

#[tokio::test]
async fn the_counters_equal_a_recount_after_any_mix_of_new_and_changed_rows() {
    let TestDb { worker, .. } = database().await;
    let mut tx = worker.all_tenants().await.unwrap();
    tx.execute("select setseed(0.25)").await.unwrap();
    tx.execute("insert into tenants (tenant_id, name) select gen_random_uuid(), 'Tenant ' || n from generate_series(1, 3) n")
        .await
        .unwrap();
    for round in 0..25 {
        tx.execute(INCIDENTS).await.unwrap();
        tx.execute(ALERTS).await.unwrap();
        // Many rows in one statement, and a statement that changes nothing.
        tx.execute("update incidents set assigned_to = null, severity = (severity + 1) % 6 where random() < 0.1").await.unwrap();
        tx.execute("update incidents set synced_at = now()").await.unwrap();
        // What rules hide is not counted, and comes back.
        tx.execute("update incidents set hidden = not hidden where random() < 0.1").await.unwrap();
        tx.execute(
            "update alerts set hidden = not hidden, suppressed_by = case when hidden then null else gen_random_uuid() end where random() < 0.2",
        )
        .await
        .unwrap();
        tx.execute("update alerts set status = 'resolved' where false").await.unwrap();
        if round % 5 == 4 {
            overview::sum_days(&mut tx).await.unwrap();
        }
        assert_eq!(drift(&mut tx).await, 0, "round {round}");
    }
    let total: i64 = sqlx::query_scalar("select count(*) from incidents where is_open").fetch_one(&mut *tx).await.unwrap();
    assert!(total > 50, "the rounds made rows: {total}");
    // A tenant that is deleted is counted no more, and its days leave the sums.
    tx.execute("delete from tenants where name = 'Tenant 1'").await.unwrap();
    assert_eq!(drift(&mut tx).await, 0);
    // The comparison itself can fail.
    for wrong in ["update tenant_counts set incidents_high = incidents_high + 1", "update day_sums set resolved = resolved + 1"] {
        tx.execute("savepoint before").await.unwrap();
        tx.execute(wrong).await.unwrap();
        assert!(drift(&mut tx).await > 0, "{wrong}");
        tx.execute("rollback to savepoint before").await.unwrap();
    }
}

/// What the overview of everybody tells of the days, and what a reader of one tenant is told.
#[tokio::test]
async fn the_days_are_the_same_before_and_after_they_are_summed_and_each_reader_sees_their_own() {
    let TestDb { worker, web, .. } = database().await;
    let mut tx = worker.all_tenants().await.unwrap();
    tx.execute("insert into tenants (tenant_id, name) select gen_random_uuid(), 'Tenant ' || n from generate_series(1, 2) n")
        .await
        .unwrap();
    let tenants: Vec<TenantId> = sqlx::query_scalar("select tenant_id from tenants order by name").fetch_all(&mut *tx).await.unwrap();
    for (tenant, opened) in tenants.iter().zip([3, 5]) {
        sqlx::query("insert into daily_counts (tenant_id, day, opened, resolved) values ($1, '2026-03-28', $2, 1)")
            .bind(tenant)
            .bind(opened)
            .execute(&mut *tx)
            .await
            .unwrap();
    }
    tx.commit().await.unwrap();
    let last: NaiveDate = "2026-03-30".parse().unwrap();
    let told = async |scope: Scope| {
        let mut tx = web.begin(&scope).await.unwrap();
        let days = overview::days(&mut tx, last).await.unwrap();
        assert_eq!((days.len(), days[29].day), (30, last));
        (days[27].opened, days[27].resolved)
    };
    for sums in [false, true, true] {
        assert_eq!(told(Scope::All).await, (8, 2), "summed: {sums}");
        assert_eq!(told(Scope::one(tenants[0])).await, (3, 1));
        assert_eq!(told(Scope::Tenants(Vec::new())).await, (0, 0));
        let mut tx = worker.all_tenants().await.unwrap();
        overview::sum_days(&mut tx).await.unwrap();
        tx.commit().await.unwrap();
    }
    let mut tx = web.begin(&Scope::one(tenants[0])).await.unwrap();
    let seen: i64 =
        sqlx::query_scalar("select (select count(*) from day_sums) + (select count(*) from day_news)").fetch_one(&mut *tx).await.unwrap();
    assert_eq!(seen, 0, "who does not see every tenant sees no sum over them");
}
