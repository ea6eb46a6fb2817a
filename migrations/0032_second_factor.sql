-- What proves besides the password that it is the owner of a local account. An account of Entra's has none here: its directory asks for them.
create table factors (
    factor_id    uuid primary key,
    user_id      uuid not null references users on delete cascade,
    kind         text not null check (kind in ('totp', 'passkey')),
    name         text not null check (length(name) between 1 and 60),
    secret       text not null check (secret like 'v1:%'),
    credential   bytea unique,      -- passkey only: by what the browser names it
    created_at   timestamptz not null default now(),
    last_used_at timestamptz,
    check ((kind = 'passkey') = (credential is not null))
);
create index factors_user on factors (user_id);

-- Codes for whoever has lost everything else; each counts once.
create table recovery_codes (
    user_id   uuid not null references users on delete cascade,
    code_hash bytea not null check (length(code_hash) = 32),
    used_at   timestamptz,
    primary key (user_id, code_hash)
);

-- Something begun that goes on within ten minutes: a sign-in whose password was right, a factor that is being made, a passkey that is asked for.
-- None of them is a session.
create table flows (
    kind       text not null check (kind in ('sign_in', 'new_factor', 'new_passkey', 'proof')),
    flow_hash  bytea not null check (length(flow_hash) = 32),  -- of the cookie of a sign-in, or of the session
    user_id    uuid not null references users on delete cascade,
    next       text not null,                                  -- sign_in: a page of our own to go on to
    secret     text check (secret like 'v1:%'),                -- of the factor that is being made, or what a passkey must answer
    expires_at timestamptz not null,
    primary key (kind, flow_hash)
);
create index flows_user on flows (user_id);
create index flows_end on flows (expires_at);

-- The time step of the newest one-time code that was accepted: none counts twice, and none that is older.
alter table users add column totp_step bigint;
-- When the session's person last proved who they are, beyond having the session.
alter table sessions add column proven_at timestamptz;
-- The session for which a way to Microsoft is to prove once more who it is; null: a sign-in.
alter table sign_in_trips add column proves bytea;

grant select, insert, update, delete on factors, recovery_codes, flows to watchfloor_web;
-- Whoever is shut out by the directory loses what was begun, too.
grant select, delete on flows to watchfloor_worker;
