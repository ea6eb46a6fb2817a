-- Open alerts that belong to no incident, in page order: a view that everybody has.

create index alerts_open_alone on alerts (severity desc, updated_at desc, alert_id desc)
    where is_open and incident_id is null and incident_external_id is null;
