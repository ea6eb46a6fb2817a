-- Watchfloor's first schema. Forward only: this file is never edited once it has been released.
--
-- Every table with tenants' data has tenant_id first in each of its keys, row-level security enabled and forced, and one
-- policy that reads the transaction's scope. tests/it/catalogue.rs fails for any table, view or function that breaks this.

create extension if not exists pg_trgm;

-- Run-time roles own nothing. They are cluster-wide, so another database of the same cluster may have made them.
do $$
begin
    if not exists (select from pg_roles where rolname = 'watchfloor_web') then
        create role watchfloor_web nologin;
    end if;
    if not exists (select from pg_roles where rolname = 'watchfloor_worker') then
        create role watchfloor_worker nologin;
    end if;
    execute format('grant watchfloor_web, watchfloor_worker to %I', current_user);
end
$$;

revoke all on schema public from public;
grant usage on schema public to watchfloor_web, watchfloor_worker;
do $$
begin
    execute format('revoke temporary, create on database %I from public', current_database());
end
$$;

-- ---------------------------------------------------------------------------------------------------------------------
-- Who may use the portal. These tables hold no tenant's data; `grants` says which tenants a user may see.

create table users (
    user_id       uuid primary key,
    login         text not null check (login = lower(login) and length(login) between 1 and 254),
    display_name  text not null,
    role          text not null check (role in ('admin', 'lead', 'analyst', 'viewer')),
    all_tenants   boolean not null default false,
    password_hash text not null,
    failed_logins integer not null default 0,
    locked_until  timestamptz,
    last_failed_at timestamptz,
    disabled_at   timestamptz,
    theme         text not null default 'system' check (theme in ('system', 'light', 'dark')),
    density       text not null default 'comfortable' check (density in ('comfortable', 'compact')),
    created_at    timestamptz not null default now()
);
create unique index users_login on users (login);

create table sessions (
    session_hash bytea primary key,
    user_id      uuid not null references users on delete cascade,
    created_at   timestamptz not null default now(),
    last_seen_at timestamptz not null default now(),
    expires_at   timestamptz not null,
    ip           text
);
create index sessions_user on sessions (user_id);

create table api_tokens (
    token_id     uuid primary key,
    token_hash   bytea not null unique,
    user_id      uuid not null references users on delete cascade,
    name         text not null,
    created_at   timestamptz not null default now(),
    expires_at   timestamptz not null,
    last_used_at timestamptz,
    revoked_at   timestamptz
);
create index api_tokens_user on api_tokens (user_id);

-- The one-time link with which the first administrator is made, and password resets.
create table setup_tokens (
    token_hash bytea primary key,
    user_id    uuid references users on delete cascade, -- null: makes the first administrator
    created_at timestamptz not null default now(),
    expires_at timestamptz not null,
    used_at    timestamptz
);

-- ---------------------------------------------------------------------------------------------------------------------
-- The registry

create table tenants (
    tenant_id       uuid primary key,
    name            text not null check (length(name) between 1 and 120),
    directory_id    uuid,           -- proven by a consent; null until then
    expected_directory_id uuid,     -- preset by staff; a consent from another directory is refused
    domain          text,
    cloud           text not null default 'commercial' check (cloud in ('commercial', 'gcc', 'gcc_high', 'dod')),
    state           text not null default 'invited'
        check (state in ('invited', 'consent_pending', 'verifying', 'active', 'degraded', 'blind', 'paused', 'offboarded')),
    state_since     timestamptz not null default now(),
    state_reason    text,           -- one sentence for staff
    apps            text[] not null default '{}',  -- names of configured apps the customer is asked to consent to
    tags            text[] not null default '{}',
    tenant_group    text,
    contacts        text not null default '',
    notes           text not null default '',
    needs_approval  boolean not null default false, -- directory learnt at consent, waiting for staff
    purge_after     timestamptz,    -- set when offboarded
    created_at      timestamptz not null default now(),
    updated_at      timestamptz not null default now()
);
-- A directory belongs to one tenant that is not offboarded.
create unique index tenants_directory on tenants (directory_id) where directory_id is not null and state <> 'offboarded';
create unique index tenants_name on tenants (lower(name)) where state <> 'offboarded';

