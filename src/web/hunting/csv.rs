//! All rows of a hunt as a file.

use super::show::plain;
use crate::app::AppState;
use crate::model::HuntId;
use crate::store;
use crate::store::audit;
use crate::store::hunts::{Column, Part};
use crate::web::download::{self, lines};
use crate::web::error::PageError;
use crate::web::extract::{Analyst, Id};
use crate::web::scope::ScopedDb;
use crate::web::show::harmless;
use crate::web::step_up;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio::io::{AsyncWriteExt, DuplexStream};

pub(super) async fn download(
    State(state): State<AppState>,
    Analyst(user): Analyst,
    db: ScopedDb,
    Id(hunt): Id<HuntId>,
) -> Result<Response, PageError> {
    let place = download::place(&user)?;
    let mut tx = db.begin().await?;
    let found = store::hunts::get(&mut tx, user.id, hunt).await?.ok_or(PageError::NotFound)?;
    let parts = store::hunts::parts(&mut tx, hunt).await?;
    if usize::try_from(found.row_count).is_ok_and(|rows| rows > step_up::MANY)
        && let Some(first) = step_up::first(&state, &user, &format!("/hunting/{hunt}")).await?
    {
        return Ok(first.into_response());
    }
    let event = user.by().event("hunt.exported").object(hunt.to_string());
    audit::record(&mut tx, event.after(json!({ "rows": found.row_count, "tenants": found.seen }))).await?;
    tx.commit().await?;
    let name = format!("hunt-{}.csv", found.asked_at.format("%Y%m%d-%H%M%S"));
    Ok(download::file(&name, "text/csv; charset=utf-8", place, move |out| write_all(db, user.session_hash, (hunt, parts), out)))
}

/// Piece by piece, each in a transaction of its own; whoever is signed out or sees other tenants meanwhile gets no more.
async fn write_all(
    db: ScopedDb,
    session: Vec<u8>,
    (hunt, parts): (HuntId, Vec<Part>),
    mut out: DuplexStream,
) -> anyhow::Result<DuplexStream> {
    let columns = store::hunts::columns(&parts);
    let head = ["Tenant"].into_iter().chain(columns.iter().map(|column| column.name.as_str())).map(|name| harmless(name.to_owned()));
    out.write_all(&lines([head.collect()])?).await?;
    for part in parts.iter().filter(|part| part.row_count > 0) {
        for piece in 0.. {
            let mut tx = db.begin_for(&session).await?;
            let rows = store::hunt_rows::piece(&mut tx, part.tenant_id, hunt, piece).await?;
            tx.commit().await?;
            if rows.is_empty() {
                break;
            }
            out.write_all(&lines(rows.iter().map(|row| line(part, &columns, row)))?).await?;
        }
    }
    Ok(out)
}

fn line(part: &Part, columns: &[Column], row: &Value) -> Vec<String> {
    let cells = columns.iter().map(|column| match &row[column.name.as_str()] {
        // A number is no formula, and -71.2 is a longitude.
        Value::Number(number) => number.to_string(),
        value => harmless(plain(value)),
    });
    [harmless(part.tenant_name.clone())].into_iter().chain(cells).collect()
}
