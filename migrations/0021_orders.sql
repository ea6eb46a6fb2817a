-- Lists of every status in the order that lists have unless another is asked for, and what was opened in the last hours.

create index incidents_severity_all on incidents (severity desc, updated_at desc, incident_id desc);
create index alerts_severity_all on alerts (severity desc, updated_at desc, alert_id desc);
drop index incidents_created;
create index incidents_created on incidents (created_at);
