//! The audit log: newest first, with filters, and as a file.

use crate::app::AppState;
use crate::model::{TenantId, clock};
use crate::store::audit::{self, Entry, Filter};
use crate::store::audit_chain::{self, Head};
use crate::store::audit_shipping::{self, Shipping};
use crate::web::download::{self, lines};
use crate::web::error::PageError;
use crate::web::extract::{Admin, Query, User};
use crate::web::filters;
use crate::web::page::Page;
use crate::web::scope::ScopedDb;
use crate::web::show::{When, harmless, thousands};
use crate::web::step_up;
use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use chrono::{DateTime, NaiveDate, NaiveTime, SecondsFormat, TimeDelta, Utc};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::{AsyncWriteExt, DuplexStream};

pub(super) fn routes() -> Router<AppState> {
    Router::new().route("/admin/audit", get(show)).route("/admin/audit/export.csv", get(export))
}

const PAGE: i64 = 100;
/// Rows of a file that are read at a time.
const PIECE: i64 = 1_000;

#[derive(Template)]
#[template(path = "admin/audit.html")]
struct AuditPage {
    user: User,
    asked: Asked,
    entries: Vec<Entry>,
    more: bool,
    chain: Head,
    shipping: Vec<Shipping>,
    now: DateTime<Utc>,
}

impl AuditPage {
    fn when(&self, at: &DateTime<Utc>) -> When {
        When::new(*at, self.now)
    }

    fn changes(entry: &Entry) -> Vec<(&'static str, String)> {
        let side = |name, value: &Option<Value>| value.as_ref().map(|value| (name, value.to_string()));
        side("before", &entry.before).into_iter().chain(side("after", &entry.after)).collect()
    }

    fn older(&self) -> String {
        let before = self.entries.last().map(|last| last.audit_id.to_string()).unwrap_or_default();
        self.asked.address("/admin/audit", &before)
    }

    fn file(&self) -> String {
        self.asked.address("/admin/audit/export.csv", "")
    }

    fn chained(&self) -> String {
        thousands(self.chain.position)
    }

    fn sent(shipping: &Shipping) -> String {
        thousands(shipping.position)
    }
}

/// What is offered to filter by: the beginnings of actions. Every event of the audit log begins with one of them.
const ACTIONS: [(&str, &str); 25] = [
    ("tenant.", "Tenants"),
    ("invite.", "Links"),
    ("consent.", "Consents"),
    ("customer.", "Customers’ people"),
    ("change.", "Changes at Microsoft"),
    ("bulk.", "Bulk jobs"),
    ("action.", "Device actions"),
    ("hunt.", "Hunting"),
    ("incident.", "Incidents"),
    ("alert.", "Alerts"),
    ("note.", "Notes"),
    ("suppression.", "Suppression rules"),
    ("lease.", "Who works on what"),
    ("service_level.", "Service levels"),
    ("view.", "Views"),
    ("sync.", "Reading"),
    ("app.", "Our credentials"),
    ("security.", "Refusals"),
    ("user.", "Users"),
    ("login", "Sign-in"),
    ("session.", "Sessions"),
    ("api_token.", "API tokens"),
    ("keys.", "Master keys"),
    ("backup.", "Backups"),
    ("audit.", "This log"),
];

#[derive(Deserialize)]
struct Asked {
    #[serde(default)]
    tenant: String,
    #[serde(default)]
    action: String,
    #[serde(default)]
    actor: String,
    #[serde(default)]
    result: String,
    /// Days, the last one included.
    #[serde(default)]
    from: String,
    #[serde(default)]
    to: String,
    #[serde(default)]
    before: String,
}

impl Asked {
    fn filter(&self) -> Result<Filter, PageError> {
        let unreadable = || PageError::BadRequest("The address of this list cannot be read.".into());
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte == b'.' || byte == b'_';
        let is_odd = self.action.len() > 60 || !self.action.bytes().all(plain) || self.actor.len() > 254 || self.actor.contains('\0');
        if is_odd || !["", "ok", "refused", "failed"].contains(&self.result.as_str()) {
            return Err(unreadable());
        }
        let day = |text: &str| text.parse::<NaiveDate>().map(|day| day.and_time(NaiveTime::MIN).and_utc()).map_err(|_| unreadable());
        let until = some(&self.to).map(|text| day(text)?.checked_add_signed(TimeDelta::days(1)).ok_or_else(unreadable)).transpose()?;
        Ok(Filter {
            tenant: some(&self.tenant).map(|text| text.parse::<TenantId>().map_err(|_| unreadable())).transpose()?,
            action: some(&self.action).map(str::to_owned),
            actor: some(self.actor.trim()).map(str::to_owned),
            result: some(&self.result).map(str::to_owned),
            since: some(&self.from).map(day).transpose()?,
            until,
            before: some(&self.before).map(|text| text.parse::<i64>().map_err(|_| unreadable())).transpose()?,
        })
    }

