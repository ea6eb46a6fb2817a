-- What thousands of tenants need.

-- Readings without news, which are nearly all, are noted in one row an hour.
alter table sync_runs add column times integer not null default 1;  -- readings in this row
alter table sync_state add column quiet_run uuid;                   -- the row of sync_runs that the next reading without news is added to
alter table sync_state add column quiet_since timestamptz;          -- when it began

-- What is forgotten is found by its age, what somebody asks for by its id.
create index sync_runs_old on sync_runs (started_at);
create index api_usage_old on api_usage (hour);
create index lookups_by_id on lookups (lookup_id);
create index changes_by_id on changes (change_id);
create index changes_by_user on changes (user_id, operation, created_at);

-- The JSON of a device lies apart, so that lists read narrow rows.
alter table devices set (toast_tuple_target = 128);
alter table device_reads add column systems text[] not null default '{}'; -- that the tenant's devices run
