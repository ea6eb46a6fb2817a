-- Incidents and alerts are told by two of Microsoft's APIs: the Defender APIs, and Microsoft Graph security, which replaces them.

-- Which of them a tenant is read through, where staff decide it. Null: by what is granted, Graph first.
alter table tenants
    add column incident_api text check (incident_api in ('graph', 'defender'));

alter table sync_state
    add column adapter text check (adapter in ('graph', 'defender')), -- the API of the last reading; null: none yet
    add column refused text check (refused in ('graph', 'defender')), -- the API that would not serve this tenant when it was asked last
    add column backfill_link text;                                    -- Graph: the page of the first reading to go on with

-- The API a record that could not be read came from. Null: the product's own.
alter table quarantine
    add column api text;
