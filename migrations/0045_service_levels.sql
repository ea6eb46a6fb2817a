-- How fast work was agreed to be done: for each severity a time to acknowledge and a time to resolve, counted in working hours or around the clock.
create table service_levels (
    service_level_id uuid primary key,
    name text not null unique check (length(name) between 1 and 100),
    time_zone text not null,
    -- Minutes of the day.
    opens smallint not null check (opens >= 0),
    closes smallint not null check (closes > opens and closes <= 1440),
    -- 1 is Monday.
    days smallint[] not null check (cardinality(days) between 1 and 7 and days <@ array[1, 2, 3, 4, 5, 6, 7]::smallint[]),
    holidays date[] not null default '{}',
    changed_at timestamptz not null
);
create table service_level_targets (
    service_level_id uuid not null references service_levels on delete cascade,
    severity smallint not null check (severity between 0 and 5),
    acknowledge_minutes integer check (acknowledge_minutes between 1 and 43200),
    resolve_minutes integer check (resolve_minutes between 1 and 43200),
    -- Around the clock, whatever the working hours.
    always boolean not null,
    primary key (service_level_id, severity)
);
grant select, insert, update, delete on service_levels, service_level_targets to watchfloor_web;
grant select on service_levels, service_level_targets to watchfloor_worker;

-- What was there before the agreement is counted from its day on. `clocks_stale_at`: since then what was agreed is another, and the clocks have not
-- followed yet.
alter table tenants add column service_level_id uuid references service_levels, add column service_level_since timestamptz,
    add column clocks_stale_at timestamptz;
create index tenants_service_level on tenants (service_level_id) where service_level_id is not null;
create index tenants_clocks_stale on tenants (clocks_stale_at) where clocks_stale_at is not null;

-- `acknowledge_by`, `resolve_by`: when the targets end, moved by what it waited for its customer; they stay when it is closed. `urgency`: the earlier
-- end of those that run, in microseconds before 1970, so that what is due soonest comes first where everything else of an index falls, too; the
-- least where none runs. `clock_since`: when they began. `waited`: working seconds since then, of waits that have ended, each by the calendar of its day.
alter table incidents add column acknowledge_by timestamptz, add column resolve_by timestamptz, add column at_risk_at timestamptz,
    add column urgency bigint not null default -9000000000000000000, add column clock_since timestamptz, add column waited integer not null default 0;

create function urgency_of(due timestamptz) returns bigint language sql stable parallel safe as
    $$ select coalesce(-(extract(epoch from due) * 1000000)::bigint, -9000000000000000000) $$;

-- When so many working seconds have gone by since `since`; null if that is beyond ten years.
create function working_end(level service_levels, always boolean, since timestamptz, seconds bigint) returns timestamptz
    language plpgsql stable strict parallel safe as $$
declare
    at timestamp := since at time zone level.time_zone;
    rest interval := make_interval(secs => seconds);
    first timestamp;
    last timestamp;
begin
    if always then
        return since + rest;
    end if;
    for n in 1..3660 loop
        if extract(isodow from at)::smallint = any (level.days) and at::date <> all (level.holidays) then
            first := greatest(at, at::date + make_interval(mins => level.opens));
            last := at::date + make_interval(mins => level.closes);
            if first + rest <= last then
                return (first + rest) at time zone level.time_zone;
            end if;
            rest := rest - greatest(last - first, interval '0');
        end if;
        at := at::date + 1;
    end loop;
    return null;
end
$$;

-- How many working seconds lie between two times that are at most ten years apart.
create function working_seconds(level service_levels, always boolean, since timestamptz, until timestamptz) returns bigint
    language plpgsql stable strict parallel safe as $$
declare
    at timestamp := since at time zone level.time_zone;
    stop timestamp := until at time zone level.time_zone;
    total interval := interval '0';
begin
    if always then
        return greatest(extract(epoch from until - since), 0)::bigint;
    end if;
    for n in 1..3660 loop
        exit when at >= stop;
        if extract(isodow from at)::smallint = any (level.days) and at::date <> all (level.holidays) then
            total := total + greatest(least(stop, at::date + make_interval(mins => level.closes))
                                      - greatest(at, at::date + make_interval(mins => level.opens)), interval '0');
        end if;
        at := at::date + 1;
    end loop;
    return extract(epoch from total)::bigint;
