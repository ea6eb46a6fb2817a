-- Staff who sign in at Entra. A person is known there by who issued the token, the directory and the object id, and by nothing else: names and
-- addresses change and are given to others. Such an account has no password, and one with a password is nobody of Entra's.
alter table users
    alter column password_hash drop not null,
    add column entra_issuer text,
    add column entra_directory uuid,
    add column entra_object uuid,
    add column vouched_at timestamptz,  -- when the directory last said that the person may be here
    add constraint users_are_from_one_place check (
        num_nulls(entra_issuer, entra_directory, entra_object) in (0, 3) and (password_hash is null) = (entra_issuer is not null)
    );
create unique index users_entra on users (entra_issuer, entra_directory, entra_object) where entra_issuer is not null;

-- A way to Entra and back, good for ten minutes, for one answer and for the browser that began it.
create table sign_in_trips (
    state_hash    bytea primary key,
    browser_hash  bytea not null,
    nonce         text not null,
    pkce_verifier text,           -- cleared when answered
    next          text not null,  -- a page of our own
    expires_at    timestamptz not null,
    answered_at   timestamptz
);
create index sign_in_trips_end on sign_in_trips (expires_at);
grant select, insert, update on sign_in_trips to watchfloor_web;
grant select, delete on sign_in_trips to watchfloor_worker;

-- The worker asks the directory every few minutes, and ends what it vouches for no more.
grant update (vouched_at) on users to watchfloor_worker;
grant select (user_id, expires_at, revoked_at), update (revoked_at) on api_tokens to watchfloor_worker;
