-- Stands in for a migration that comes from elsewhere, so that the numbers have no gap.
select 1;
