-- Several apps on one link, directories that staff enter because no answer of Microsoft's names them, and three more ways a trip can end.

alter table invites
    add column apps      text[],        -- the apps it asks for; null: every app of the tenant
    add column proven_at timestamptz;   -- a sign-in on this link proved a directory; it stays valid until every app on it is settled

alter table consent_attempts drop constraint consent_attempts_outcome_check;
alter table consent_attempts add constraint consent_attempts_outcome_check
    check (outcome in ('granted', 'proven', 'reported', 'skipped', 'declined', 'wrong_directory', 'foreign_directory', 'wrong_cloud',
                       'admin_approval_needed', 'missing_service_principal', 'other_browser', 'expired', 'refused', 'failed'));

-- A directory entered by staff for a consent that does not come back to us. Tokens prove the consent; a second person decides.
create table directory_entries (
    tenant_id    uuid not null references tenants on delete cascade,
    entry_id     uuid not null,
    directory_id uuid not null,
    entered_by   uuid not null references users,
    entered_at   timestamptz not null default now(),
    decided_by   uuid references users,     -- null when withdrawn by the person who entered it
    decided_at   timestamptz,
    approved     boolean,
    primary key (tenant_id, entry_id),
    check (decided_by is null or decided_by <> entered_by),
    check (approved is not true or decided_by is not null)
);
create unique index directory_entries_open on directory_entries (tenant_id) where decided_at is null;

alter table directory_entries enable row level security;
alter table directory_entries force row level security;
create policy scope on directory_entries
    using ((select current_setting('app.all_tenants', true) = 'on')
           or tenant_id = any ((select nullif(current_setting('app.tenants', true), '')::uuid[])::uuid[]))
    with check ((select current_setting('app.all_tenants', true) = 'on')
           or tenant_id = any ((select nullif(current_setting('app.tenants', true), '')::uuid[])::uuid[]));
grant select, insert, update on directory_entries to watchfloor_web, watchfloor_worker;
