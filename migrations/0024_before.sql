-- What must hold before a change is sent, and which job tries again what failed in another.

alter table changes
    add column expects jsonb, -- how the members that it changes stood when its person saw them, in the request's words; null: it is not compared
    add column behind uuid;   -- the change of the same form that must be done before it
-- Nobody sends a change of something while another change of it is on its way.
create index changes_on_the_way on changes (tenant_id, (args[1])) where state in ('sending', 'unknown');

alter table bulk_jobs add column follows uuid references bulk_jobs on delete set null;
create index bulk_jobs_follows on bulk_jobs (follows) where follows is not null;
