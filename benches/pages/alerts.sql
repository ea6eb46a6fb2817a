create temporary table parents as select external_id::integer as n, tenant_id, incident_id, created_at, updated_at, status, assigned_to from incidents;
alter table parents add primary key (n);
analyze parents;

-- Four of five belong to an incident and share its tenant and its state; the others stand alone.
insert into alerts (tenant_id, alert_id, product, external_id, incident_id, incident_external_id, title, severity, severity_raw, status, status_raw,
                    classification, category, service_source, detection_source, detector_id, assigned_to, device, account, mitre_techniques, entities,
                    created_at, updated_at, resolved_at, synced_at)
select tenant_id, pg_temp.id(created_at, n, 'alert'), (array['defender_xdr', 'defender_xdr', 'defender_xdr', 'cloud_apps'])[1 + n % 4], 'da' || n, incident_id,
       parent::text,
       pg_temp.pick(array['Suspicious process injection', 'Malware was prevented', 'Unusual sign-in', 'Mass download', 'Mail with a rare attachment',
                          'Encoded command line', 'Connection to a rare domain', 'Impossible travel', 'Credential dumping', 'Scheduled task was made',
                          'Inbox rule forwards mail', 'Password spray', 'New OAuth app with high privilege', 'Tampering with protection'], n, 'title')
       || case when n % 3 = 0 then ' on host-' || host else '' end,
       severity, (array['Informational', 'Low', 'Medium', 'High', 'Critical'])[severity], status,
       (array['New', 'InProgress', 'Resolved'])[array_position(array['new', 'in_progress', 'resolved'], status)],
       case when status = 'resolved' then pg_temp.pick(array['TruePositive', 'FalsePositive', 'InformationalExpectedActivity'], n, 'verdict') end,
       pg_temp.pick(array['Execution', 'Malware', 'InitialAccess', 'Exfiltration', 'CredentialAccess', 'LateralMovement', 'Ransomware', 'Persistence'],
                    n, 'category'),
       pg_temp.pick(array['MicrosoftDefenderForEndpoint', 'MicrosoftDefenderForOffice365', 'MicrosoftCloudAppSecurity'], n, 'service'), 'WindowsDefenderAv',
       'detector-' || floor(pg_temp.dice(n, 'detector') * 400)::integer, assigned_to, 'host-' || host, 'user' || account, array['T1059', 'T1566'],
       array['device:host-' || host, 'user:user' || account || '@customer.example', 'md5:' || md5(((n * 7) % 200000)::text), 'ip:10.' || n % 250 || '.2.3'],
       created_at, updated_at, case when status = 'resolved' then updated_at end, updated_at
from (
    select d.n, d.parent, coalesce(p.tenant_id, pg_temp.tenant(floor(exp(pg_temp.dice(d.n, 'tenant') * ln(:tenants + 1)))::bigint)) as tenant_id,
           p.incident_id, coalesce(p.created_at, now() - pg_temp.dice(d.n, 'age') * interval '540 days') as created_at,
           coalesce(p.updated_at, now() - pg_temp.dice(d.n, 'age') * interval '539 days') as updated_at,
           coalesce(p.status, case when pg_temp.dice(d.n, 'state') < 0.75 then 'resolved' else 'new' end) as status, p.assigned_to,
           case when pg_temp.dice(d.n, 'severity') < 0.02 then 5 when pg_temp.dice(d.n, 'severity') < 0.17 then 4
                when pg_temp.dice(d.n, 'severity') < 0.5 then 3 when pg_temp.dice(d.n, 'severity') < 0.85 then 2 else 1 end as severity,
           floor(pg_temp.dice(d.n, 'host') * 50000)::integer as host, floor(pg_temp.dice(d.n, 'user') * 40000)::integer as account
    from (
        select n, case when n % 5 > 0 then 1 + floor(pg_temp.dice(n, 'parent') * :incidents)::integer end as parent from generate_series(1, :alerts) as n
    ) as d
    left join parents as p on p.n = d.parent
    order by created_at
) as d;

insert into alert_raw (tenant_id, alert_id, api, body, body_hash, updated_at)
select tenant_id, alert_id, product, json_build_object('id', external_id, 'title', title, 'evidence', '[]'::json), decode(md5(external_id), 'hex'), updated_at
from alerts where substr(external_id, 3)::integer % 10 = 0;
