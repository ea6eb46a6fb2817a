//! Reads PostgreSQL's catalogue and fails for anything in the schema that breaks the isolation of tenants.

use crate::support::empty_database;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Executor, PgConnection};
use watchfloor::store::{Db, DbRole, migrate::migrate};

/// Tables that hold no tenant's data, each with the reason.
const WITHOUT_TENANT: &[(&str, &str)] = &[
    ("_sqlx_migrations", "which migrations ran"),
    ("app_alarms", "about the provider's own app registrations, not about a tenant"),
    ("audit_chain", "hashes of rows of the audit log, which has scopes of its own"),
    ("audit_shipping", "how far the provider's own log was sent"),
    ("api_tokens", "belongs to a user; what it may see comes from the user's grants"),
    ("buckets", "what strangers may try, by address"),
    ("day_news", "sums over all tenants, for who sees them all; anybody may add to them"),
    ("day_sums", "sums over all tenants, for who sees them all"),
    ("factors", "second factors of staff; belongs to a user"),
    ("flows", "what a user has begun: a sign-in, a second factor"),
    ("recovery_codes", "belongs to a user"),
    ("bulk_jobs", "the provider's own wish; who sees it follows from the tenants of its incidents, see store/bulk.rs"),
    ("customer_trips", "belongs to a browser; whose person it is shows when the trip ends"),
    ("hunts", "the provider's own query; who sees it follows from the tenants it ran over, see store/hunts.rs"),
    ("saved_views", "the provider's own lists, of one user or of the team"),
    ("saved_queries", "the provider's own queries, of one user or of the team"),
    ("service_level_targets", "the provider's own promises, of its service levels"),
    ("service_levels", "the provider's own promises; which tenant has which stands with the tenant"),
    ("sessions", "belongs to a user"),
    ("sign_in_trips", "belongs to a browser in which somebody of the provider's staff signs in"),
    ("suppressions", "the provider's own rule; who sees it follows from the tenants it is for, see store/suppressions.rs"),
    ("sign_in_attempts", "by names that were typed"),
    ("setup_tokens", "belongs to a user, or to nobody yet"),
    ("users", "staff of the provider, not of a tenant"),
    ("vault_check", "by it a process knows its master keys"),
];

/// Unique keys that deliberately span tenants. Only the registry may have such keys, and only staff who see every tenant write it.
const ACROSS_TENANTS: &[(&str, &str)] = &[
    ("tenants_directory", "a directory belongs to one tenant: this is the rule that keeps two customers apart"),
    ("tenants_name", "staff tell tenants apart by name"),
];

/// The tables under the common rule: everything with a tenant_id except the audit log, whose tenant_id may be null and whose
/// policies differ (anybody may append, the scope decides who reads).
pub const TENANT_TABLES: &str = "
    select c.oid, c.relname::text as name, c.relrowsecurity, c.relforcerowsecurity, a.attnum, a.attnotnull
    from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attname = 'tenant_id' and not a.attisdropped
    where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'f') and c.relname <> 'audit_log'";

/// Lets the functions of search look through the indexes, and nobody else; see migrations/0022_search.sql and 0025_search_owner.sql.
const SEARCH_POLICY: &str = "p.polname = 'search' and p.polcmd = 'r' and p.polroles = array['watchfloor_finder'::regrole::oid]
    and p.polrelid in ('incidents'::regclass, 'alerts'::regclass)";

/// Each query names what is wrong, one row for each fault.
fn rules() -> Vec<String> {
    let list = |entries: &[(&str, &str)]| entries.iter().map(|(name, _)| format!("'{name}'")).collect::<Vec<_>>().join(", ");
    vec![
        format!(
            "select c.relname || ': no tenant_id, and not in the reviewed list' from pg_class c
             where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'f') and c.relname not in ({})
               and not exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = 'tenant_id')",
            list(WITHOUT_TENANT)
        ),
        format!("select name || ': row-level security is not enabled and forced' from ({TENANT_TABLES}) t
                 where not (relrowsecurity and relforcerowsecurity)"),
        format!("select name || ': tenant_id may be null' from ({TENANT_TABLES}) t where not attnotnull"),
        format!(
            "select name || ': needs exactly one policy, for every command, that checks what is read and what is written against the scope'
             from ({TENANT_TABLES}) t
             where (select count(*) from pg_policy p where p.polrelid = t.oid and not ({SEARCH_POLICY})) <> 1
                or not exists (select from pg_policy p where p.polrelid = t.oid and p.polcmd = '*' and p.polpermissive and p.polroles = '{{0}}'
                               and pg_get_expr(p.polqual, p.polrelid) like '%app.tenants%'
                               and pg_get_expr(p.polwithcheck, p.polrelid) = pg_get_expr(p.polqual, p.polrelid))"
        ),
        format!("select name || ': has no primary key' from ({TENANT_TABLES}) t
                 where not exists (select from pg_index i where i.indrelid = t.oid and i.indisprimary)"),
        format!(
            "select name || ': tenant_id is not first in the unique key ' || i.indexrelid::regclass from ({TENANT_TABLES}) t
             join pg_index i on i.indrelid = t.oid and i.indisunique
             where i.indkey[0] <> t.attnum and i.indexrelid::regclass::text not in ({})",
            list(ACROSS_TENANTS)
        ),
        "select c.relname || ': a view reads with its owner''s eyes unless it is security_invoker' from pg_class c
         where c.relnamespace = 'public'::regnamespace and c.relkind = 'v'
           and not coalesce(c.reloptions @> '{security_invoker=true}' or c.reloptions @> '{security_invoker=on}', false)"
            .to_owned(),
        "select c.relname || ': a materialized view knows no row-level security' from pg_class c
         where c.relnamespace = 'public'::regnamespace and c.relkind = 'm'"
            .to_owned(),
    ]
}

