create temporary table drawn as
select n, pg_temp.tenant(floor(exp(pg_temp.dice(n, 'tenant') * ln(:tenants + 1)))::bigint) as tenant_id,
       now() - pg_temp.dice(n, 'age') * interval '540 days' as created_at, pg_temp.dice(n, 'state') as state,
       floor(pg_temp.dice(n, 'host') * 50000)::integer as host, floor(pg_temp.dice(n, 'user') * 40000)::integer as account
from generate_series(1, :incidents) as n order by created_at;

insert into incidents (tenant_id, incident_id, product, external_id, title, severity, severity_raw, status, status_raw, classification, determination,
                       assigned_to, tags, alert_count, entities, products, url, created_at, updated_at, resolved_at, acknowledged_at, synced_at)
select tenant_id, pg_temp.id(created_at, n, 'incident'), 'defender_xdr', n::text,
       pg_temp.pick(array['Multi-stage incident involving', 'Ransomware behaviour on', 'Suspicious sign-in of', 'Phishing mail reported by', 'Credential theft on',
                          'Unusual download by', 'Malware was prevented on', 'Lateral movement from', 'Impossible travel of', 'Mass deletion by',
                          'Suspicious PowerShell on', 'Exfiltration to a rare domain from'], n, 'title')
       || case when n % 2 = 0 then ' host-' || host else ' user' || account end,
       severity, (array['Informational', 'Low', 'Medium', 'High', 'Critical'])[severity],
       status, (array['Active', 'InProgress', 'Resolved'])[array_position(array['new', 'in_progress', 'resolved'], status)],
       case when status = 'resolved' then pg_temp.pick(array['TruePositive', 'FalsePositive', 'InformationalExpectedActivity'], n, 'verdict') end,
       case when status = 'resolved' then pg_temp.pick(array['Malware', 'SecurityTesting', 'NotMalicious'], n, 'why') end,
       case when status = 'in_progress' or (status = 'resolved' and n % 3 > 0) then 'analyst' || n % 50 || '@mssp.example' end,
       case when n % 20 = 0 then array['vip'] else '{}' end, 4,
       array['device:host-' || host, 'user:user' || account || '@customer.example', 'md5:' || md5(((n * 7) % 200000)::text)],
       case n % 3 when 0 then array['defender_endpoint'] when 1 then array['defender_endpoint', 'defender_xdr'] else array['cloud_apps'] end,
       'https://security.microsoft.com/incidents/' || n, created_at, created_at + took, case when status = 'resolved' then created_at + took end,
       case when status <> 'new' then created_at + took * pg_temp.dice(n, 'taken') end, created_at + took
from (
    select d.*, case when state < 0.75 then 'resolved' when state < 0.85 then 'in_progress' else 'new' end as status,
           case when pg_temp.dice(n, 'severity') < 0.02 then 5 when pg_temp.dice(n, 'severity') < 0.17 then 4
                when pg_temp.dice(n, 'severity') < 0.5 then 3 when pg_temp.dice(n, 'severity') < 0.85 then 2 else 1 end as severity,
           least(now() - created_at, pg_temp.dice(n, 'took') * interval '3 days') as took
    from drawn as d
) as d;

insert into incident_raw (tenant_id, incident_id, api, body, body_hash, updated_at)
select tenant_id, incident_id, 'defender_xdr', json_build_object('incidentId', external_id, 'incidentName', title, 'alerts', '[]'::json),
       decode(md5(external_id), 'hex'), updated_at
from incidents where external_id::integer % 10 = 0;
insert into incident_events (tenant_id, event_id, incident_id, at, kind, before, after)
select tenant_id, pg_temp.id(created_at, external_id::bigint, 'opened'), incident_id, created_at, 'opened', null, 'new' from incidents
union all
select tenant_id, pg_temp.id(acknowledged_at, external_id::bigint, 'owner'), incident_id, acknowledged_at, 'owner', null, assigned_to
from incidents where assigned_to is not null
union all
select tenant_id, pg_temp.id(updated_at, external_id::bigint, 'status'), incident_id, updated_at, 'status', 'new', status from incidents where status <> 'new';