create table grants (
    tenant_id uuid not null references tenants on delete cascade,
    user_id   uuid not null references users on delete cascade,
    primary key (tenant_id, user_id)
);
create index grants_user on grants (user_id);

-- A change of directory needs a second administrator.
create table rebind_requests (
    tenant_id     uuid not null references tenants on delete cascade,
    request_id    uuid not null,
    directory_id  uuid,             -- the directory asked for; null: to be learnt at the next consent
    reason        text not null,
    requested_by  uuid not null references users,
    requested_at  timestamptz not null default now(),
    decided_by    uuid references users,
    decided_at    timestamptz,
    approved      boolean,
    primary key (tenant_id, request_id),
    check (decided_by is null or decided_by <> requested_by)
);
create unique index rebind_requests_open on rebind_requests (tenant_id) where decided_at is null;

create table invites (
    tenant_id  uuid not null references tenants on delete cascade,
    invite_id  uuid not null,
    token_hash bytea not null,
    created_by uuid references users, -- null: made from the command line
    created_at timestamptz not null default now(),
    expires_at timestamptz not null,
    opened_at  timestamptz,
    used_at    timestamptz,
    revoked_at timestamptz,
    primary key (tenant_id, invite_id),
    unique (tenant_id, token_hash)
);

-- One trip to Microsoft: an admin consent for one app, or the sign-in that proves which directory consented.
create table consent_attempts (
    tenant_id      uuid not null references tenants on delete cascade,
    attempt_id     uuid not null,
    invite_id      uuid not null,
    app            text not null,
    step           text not null check (step in ('admin_consent', 'sign_in')),
    state_hash     bytea not null,
    browser_hash   bytea not null,
    nonce          text,            -- sign_in only
    pkce_verifier  text,            -- sign_in only; cleared when answered
    directory_id   uuid,            -- admin_consent: claimed by the callback; sign_in: what is to be proven
    started_at     timestamptz not null default now(),
    expires_at     timestamptz not null,
    answered_at    timestamptz,
    outcome        text check (outcome in ('granted', 'proven', 'declined', 'wrong_directory', 'foreign_directory', 'admin_approval_needed',
                                           'missing_service_principal', 'other_browser', 'expired', 'refused', 'failed')),
    aadsts         integer,
    error          text,
    correlation_id text,
    trace_id       text,
    primary key (tenant_id, attempt_id),
    unique (tenant_id, state_hash),
    foreign key (tenant_id, invite_id) references invites on delete cascade
);
create index consent_attempts_invite on consent_attempts (tenant_id, invite_id, started_at desc);

create table tenant_permissions (
    tenant_id  uuid not null references tenants on delete cascade,
    app        text not null,
    product    text not null check (product in ('defender_xdr', 'defender_endpoint', 'cloud_apps', 'graph')),
    permission text not null,
    expected   boolean not null default true,
    granted    boolean,             -- named in the token's roles; null: not yet known
    licensed   boolean,             -- the product answers for this directory
    working    boolean,             -- a real call succeeded
    state      text not null default 'asked' check (state in ('asked', 'granted', 'missing', 'unlicensed', 'unknown', 'revoked')),
    reason     text,
    checked_at timestamptz,
    primary key (tenant_id, app, product, permission)
);

-- ---------------------------------------------------------------------------------------------------------------------
-- Reading

