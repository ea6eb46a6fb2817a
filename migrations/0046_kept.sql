-- How many of those that were taken and resolved were so in time: the indexes of these times hold what was promised, too.
drop index incidents_acknowledged, incidents_resolved;
create index incidents_acknowledged on incidents (acknowledged_at) include (tenant_id, created_at, severity, acknowledge_by)
    where acknowledged_at is not null;
create index incidents_resolved on incidents (resolved_at) include (tenant_id, created_at, severity, assigned_to, resolve_by)
    where resolved_at is not null;
