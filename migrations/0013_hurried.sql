-- A reading that is asked for while one is under way.

alter table sync_state add column hurried boolean not null default false; -- somebody asked for a reading since the last one began

-- Each reading changes its row twice; the first change stays on its page and in no index, as long as there is room.
alter table sync_state set (fillfactor = 50);