/// The same for search, which alone looks past row-level security.
fn search() -> Vec<String> {
    vec![
        "select p.proname || ': a SECURITY DEFINER function reads with its owner''s eyes' from pg_proc p
         where p.pronamespace = 'public'::regnamespace and p.prosecdef
           and not (p.proname in ('search_incidents', 'search_alerts') and p.proowner = 'watchfloor_finder'::regrole
                    and 'search_path=pg_catalog, public, pg_temp' = any (coalesce(p.proconfig, '{}'))
                    and not exists (select from aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) as a
                                    where a.grantee not in (p.proowner, 'watchfloor_web'::regrole, 'watchfloor_worker'::regrole)))
           and not (p.proname = 'tidy_search' and p.prorettype = 'bigint'::regtype and p.pronargs = 0
                    and p.proowner = (select c.relowner from pg_class c where c.oid = 'incidents'::regclass)
                    and 'search_path=pg_catalog, public, pg_temp' = any (coalesce(p.proconfig, '{}'))
                    and not exists (select from aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) as a
                                    where a.grantee not in (p.proowner, 'watchfloor_worker'::regrole)))"
            .to_owned(),
        // Each direct member, whether it inherits or not. Since version 16 whoever made a role may grant it, and neither inherits from it
        // nor can become it.
        "select m.member::regrole || ' may act as watchfloor_finder' from pg_auth_members m
         where m.roleid = 'watchfloor_finder'::regrole
           and not (m.member = (select c.relowner from pg_class c where c.oid = 'incidents'::regclass)
                    and coalesce(to_jsonb(m)->>'inherit_option', 'true') = 'false' and coalesce(to_jsonb(m)->>'set_option', 'true') = 'false')"
            .to_owned(),
        "select 'watchfloor_finder is a member of ' || m.roleid::regrole from pg_auth_members m where m.member = 'watchfloor_finder'::regrole"
            .to_owned(),
        "select c.relname || '.' || a.attname || ': searched without need' from pg_class c
         join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
         cross join unnest(array['select', 'insert', 'update', 'references']) as p
         where c.relnamespace in ('public'::regnamespace, 'jobs'::regnamespace) and c.relkind in ('r', 'p', 'v', 'm', 'f')
           and has_column_privilege('watchfloor_finder', c.oid, a.attnum, p)
           and not (p = 'select' and c.relname in ('incidents', 'alerts')
                    and a.attname in ('tenant_id', 'incident_id', 'alert_id', 'title', 'external_id', 'entities')
                    and not has_table_privilege('watchfloor_finder', c.oid, p))"
            .to_owned(),
        "select 'watchfloor_finder may ' || p || ' ' || c.relname from pg_class c, unnest(array['delete', 'truncate', 'trigger']) as p
         where c.relnamespace in ('public'::regnamespace, 'jobs'::regnamespace) and c.relkind in ('r', 'p', 'v', 'm', 'f')
           and has_table_privilege('watchfloor_finder', c.oid, p)"
            .to_owned(),
        "select 'watchfloor_finder owns ' || pg_describe_object(d.classid, d.objid, d.objsubid) from pg_shdepend d
         where d.refobjid = 'watchfloor_finder'::regrole and d.deptype = 'o'
           and d.dbid in (0, (select oid from pg_database where datname = current_database()))
           and not (d.classid = 'pg_proc'::regclass and d.objid::regprocedure::text in
                    ('search_incidents(text,text,text[],integer)', 'search_alerts(text,text,text[],integer)'))"
            .to_owned(),
        "select 'watchfloor_search, which has members, still leads to ' || pg_describe_object(d.classid, d.objid, d.objsubid) from pg_shdepend d
         where d.refobjid = 'watchfloor_search'::regrole and d.dbid = (select oid from pg_database where datname = current_database())
         union all
         select 'watchfloor_search, which has members, still leads to ' || m.roleid::regrole from pg_auth_members m
         where m.member = 'watchfloor_search'::regrole"
            .to_owned(),
    ]
}

