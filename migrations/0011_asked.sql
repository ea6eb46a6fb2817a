-- What somebody asked for, where the request holds only what differed then: asking for it again under the same id is no new change.
-- Null: the request is what was asked for.
alter table changes add column wish jsonb;