create table sync_state (
    tenant_id      uuid not null references tenants on delete cascade,
    product        text not null check (product in ('defender_xdr', 'defender_endpoint', 'cloud_apps', 'graph')),
    enabled        boolean not null default true,
    state          text not null default 'waiting'
        check (state in ('waiting', 'backfilling', 'ok', 'throttled', 'no_permission', 'no_licence', 'consent_lost', 'failing')),
    watermark      timestamptz,     -- read from here (already less the overlap); moves only with the rows
    complete_until timestamptz,     -- everything Microsoft showed up to then is stored
    backfill_from  timestamptz,     -- the first reading starts here
    backfill_done  double precision not null default 0, -- 0 to 1
    backfill_skip  integer not null default 0, -- records of the first reading stored so far: where it goes on
    last_attempt   timestamptz,
    last_success   timestamptz,
    failing_since  timestamptz,
    failures       integer not null default 0, -- in a row
    reason         text,            -- for people: what happened
    remedy         text,            -- for people: what to do
    next_due       timestamptz not null default now(),
    lease_until    timestamptz,     -- by the database's clock
    fence          bigint not null default 0,
    reconciled_day  timestamptz,    -- last re-read of 24 h
    reconciled_week timestamptz,    -- last re-read of 7 d
    primary key (tenant_id, product)
);
create index sync_state_due on sync_state (next_due) where enabled;

create table sync_runs (
    tenant_id   uuid not null references tenants on delete cascade,
    run_id      uuid not null,
    product     text not null,
    started_at  timestamptz not null,
    finished_at timestamptz,
    outcome     text,               -- a sync_state.state, or 'interrupted'
    calls       integer not null default 0,
    pages       integer not null default 0,
    seen        integer not null default 0,
    added       integer not null default 0,
    changed     integer not null default 0,
    quarantined integer not null default 0,
    error       text,
    primary key (tenant_id, run_id)
);
create index sync_runs_recent on sync_runs (tenant_id, product, started_at desc);

create table quarantine (
    tenant_id     uuid not null references tenants on delete cascade,
    quarantine_id uuid not null,
    product       text not null,
    kind          text not null check (kind in ('incident', 'alert')),
    body_hash     bytea not null,
    body          text not null,    -- the record as it came
    reason        text not null,
    first_seen    timestamptz not null default now(),
    last_seen     timestamptz not null default now(),
    primary key (tenant_id, quarantine_id),
    unique (tenant_id, product, kind, body_hash)
);

-- ---------------------------------------------------------------------------------------------------------------------
-- Incidents and alerts. severity: 5 critical, 4 high, 3 medium, 2 low, 1 informational, 0 unknown.

create table incidents (
    tenant_id       uuid not null references tenants on delete cascade,
    incident_id     uuid not null,
    product         text not null,
    external_id     text not null,
    title           text not null,
    severity        smallint not null check (severity between 0 and 5),
    severity_raw    text not null,
    status          text not null check (status in ('new', 'in_progress', 'resolved', 'redirected', 'unknown')),
    status_raw      text not null,
    classification  text,
    determination   text,
    assigned_to     text,
    tags            text[] not null default '{}',
    redirect_to     text,           -- external id of the incident this one was merged into
    alert_count     integer not null default 0,
    entities        text[] not null default '{}', -- lower case, "kind:value"
    products        text[] not null default '{}', -- services whose alerts it holds
    url             text,
    created_at      timestamptz not null,
    updated_at      timestamptz not null,         -- Microsoft's lastUpdateTime
    resolved_at     timestamptz,                  -- when we first saw it resolved, at Microsoft's time
    synced_at       timestamptz not null default now(),
    is_open         boolean not null generated always as (status in ('new', 'in_progress', 'unknown')) stored,
    primary key (tenant_id, incident_id),
    unique (tenant_id, product, external_id)
);
create index incidents_by_id on incidents (incident_id);
create index incidents_open_tenant on incidents (tenant_id, severity desc, updated_at desc, incident_id desc) where is_open;
create index incidents_open_all on incidents (severity desc, updated_at desc, incident_id desc) include (tenant_id, status, product) where is_open;
create index incidents_open_owner on incidents (assigned_to, severity desc, updated_at desc, incident_id desc) where is_open;
create index incidents_history_tenant on incidents (tenant_id, updated_at desc, incident_id desc);
create index incidents_history_all on incidents (updated_at desc, incident_id desc);
create index incidents_severity_tenant on incidents (tenant_id, severity desc, updated_at desc, incident_id desc);
create index incidents_created on incidents using brin (created_at);
create index incidents_title on incidents using gin (title gin_trgm_ops);
create index incidents_entities on incidents using gin (entities);

