-- What every page says, kept so that saying it costs next to nothing.

-- How each tenant is read: in each column a bit for each product (product_bit), so that the sentence on every list reads one narrow row of a
-- tenant in place of its readings. Up to when what is read is complete changes with each reading and stays in sync_state alone: a reading that
-- goes on as before touches nothing here. Whoever changes several readings of one tenant in a transaction locks them all first, or two could
-- wait for each other.
create table reading_marks (
    tenant_id uuid primary key references tenants on delete cascade,
    there     smallint not null,    -- products of which there is a reading
    enabled   smallint not null,    -- that are to be read
    reads     smallint not null,    -- whose data arrives, or soon will
    known     smallint not null     -- whose first reading is through
);

create function product_bit(product text) returns integer language sql immutable strict parallel safe
    return case product when 'defender_xdr' then 1 when 'defender_endpoint' then 2 when 'cloud_apps' then 4 when 'graph' then 8 end;

create function mark_readings_of(changed uuid[]) returns void language plpgsql as $$
begin
    if cardinality(changed) = 0 then
        return;
    end if;
    insert into reading_marks (tenant_id, there, enabled, reads, known)
    select t.tenant_id, 0, 0, 0, 0 from tenants as t where t.tenant_id = any (changed) order by t.tenant_id on conflict do nothing;
    -- Two writers of one tenant count one after the other: the second, which waits here, sees what the first has written.
    perform from reading_marks as m where m.tenant_id = any (changed) order by m.tenant_id for update;
    update reading_marks as m set there = n.there, enabled = n.enabled, reads = n.reads, known = n.known
    from (select c.tenant_id, coalesce(sum(product_bit(s.product)), 0) as there, coalesce(sum(product_bit(s.product)) filter (where s.enabled), 0) as enabled,
                 coalesce(sum(product_bit(s.product)) filter (where s.state in ('waiting', 'backfilling', 'ok')), 0) as reads,
                 coalesce(sum(product_bit(s.product)) filter (where s.complete_until is not null), 0) as known
          from unnest(changed) as c (tenant_id) left join sync_state as s on s.tenant_id = c.tenant_id group by c.tenant_id) as n
    where m.tenant_id = n.tenant_id;
end
$$;

create function mark_readings() returns trigger language plpgsql as $$
begin
    if tg_op = 'INSERT' then
        perform mark_readings_of(array(select distinct tenant_id from added));
    elsif tg_op = 'DELETE' then
        perform mark_readings_of(array(select distinct tenant_id from removed));
    else
        perform mark_readings_of(array(
            select distinct a.tenant_id from added as a join removed as r on r.tenant_id = a.tenant_id and r.product = a.product
            where (a.enabled, a.state, a.complete_until is null) is distinct from (r.enabled, r.state, r.complete_until is null)));
    end if;
    return null;
end
$$;
create trigger sync_state_marked_insert after insert on sync_state
    referencing new table as added for each statement execute function mark_readings();
create trigger sync_state_marked_update after update on sync_state
    referencing new table as added old table as removed for each statement execute function mark_readings();
create trigger sync_state_marked_delete after delete on sync_state
    referencing old table as removed for each statement execute function mark_readings();

-- The oldest of what is complete, what is late, and what is missing otherwise.
create index sync_state_until on sync_state (complete_until) where enabled and complete_until is not null;
create index sync_state_missing on sync_state (tenant_id, product)
    where enabled and (complete_until is null or state not in ('backfilling', 'ok'));

-- Alerts in the orders of a click on "Status" and "Owner", like incidents (0027_sorts.sql): more than a million open ones were sorted each time, for
-- two to four seconds. A new alert writes 7 % more for them.
create index alerts_open_status on alerts
    (hidden, array_position(array['new', 'in_progress', 'unknown', 'resolved', 'redirected'], status), severity desc, updated_at desc, alert_id desc)
    where is_open;
create index alerts_open_person on alerts (hidden, lower(coalesce(assigned_to, '')), severity desc, updated_at desc, alert_id desc) where is_open;

-- The few tenants that most pages leave out.
create index tenants_apart on tenants (state, tenant_id) where state not in ('active', 'degraded', 'blind');

-- The days over all tenants. Every writer of every tenant would wait for one row of today, so what a statement adds is written down beside the
-- sums, and a job adds it up; readers add what is left. Only who sees every tenant sees these rows.
create table day_sums (
    day      date primary key,      -- UTC
    opened   bigint not null,
    resolved bigint not null
);
create table day_news (
    news_id  bigint generated always as identity primary key,
    day      date not null,
    opened   bigint not null,
    resolved bigint not null
);

create function note_days() returns trigger language plpgsql as $$
begin
    if tg_op = 'INSERT' then
        insert into day_news (day, opened, resolved)
        select day, sum(opened), sum(resolved) from added group by day having sum(opened) <> 0 or sum(resolved) <> 0;
    elsif tg_op = 'DELETE' then
        insert into day_news (day, opened, resolved)
        select day, -sum(opened), -sum(resolved) from removed group by day having sum(opened) <> 0 or sum(resolved) <> 0;
    else
        insert into day_news (day, opened, resolved)
        select day, sum(opened), sum(resolved)
        from (select day, opened, resolved from added union all select day, -opened, -resolved from removed) as changes
        group by day having sum(opened) <> 0 or sum(resolved) <> 0;
    end if;
    return null;
end
$$;
create trigger daily_counts_noted_insert after insert on daily_counts
    referencing new table as added for each statement execute function note_days();
create trigger daily_counts_noted_update after update on daily_counts
    referencing new table as added old table as removed for each statement execute function note_days();
create trigger daily_counts_noted_delete after delete on daily_counts
    referencing old table as removed for each statement execute function note_days();

-- What there is already. The migration's role is held to row-level security like any other.
select set_config('app.all_tenants', 'on', true);
insert into reading_marks (tenant_id, there, enabled, reads, known)
select tenant_id, sum(product_bit(product)), coalesce(sum(product_bit(product)) filter (where enabled), 0),
       coalesce(sum(product_bit(product)) filter (where state in ('waiting', 'backfilling', 'ok')), 0),
       coalesce(sum(product_bit(product)) filter (where complete_until is not null), 0)
from sync_state group by tenant_id;
insert into day_sums (day, opened, resolved) select day, sum(opened), sum(resolved) from daily_counts group by day;

alter table reading_marks enable row level security;
alter table reading_marks force row level security;
create policy scope on reading_marks
    using ((select current_setting('app.all_tenants', true) = 'on')
           or tenant_id = any ((select nullif(current_setting('app.tenants', true), '')::uuid[])::uuid[]))
    with check ((select current_setting('app.all_tenants', true) = 'on')
           or tenant_id = any ((select nullif(current_setting('app.tenants', true), '')::uuid[])::uuid[]));
grant select, insert, update on reading_marks to watchfloor_web, watchfloor_worker;

alter table day_sums enable row level security;
alter table day_sums force row level security;
alter table day_news enable row level security;
alter table day_news force row level security;
create policy all_tenants on day_sums using ((select current_setting('app.all_tenants', true) = 'on'));
create policy all_tenants on day_news using ((select current_setting('app.all_tenants', true) = 'on'));
create policy append on day_news for insert with check (true);
grant select on day_sums, day_news to watchfloor_web;
grant insert on day_news to watchfloor_web;
grant select, insert, update on day_sums to watchfloor_worker;
grant select, insert, delete on day_news to watchfloor_worker;
