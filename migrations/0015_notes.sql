-- What people write down about an incident for one another, and who is at it. None of it is ever sent to Microsoft.

-- A note is never changed: a correction is a new note. Only its pin is set and taken away, and the grants say so.
create table notes (
    tenant_id   uuid not null,
    note_id     uuid not null,
    incident_id uuid not null,
    user_id     uuid,
    author      text not null,      -- the person's name then
    login       text not null,
    text        text not null check (length(text) between 1 and 10000),
    pinned      boolean not null default false, -- for the next shift
    created_at  timestamptz not null,
    primary key (tenant_id, note_id),
    foreign key (tenant_id, incident_id) references incidents on delete cascade
);
create index notes_incident on notes (tenant_id, incident_id, created_at, note_id);

-- Who works on an incident now. What has run out stays until somebody begins anew.
create table incident_leases (
    tenant_id   uuid not null,
    incident_id uuid not null,
    user_id     uuid not null,
    name        text not null,      -- for people
    login       text not null,
    taken_from  text,               -- the name of whoever had it when this person began
    since       timestamptz not null,
    until       timestamptz not null,
    primary key (tenant_id, incident_id),
    foreign key (tenant_id, incident_id) references incidents on delete cascade
);

do $$
declare
    t text;
begin
    foreach t in array array['notes', 'incident_leases']
    loop
        execute format('alter table %I enable row level security', t);
        execute format('alter table %I force row level security', t);
        execute format($p$create policy scope on %I
            using ((select current_setting('app.all_tenants', true) = 'on')
                   or tenant_id = any ((select nullif(current_setting('app.tenants', true), '')::uuid[])::uuid[]))
            with check ((select current_setting('app.all_tenants', true) = 'on')
                   or tenant_id = any ((select nullif(current_setting('app.tenants', true), '')::uuid[])::uuid[]))$p$, t);
        execute format('grant select on %I to watchfloor_web, watchfloor_worker', t);
        execute format('grant insert on %I to watchfloor_web', t);
    end loop;
end
$$;
grant update (pinned) on notes to watchfloor_web;
grant update on incident_leases to watchfloor_web;
