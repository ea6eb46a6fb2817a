-- Customers' own people, who sign in at their own directory and see their own tenant. None of them is a user: they have no role, no grants and
-- none of staff's sessions.

-- A person is known by who issued the token, the directory and the object id, and by nothing else.
create table customers (
    tenant_id    uuid not null references tenants on delete cascade,
    customer_id  uuid not null,
    issuer       text not null,
    directory_id uuid not null,
    object_id    uuid not null,
    display_name text not null check (length(display_name) between 1 and 200),
    username     text not null,      -- for people to read: it may be given to somebody else
    is_admin     boolean not null,   -- may invite and disable colleagues
    invited_by   text not null,      -- the name of whoever made the link
    created_at   timestamptz not null default now(),
    disabled_at  timestamptz,
    last_seen_at timestamptz,
    primary key (tenant_id, customer_id),
    unique (tenant_id, issuer, directory_id, object_id)
);

-- A link that makes one account. Only its hash is kept.
create table customer_invites (
    tenant_id   uuid not null references tenants on delete cascade,
    invite_id   uuid not null,
    ticket_hash bytea not null check (length(ticket_hash) = 32),
    label       text not null check (length(label) between 1 and 120),  -- for whom, as whoever made it put it
    is_admin    boolean not null,
    made_by     text not null,
    created_at  timestamptz not null default now(),
    expires_at  timestamptz not null,
    used_at     timestamptz,
    primary key (tenant_id, invite_id),
    unique (tenant_id, ticket_hash)
);

create table customer_sessions (
    tenant_id    uuid not null,
    session_hash bytea not null check (length(session_hash) = 32),
    customer_id  uuid not null,
    created_at   timestamptz not null default now(),
    last_seen_at timestamptz not null default now(),
    expires_at   timestamptz not null,
    ip           text,
    primary key (tenant_id, session_hash),
    foreign key (tenant_id, customer_id) references customers on delete cascade
);
create index customer_sessions_customer on customer_sessions (tenant_id, customer_id, last_seen_at);
create index customer_sessions_end on customer_sessions (expires_at);

-- A way to a customer's directory and back, like sign_in_trips. Of whom it is shows only when it ends, so it is no tenant's; one that begins at an
-- invite holds that.
create table customer_trips (
    state_hash    bytea primary key,
    browser_hash  bytea not null,
    nonce         text check (nonce like 'v1:%'),
    pkce_verifier text check (pkce_verifier like 'v1:%'),  -- both cleared when answered
    invite_tenant uuid,
    invite_hash   bytea,
    directory_id  uuid,              -- where the person was sent; null: wherever they belong
    expires_at    timestamptz not null,
    answered_at   timestamptz,
    check (num_nulls(invite_tenant, invite_hash, directory_id) in (0, 3))
);
create index customer_trips_end on customer_trips (expires_at);
grant select, insert, update on customer_trips to watchfloor_web;
grant select, delete on customer_trips to watchfloor_worker;

-- What a customer sees of what is read in its directory.
create table incident_shares (
    tenant_id   uuid not null,
    incident_id uuid not null,
    shared_by   text not null,       -- the person's name then
    shared_at   timestamptz not null default now(),
    primary key (tenant_id, incident_id),
    foreign key (tenant_id, incident_id) references incidents on delete cascade
);
create index incident_shares_list on incident_shares (tenant_id, shared_at, incident_id);

-- Who of the provider's staff opened which incident of a customer's: once for each person, incident and day of UTC.
create table staff_looks (
    tenant_id   uuid not null,
    day         date not null,
    incident_id uuid not null,
    user_id     uuid not null,
    name        text not null,       -- the person's name then
    primary key (tenant_id, day, incident_id, user_id),
    foreign key (tenant_id, incident_id) references incidents on delete cascade
);
create index staff_looks_day on staff_looks (day);
create index staff_looks_incident on staff_looks (tenant_id, incident_id);

-- A note may be for the customer, too, and may be the customer's own.
alter table notes
    add column shared boolean not null default false,
    add column customer_id uuid,
    add constraint notes_of_customers_are_shared check (customer_id is null or (shared and user_id is null));

do $$
declare
    t text;
begin
    foreach t in array array['customers', 'customer_invites', 'customer_sessions', 'incident_shares', 'staff_looks']
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
grant update on customers, customer_invites, customer_sessions to watchfloor_web;
grant delete on customer_invites, customer_sessions, incident_shares to watchfloor_web;
grant delete on customer_invites, customer_sessions, staff_looks to watchfloor_worker;
