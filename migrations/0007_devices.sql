-- The devices that Defender for Endpoint shows of each tenant, and how the reading of them goes.

create table devices (
    tenant_id    uuid not null references tenants on delete cascade,
    device_id    uuid not null,
    external_id  text not null,          -- Microsoft's: 40 hexadecimal digits
    name         text not null,          -- the full computer name, or Microsoft's id where it has none
    health       text,                   -- these are Microsoft's words
    risk         text,
    exposure     text,
    value        text,
    onboarding   text,
    os           text,
    os_version   text,
    device_group text,
    last_ip      text,
    external_ip  text,
    aad_id       text,
    tags         text[] not null default '{}',
    first_seen   timestamptz,
    last_seen    timestamptz,
    body         json not null,          -- as it came
    synced_at    timestamptz not null,
    gone_at      timestamptz,            -- since when Microsoft shows it no more
    primary key (tenant_id, device_id),
    unique (tenant_id, external_id)
);
create index devices_by_name on devices (lower(name), device_id);
create index devices_by_tenant on devices (tenant_id, lower(name), device_id);
create index devices_by_id on devices (device_id);

create table device_reads (
    tenant_id     uuid primary key references tenants on delete cascade,
    read_at       timestamptz,           -- the last complete reading
    failing_since timestamptz,
    reason        text,                  -- one sentence, while it fails
    next_due      timestamptz not null
);

do $$
declare
    t text;
begin
    foreach t in array array['devices', 'device_reads']
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
