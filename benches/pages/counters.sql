-- What the triggers would have counted.
insert into tenant_counts (tenant_id, product, incidents_critical, incidents_high, incidents_medium, incidents_low, incidents_informational,
                           incidents_unknown, incidents_unassigned)
select tenant_id, product, count(*) filter (where severity = 5), count(*) filter (where severity = 4), count(*) filter (where severity = 3),
       count(*) filter (where severity = 2), count(*) filter (where severity = 1), count(*) filter (where severity = 0),
       count(*) filter (where assigned_to is null)
from incidents where is_open group by tenant_id, product;
insert into tenant_counts as c (tenant_id, product, alerts_critical, alerts_high, alerts_medium, alerts_low, alerts_informational, alerts_unknown)
select tenant_id, product, count(*) filter (where severity = 5), count(*) filter (where severity = 4), count(*) filter (where severity = 3),
       count(*) filter (where severity = 2), count(*) filter (where severity = 1), count(*) filter (where severity = 0)
from alerts where is_open group by tenant_id, product
on conflict (tenant_id, product) do update set
    alerts_critical = excluded.alerts_critical, alerts_high = excluded.alerts_high, alerts_medium = excluded.alerts_medium,
    alerts_low = excluded.alerts_low, alerts_informational = excluded.alerts_informational, alerts_unknown = excluded.alerts_unknown;
insert into daily_counts (tenant_id, day, opened, resolved)
select tenant_id, day, sum(opened), sum(resolved) from (
    select tenant_id, created_at::date as day, 1 as opened, 0 as resolved from incidents
    union all
    select tenant_id, resolved_at::date, 0, 1 from incidents where resolved_at is not null
) as changes group by tenant_id, day;
insert into day_sums (day, opened, resolved) select day, sum(opened), sum(resolved) from daily_counts group by day;
insert into reading_marks (tenant_id, there, enabled, reads, known)
select tenant_id, sum(product_bit(product)), sum(product_bit(product)) filter (where enabled),
       coalesce(sum(product_bit(product)) filter (where state in ('waiting', 'backfilling', 'ok')), 0),
       coalesce(sum(product_bit(product)) filter (where complete_until is not null), 0)
from sync_state group by tenant_id;
