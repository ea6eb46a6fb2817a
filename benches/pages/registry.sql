-- A hash of a row's number and a word, from 0 (included) to 1 (excluded).
create function pg_temp.dice(n bigint, word text) returns double precision language sql immutable parallel safe
    return ((hashint8extended(n, hashtext(word || :seed)) >> 11) & 9007199254740991) / 9007199254740992.0;
-- A version 7 UUID of a time and a row's number.
create function pg_temp.id(at timestamptz, n bigint, word text) returns uuid language sql immutable parallel safe
    return (lpad(to_hex((extract(epoch from at) * 1000)::bigint), 12, '0') || '7' || substr(md5(n || word || :seed), 1, 3) || '8'
            || substr(md5(n || word || :seed), 4, 15))::uuid;
create function pg_temp.tenant(n bigint) returns uuid language sql immutable parallel safe
    return ('70000000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid;
create function pg_temp.pick(words text[], n bigint, word text) returns text language sql immutable parallel safe
    return words[1 + floor(pg_temp.dice(n, word) * array_length(words, 1))::integer];

insert into tenants (tenant_id, name, directory_id, state, apps, tags, tenant_group, checked_at)
select pg_temp.tenant(n), 'Customer ' || n, md5('directory' || n)::uuid,
       (array['active', 'active', 'active', 'active', 'active', 'active', 'active', 'active', 'degraded', 'blind'])[1 + n % 10], array['defender'],
       array['region ' || n % 20], 'group ' || n % 20, now()
from generate_series(1, :tenants) as n;

insert into tenant_permissions (tenant_id, app, product, permission, granted, licensed, working, state, checked_at)
select pg_temp.tenant(n), 'defender', product, permission, true, true, true, 'granted', now()
from generate_series(1, :tenants) as n,
     (values ('defender_xdr', 'Incident.Read.All'), ('defender_endpoint', 'Alert.Read.All'), ('cloud_apps', 'Investigation.Read')) as p (product, permission);

insert into sync_state (tenant_id, product, state, watermark, complete_until, backfill_from, backfill_done, last_attempt, last_success, next_due,
                        reconciled_day, reconciled_week, failing_since, reason, remedy)
select pg_temp.tenant(n), product, case when n % 20 = 9 then 'no_permission' else 'ok' end, now() - interval '15 min', now(), now() - interval '30 days',
       1, now(), now(), now() + interval '1 year', now(), now(), case when n % 20 = 9 then now() - interval '3 hours' end,
       case when n % 20 = 9 then 'Microsoft refuses the call.' end, case when n % 20 = 9 then 'Ask the customer to consent again.' end
from generate_series(1, :tenants) as n, unnest(array['defender_xdr', 'defender_endpoint', 'cloud_apps']) as product;

insert into sync_runs (tenant_id, run_id, product, started_at, finished_at, outcome, calls, pages, seen, times)
select pg_temp.tenant(n), pg_temp.id(now() - hour * interval '1 hour', n * 1000 + hour, product), product, now() - hour * interval '1 hour',
       now() - hour * interval '1 hour' + interval '2 s', 'ok', 60, 60, 0, 60
from generate_series(1, :tenants) as n, generate_series(1, 48) as hour, unnest(array['defender_xdr', 'defender_endpoint', 'cloud_apps']) as product;

insert into devices (tenant_id, device_id, external_id, name, health, risk, exposure, value, onboarding, os, os_version, last_ip, first_seen, last_seen,
                     body, synced_at)
select pg_temp.tenant(floor(exp(pg_temp.dice(n, 'tenant') * ln(:tenants + 1)))::bigint), pg_temp.id(now() - interval '90 days', n, 'device'),
       md5(n || 'device') || substr(md5(n || 'more'), 1, 8), 'host-' || n % 50000 || '.customer.example', 'Active',
       pg_temp.pick(array['None', 'None', 'Low', 'Medium', 'High'], n, 'risk'), 'Medium', 'Normal', 'Onboarded',
       pg_temp.pick(array['Windows11', 'Windows10', 'WindowsServer2022', 'Ubuntu', 'macOS'], n, 'os'), '23H2', '10.1.2.3', now() - interval '90 days',
       now() - pg_temp.dice(n, 'seen') * interval '30 days', '{"id": "a device of the benchmark"}', now()
from generate_series(1, :tenants * 50) as n;
insert into device_reads (tenant_id, read_at, next_due, systems)
select pg_temp.tenant(n), now(), now() + interval '1 year', array['Windows11', 'Ubuntu', 'macOS'] from generate_series(1, :tenants) as n;

insert into audit_log (at, actor_kind, actor, tenant_id, action, result)
select now() - n * interval '1 minute', 'user', 'somebody@example.com', pg_temp.tenant(1 + n % :tenants),
       pg_temp.pick(array['incident.change', 'tenant.update', 'invite.create', 'session.begin'], n, 'action'), 'ok'
from generate_series(200000, 1, -1) as n;
