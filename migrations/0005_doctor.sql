-- What each permission is proven by, since when it stands as it does, and what to do about it; what the tokens say; what has changed; and
-- which region of Defender for Endpoint answers fastest.

alter table tenant_permissions
    add column since           timestamptz, -- when it began to stand as it does
    add column settled         text,        -- how it stood when that was last known for certain
    add column proof           text,        -- the operation of Microsoft's that was tried
    add column tried_at        timestamptz, -- when
    add column answer          text,        -- Microsoft's own answer: "HTTP 403 Forbidden", "AADSTS700016"
    add column remedy          text,        -- for staff
    add column remedy_customer text;        -- for the customer
update tenant_permissions set since = checked_at;

-- What a token said of itself when it was last looked at; never the token.
create table token_claims (
    tenant_id  uuid not null references tenants on delete cascade,
    app        text not null,
    product    text not null check (product in ('defender_xdr', 'defender_endpoint', 'cloud_apps', 'graph')),
    claims     jsonb,                       -- null: there was no token, or none that can be read
    problems   jsonb not null default '[]', -- [{claim, why}]
    error      text,                        -- why there was no token
    answer     text,                        -- Entra's own answer then: "AADSTS700016"
    fetched_at timestamptz not null,
    primary key (tenant_id, app, product)
);

-- Permissions that stopped doing what they did.
create table permission_drifts (
    tenant_id       uuid not null references tenants on delete cascade,
    app             text not null,
    product         text not null check (product in ('defender_xdr', 'defender_endpoint', 'cloud_apps', 'graph')),
    permission      text not null,
    at              timestamptz not null,
    was             text not null,
    became          text not null,
    reason          text,
    mended_at       timestamptz,
    acknowledged_at timestamptz,
    acknowledged_by text,                   -- a login
    primary key (tenant_id, app, product, permission, at)
);
create unique index permission_drifts_unmended on permission_drifts (tenant_id, app, product, permission) where mended_at is null;
create index permission_drifts_shown on permission_drifts (at desc) where mended_at is null and acknowledged_at is null;

alter table tenants
    add column endpoint_auto      boolean not null default false, -- the region is the one that was found to answer fastest
    add column endpoint_probed_at timestamptz,
    add column endpoint_probe     jsonb;                          -- [{region, milliseconds, answer}]

do $$
declare
    t text;
begin
    foreach t in array array['token_claims', 'permission_drifts']
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
-- What was learnt of a directory goes when another one is bound; apps that are not configured any more leave their claims.
grant delete on token_claims to watchfloor_web, watchfloor_worker;