create table incident_raw (
    tenant_id   uuid not null,
    incident_id uuid not null,
    api         text not null,      -- the product whose API gave this original
    body        json not null,      -- as it came, byte for byte (json keeps the text)
    body_hash   bytea not null,
    updated_at  timestamptz not null,
    primary key (tenant_id, incident_id, api),
    foreign key (tenant_id, incident_id) references incidents on delete cascade
);

-- What was seen to change, ours and Microsoft's; never updated.
create table incident_events (
    tenant_id   uuid not null,
    event_id    uuid not null,
    incident_id uuid not null,
    at          timestamptz not null,
    kind        text not null,      -- opened, status, severity, owner, classification, merged, alerts
    before      text,
    after       text,
    primary key (tenant_id, event_id),
    foreign key (tenant_id, incident_id) references incidents on delete cascade
);
create index incident_events_incident on incident_events (tenant_id, incident_id, at);

create table alerts (
    tenant_id       uuid not null references tenants on delete cascade,
    alert_id        uuid not null,
    product         text not null,
    external_id     text not null,
    incident_id     uuid,
    incident_external_id text,      -- known before the incident itself has been read
    title           text not null,
    severity        smallint not null check (severity between 0 and 5),
    severity_raw    text not null,
    status          text not null check (status in ('new', 'in_progress', 'resolved', 'redirected', 'unknown')),
    status_raw      text not null,
    classification  text,
    determination   text,
    category        text,
    service_source  text,
    detection_source text,
    detector_id     text,
    assigned_to     text,
    device          text,
    account         text,
    mitre_techniques text[] not null default '{}',
    entities        text[] not null default '{}',
    url             text,
    created_at      timestamptz not null,
    updated_at      timestamptz not null,
    resolved_at     timestamptz,
    synced_at       timestamptz not null default now(),
    is_open         boolean not null generated always as (status in ('new', 'in_progress', 'unknown')) stored,
    primary key (tenant_id, alert_id),
    unique (tenant_id, product, external_id),
    foreign key (tenant_id, incident_id) references incidents
);
create index alerts_by_id on alerts (alert_id);
create index alerts_open_tenant on alerts (tenant_id, severity desc, updated_at desc, alert_id desc) where is_open;
create index alerts_open_all on alerts (severity desc, updated_at desc, alert_id desc) include (tenant_id, status, product) where is_open;
create index alerts_open_owner on alerts (assigned_to, severity desc, updated_at desc, alert_id desc) where is_open;
create index alerts_history_tenant on alerts (tenant_id, updated_at desc, alert_id desc);
create index alerts_history_all on alerts (updated_at desc, alert_id desc);
create index alerts_severity_tenant on alerts (tenant_id, severity desc, updated_at desc, alert_id desc);
create index alerts_incident on alerts (tenant_id, incident_id) where incident_id is not null;
create index alerts_orphan on alerts (tenant_id, incident_external_id) where incident_id is null and incident_external_id is not null;
create index alerts_created on alerts using brin (created_at);
create index alerts_title on alerts using gin (title gin_trgm_ops);
create index alerts_entities on alerts using gin (entities);

create table alert_raw (
    tenant_id  uuid not null,
    alert_id   uuid not null,
    api        text not null,
    body       json not null,
    body_hash  bytea not null,
    updated_at timestamptz not null,
    primary key (tenant_id, alert_id, api),
    foreign key (tenant_id, alert_id) references alerts on delete cascade
);

