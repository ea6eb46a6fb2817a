-- Lists of the queue kept under a name: one's own, or the team's. What they find is found anew for whoever looks.

create table saved_views (
    view_id    uuid primary key,
    user_id    uuid not null references users on delete cascade,
    list       text not null check (list in ('incidents', 'alerts')),
    name       text not null check (length(name) between 1 and 60),
    query      text not null check (length(query) <= 4000), -- the query string of the list's address, without its page
    team       boolean not null default false,
    updated_at timestamptz not null default now(),
    unique (user_id, list, name)
);
create index saved_views_team on saved_views (list) where team;
grant select, insert, update, delete on saved_views to watchfloor_web;
