-- What the overview asks for lies in the order in which it asks.

-- The worst tenants first. Each change of a tenant's open incidents changes its row in this index too: one narrow entry.
create index tenant_counts_worst on tenant_counts
    (incidents_critical desc, incidents_high desc, incidents_medium desc, incidents_low desc, tenant_id) where product = 'defender_xdr';

-- How far back what is read reaches. What is not read at all stood at the old end of this index, and whoever looked for the oldest went past it.
drop index sync_state_until;
create index sync_state_until on sync_state (complete_until)
    where enabled and complete_until is not null and state in ('waiting', 'backfilling', 'ok');