-- ---------------------------------------------------------------------------------------------------------------------
-- Counters, kept by statement triggers in the transaction of the rows they count

create table tenant_counts (
    tenant_id uuid not null references tenants on delete cascade,
    product   text not null,
    incidents_critical integer not null default 0, incidents_high integer not null default 0, incidents_medium integer not null default 0,
    incidents_low integer not null default 0, incidents_informational integer not null default 0, incidents_unknown integer not null default 0,
    incidents_unassigned integer not null default 0,
    alerts_critical integer not null default 0, alerts_high integer not null default 0, alerts_medium integer not null default 0,
    alerts_low integer not null default 0, alerts_informational integer not null default 0, alerts_unknown integer not null default 0,
    primary key (tenant_id, product)
);

create table daily_counts (
    tenant_id uuid not null references tenants on delete cascade,
    day       date not null,        -- UTC
    opened    integer not null default 0,
    resolved  integer not null default 0,
    primary key (tenant_id, day)
);
create index daily_counts_day on daily_counts (day) include (tenant_id, opened, resolved);

create function count_incidents() returns trigger language plpgsql as $$
begin
    if tg_op = 'INSERT' then
        insert into tenant_counts as c (tenant_id, product, incidents_critical, incidents_high, incidents_medium, incidents_low,
                                        incidents_informational, incidents_unknown, incidents_unassigned)
        select tenant_id, product, count(*) filter (where severity = 5), count(*) filter (where severity = 4), count(*) filter (where severity = 3),
               count(*) filter (where severity = 2), count(*) filter (where severity = 1), count(*) filter (where severity = 0),
               count(*) filter (where assigned_to is null)
        from added where is_open group by tenant_id, product order by tenant_id, product
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
        from (select tenant_id, product, severity, assigned_to, 1 as n from added where is_open
              union all
              select tenant_id, product, severity, assigned_to, -1 from removed where is_open) as changes
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
create trigger incidents_counted_insert after insert on incidents
    referencing new table as added for each statement execute function count_incidents();
create trigger incidents_counted_update after update on incidents
    referencing new table as added old table as removed for each statement execute function count_incidents();

create function count_alerts() returns trigger language plpgsql as $$
begin
    if tg_op = 'INSERT' then
        insert into tenant_counts as c (tenant_id, product, alerts_critical, alerts_high, alerts_medium, alerts_low, alerts_informational, alerts_unknown)
        select tenant_id, product, count(*) filter (where severity = 5), count(*) filter (where severity = 4), count(*) filter (where severity = 3),
               count(*) filter (where severity = 2), count(*) filter (where severity = 1), count(*) filter (where severity = 0)
        from added where is_open group by tenant_id, product order by tenant_id, product
        on conflict (tenant_id, product) do update set
            alerts_critical = c.alerts_critical + excluded.alerts_critical, alerts_high = c.alerts_high + excluded.alerts_high,
            alerts_medium = c.alerts_medium + excluded.alerts_medium, alerts_low = c.alerts_low + excluded.alerts_low,
            alerts_informational = c.alerts_informational + excluded.alerts_informational, alerts_unknown = c.alerts_unknown + excluded.alerts_unknown;
    else
        insert into tenant_counts as c (tenant_id, product, alerts_critical, alerts_high, alerts_medium, alerts_low, alerts_informational, alerts_unknown)
        select tenant_id, product, coalesce(sum(n) filter (where severity = 5), 0), coalesce(sum(n) filter (where severity = 4), 0),
               coalesce(sum(n) filter (where severity = 3), 0), coalesce(sum(n) filter (where severity = 2), 0),
               coalesce(sum(n) filter (where severity = 1), 0), coalesce(sum(n) filter (where severity = 0), 0)
        from (select tenant_id, product, severity, 1 as n from added where is_open
              union all
              select tenant_id, product, severity, -1 from removed where is_open) as changes
        group by tenant_id, product having count(*) > 0 order by tenant_id, product
        on conflict (tenant_id, product) do update set
            alerts_critical = c.alerts_critical + excluded.alerts_critical, alerts_high = c.alerts_high + excluded.alerts_high,
            alerts_medium = c.alerts_medium + excluded.alerts_medium, alerts_low = c.alerts_low + excluded.alerts_low,
            alerts_informational = c.alerts_informational + excluded.alerts_informational, alerts_unknown = c.alerts_unknown + excluded.alerts_unknown;
    end if;
    return null;
