-- One alarm for an app whose credential Microsoft does not accept, instead of one for each of its tenants. No tenant's data.
create table app_alarms (
    app        text not null,       -- its name in the configuration
    credential text not null,       -- of two credentials the one refused while the other is not; empty: the app as a whole
    since      timestamptz not null,
    last_seen  timestamptz not null,
    aadsts     integer,             -- Microsoft's number, if it gave one
    reason     text not null,       -- one sentence
    remedy     text not null,
    primary key (app, credential)
);
grant select, insert, update, delete on app_alarms to watchfloor_web, watchfloor_worker;

alter table sync_state drop constraint sync_state_state_check;
alter table sync_state add constraint sync_state_state_check check (state in
    ('waiting', 'backfilling', 'ok', 'throttled', 'no_permission', 'no_licence', 'consent_lost', 'our_credential', 'failing'));
