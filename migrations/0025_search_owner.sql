-- Search looks as another role, of which nobody is a member. To hand the functions over, the schema's owner had become a member of
-- watchfloor_search; members inherit, so the open policy of search held for the owner too, whom FORCE ROW LEVEL SECURITY is meant to bind.
-- Roles are cluster-wide. Taking that membership away would break 0022 where it is run for another database at that moment, and each other
-- database would give it back. So it is left, and leads to nothing any more: what search needs belongs to watchfloor_finder.
--
-- Whoever changes the functions in a later migration becomes a member, and ceases to be one, in that migration's transaction, as here:
-- nobody else ever sees such a membership, and two databases that do so at once wait for each other.

do $$
begin
    if not exists (select from pg_roles where rolname = 'watchfloor_finder') then
        create role watchfloor_finder nologin;
    end if;
exception
    -- Another database of the cluster was faster.
    when duplicate_object or unique_violation then null;
end
$$;

grant usage, create on schema public to watchfloor_finder;
grant select (tenant_id, incident_id, title, external_id, entities) on incidents to watchfloor_finder;
grant select (tenant_id, alert_id, title, external_id, entities) on alerts to watchfloor_finder;

grant watchfloor_finder to current_user;
alter function search_incidents owner to watchfloor_finder;
alter function search_alerts owner to watchfloor_finder;
revoke watchfloor_finder from current_user;
revoke create on schema public from watchfloor_finder;

drop policy search on incidents;
drop policy search on alerts;
create policy search on incidents for select to watchfloor_finder using (true);
create policy search on alerts for select to watchfloor_finder using (true);

revoke select (tenant_id, incident_id, title, external_id, entities) on incidents from watchfloor_search;
revoke select (tenant_id, alert_id, title, external_id, entities) on alerts from watchfloor_search;
revoke usage on schema public from watchfloor_search;
