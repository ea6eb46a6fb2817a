-- Search by words and entities. Row-level security lets the planner use an index only through operators that are marked leakproof, and those
-- of trigrams and arrays are not: each search read every row of the table. So two functions look, as a role of their own for which the
-- policy of those columns is open, and bring the scope's condition themselves. They return ids only, and whoever reads the rows reads them
-- under row-level security as ever. tests/it/search.rs proves their scope, and tests/it/catalogue.rs lets nobody else in.

do $$
begin
    if not exists (select from pg_roles where rolname = 'watchfloor_search') then
        create role watchfloor_search nologin;
    end if;
    execute format('grant watchfloor_search to %I', current_user);
end
$$;

grant usage, create on schema public to watchfloor_search;
grant select (tenant_id, incident_id, title, external_id, entities) on incidents to watchfloor_search;
grant select (tenant_id, alert_id, title, external_id, entities) on alerts to watchfloor_search;
create policy search on incidents for select to watchfloor_search using (true);
create policy search on alerts for select to watchfloor_search using (true);

create index incidents_number on incidents (external_id);
create index alerts_number on alerts (external_id);

-- Ids of the scope's rows whose title is like `words`, whose id at Microsoft is `number`, or that have one of the entities: at most `most` of
-- each of the three, in no order. Without a scope: none.
create function search_incidents(words text, number text, keys text[], most integer) returns setof uuid
    language plpgsql stable security definer set search_path = pg_catalog, public, pg_temp set plan_cache_mode = force_custom_plan as $$
declare
    every constant boolean := coalesce(current_setting('app.all_tenants', true) = 'on', false);
    scope constant uuid[] := coalesce(nullif(current_setting('app.tenants', true), '')::uuid[], '{}');
begin
    return query
    (select r.incident_id from public.incidents as r where r.title ilike words and (every or r.tenant_id = any (scope)) limit most)
    union
    (select r.incident_id from public.incidents as r where r.external_id = number and (every or r.tenant_id = any (scope)) limit most)
    union
    (select r.incident_id from public.incidents as r where r.entities && keys and (every or r.tenant_id = any (scope)) limit most);
end
$$;

create function search_alerts(words text, number text, keys text[], most integer) returns setof uuid
    language plpgsql stable security definer set search_path = pg_catalog, public, pg_temp set plan_cache_mode = force_custom_plan as $$
declare
    every constant boolean := coalesce(current_setting('app.all_tenants', true) = 'on', false);
    scope constant uuid[] := coalesce(nullif(current_setting('app.tenants', true), '')::uuid[], '{}');
begin
    return query
    (select r.alert_id from public.alerts as r where r.title ilike words and (every or r.tenant_id = any (scope)) limit most)
    union
    (select r.alert_id from public.alerts as r where r.external_id = number and (every or r.tenant_id = any (scope)) limit most)
    union
    (select r.alert_id from public.alerts as r where r.entities && keys and (every or r.tenant_id = any (scope)) limit most);
end
$$;

revoke execute on function search_incidents, search_alerts from public;
grant execute on function search_incidents, search_alerts to watchfloor_web, watchfloor_worker;
alter function search_incidents owner to watchfloor_search;
alter function search_alerts owner to watchfloor_search;

-- The schema's owner stays a member, or it could not hand the functions over; it makes the policies anyway. No role that runs is one.
revoke create on schema public from watchfloor_search;
