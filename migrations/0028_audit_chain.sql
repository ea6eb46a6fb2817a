-- The audit log's chain: a hash of each row and of the hash before it, in the order in which rows were found. Rows are written in many
-- transactions at once, so a job chains them afterwards, a few seconds later; nothing waits for it.

create table audit_chain (
    position bigint primary key check (position > 0), -- 1, 2, 3 … without gaps
    audit_id bigint not null unique,                  -- no foreign key: that a row is gone from the log must show here
    hash     bytea not null check (length(hash) = 32)
);
grant select on audit_chain to watchfloor_web;
grant select, insert on audit_chain to watchfloor_worker;

-- Up to where the chain was sent to a receiver outside.
create table audit_shipping (
    target        text primary key, -- as the configuration writes it
    position      bigint not null default 0, -- the last that was sent
    sent_at       timestamptz,      -- when
    failing_since timestamptz,      -- null: the last attempt went well
    reason        text,             -- of the failure, for people
    tried_at      timestamptz,      -- the last attempt, whatever came of it
    lease_until   timestamptz       -- a process is sending
);
grant select on audit_shipping to watchfloor_web;
grant select, insert, update on audit_shipping to watchfloor_worker;
