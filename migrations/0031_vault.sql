-- Secrets that must be read back are sealed, v1:key:nonce:text (store/vault.rs). What lay here in clear belonged to ways to Microsoft of ten
-- minutes: whoever is on one begins again.
select set_config('app.all_tenants', 'on', true);
update consent_attempts set nonce = null, pkce_verifier = null where num_nonnulls(nonce, pkce_verifier) > 0;
alter table consent_attempts
    add constraint consent_attempts_secrets_are_sealed check (nonce like 'v1:%' and pkce_verifier like 'v1:%');
alter table sign_in_trips alter column nonce drop not null;
update sign_in_trips set nonce = null, pkce_verifier = null;
alter table sign_in_trips
    add constraint sign_in_trips_secrets_are_sealed check (nonce like 'v1:%' and pkce_verifier like 'v1:%');

-- One text, sealed with the key that seals: by it a process knows that it has the same keys as those before it.
create table vault_check (
    one    boolean primary key default true check (one),
    sealed text not null check (sealed like 'v1:%')
);
grant select, insert, update on vault_check to watchfloor_web;
