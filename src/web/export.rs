//! A whole list as a file: CSV or JSON, of what its filters find, in its order.

use super::download::{self, lines};
use super::error::PageError;
use super::extract::User;
use super::list::{Asked, RawQuery};
use super::scope::ScopedDb;
use super::show::harmless;
use super::views::List;
use crate::app::AppState;
use crate::model::clock;
use crate::store::alerts::Alert;
use crate::store::audit;
use crate::store::incidents::Incident;
use crate::store::lists::{Filter, Order, Position};
use crate::store::{self, Scoped};
use axum::Router;
use axum::response::Response;
use axum::routing::get;
use serde_json::{Map, Value, json};
use tokio::io::{AsyncWriteExt, DuplexStream};

/// Rows read at a time.
const PIECE: i64 = 1_000;

pub fn routes() -> Router<AppState> {
    Router::new()
        .route("/incidents/export.csv", get(incidents_csv))
        .route("/incidents/export.json", get(incidents_json))
        .route("/alerts/export.csv", get(alerts_csv))
        .route("/alerts/export.json", get(alerts_json))
}

async fn incidents_csv(user: User, db: ScopedDb, query: RawQuery) -> Result<Response, PageError> {
    export(List::Incidents, Format::Csv, user, db, query).await
}

async fn incidents_json(user: User, db: ScopedDb, query: RawQuery) -> Result<Response, PageError> {
    export(List::Incidents, Format::Json, user, db, query).await
}

async fn alerts_csv(user: User, db: ScopedDb, query: RawQuery) -> Result<Response, PageError> {
    export(List::Alerts, Format::Csv, user, db, query).await
}

async fn alerts_json(user: User, db: ScopedDb, query: RawQuery) -> Result<Response, PageError> {
    export(List::Alerts, Format::Json, user, db, query).await
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    Csv,
    Json,
}

/// A row with its columns' names, in their order.
type Record = Vec<(&'static str, Value)>;

async fn export(list: List, format: Format, user: User, db: ScopedDb, RawQuery(query): RawQuery) -> Result<Response, PageError> {
    let (now, asked) = (clock::now(), Asked::read(list.path(), &query)?);
    let mut tx = db.begin().await?;
    let tenants = store::overview::names(&mut tx).await?;
    let filter = asked.filter(&user, &tenants, now);
    let event = user.by().event(if list == List::Incidents { "incident.exported" } else { "alert.exported" });
    audit::record(&mut tx, event.after(json!({ "query": asked.address.with("after", "") }))).await?;
    tx.commit().await?;
    let (word, kind) = match format {
        Format::Csv => ("csv", "text/csv; charset=utf-8"),
        Format::Json => ("json", "application/json"),
    };
    let name = format!("{}-{}.{word}", list.word(), now.format("%Y%m%d-%H%M%S"));
    Ok(download::file(&name, kind, move |out| write_all(db, list, format, (filter, asked.order), out)))
}

async fn write_all(
    db: ScopedDb,
    list: List,
    format: Format,
    (filter, order): (Filter, Order),
    mut out: DuplexStream,
) -> anyhow::Result<DuplexStream> {
    let (mut after, mut first) = (None, true);
    loop {
        let mut tx = db.begin().await?;
        let (records, next) = piece(&mut tx, list, &filter, &order, after.as_ref()).await?;
        tx.commit().await?;
        let text = match format {
            Format::Csv => csv(records, list, first)?,
            Format::Json => json_lines(records, first)?,
        };
        out.write_all(&text).await?;
        first = false;
        after = next;
        if after.is_none() {
            break;
        }
    }
    if format == Format::Json {
        out.write_all(b"\n]\n").await?;
    }
    Ok(out)
}

async fn piece(
    tx: &mut Scoped,
    list: List,
    filter: &Filter,
    order: &Order,
    after: Option<&Position>,
) -> sqlx::Result<(Vec<Record>, Option<Position>)> {
    Ok(match list {
        List::Incidents => {
            let page = store::incidents::list(tx, filter, order, after, PIECE).await?;
            (page.rows.iter().map(incident).collect(), page.next)
        }
        List::Alerts => {
            let page = store::alerts::list(tx, filter, order, after, PIECE).await?;
            (page.rows.iter().map(alert).collect(), page.next)
        }
    })
}

fn csv(records: Vec<Record>, list: List, first: bool) -> anyhow::Result<Vec<u8>> {
    let names: &[&str] = if list == List::Incidents { &INCIDENT } else { &ALERT };
    let head = first.then(|| names.iter().map(|name| (*name).to_owned()).collect());
    lines(head.into_iter().chain(records.into_iter().map(|record| record.into_iter().map(|(_, value)| cell(value)).collect())))
}

fn cell(value: Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => harmless(text),
        Value::Array(items) => harmless(items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")),
        other => other.to_string(),
    }
}

fn json_lines(records: Vec<Record>, first: bool) -> anyhow::Result<Vec<u8>> {
    let mut text = if first { b"[".to_vec() } else { Vec::new() };
    for (n, record) in records.into_iter().enumerate() {
        text.extend_from_slice(if first && n == 0 { b"\n" } else { b",\n" });
        let object: Map<String, Value> = record.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        serde_json::to_writer(&mut text, &object)?;
    }
    Ok(text)
}

const INCIDENT: [&str; 18] = [
    "tenant",
    "id",
    "product",
    "external_id",
    "title",
    "severity",
    "status",
    "classification",
    "determination",
    "assigned_to",
    "tags",
    "alert_count",
    "entities",
    "products",
    "created_at",
    "updated_at",
    "resolved_at",
    "url",
];

fn incident(row: &Incident) -> Record {
    let values = [
        json!(row.tenant_name),
        json!(row.incident_id),
        json!(row.product),
        json!(row.external_id),
        json!(row.title),
        json!(row.severity.as_str()),
        json!(row.status.as_str()),
        json!(row.classification),
        json!(row.determination),
        json!(row.assigned_to),
        json!(row.tags),
        json!(row.alert_count),
        json!(row.entities),
        json!(row.products),
        json!(row.created_at),
        json!(row.updated_at),
        json!(row.resolved_at),
        json!(row.url),
    ];
    INCIDENT.into_iter().zip(values).collect()
}

const ALERT: [&str; 19] = [
    "tenant",
    "id",
    "product",
    "external_id",
    "incident_id",
    "title",
    "severity",
    "status",
    "classification",
    "determination",
    "category",
    "assigned_to",
    "device",
    "account",
    "mitre_techniques",
    "entities",
    "created_at",
    "updated_at",
    "url",
];

fn alert(row: &Alert) -> Record {
    let values = [
        json!(row.tenant_name),
        json!(row.alert_id),
        json!(row.product),
        json!(row.external_id),
        json!(row.incident_external_id),
        json!(row.title),
        json!(row.severity.as_str()),
        json!(row.status.as_str()),
        json!(row.classification),
        json!(row.determination),
        json!(row.category),
        json!(row.assigned_to),
        json!(row.device),
        json!(row.account),
        json!(row.mitre_techniques),
        json!(row.entities),
        json!(row.created_at),
        json!(row.updated_at),
        json!(row.url),
    ];
    ALERT.into_iter().zip(values).collect()
}
