//! Two tenants with a row in every table and the tenant's mark in every text that is free.

use crate::app::{Reply, TestApp};
use crate::isolation::two_tenants;
use crate::support::superuser;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, Row};
use uuid::Uuid;
use watchfloor::model::TenantId;

const OWN: &str = "CANARY-ALDER";
pub const FOREIGN: &str = "CANARY-BIRCH";
/// As it is asked for, and a word of the same length that stands nowhere.
pub const ASKED: &str = "canary-birch";
pub const NOBODYS: &str = "canary-maple";

/// Columns whose text is a word or a structure that the program reads, although the schema takes any.
const WORDS: &[&str] = &[
    "endpoint_probe",
    "cloud_apps_host",
    "operation",
    "product",
    "api",
    "kind",
    "was",
    "became",
    "settled",
    "outcome",
    "budget",
    "step",
    "wish",
    "timespan",
    "problems",
    "columns",
    "stats",
    "systems",
    "history",
    "query",
    "refused_by",
    "apps",
];

/// Tables without a tenant whose rows are about one: the rule by which a row belongs to tenant $1.
const BESIDE: &[(&str, &str)] = &[
    ("hunts", "hunt_id in (select hunt_id from hunt_tenants where tenant_id = $1)"),
    ("bulk_jobs", "bulk_id in (select bulk_id from bulk_tenants where tenant_id = $1)"),
    ("suppressions", "suppression_id in (select suppression_id from suppression_tenants where tenant_id = $1)"),
];

pub struct Scene {
    pub app: TestApp,
    pub own: TenantId,
    pub foreign: TenantId,
    db: PgConnection,
}

impl Scene {
    pub async fn start() -> Self {
        let app = TestApp::start().await;
        let (own, foreign) = two_tenants(&app.db.web).await;
        let db = superuser(&app.db.owner).await.connect().await.unwrap();
        let mut scene = Self { app, own, foreign, db };
        let mut marked = 0;
        for (tenant, mark) in [(own, OWN), (foreign, FOREIGN)] {
            marked += scene.mark(tenant, mark).await;
        }
        assert!(marked > 200, "{marked} texts bear a mark");
        scene
    }

    /// Writes the mark into every column that takes it: of text, of lists of texts, of JSON. How many did.
    async fn mark(&mut self, tenant: TenantId, mark: &str) -> usize {
        let columns = "select c.table_name::text, c.column_name::text, c.udt_name::text from information_schema.columns as c
            where c.table_schema = 'public' and c.is_generated = 'NEVER' and c.udt_name in ('text', '_text', 'json', 'jsonb')
              and (c.table_name::text = any ($1) or exists (select from information_schema.columns as t
                   where t.table_schema = 'public' and t.table_name = c.table_name and t.column_name = 'tenant_id'))";
        let beside: Vec<&str> = BESIDE.iter().map(|(table, _)| *table).collect();
        let columns = sqlx::query(columns).bind(beside).fetch_all(&mut self.db).await.unwrap();
        let mut marked = 0;
        for row in &columns {
            let (table, column, kind): (String, String, String) = (row.get(0), row.get(1), row.get(2));
            if WORDS.contains(&column.as_str()) {
                continue;
            }
            let value = match kind.as_str() {
                "text" => "$2".to_owned(),
                "_text" => "array[$2]".to_owned(),
                _ => format!("json_build_object('text', $2)::{kind}"),
            };
            let own = BESIDE.iter().find(|(name, _)| *name == table).map_or("tenant_id = $1", |(_, own)| own);
            let update = format!("update {table} set {column} = {value} where {own}");
            let mut tx = self.db.begin().await.unwrap();
            // What the schema takes no free text for has none.
            let done = sqlx::query(AssertSqlSafe(update)).bind(tenant).bind(mark).execute(&mut *tx).await;
            match done {
                Ok(done) if done.rows_affected() > 0 => {
                    tx.commit().await.unwrap();
                    marked += 1;
                }
                _ => tx.rollback().await.unwrap(),
            }
        }
        let shared = "update incidents set entities = array_append(entities, 'host:shared') where tenant_id = $1";
        sqlx::query(shared).bind(tenant).execute(&mut self.db).await.unwrap();
        sqlx::query("update tenants set state = 'active', directory_id = gen_random_uuid() where tenant_id = $1")
            .bind(tenant)
            .execute(&mut self.db)
            .await
            .unwrap();
        marked
    }

