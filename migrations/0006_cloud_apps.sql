-- Logs on their way to cloud discovery, in pieces: put here by the page or the API, carried to Microsoft by the job of the change of the same
-- id, and then deleted.
create table upload_parts (
    tenant_id  uuid not null references tenants on delete cascade,
    change_id  uuid not null,
    part       integer not null,        -- counts from 0
    bytes      bytea not null check (octet_length(bytes) between 1 and 4194304),
    created_at timestamptz not null default now(),
    primary key (tenant_id, change_id, part)
);
create index upload_parts_old on upload_parts (created_at);

alter table upload_parts enable row level security;
alter table upload_parts force row level security;
create policy scope on upload_parts
    using ((select current_setting('app.all_tenants', true) = 'on')
           or tenant_id = any ((select nullif(current_setting('app.tenants', true), '')::uuid[])::uuid[]))
    with check ((select current_setting('app.all_tenants', true) = 'on')
           or tenant_id = any ((select nullif(current_setting('app.tenants', true), '')::uuid[])::uuid[]));
grant select, insert on upload_parts to watchfloor_web;
grant select, insert, delete on upload_parts to watchfloor_worker;

-- The changes that touch one object of Microsoft's, also one of several.
create index changes_touching on changes using gin (args);
