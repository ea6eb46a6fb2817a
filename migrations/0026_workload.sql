-- Who has how much is counted from the indexes alone: row-level security needs the tenant beside the owner.

drop index incidents_open_owner, incidents_open_tenant;
create index incidents_open_owner on incidents (assigned_to, hidden, severity desc, updated_at desc, incident_id desc) include (tenant_id) where is_open;
create index incidents_open_tenant on incidents (tenant_id, hidden, severity desc, updated_at desc, incident_id desc) include (assigned_to) where is_open;