    /// The id of what a route names, of this tenant's. Most rows bear the tenant's own id.
    async fn id(&mut self, tenant: TenantId, route: &str, part: &str) -> String {
        let column = match part {
            "{hunt}" => "select hunt_id from hunt_tenants",
            "{bulk}" => "select bulk_id from bulk_tenants",
            "{change}" => "select change_id from changes",
            "{lookup}" => "select lookup_id from lookups",
            "{note}" => "select note_id from notes",
            "{invite}" => "select invite_id from invites",
            "{id}" if route.contains("/suppressions/") => "select suppression_id from suppression_tenants",
            "{id}" if route.contains("/hunts/") => "select hunt_id from hunt_tenants",
            "{id}" if route.contains("/jobs/") => "select bulk_id from bulk_tenants",
            "{id}" if route.contains("/lookups/") => "select lookup_id from lookups",
            "{id}" if route.contains("/changes/") || route.contains("/actions/") => "select change_id from changes",
            _ => return tenant.to_string(),
        };
        let one = format!("{column} where tenant_id = $1 limit 1");
        sqlx::query_scalar::<_, Uuid>(AssertSqlSafe(one)).bind(tenant).fetch_one(&mut self.db).await.unwrap().to_string()
    }

    /// The route with ids of this tenant's.
    pub async fn of(&mut self, tenant: TenantId, route: &str) -> String {
        let mut parts = Vec::new();
        for part in route.split('/') {
            parts.push(if part.starts_with('{') { self.id(tenant, route, part).await } else { part.to_owned() });
        }
        parts.join("/")
    }
}

/// The route with ids that nobody has.
pub fn unknown(route: &str) -> String {
    let part = |part: &str| if part.starts_with('{') { Uuid::now_v7().to_string() } else { part.to_owned() };
    route.split('/').map(part).collect::<Vec<_>>().join("/")
}

pub fn has(reply: &Reply, mark: &str) -> bool {
    reply.html.to_lowercase().contains(&mark.to_lowercase())
}

/// An answer without what differs each time: its reference, the ids that were asked for, the tokens of its forms.
pub fn plain(reply: &Reply, asked: &str) -> String {
    let mut text = reply.html.clone();
    for part in asked.split(['/', '?']).filter(|part| Uuid::try_parse(part).is_ok()) {
        text = text.replace(part, "ID");
    }
    for reference in reply.texts("code") {
        text = text.replace(&reference, "REFERENCE");
    }
    for (before, end) in [
        ("name=\"form_token\" value=\"", "\""),
        ("\"instance\":\"", "\""),
        ("name=\"until\" value=\"", "\""),
        ("name=\"change\" value=\"", "\""),
        ("name=\"note\" value=\"", "\""),
        ("<time ", "</time>"),
        ("/news?since=", "&#38;status"),
    ] {
        let mut pieces = text.split(before);
        let first = pieces.next().unwrap_or_default().to_owned();
        text = pieces.fold(first, |all, piece| all + before + piece.split_once(end).map_or("", |(_, rest)| rest));
    }
    text
}

#[track_caller]
pub fn assert_same(one: &str, other: &str, what: &str) {
    let at = one.bytes().zip(other.bytes()).take_while(|(a, b)| a == b).count();
    let around = |text: &str| {
        String::from_utf8_lossy(&text.as_bytes()[at.saturating_sub(100).min(text.len())..(at + 100).min(text.len())]).into_owned()
    };
    assert!(one == other, "{what}:\n{}\n{}", around(one), around(other));
}
