-- What an event means to who takes over stands beside it and in the index by which a shift reads thousands of them, so that none of them is looked
-- up: 1 opened, 2 taken (nobody's before), 4 raised to a higher severity, 8 resolved, 16 reopened.
alter table incident_events add column meaning smallint not null generated always as (
    case kind
        when 'opened' then 1
        when 'owner' then case when before is null then 2 else 0 end
        when 'severity' then
            case when array_position('{unknown,informational,low,medium,high,critical}'::text[], after)
                      > array_position('{unknown,informational,low,medium,high,critical}'::text[], before) then 4 else 0 end
        when 'status' then
            case when after = 'resolved' then 8
                 when before = 'resolved' and after in ('new', 'in_progress', 'unknown') then 16 else 0 end
        else 0
    end) stored;

drop index incident_events_read;
create index incident_events_read on incident_events (event_id) include (tenant_id, incident_id, meaning, at);
