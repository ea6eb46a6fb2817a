-- What a token may do at most: a role below its user's, and some of the tenants. Null: as its user. A token of some tenants keeps no registry.
alter table api_tokens
    add column role    text check (role in ('admin', 'lead', 'analyst', 'viewer')),
    add column tenants uuid[],
    add constraint api_tokens_tenants check (tenants is null or (cardinality(tenants) > 0 and coalesce(role in ('analyst', 'viewer'), false)));
