-- Where a tenant's data lives, what calls were made for it, and what is to be changed at Microsoft.

alter table tenants
    add column endpoint_region text check (endpoint_region in ('us', 'eu', 'uk', 'au', 'swa', 'ina', 'aea')), -- null: the general host
    add column cloud_apps_host text check (length(cloud_apps_host) between 1 and 253);                        -- null: the general host

-- Calls counted against Microsoft's documented limits, by hour.
create table api_usage (
    tenant_id      uuid not null references tenants on delete cascade,
    budget         text not null,       -- the name of a limit
    hour           timestamptz not null,
    calls          integer not null default 0,
    throttled      integer not null default 0,  -- how often Microsoft, or we for it, said "too many"
    minute         timestamptz not null,        -- the latest minute in which calls were counted
    minute_calls   integer not null default 0,
    busiest_minute integer not null default 0,
    primary key (tenant_id, budget, hour)
);

-- What somebody wants changed at Microsoft: a row first, then a job, then one call. Its state never goes back to one in which it
-- would be sent again.
create table changes (
    tenant_id   uuid not null references tenants on delete cascade,
    change_id   uuid not null,
    operation   text not null,          -- "endpoint.act.isolate": the name of an operation of Microsoft's
    args        text[] not null,        -- Microsoft's ids in its path
    subject     text not null,          -- for people: the device, incident or alert
    request     jsonb,                  -- the body, exactly as it is sent
    comment     text,                   -- the reason given
    user_id     uuid,
    actor       text not null,          -- login, or the job
    state       text not null default 'intended'
        check (state in ('intended', 'sending', 'running', 'unknown', 'done', 'failed', 'cancelled', 'lost')),
    reason      text,                   -- one sentence, where it did not go well
    external_id text,                   -- Microsoft's id of the machine action it became
    answer      jsonb,                  -- what Microsoft said of it last
    looks       integer not null default 0, -- how often Microsoft was asked what became of it
    created_at  timestamptz not null default now(),
    sent_at     timestamptz,
    finished_at timestamptz,
    primary key (tenant_id, change_id)
);
create index changes_recent on changes (tenant_id, created_at desc, change_id desc);
create index changes_of on changes (tenant_id, (args[1]), created_at desc);
create index changes_open on changes (created_at) where state in ('intended', 'sending', 'running', 'unknown');

-- What somebody wants to know of Microsoft that is not read all the time (the activities of an alert, who is signed in to a device):
-- asked once, answered by a job, shown with its age.
create table lookups (
    tenant_id   uuid not null references tenants on delete cascade,
    lookup_id   uuid not null,
    operation   text not null,          -- "cloud_apps.activities.list": the name of an operation of Microsoft's that only reads
    args        text[] not null,        -- Microsoft's ids in its path
    query       jsonb not null default '{}', -- of the address: names and texts
    request     jsonb,                  -- the body
    user_id     uuid,
    actor       text not null,
    state       text not null default 'asked' check (state in ('asked', 'answered', 'failed')),
    reason      text,                   -- one sentence, where it failed
    answer      text,                   -- as it came
    asked_at    timestamptz not null default now(),
    answered_at timestamptz,
    primary key (tenant_id, lookup_id)
);
create index lookups_latest on lookups (tenant_id, operation, (args[1]), asked_at desc);
create index lookups_old on lookups (asked_at);

do $$
declare
    t text;
begin
    foreach t in array array['api_usage', 'changes', 'lookups']
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
grant delete on api_usage, lookups to watchfloor_worker;
