-- An administrator's session that shows the portal as a colleague sees it; null: as its own person.
alter table sessions add column views_as uuid references users on delete cascade;
create index sessions_views_as on sessions (views_as) where views_as is not null;

-- Between analyst and lead: whoever may also do something to devices.
alter table users drop constraint users_role_check,
    add constraint users_role_check check (role in ('admin', 'lead', 'responder', 'analyst', 'viewer'));
alter table api_tokens drop constraint api_tokens_role_check, drop constraint api_tokens_tenants,
    add constraint api_tokens_role_check check (role in ('admin', 'lead', 'responder', 'analyst', 'viewer')),
    add constraint api_tokens_tenants
        check (tenants is null or (cardinality(tenants) > 0 and coalesce(role in ('responder', 'analyst', 'viewer'), false)));