    fn pairs(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let pairs = [
            ("tenant", &self.tenant),
            ("action", &self.action),
            ("actor", &self.actor),
            ("result", &self.result),
            ("from", &self.from),
            ("to", &self.to),
        ];
        pairs.into_iter().map(|(name, value)| (name, value.as_str())).filter(|(_, value)| !value.is_empty())
    }

    fn is_filtered(&self) -> bool {
        self.pairs().next().is_some() || !self.before.is_empty()
    }

    fn address(&self, path: &str, before: &str) -> String {
        let before = Some(("before", before)).filter(|(_, before)| !before.is_empty());
        let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(self.pairs().chain(before)).finish();
        if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
    }
}

fn some(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

async fn show(Admin(user): Admin, db: ScopedDb, Query(asked): Query<Asked>) -> Result<Page<AuditPage>, PageError> {
    let (filter, now) = (asked.filter()?, clock::now());
    let mut tx = db.begin().await?;
    let mut entries = audit::list(&mut tx, &filter, PAGE + 1).await?;
    let (chain, shipping) = (audit_chain::head(&mut tx).await?, audit_shipping::list(&mut tx, now).await?);
    tx.commit().await?;
    let more = entries.len() > 100;
    entries.truncate(100);
    Ok(Page(AuditPage { user, asked, entries, more, chain, shipping, now }))
}

/// Everything that the filter finds, newest first, as it is when each piece is read. The row about the file itself stands above it.
/// However many rows there are: they tell of everybody.
async fn export(
    State(state): State<AppState>,
    Admin(user): Admin,
    db: ScopedDb,
    Query(asked): Query<Asked>,
) -> Result<Response, PageError> {
    if let Some(first) = step_up::first(&state, &user, &asked.address("/admin/audit", "")).await? {
        return Ok(first.into_response());
    }
    let (filter, place) = (asked.filter()?, download::place(&user)?);
    let mut tx = db.begin().await?;
    let newest = audit::list(&mut tx, &filter, 1).await?.first().map_or(0, |entry| entry.audit_id);
    audit::record(&mut tx, user.by().event("audit.exported").after(json!({ "query": asked.address("", "") }))).await?;
    tx.commit().await?;
    let name = format!("audit-{}.csv", clock::now().format("%Y%m%d-%H%M%S"));
    let session = user.session_hash.clone();
    let filter = Filter { before: Some(newest + 1), ..filter };
    Ok(download::file(&name, "text/csv; charset=utf-8", place, move |out| write(db, session, filter, out)))
}

/// Piece by piece, each in a transaction of its own: no connection is held while the reader is slow.
async fn write(db: ScopedDb, session: Vec<u8>, mut filter: Filter, mut out: DuplexStream) -> anyhow::Result<DuplexStream> {
    out.write_all(&lines([COLUMNS.map(str::to_owned).to_vec()])?).await?;
    loop {
        let mut tx = db.begin_for(&session).await?;
        let entries = audit::list(&mut tx, &filter, PIECE).await?;
        tx.commit().await?;
        let Some(last) = entries.last().map(|entry| entry.audit_id) else { return Ok(out) };
        filter.before = Some(last);
        out.write_all(&lines(entries.into_iter().map(record))?).await?;
    }
}

const COLUMNS: [&str; 13] =
    ["id", "at", "actor_kind", "actor", "ip", "tenant_id", "tenant", "action", "object", "before", "after", "result", "request"];

fn record(entry: Entry) -> Vec<String> {
    let json = |value: Option<Value>| value.map(|value| value.to_string());
    let cells = [
        Some(entry.audit_id.to_string()),
        Some(entry.at.to_rfc3339_opts(SecondsFormat::Micros, true)),
        Some(entry.actor_kind),
        Some(entry.actor),
        entry.ip,
        entry.tenant_id.map(|tenant| tenant.to_string()),
        entry.tenant_name,
        Some(entry.action),
        entry.object,
        json(entry.before),
        json(entry.after),
        Some(entry.result),
        entry.request_id,
    ];
    cells.into_iter().map(|cell| harmless(cell.unwrap_or_default())).collect()
}
