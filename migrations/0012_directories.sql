-- A tenant that changes its directory, checks that find nothing to note, and hunts that one interface refuses.

alter table tenants
    add column unbound_at timestamptz, -- what was read from the directory it was unbound from is still to be deleted
    add column checked_at timestamptz; -- its permissions were checked last, whatever came of it
create index tenants_unbound on tenants (tenant_id) where unbound_at is not null;

alter table hunts add column refused_by text[] not null default '{}'; -- operations of Microsoft's that do not accept the query

grant delete on incidents, alerts, devices, tenant_counts, daily_counts to watchfloor_worker;
