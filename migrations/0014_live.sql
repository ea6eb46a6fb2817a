-- Pages that are open learn of a change when it is committed. What is told says which kind of rows changed in which tenant, and nothing of
-- what stands in them; the same told twice in a transaction is told once, and a statement that wrote no row tells nothing.

create function tell_changed() returns trigger language plpgsql as $$
begin
    perform pg_notify('watchfloor_live', tg_argv[0] || ' ' || changed.tenant_id) from (select distinct tenant_id from added) as changed;
    return null;
end
$$;
create trigger incidents_told_insert after insert on incidents
    referencing new table as added for each statement execute function tell_changed('incidents');
create trigger incidents_told_update after update on incidents
    referencing new table as added for each statement execute function tell_changed('incidents');
create trigger alerts_told_insert after insert on alerts
    referencing new table as added for each statement execute function tell_changed('alerts');
create trigger alerts_told_update after update on alerts
    referencing new table as added for each statement execute function tell_changed('alerts');
create trigger changes_told_insert after insert on changes
    referencing new table as added for each statement execute function tell_changed('changes');
create trigger changes_told_update after update on changes
    referencing new table as added for each statement execute function tell_changed('changes');

-- What was stored lately. All rows of a batch have one time, and times only grow: the smallest index a table can have.
create index incidents_synced on incidents (synced_at);
create index alerts_synced on alerts (synced_at);

-- Whether a row version was written by a transaction that was not through at a snapshot. Times cannot say it: a row bears the time at which
-- its transaction began, and a page that was made between that and the commit does not show it. A row version bears the last 32 bits of its
-- transaction's number, so only the rows of the last two thousand million transactions may be asked for.
create function is_unseen(writer xid, seen pg_snapshot) returns boolean language sql stable
    return not pg_visible_in_snapshot(
        (pg_snapshot_xmax(seen)::text::bigint + (((writer::text::bigint - pg_snapshot_xmax(seen)::text::bigint) << 32) >> 32))::text::xid8, seen);