end
$$;
create trigger alerts_counted_insert after insert on alerts
    referencing new table as added for each statement execute function count_alerts();
create trigger alerts_counted_update after update on alerts
    referencing new table as added old table as removed for each statement execute function count_alerts();

-- ---------------------------------------------------------------------------------------------------------------------
-- Audit: insert only, for every role that runs

create table audit_log (
    audit_id   bigint generated always as identity primary key,
    at         timestamptz not null default clock_timestamp(),
    actor_kind text not null check (actor_kind in ('user', 'customer', 'system', 'operator', 'stranger')),
    actor      text not null,       -- login, "customer", job or command
    user_id    uuid,
    ip         text,
    tenant_id  uuid,                -- null: not about one tenant
    action     text not null,       -- "tenant.create", "consent.declined", …
    object     text,
    before     jsonb,
    after      jsonb,
    result     text not null default 'ok' check (result in ('ok', 'refused', 'failed')),
    request_id text
);
create index audit_log_tenant on audit_log (tenant_id, audit_id desc);
create index audit_log_action on audit_log (action, audit_id desc);

-- ---------------------------------------------------------------------------------------------------------------------
-- Isolation. The scope is set for one transaction by store's `Db`; nothing set means no rows.

do $$
declare
    t text;
begin
    foreach t in array array['tenants', 'grants', 'rebind_requests', 'invites', 'consent_attempts', 'tenant_permissions', 'sync_state', 'sync_runs',
                             'quarantine', 'incidents', 'incident_raw', 'incident_events', 'alerts', 'alert_raw', 'tenant_counts', 'daily_counts']
    loop
        execute format('alter table %I enable row level security', t);
        execute format('alter table %I force row level security', t);
        execute format($p$create policy scope on %I
            using ((select current_setting('app.all_tenants', true) = 'on')
                   or tenant_id = any ((select nullif(current_setting('app.tenants', true), '')::uuid[])::uuid[]))
            with check ((select current_setting('app.all_tenants', true) = 'on')
                   or tenant_id = any ((select nullif(current_setting('app.tenants', true), '')::uuid[])::uuid[]))$p$, t);
        execute format('grant select, insert, update on %I to watchfloor_web, watchfloor_worker', t);
    end loop;
end
$$;
-- What may be deleted: grants by administrators, quarantined records once read, raw data and rows of a purged tenant through the registry row.
grant delete on grants, tenants to watchfloor_web;
grant delete on quarantine, tenants, sync_runs to watchfloor_worker;
revoke update on incident_events from watchfloor_web, watchfloor_worker;

alter table audit_log enable row level security;
alter table audit_log force row level security;
create policy read_scope on audit_log for select
    using ((select current_setting('app.all_tenants', true) = 'on')
           or tenant_id = any ((select nullif(current_setting('app.tenants', true), '')::uuid[])::uuid[]));
create policy append on audit_log for insert with check (true);
grant select, insert on audit_log to watchfloor_web, watchfloor_worker;

grant select, insert, update on users to watchfloor_web;
grant select, insert, update, delete on sessions, setup_tokens to watchfloor_web;
grant select, insert, update on api_tokens to watchfloor_web;
grant select on users to watchfloor_worker;
grant delete on sessions, setup_tokens to watchfloor_worker;
grant select on sessions, setup_tokens to watchfloor_worker;
