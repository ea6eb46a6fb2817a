-- Alerts of any status in the order of a click on "Opened", like incidents (0021_orders.sql): five million were sorted each time, for seconds.
-- New alerts come at the end of it, mostly.
drop index alerts_created;
create index alerts_created on alerts (created_at);
