-- What a change of shift asks for: when somebody looked last, how long it took until an incident was taken and closed, and what was pinned.

alter table users add column looked_at timestamptz; -- when this person said last that they have seen what had changed

-- When an incident was first seen with an owner or a status beyond "new", at Microsoft's time. Null: not yet, or nobody saw when, because it
-- was so already when it was first read, more than an hour after it was opened.
alter table incidents add column acknowledged_at timestamptz;
create index incidents_acknowledged on incidents (acknowledged_at) include (tenant_id, created_at, severity) where acknowledged_at is not null;
create index incidents_resolved on incidents (resolved_at) include (tenant_id, created_at, severity, assigned_to) where resolved_at is not null;

-- An event's id tells when it was read.
create index incident_events_read on incident_events (event_id) include (tenant_id, incident_id, kind, at);
create index notes_pinned on notes (created_at desc, note_id desc) where pinned;
create index changes_latest on changes (created_at desc) include (tenant_id, actor, state);