/// The same for what roles may.
fn rights() -> Vec<String> {
    vec![
        "select r.rolname || ' has a right that no run-time role may have' from pg_roles r
         where r.rolname in ('watchfloor_web', 'watchfloor_worker', 'watchfloor_finder')
           and (r.rolsuper or r.rolbypassrls or r.rolcreaterole or r.rolcreatedb or r.rolreplication
                or has_database_privilege(r.oid, current_database(), 'create') or has_database_privilege(r.oid, current_database(), 'temporary')
                or has_schema_privilege(r.oid, 'public', 'create') or has_schema_privilege(r.oid, 'jobs', 'create'))"
            .to_owned(),
        "select r.rolname || ' owns something' from pg_roles r join pg_shdepend d on d.refobjid = r.oid and d.deptype = 'o'
         where r.rolname in ('watchfloor_web', 'watchfloor_worker')"
            .to_owned(),
        "select r.rolname || ' may ' || p || ' the audit log' from pg_roles r, unnest(array['update', 'delete', 'truncate', 'references', 'trigger']) p
         where r.rolname in ('watchfloor_web', 'watchfloor_worker') and has_table_privilege(r.oid, 'audit_log', p)"
            .to_owned(),
        "select c.relname || ' may be truncated by ' || r.rolname from pg_roles r, pg_class c
         where r.rolname in ('watchfloor_web', 'watchfloor_worker') and c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')
           and has_table_privilege(r.oid, c.oid, 'truncate')"
            .to_owned(),
        "select 'audit_log: row-level security is not enabled and forced' from pg_class
         where oid = 'audit_log'::regclass and not (relrowsecurity and relforcerowsecurity)"
            .to_owned(),
    ]
}

pub async fn faults(connection: &mut PgConnection) -> Vec<String> {
    let mut faults = Vec::new();
    for rule in rules().into_iter().chain(search()).chain(rights()) {
        faults.extend(sqlx::query_scalar::<_, String>(sqlx::AssertSqlSafe(rule)).fetch_all(&mut *connection).await.unwrap());
    }
    faults
}

/// Not a copy of the template: rights on the database itself are not copied.
async fn migrated() -> PgConnectOptions {
    let owner = empty_database().await;
    migrate(owner.clone()).await.unwrap();
    owner
}

#[tokio::test]
async fn nothing_in_the_schema_breaks_the_isolation_of_tenants() {
    let owner = migrated().await;
    let mut connection = owner.connect().await.unwrap();
    assert_eq!(faults(&mut connection).await, Vec::<String>::new());
    let guarded: Vec<String> =
        sqlx::query_scalar(sqlx::AssertSqlSafe(format!("select name from ({TENANT_TABLES}) t"))).fetch_all(&mut connection).await.unwrap();
    assert!(guarded.len() >= 16, "the rules look at the tables there are: {guarded:?}");
    for (table, _) in WITHOUT_TENANT {
        let there: bool = sqlx::query_scalar("select to_regclass($1) is not null").bind(table).fetch_one(&mut connection).await.unwrap();
        assert!(there, "{table} is in the reviewed list and no longer exists");
    }
}

