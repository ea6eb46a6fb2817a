-- Rules of the provider's own that keep alerts which nobody needs to look at out of the queue. A rule hides and nothing more: no row is
-- deleted, and nothing is told to Microsoft.

-- A rule. Which tenants it is for stands in suppression_tenants, so that row-level security hides those of others.
create table suppressions (
    suppression_id uuid primary key,
    group_name     text,           -- for the tenants of this group, whichever they are; null: for one tenant
    tenants        integer not null, -- that it is for now
    detector       text check (detector = lower(detector) and detector <> ''),
    title          text check (title <> ''), -- the whole title in plain words; * stands for anything
    entity         text check (entity = lower(entity) and entity <> ''), -- "kind:value"
    reason         text not null check (length(reason) between 1 and 1000),
    user_id        uuid,
    owner          text not null,  -- the login of whoever made it
    made_at        timestamptz not null,
    expires_at     timestamptz not null check (expires_at > made_at),
    ended_at       timestamptz,    -- null: it is in force
    ended_by       text,           -- null: it ran out
    history        jsonb not null default '[]', -- how it was extended: at, by, until, reason
    check (num_nonnulls(detector, title, entity) > 0),
    check (ended_by is null or ended_at is not null)
);
create index suppressions_in_force on suppressions (expires_at) where ended_at is null;
create index suppressions_made on suppressions (made_at, suppression_id);

