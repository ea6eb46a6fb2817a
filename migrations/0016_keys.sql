-- Keys that a person may switch off, and what was asked for by one form over many incidents.

alter table users add column keys boolean not null default true; -- whether single keys do things on pages
alter table changes add column batch uuid;                       -- the form that asked for it together with others
create index changes_of_batch on changes (batch, tenant_id) where batch is not null;
