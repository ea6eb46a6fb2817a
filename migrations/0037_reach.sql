-- Whom somebody sees: also the tenants of a group, whichever they are, and never some of all or of a group.
alter table users add column tenant_groups text[] not null default '{}';
alter table grants add column denied boolean not null default false;
create index tenants_group on tenants (tenant_group) where tenant_group is not null;

-- The tenants that a user may see, without the offboarded ones; null: all, those of tomorrow too. An administrator is denied none.
create function reach_of(reader users) returns uuid[] language sql stable as $$
    select case when not reader.all_tenants
                     or reader.role <> 'admin' and exists (select from grants as g where g.user_id = reader.user_id and g.denied)
                then array(select t.tenant_id from tenants as t
                           where t.state <> 'offboarded'
                             and t.tenant_id in (select g.tenant_id from grants as g where g.user_id = reader.user_id and not g.denied
                                                 union all select m.tenant_id from tenants as m where m.tenant_group = any (reader.tenant_groups)
                                                 union all select m.tenant_id from tenants as m where reader.all_tenants)
                             and t.tenant_id not in (select g.tenant_id from grants as g where g.user_id = reader.user_id and g.denied)
                           order by t.tenant_id)
           end
$$;
