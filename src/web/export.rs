//! A whole list as a file: CSV or JSON, of what its filters find, in its order.

use super::download::{self, lines};
use super::error::PageError;
use super::extract::User;
use super::list::{Asked, RawQuery};
use super::scope::ScopedDb;
use super::show::harmless;
use super::step_up;
use super::views::List;
use crate::app::AppState;
use crate::model::{AlertId, IncidentId, clock};
use crate::store::alerts::Alert;
use crate::store::audit;
use crate::store::incidents::Incident;
use crate::store::lists::{Filter, Order};
use crate::store::{self, Scoped};
use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use tokio::io::{AsyncWriteExt, DuplexStream};
use uuid::Uuid;

/// Rows read at a time.
const PIECE: usize = 1_000;
/// Rows of a file, and one.
const MOST: i64 = 500_000;

pub fn routes() -> Router<AppState> {
    Router::new()
        .route("/incidents/export.csv", get(incidents_csv))
        .route("/incidents/export.json", get(incidents_json))
        .route("/alerts/export.csv", get(alerts_csv))
        .route("/alerts/export.json", get(alerts_json))
}

async fn incidents_csv(State(state): State<AppState>, user: User, db: ScopedDb, query: RawQuery) -> Result<Response, PageError> {
    export(&state, (List::Incidents, Format::Csv), user, db, query).await
}

async fn incidents_json(State(state): State<AppState>, user: User, db: ScopedDb, query: RawQuery) -> Result<Response, PageError> {
    export(&state, (List::Incidents, Format::Json), user, db, query).await
}

async fn alerts_csv(State(state): State<AppState>, user: User, db: ScopedDb, query: RawQuery) -> Result<Response, PageError> {
    export(&state, (List::Alerts, Format::Csv), user, db, query).await
}

async fn alerts_json(State(state): State<AppState>, user: User, db: ScopedDb, query: RawQuery) -> Result<Response, PageError> {
    export(&state, (List::Alerts, Format::Json), user, db, query).await
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    Csv,
    Json,
}

/// A row with its columns' names, in their order.
type Record = Vec<(&'static str, Value)>;

/// What a file is made of.
struct File {
    db: ScopedDb,
    /// Of whoever asked: what is signed out gets no more rows.
    session: Vec<u8>,
    list: List,
    format: Format,
    /// The rows, in the order of the list.
    ids: Vec<Uuid>,
}

async fn export(
    state: &AppState,
    (list, format): (List, Format),
    user: User,
    db: ScopedDb,
    RawQuery(query): RawQuery,
) -> Result<Response, PageError> {
    let (now, asked) = (clock::now(), Asked::read(list.path(), &query)?);
    let place = download::place(&user)?;
    let mut tx = db.begin().await?;
    let filter = asked.filter(&mut tx, &user, now).await?;
    let ids = list.ids(&mut tx, &filter, &asked.order, MOST).await?;
    if ids.len() == usize::try_from(MOST).unwrap_or(usize::MAX) {
        return Err(PageError::BadRequest("A file holds fewer than 500,000 rows. Narrow the filter.".into()));
    }
    if ids.len() > step_up::MANY
        && let Some(first) = step_up::first(state, &user, &asked.address.with("after", "")).await?
    {
        return Ok(first.into_response());
    }
    let event = user.by().event(if list == List::Incidents { "incident.exported" } else { "alert.exported" });
    audit::record(&mut tx, event.after(json!({ "query": asked.address.with("after", ""), "rows": ids.len() }))).await?;
    tx.commit().await?;
    let (word, kind) = match format {
        Format::Csv => ("csv", "text/csv; charset=utf-8"),
        Format::Json => ("json", "application/json"),
    };
    let name = format!("{}-{}.{word}", list.word(), now.format("%Y%m%d-%H%M%S"));
    let file = File { db, session: user.session_hash.clone(), list, format, ids };
    Ok(download::file(&name, kind, place, move |out| file.write(out)))
}

impl File {
    /// Piece by piece, each in a transaction of its own: no connection is held while the reader is slow.
    async fn write(self, mut out: DuplexStream) -> anyhow::Result<DuplexStream> {
        let head = match self.format {
            Format::Csv => lines([self.list.columns().iter().map(|name| (*name).to_owned()).collect()])?,
            Format::Json => b"[".to_vec(),
        };
        out.write_all(&head).await?;
        let mut first = true;
        for ids in self.ids.chunks(PIECE) {
            let mut tx = self.db.begin_for(&self.session).await?;
            let records = self.list.records(&mut tx, ids).await?;
            tx.commit().await?;
            let text = match self.format {
                Format::Csv => lines(records.into_iter().map(|record| record.into_iter().map(|(_, value)| cell(value)).collect()))?,
                Format::Json => objects(records, &mut first)?,
            };
            out.write_all(&text).await?;
        }
        if self.format == Format::Json {
            out.write_all(b"\n]\n").await?;
        }
        Ok(out)
    }
}

impl List {
    const fn columns(self) -> &'static [&'static str] {
        match self {
            Self::Incidents => &INCIDENT,
            Self::Alerts => &ALERT,
        }
    }

    async fn ids(self, tx: &mut Scoped, filter: &Filter, order: &Order, most: i64) -> sqlx::Result<Vec<Uuid>> {
        Ok(match self {
            Self::Incidents => store::incidents::ids(tx, filter, order, most).await?.into_iter().map(|id| id.0).collect(),
            Self::Alerts => store::alerts::ids(tx, filter, order, most).await?.into_iter().map(|id| id.0).collect(),
        })
    }

    /// These rows in this order, without those that are gone meanwhile.
    async fn records(self, tx: &mut Scoped, ids: &[Uuid]) -> sqlx::Result<Vec<Record>> {
        let mut found: HashMap<Uuid, Record> = match self {
            Self::Incidents => {
                let ids: Vec<IncidentId> = ids.iter().copied().map(IncidentId).collect();
                store::incidents::these(tx, &ids).await?.iter().map(|row| (row.incident_id.0, incident(row))).collect()
            }
            Self::Alerts => {
                let ids: Vec<AlertId> = ids.iter().copied().map(AlertId).collect();
                store::alerts::these(tx, &ids).await?.iter().map(|row| (row.alert_id.0, alert(row))).collect()
            }
        };
        Ok(ids.iter().filter_map(|id| found.remove(id)).collect())
    }
}

fn cell(value: Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => harmless(text),
        Value::Array(items) => harmless(items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")),
        other => other.to_string(),
    }
}

fn objects(records: Vec<Record>, first: &mut bool) -> anyhow::Result<Vec<u8>> {
    let mut text = Vec::new();
    for record in records {
        text.extend_from_slice(if std::mem::take(first) { b"\n" } else { b",\n" });
        let object: Map<String, Value> = record.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        serde_json::to_writer(&mut text, &object)?;
    }
    Ok(text)
}

const INCIDENT: [&str; 22] = [
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
    "acknowledged_at",
    "acknowledge_by",
    "resolve_by",
    "waiting_since",
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
        json!(row.acknowledged_at),
        json!(row.acknowledge_by),
        json!(row.resolve_by),
        json!(row.waiting_since),
        json!(row.portal()),
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
        json!(row.portal()),
    ];
    ALERT.into_iter().zip(values).collect()
}
