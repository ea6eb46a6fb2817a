//! All rows of a hunt as a file, written piece by piece while it is sent.

use super::show::plain;
use crate::model::HuntId;
use crate::store;
use crate::store::audit;
use crate::store::hunts::{Column, Part};
use crate::web::error::PageError;
use crate::web::extract::{Analyst, Id};
use crate::web::scope::ScopedDb;
use crate::web::show::harmless;
use ::csv::{QuoteStyle, Terminator, WriterBuilder};
use axum::body::Body;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWriteExt, DuplexStream, ReadBuf};
use tokio_util::io::ReaderStream;

/// What may lie between writing and sending.
const BUFFER: usize = 64 * 1024;

pub(super) async fn download(Analyst(user): Analyst, db: ScopedDb, Id(hunt): Id<HuntId>) -> Result<Response, PageError> {
    let mut tx = db.begin().await?;
    let found = store::hunts::get(&mut tx, user.id, hunt).await?.ok_or(PageError::NotFound)?;
    let parts = store::hunts::parts(&mut tx, hunt).await?;
    let event = user.by().event("hunt.exported").object(hunt.to_string());
    audit::record(&mut tx, event.after(json!({ "rows": found.row_count, "tenants": found.seen }))).await?;
    tx.commit().await?;
    let (read, write) = tokio::io::duplex(BUFFER);
    let whole = Arc::new(AtomicBool::new(false));
    let done = whole.clone();
    tokio::spawn(async move {
        if let Err(error) = write_all(&db, hunt, &parts, write, &done).await {
            tracing::info!(error = format!("{error:#}"), "a file of a hunt was not written to its end");
        }
    });
    let name = format!("attachment; filename=\"hunt-{}.csv\"", found.asked_at.format("%Y%m%d-%H%M%S"));
    let headers = [(header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()), (header::CONTENT_DISPOSITION, name)];
    Ok((headers, Body::from_stream(ReaderStream::new(Whole { read, whole }))).into_response())
}

async fn write_all(db: &ScopedDb, hunt: HuntId, parts: &[Part], mut out: DuplexStream, whole: &AtomicBool) -> anyhow::Result<()> {
    let columns = store::hunts::columns(parts);
    let head = ["Tenant"].into_iter().chain(columns.iter().map(|column| column.name.as_str())).map(|name| harmless(name.to_owned()));
    out.write_all(&lines([head.collect()])?).await?;
    for part in parts.iter().filter(|part| part.row_count > 0) {
        for piece in 0.. {
            let mut tx = db.begin().await?;
            let rows = store::hunt_rows::piece(&mut tx, part.tenant_id, hunt, piece).await?;
            tx.commit().await?;
            if rows.is_empty() {
                break;
            }
            out.write_all(&lines(rows.iter().map(|row| line(part, &columns, row)))?).await?;
        }
    }
    whole.store(true, Ordering::Release);
    out.shutdown().await?;
    Ok(())
}

fn line(part: &Part, columns: &[Column], row: &Value) -> Vec<String> {
    let cells = columns.iter().map(|column| match &row[column.name.as_str()] {
        // A number is no formula, and -71.2 is a longitude.
        Value::Number(number) => number.to_string(),
        value => harmless(plain(value)),
    });
    [harmless(part.tenant_name.clone())].into_iter().chain(cells).collect()
}

fn lines(records: impl IntoIterator<Item = Vec<String>>) -> anyhow::Result<Vec<u8>> {
    let mut writer = WriterBuilder::new().quote_style(QuoteStyle::Always).terminator(Terminator::CRLF).from_writer(Vec::new());
    for record in records {
        writer.write_record(&record)?;
    }
    writer.into_inner().map_err(|error| anyhow::anyhow!("a line could not be written: {}", error.error()))
}

/// A file that ends early breaks off, rather than look whole.
struct Whole {
    read: DuplexStream,
    whole: Arc<AtomicBool>,
}

impl AsyncRead for Whole {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.read).poll_read(context, buffer))?;
        let ended = buffer.filled().len() == before && buffer.remaining() > 0;
        if ended && !self.whole.load(Ordering::Acquire) {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file was not written to its end")));
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_quoted() {
        let written = lines([vec!["a\"b".to_owned(), harmless("=HYPERLINK(\"x\")".to_owned())]]).unwrap();
        assert_eq!(String::from_utf8(written).unwrap(), "\"a\"\"b\",\"'=HYPERLINK(\"\"x\"\")\"\r\n");
    }
}
