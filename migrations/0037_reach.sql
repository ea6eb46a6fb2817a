-- Whom somebody sees: also the tenants of a group, whichever they are, and never some of all or of a group.
alter table users add column tenant_groups text[] not null default '{}';
alter table grants add column denied boolean not null default false;
create index tenants_group on tenants (tenant_group) where tenant_group is not null;

-- The tenants that a user may see, without the offboarded ones; null: all, those of tomorrow too. An administrator is denied none. It is asked at
-- each request, so each case has a plan of its own.
create function reach_of(reader users) returns uuid[] language plpgsql stable as $$
begin
    if reader.all_tenants then
        if reader.role = 'admin' or not exists (select from grants as g where g.user_id = reader.user_id and g.denied) then
            return null;
        end if;
        return array(select t.tenant_id from tenants as t
                     where t.state <> 'offboarded' and t.tenant_id <> all (array(select g.tenant_id from grants as g where g.user_id = reader.user_id and g.denied))
                     order by t.tenant_id);
    end if;
    if reader.tenant_groups = '{}' then
        return array(select g.tenant_id from grants as g join tenants as t on t.tenant_id = g.tenant_id
                     where g.user_id = reader.user_id and not g.denied and t.state <> 'offboarded' order by g.tenant_id);
    end if;
    return array(select t.tenant_id from tenants as t
                 where t.state <> 'offboarded'
                   and (t.tenant_group = any (reader.tenant_groups)
                        or t.tenant_id = any (array(select g.tenant_id from grants as g where g.user_id = reader.user_id and not g.denied)))
                   and t.tenant_id <> all (array(select g.tenant_id from grants as g where g.user_id = reader.user_id and g.denied))
                 order by t.tenant_id);
end $$;
