-- The history of a few tenants is merged from a walk of each one's index. What rules hide is left out there, which the index has to know, or each
-- row of each walk is looked up for it.
drop index incidents_severity_tenant, alerts_severity_tenant;
create index incidents_severity_tenant on incidents (tenant_id, severity desc, updated_at desc, incident_id desc) include (hidden);
create index alerts_severity_tenant on alerts (tenant_id, severity desc, updated_at desc, alert_id desc) include (hidden);
