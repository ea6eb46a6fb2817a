-- Bulk jobs: one wish for every incident that a filter found, worked off in the background.

-- The job itself. What it found is frozen when somebody looks at it; it begins when they send the form. The words of its filter are the
-- provider's own, but may name a customer: store/bulk.rs says who sees them.
create table bulk_jobs (
    bulk_id    uuid primary key,
    user_id    uuid references users on delete set null, -- it acts with this person's rights, as they are when it acts
    actor      text not null,
    ip         text,
    words      text not null,           -- what was asked for, for people
    query      text not null default '', -- the list it came from, as its address has it
    asked      jsonb,                   -- what a program asked for under the job's id
    wish       jsonb,                   -- what the incidents are to be; null: it has not begun
    undoes     uuid references bulk_jobs on delete cascade, -- it gives back the statuses that were there before this one
    matched    integer not null default 0,
    tenants    integer not null default 0,
    left_out   integer not null default 0, -- found, but not to be changed from here
    stopped    text,                    -- who called the rest off
    created_at timestamptz not null,
    started_at timestamptz
);
create index bulk_jobs_user on bulk_jobs (user_id, created_at desc);
create index bulk_jobs_undoes on bulk_jobs (undoes) where undoes is not null;

-- One job in one tenant.
create table bulk_tenants (
    tenant_id uuid not null references tenants on delete cascade,
    bulk_id   uuid not null references bulk_jobs on delete cascade,
    matched   integer not null,
    next_at   timestamptz not null,     -- when a worker comes, or came last
    primary key (tenant_id, bulk_id)
);
create index bulk_tenants_job on bulk_tenants (bulk_id);

-- One job's incident, and how it stood when it was shown; without a status it is not compared with anything. Once asked for, what became
-- of it stands in the changes that bear the job's id as their batch.
create table bulk_incidents (
    tenant_id      uuid not null,
    bulk_id        uuid not null references bulk_jobs on delete cascade,
    incident_id    uuid not null,
    status         text,
    classification text,
    determination  text,
    assigned_to    text,
    state          text not null default 'waiting' check (state in ('waiting', 'asked', 'done', 'failed', 'cancelled')),
    reason         text,
    primary key (tenant_id, bulk_id, incident_id),
    foreign key (tenant_id, incident_id) references incidents on delete cascade
);
create index bulk_incidents_job on bulk_incidents (bulk_id, tenant_id);
create index bulk_incidents_waiting on bulk_incidents (tenant_id, bulk_id, incident_id) where state = 'waiting';
create index bulk_incidents_incident on bulk_incidents (tenant_id, incident_id);

do $$
declare
    t text;
begin
    foreach t in array array['bulk_tenants', 'bulk_incidents']
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
grant select, insert, update, delete on bulk_jobs to watchfloor_web;
grant select, update, delete on bulk_jobs to watchfloor_worker;
-- Whoever takes an incident is at work on it, also where the job does it for them.
grant insert, update on incident_leases to watchfloor_worker;
