-- How often strangers may try something, over all processes. What a crash takes away is no loss: unlogged.

-- Tokens that fill up again; of "sign-in 203.0.113.7", for one.
create unlogged table buckets (
    name    text primary key,
    level   double precision not null,   -- tokens that were left then
    at      timestamptz not null,
    taken   boolean not null,            -- whether the last one who asked got one
    refused bigint not null default 0,   -- since it was told
    told_at timestamptz                  -- in the audit log
);

-- Failed attempts to sign in, by the SHA-256 of the name that was typed: of names that nobody has, too, so that both take the same time.
create unlogged table sign_in_attempts (
    login_hash   bytea primary key check (length(login_hash) = 32),
    failures     integer not null,
    last_at      timestamptz not null,
    locked_until timestamptz
);
create index sign_in_attempts_last on sign_in_attempts (last_at);
alter table users drop column failed_logins, drop column locked_until, drop column last_failed_at;

grant select, insert, update, delete on buckets, sign_in_attempts to watchfloor_web;
grant select, delete on buckets, sign_in_attempts to watchfloor_worker;
-- Whoever is shut out by the directory loses the links for a new password, too.
grant select (user_id, used_at), update (used_at) on setup_tokens to watchfloor_worker;