-- Title words as a pattern for `like` over lower-case titles: what is a wildcard there is a plain character.
create function title_pattern(words text) returns text language sql immutable strict parallel safe
    return replace(replace(replace(replace(lower(words), '\', '\\'), '%', '\%'), '_', '\_'), '*', '%');
alter table suppressions add column pattern text generated always as (title_pattern(title)) stored;

-- The one definition of what a rule hides, for its preview, for what is stored already and for what is read from now on. An alert's detector
-- and title are given in lower case, so that many rules over one alert cost that once.
create function suppresses(detector text, pattern text, entity text, of_detector text, of_title text, of_entities text[]) returns boolean
    language sql immutable parallel safe
    return num_nonnulls(detector, pattern, entity) > 0
       and (detector is null or coalesce(of_detector = detector, false))
       and (pattern is null or of_title like pattern)
       and (entity is null or entity = any (of_entities));

-- A tenant that a rule is for.
create table suppression_tenants (
    tenant_id      uuid not null references tenants on delete cascade,
    suppression_id uuid not null references suppressions on delete cascade,
    left_at        timestamptz,    -- it is no longer in the rule's group
    pending        boolean not null default true, -- its stored alerts are still to be looked through
    hits           bigint not null default 0, -- alerts that the rule has hidden here, each once
    last_hit_at    timestamptz,
    primary key (tenant_id, suppression_id)
);
create index suppression_tenants_rule on suppression_tenants (suppression_id);
create index suppression_tenants_pending on suppression_tenants (tenant_id) where pending;

-- An alert that a rule has hidden, whether it still does or not.
create table suppression_hits (
    tenant_id      uuid not null,
    suppression_id uuid not null,
    alert_id       uuid not null,
    at             timestamptz not null,
    severity       smallint not null, -- of the alert then
    primary key (tenant_id, suppression_id, alert_id),
    foreign key (tenant_id, suppression_id) references suppression_tenants on delete cascade,
    foreign key (tenant_id, alert_id) references alerts on delete cascade
);
create index suppression_hits_latest on suppression_hits (tenant_id, suppression_id, at desc);
create index suppression_hits_alert on suppression_hits (tenant_id, alert_id);

-- An alert is hidden by one rule at a time; an incident is, as long as it has alerts and all of them are.
alter table alerts
    add column hidden boolean not null default false,
    add column suppressed_by uuid,
    add column suppressed_at timestamptz,
    add check (hidden = (suppressed_by is not null));
alter table incidents add column hidden boolean not null default false;

-- What is hidden stands apart in the indexes of open rows: the queue walks past none of it, and both parts together are two walks.
drop index incidents_open_tenant, incidents_open_all, incidents_open_owner, alerts_open_tenant, alerts_open_all, alerts_open_owner, alerts_open_alone;
create index incidents_open_tenant on incidents (tenant_id, hidden, severity desc, updated_at desc, incident_id desc) where is_open;
create index incidents_open_all on incidents (hidden, severity desc, updated_at desc, incident_id desc) include (tenant_id, status, product) where is_open;
create index incidents_open_owner on incidents (assigned_to, hidden, severity desc, updated_at desc, incident_id desc) where is_open;
create index alerts_open_tenant on alerts (tenant_id, hidden, severity desc, updated_at desc, alert_id desc) where is_open;
create index alerts_open_all on alerts (hidden, severity desc, updated_at desc, alert_id desc) include (tenant_id, status, product) where is_open;
create index alerts_open_owner on alerts (assigned_to, hidden, severity desc, updated_at desc, alert_id desc) where is_open;
create index alerts_open_alone on alerts (hidden, severity desc, updated_at desc, alert_id desc)
    where is_open and incident_id is null and incident_external_id is null;
create index incidents_hidden on incidents (tenant_id, updated_at desc, incident_id desc) where hidden;
create index alerts_hidden on alerts (tenant_id, suppressed_by, updated_at desc, alert_id desc) where hidden;

-- The counters of what is open leave out what is hidden, as the queue does. The days count all that Microsoft opened and resolved.
create or replace function count_incidents() returns trigger language plpgsql as $$
begin
    if tg_op = 'INSERT' then
        insert into tenant_counts as c (tenant_id, product, incidents_critical, incidents_high, incidents_medium, incidents_low,
                                        incidents_informational, incidents_unknown, incidents_unassigned)
        select tenant_id, product, count(*) filter (where severity = 5), count(*) filter (where severity = 4), count(*) filter (where severity = 3),
               count(*) filter (where severity = 2), count(*) filter (where severity = 1), count(*) filter (where severity = 0),
               count(*) filter (where assigned_to is null)
        from added where is_open and not hidden group by tenant_id, product order by tenant_id, product
        on conflict (tenant_id, product) do update set
            incidents_critical = c.incidents_critical + excluded.incidents_critical, incidents_high = c.incidents_high + excluded.incidents_high,
            incidents_medium = c.incidents_medium + excluded.incidents_medium, incidents_low = c.incidents_low + excluded.incidents_low,
            incidents_informational = c.incidents_informational + excluded.incidents_informational,
            incidents_unknown = c.incidents_unknown + excluded.incidents_unknown,
            incidents_unassigned = c.incidents_unassigned + excluded.incidents_unassigned;
        insert into daily_counts as d (tenant_id, day, opened, resolved)
        select tenant_id, day, sum(opened), sum(resolved) from (
            select tenant_id, (created_at at time zone 'UTC')::date as day, 1 as opened, 0 as resolved from added
            union all
            select tenant_id, (resolved_at at time zone 'UTC')::date, 0, 1 from added where resolved_at is not null
        ) as changes group by tenant_id, day order by tenant_id, day
        on conflict (tenant_id, day) do update set opened = d.opened + excluded.opened, resolved = d.resolved + excluded.resolved;
    else
        insert into tenant_counts as c (tenant_id, product, incidents_critical, incidents_high, incidents_medium, incidents_low,
                                        incidents_informational, incidents_unknown, incidents_unassigned)
        select tenant_id, product, coalesce(sum(n) filter (where severity = 5), 0), coalesce(sum(n) filter (where severity = 4), 0),
               coalesce(sum(n) filter (where severity = 3), 0), coalesce(sum(n) filter (where severity = 2), 0),
               coalesce(sum(n) filter (where severity = 1), 0), coalesce(sum(n) filter (where severity = 0), 0),
               coalesce(sum(n) filter (where assigned_to is null), 0)
        from (select tenant_id, product, severity, assigned_to, 1 as n from added where is_open and not hidden
              union all
              select tenant_id, product, severity, assigned_to, -1 from removed where is_open and not hidden) as changes
        group by tenant_id, product order by tenant_id, product
        on conflict (tenant_id, product) do update set
            incidents_critical = c.incidents_critical + excluded.incidents_critical, incidents_high = c.incidents_high + excluded.incidents_high,
            incidents_medium = c.incidents_medium + excluded.incidents_medium, incidents_low = c.incidents_low + excluded.incidents_low,
            incidents_informational = c.incidents_informational + excluded.incidents_informational,
            incidents_unknown = c.incidents_unknown + excluded.incidents_unknown,
            incidents_unassigned = c.incidents_unassigned + excluded.incidents_unassigned;
        insert into daily_counts as d (tenant_id, day, opened, resolved)
        select tenant_id, day, sum(opened), sum(resolved) from (
            select tenant_id, (created_at at time zone 'UTC')::date as day, 1 as opened, 0 as resolved from added
            union all
            select tenant_id, (created_at at time zone 'UTC')::date, -1, 0 from removed
            union all
            select tenant_id, (resolved_at at time zone 'UTC')::date, 0, 1 from added where resolved_at is not null
            union all
            select tenant_id, (resolved_at at time zone 'UTC')::date, 0, -1 from removed where resolved_at is not null
        ) as changes group by tenant_id, day having sum(opened) <> 0 or sum(resolved) <> 0 order by tenant_id, day
        on conflict (tenant_id, day) do update set opened = d.opened + excluded.opened, resolved = d.resolved + excluded.resolved;
    end if;
    return null;
end
$$;

create or replace function count_alerts() returns trigger language plpgsql as $$
begin
    if tg_op = 'INSERT' then
        insert into tenant_counts as c (tenant_id, product, alerts_critical, alerts_high, alerts_medium, alerts_low, alerts_informational, alerts_unknown)
        select tenant_id, product, count(*) filter (where severity = 5), count(*) filter (where severity = 4), count(*) filter (where severity = 3),
               count(*) filter (where severity = 2), count(*) filter (where severity = 1), count(*) filter (where severity = 0)
        from added where is_open and not hidden group by tenant_id, product order by tenant_id, product
        on conflict (tenant_id, product) do update set
            alerts_critical = c.alerts_critical + excluded.alerts_critical, alerts_high = c.alerts_high + excluded.alerts_high,
            alerts_medium = c.alerts_medium + excluded.alerts_medium, alerts_low = c.alerts_low + excluded.alerts_low,
            alerts_informational = c.alerts_informational + excluded.alerts_informational, alerts_unknown = c.alerts_unknown + excluded.alerts_unknown;
    else
        insert into tenant_counts as c (tenant_id, product, alerts_critical, alerts_high, alerts_medium, alerts_low, alerts_informational, alerts_unknown)
        select tenant_id, product, coalesce(sum(n) filter (where severity = 5), 0), coalesce(sum(n) filter (where severity = 4), 0),
               coalesce(sum(n) filter (where severity = 3), 0), coalesce(sum(n) filter (where severity = 2), 0),
               coalesce(sum(n) filter (where severity = 1), 0), coalesce(sum(n) filter (where severity = 0), 0)
        from (select tenant_id, product, severity, 1 as n from added where is_open and not hidden
              union all
              select tenant_id, product, severity, -1 from removed where is_open and not hidden) as changes
        group by tenant_id, product having count(*) > 0 order by tenant_id, product
        on conflict (tenant_id, product) do update set
            alerts_critical = c.alerts_critical + excluded.alerts_critical, alerts_high = c.alerts_high + excluded.alerts_high,
            alerts_medium = c.alerts_medium + excluded.alerts_medium, alerts_low = c.alerts_low + excluded.alerts_low,
            alerts_informational = c.alerts_informational + excluded.alerts_informational, alerts_unknown = c.alerts_unknown + excluded.alerts_unknown;
    end if;
    return null;
end
$$;

do $$
declare
    t text;
begin
    foreach t in array array['suppression_tenants', 'suppression_hits']
    loop
        execute format('alter table %I enable row level security', t);
        execute format('alter table %I force row level security', t);
        execute format($p$create policy scope on %I
            using ((select current_setting('app.all_tenants', true) = 'on')
                   or tenant_id = any ((select nullif(current_setting('app.tenants', true), '')::uuid[])::uuid[]))
            with check ((select current_setting('app.all_tenants', true) = 'on')
                   or tenant_id = any ((select nullif(current_setting('app.tenants', true), '')::uuid[])::uuid[]))$p$, t);
        execute format('grant select, insert on %I to watchfloor_web, watchfloor_worker', t);
    end loop;
end
$$;
grant update on suppression_tenants to watchfloor_web, watchfloor_worker;
grant select, insert on suppressions to watchfloor_web;
grant select, delete on suppressions to watchfloor_worker;
grant update (tenants, expires_at, ended_at, ended_by, history) on suppressions to watchfloor_web, watchfloor_worker;
