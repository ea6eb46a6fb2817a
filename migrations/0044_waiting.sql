-- An incident that waits for its customer's answer, and since when. It ends with the answer, with the incident, or when somebody says so.
alter table incidents add column waiting_since timestamptz;
create index incidents_waiting on incidents (hidden, severity desc, updated_at desc, incident_id desc) include (tenant_id)
    where is_open and waiting_since is not null;

create function end_waiting() returns trigger language plpgsql as $$
begin
    new.waiting_since := null;
    return new;
end
$$;
create trigger incidents_wait_no_more before update on incidents for each row
    when (new.waiting_since is not null and new.status not in ('new', 'in_progress', 'unknown')) execute function end_waiting();