/// What somebody might change, and what is found then.
const BROKEN: &[(&str, &str)] = &[
        ("create table memos (memo_id uuid primary key)", "memos: no tenant_id"),
        ("alter table incidents disable row level security", "incidents: row-level security"),
        ("alter table alerts no force row level security", "alerts: row-level security"),
        ("alter table audit_log no force row level security", "audit_log: row-level security"),
        ("alter table incidents add unique (external_id)", "incidents: tenant_id is not first"),
        ("create table memos (tenant_id uuid)", "memos: tenant_id may be null"),
        ("create policy open on invites using (true)", "invites: needs exactly one policy"),
        ("drop policy scope on invites; create policy scope on invites using (true)", "invites: needs exactly one policy"),
        ("drop policy scope on grants", "grants: needs exactly one policy"),
        ("create view all_incidents as select * from incidents", "all_incidents: a view"),
        ("create materialized view all_alerts as select * from alerts", "all_alerts: a materialized view"),
        (
            "create function peek() returns bigint language sql security definer as 'select count(*) from incidents'",
            "peek: a SECURITY DEFINER",
        ),
        ("grant watchfloor_finder to current_user; grant execute on function search_alerts to public", "search_alerts: a SECURITY DEFINER"),
        ("grant watchfloor_finder to current_user; alter function search_incidents reset search_path", "search_incidents: a SECURITY DEFINER"),
        ("grant execute on function tidy_search to watchfloor_web", "tidy_search: a SECURITY DEFINER"),
        ("alter function tidy_search reset search_path", "tidy_search: a SECURITY DEFINER"),
        (
            // A function of which nobody was ever told who may call it may be called by everybody.
            "create function search_alerts() returns integer language sql security definer set search_path = pg_catalog, public, pg_temp as 'select 1';
             grant create on schema public to watchfloor_finder; grant watchfloor_finder to current_user;
             alter function search_alerts() owner to watchfloor_finder",
            "search_alerts: a SECURITY DEFINER",
        ),
        ("create policy search on notes for select to watchfloor_finder using (true)", "notes: needs exactly one policy"),
        ("drop policy search on alerts; create policy search on alerts for select using (true)", "alerts: needs exactly one policy"),
        ("grant watchfloor_finder to watchfloor_web", "watchfloor_web may act as watchfloor_finder"),
        ("grant watchfloor_finder to current_user", "may act as watchfloor_finder"),
        ("create role idle noinherit; grant watchfloor_finder to idle", "idle may act as watchfloor_finder"),
        ("grant watchfloor_web to watchfloor_finder", "watchfloor_finder is a member of watchfloor_web"),
        ("grant select (assigned_to) on incidents to watchfloor_finder", "incidents.assigned_to: searched without need"),
        ("grant select on alerts to watchfloor_finder", "alerts.title: searched without need"),
        ("grant update (title) on alerts to watchfloor_finder", "alerts.title: searched without need"),
        ("grant insert on incidents to watchfloor_finder", "incidents.title: searched without need"),
        ("grant select on users to public", "users.login: searched without need"),
        ("grant delete on incidents to watchfloor_finder", "watchfloor_finder may delete incidents"),
        ("grant truncate on alerts to watchfloor_finder", "watchfloor_finder may truncate alerts"),
        ("grant trigger on incidents to watchfloor_finder", "watchfloor_finder may trigger incidents"),
        ("grant create on schema public to watchfloor_finder", "watchfloor_finder has a right"),
        (
            "grant create on schema public to watchfloor_finder; grant watchfloor_finder to current_user; create table mine (tenant_id uuid);
             alter table mine owner to watchfloor_finder",
            "watchfloor_finder owns table mine",
        ),
        ("grant select (title) on alerts to watchfloor_search", "watchfloor_search, which has members, still leads to"),
        ("grant watchfloor_web to watchfloor_search", "watchfloor_search, which has members, still leads to watchfloor_web"),
        ("grant delete on audit_log to watchfloor_web", "watchfloor_web may delete the audit log"),
        ("grant truncate on sessions to watchfloor_web", "sessions may be truncated"),
        ("grant create on schema public to watchfloor_worker", "watchfloor_worker has a right"),
        (
            "create table mine (tenant_id uuid); grant create on schema public to watchfloor_web; alter table mine owner to watchfloor_web",
            "watchfloor_web owns something",
        ),
];

#[tokio::test]
async fn each_way_to_break_the_isolation_is_found() {
    let owner = migrated().await;
    for (change, found) in BROKEN {
        let mut connection = owner.connect().await.unwrap();
        connection.execute("begin").await.unwrap();
        connection.execute(*change).await.unwrap();
        let faults = faults(&mut connection).await;
        assert!(faults.iter().any(|fault| fault.contains(found)), "after {change}: {faults:?}");
    }
}

#[tokio::test]
async fn the_portal_works_as_its_run_time_roles_and_they_cannot_rewrite_the_audit_log() {
    let owner = migrated().await;
    for (role, name) in [(DbRole::Web, "watchfloor_web"), (DbRole::Worker, "watchfloor_worker")] {
        let db = Db::connect(owner.clone(), role, 1).await.unwrap();
        let mut tx = db.all_tenants().await.unwrap();
        let user: String = sqlx::query_scalar("select current_user::text").fetch_one(&mut *tx).await.unwrap();
        assert_eq!(user, name);
        drop(tx);
        for attempt in [
            "update audit_log set actor = 'nobody'",
            "delete from audit_log",
            "truncate audit_log",
            "alter table audit_log no force row level security",
            "drop policy scope on incidents",
            "create table mine (x int)",
            "create temporary table mine (x int)",
        ] {
            let mut tx = db.all_tenants().await.unwrap();
            let refusal = tx.execute(attempt).await.unwrap_err();
            assert_eq!(refusal.as_database_error().unwrap().code().as_deref(), Some("42501"), "{name}: {attempt}: {refusal}");
        }
    }
}