end
$$;

-- An incident is at risk when a quarter of its target is left, but not earlier than a day before the end. It is acknowledged as `acknowledged_at` says
-- (store/ingest/incidents.rs). What was done before the clocks began was promised to nobody, and what is closed stays as it was.
create function set_clocks() returns trigger language plpgsql as $$
declare
    level service_levels;
    target service_level_targets;
    since timestamptz;
    running bigint := 0;
    was_acknowledged boolean := tg_op = 'UPDATE'
        and (old.acknowledged_at is not null or old.assigned_to is not null or old.status in ('in_progress', 'resolved'));
    is_acknowledged boolean := new.acknowledged_at is not null or new.assigned_to is not null or new.status in ('in_progress', 'resolved');
    due timestamptz;
    quarter bigint;
begin
    if tg_op = 'UPDATE' and old.status in ('resolved', 'redirected') and new.status in ('resolved', 'redirected') then
        return new;
    end if;
    new.urgency := -9000000000000000000;
    new.at_risk_at := null;
    select l.* into level from tenants as t join service_levels as l on l.service_level_id = t.service_level_id where t.tenant_id = new.tenant_id;
    select g.* into target from service_level_targets as g where g.service_level_id = level.service_level_id and g.severity = new.severity;
    if not found then
        new.acknowledge_by := null;
        new.resolve_by := null;
        return new;
    end if;
    select greatest(new.created_at, t.service_level_since) into since from tenants as t where t.tenant_id = new.tenant_id;
    if since is distinct from new.clock_since then
        new.clock_since := since;
        new.waited := 0;
    end if;
    if tg_op = 'UPDATE' and old.waiting_since is not null and new.waiting_since is null then
        new.waited := new.waited + working_seconds(level, target.always, greatest(old.waiting_since, since), now());
    end if;
    if not is_acknowledged then
        new.acknowledge_by := working_end(level, target.always, since, target.acknowledge_minutes * 60::bigint + new.waited);
    elsif not was_acknowledged and new.acknowledged_at >= since then
        if new.waiting_since is not null then
            running := working_seconds(level, target.always, greatest(new.waiting_since, since), new.acknowledged_at);
        end if;
        new.acknowledge_by := working_end(level, target.always, since, target.acknowledge_minutes * 60::bigint + new.waited + running);
    end if;
    new.resolve_by := working_end(level, target.always, since, target.resolve_minutes * 60::bigint + new.waited);
    if new.status in ('resolved', 'redirected') or new.waiting_since is not null then
        return new;
    end if;
    due := new.resolve_by;
    quarter := target.resolve_minutes * 15;
    if not is_acknowledged and new.acknowledge_by <= coalesce(due, 'infinity') then
        due := new.acknowledge_by;
        quarter := target.acknowledge_minutes * 15;
    end if;
    if due is not null then
        new.urgency := urgency_of(due);
        new.at_risk_at := greatest(due - interval '1 day', working_end(level, target.always, since, quarter * 3 + new.waited));
    end if;
    return new;
end
$$;
-- After "incidents_wait_no_more", which ends a wait: triggers fire by name.
create trigger incidents_work_clocks_insert before insert on incidents for each row
    when (new.status in ('new', 'in_progress', 'unknown')) execute function set_clocks();
create trigger incidents_work_clocks_update before update on incidents for each row
    when ((new.severity, new.status, new.assigned_to is null, new.created_at, new.acknowledged_at, new.waiting_since, new.urgency)
          is distinct from (old.severity, old.status, old.assigned_to is null, old.created_at, old.acknowledged_at, old.waiting_since, old.urgency))
    execute function set_clocks();

-- The queue, by what is due first.
create index incidents_due_all on incidents (hidden, urgency desc, severity desc, updated_at desc, incident_id desc)
    include (tenant_id, status, product, at_risk_at) where is_open;
create index incidents_due_tenant on incidents (tenant_id, hidden, urgency desc, severity desc, updated_at desc, incident_id desc)
    include (assigned_to, at_risk_at) where is_open;
-- One owner's, in the order in which their list begins; by severity alone it is sorted.
create index incidents_due_owner on incidents (assigned_to, hidden, urgency desc, severity desc, updated_at desc, incident_id desc)
    include (tenant_id) where is_open;
drop index incidents_open_owner;
