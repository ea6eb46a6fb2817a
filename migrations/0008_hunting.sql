-- Advanced hunting: one query of the provider's, run in several tenants, and what each of them answered.

-- The query itself. It is the provider's own text; but it may name a customer's people or devices, so store/hunts.rs shows a hunt only to
-- whoever ran it and to those who see every tenant it ran over.
create table hunts (
    hunt_id     uuid primary key,
    title       text not null check (length(title) between 1 and 200),
    query       text not null check (length(query) between 1 and 10000),
    api         text not null default 'auto' check (api in ('auto', 'graph', 'defender_xdr', 'defender_endpoint')),
    timespan    text check (length(timespan) between 2 and 64), -- ISO 8601; null: Microsoft's 30 days
    user_id     uuid references users on delete set null,
    actor       text not null,
    tenants     integer not null,       -- over how many it was started
    stopped     text check (stopped in ('cancelled', 'refused')), -- what has not begun will not begin
    stop_reason text,
    asked_at    timestamptz not null default now()
);
create index hunts_recent on hunts (asked_at desc, hunt_id desc);

-- One hunt in one tenant.
create table hunt_tenants (
    tenant_id  uuid not null references tenants on delete cascade,
    hunt_id    uuid not null references hunts on delete cascade,
    outcome    text not null default 'waiting'
        check (outcome in ('waiting', 'running', 'ok', 'no_such_table', 'no_permission', 'no_licence', 'throttled', 'quota', 'time_out',
                           'too_large', 'refused', 'failed', 'cancelled')),
    operation  text,                    -- "graph.hunting.run": what was asked, once known
    row_count  integer not null default 0,
    truncated  boolean not null default false, -- Microsoft's cap on rows was reached
    columns    jsonb not null default '[]',    -- [{"name", "type"}] in Microsoft's order
    stats      jsonb,                   -- as Microsoft gave them
    reason     text,                    -- one sentence, where it did not go well or has to wait
    tries      integer not null default 0,
    first_at   timestamptz,             -- of the first try
    not_before timestamptz,             -- Microsoft asked to wait
    started_at timestamptz,             -- of the latest try
    ended_at   timestamptz,
    primary key (tenant_id, hunt_id)
);
create index hunt_tenants_hunt on hunt_tenants (hunt_id);
create index hunt_tenants_open on hunt_tenants (hunt_id, tenant_id) where outcome in ('waiting', 'running');

-- The rows of an answer, in pieces, so that a page reads no more than it shows.
create table hunt_rows (
    tenant_id uuid not null,
    hunt_id   uuid not null,
    piece     integer not null,         -- from 0
    rows      text not null,            -- a JSON array as Microsoft wrote it
    primary key (tenant_id, hunt_id, piece),
    foreign key (tenant_id, hunt_id) references hunt_tenants on delete cascade
);

do $$
declare
    t text;
begin
    foreach t in array array['hunt_tenants', 'hunt_rows']
    loop
        execute format('alter table %I enable row level security', t);
        execute format('alter table %I force row level security', t);
        execute format($p$create policy scope on %I
            using ((select current_setting('app.all_tenants', true) = 'on')
                   or tenant_id = any ((select nullif(current_setting('app.tenants', true), '')::uuid[])::uuid[]))
            with check ((select current_setting('app.all_tenants', true) = 'on')
                   or tenant_id = any ((select nullif(current_setting('app.tenants', true), '')::uuid[])::uuid[]))$p$, t);
        execute format('grant select, insert, update on %I to watchfloor_web, watchfloor_worker', t);
    end loop;
end
$$;
grant delete on hunt_rows to watchfloor_worker;
grant select, insert, update on hunts to watchfloor_web;
grant select, update, delete on hunts to watchfloor_worker;

-- Queries kept for later: one's own, or the team's.
create table saved_queries (
    query_id    uuid primary key,
    name        text not null check (length(name) between 1 and 200),
    description text not null default '' check (length(description) <= 2000),
    query       text not null check (length(query) between 1 and 10000),
    team        boolean not null default false,
    user_id     uuid references users on delete set null, -- null: it came with Watchfloor
    author      text not null,
    updated_at  timestamptz not null default now()
);
create index saved_queries_user on saved_queries (user_id);
grant select, insert, update, delete on saved_queries to watchfloor_web;

insert into saved_queries (query_id, name, description, query, team, author) values
(gen_random_uuid(), 'PowerShell that hides what it does',
 'Encoded or hidden PowerShell of the last seven days, newest first. Needs Defender for Endpoint.',
 'DeviceProcessEvents
| where Timestamp > ago(7d)
| where FileName =~ "powershell.exe" and (ProcessCommandLine has "-enc" or ProcessCommandLine has "hidden")
| project Timestamp, DeviceName, AccountName, FileName, ProcessCommandLine, InitiatingProcessFileName
| top 100 by Timestamp', true, 'Watchfloor'),
(gen_random_uuid(), 'Failed sign-ins by account',
 'Who fails to sign in, most failures first: a sign of guessed passwords. Needs Defender for Identity or Entra ID sign-ins in Defender XDR.',
 'IdentityLogonEvents
| where Timestamp > ago(7d) and ActionType == "LogonFailed"
| summarize count() by AccountUpn
| sort by count_ desc
| take 50', true, 'Watchfloor'),
(gen_random_uuid(), 'Mail delivered in spite of a threat',
 'Mail with a phishing or malware verdict that still reached a mailbox. Needs Defender for Office 365.',
 'EmailEvents
| where Timestamp > ago(7d) and DeliveryAction == "Delivered"
| where ThreatTypes has "Phish" or ThreatTypes has "Malware"
| project Timestamp, SenderFromAddress, RecipientEmailAddress, Subject, ThreatTypes
| top 100 by Timestamp', true, 'Watchfloor'),
(gen_random_uuid(), 'Connections to an address',
 'Which devices spoke to an address; replace it by the one you look for. Needs Defender for Endpoint.',
 'DeviceNetworkEvents
| where Timestamp > ago(30d) and RemoteIP startswith "203.0.113."
| project Timestamp, DeviceName, InitiatingProcessFileName, RemoteIP, RemotePort, RemoteUrl
| top 200 by Timestamp', true, 'Watchfloor'),
(gen_random_uuid(), 'Devices that do not report',
 'Onboarded devices by health of the sensor. Needs Defender for Endpoint.',
 'DeviceInfo
| where OnboardingStatus == "Onboarded"
| summarize count() by SensorHealthState
| sort by count_ desc', true, 'Watchfloor');
