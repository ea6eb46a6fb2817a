//! Files that are written piece by piece while they are sent.

use super::error::PageError;
use super::extract::User;
use crate::app::places::{Place, Places};
use crate::model::UserId;
use ::csv::{QuoteStyle, Terminator, WriterBuilder};
use axum::body::Body;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWriteExt, DuplexStream, ReadBuf};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio_util::io::ReaderStream;

/// Files under way at a time in one process, and of one person.
const FILES: usize = 4;
const OF_EACH: usize = 2;
static PLACES: Semaphore = Semaphore::const_new(FILES);
static OWN: LazyLock<Places<UserId>> = LazyLock::new(|| Places::new(OF_EACH));

/// A file's place, from its beginning to its end.
pub struct FilePlace {
    _all: SemaphorePermit<'static>,
    _own: Place<UserId>,
}

/// A place for a file of somebody's. Too many at once: later. None for who is sent here by another site's page: making a file takes much and is
/// written down.
pub fn place(user: &User) -> Result<FilePlace, PageError> {
    if user.is_sent_elsewhere {
        return Err(PageError::Forbidden);
    }
    let own = OWN.take(user.who().0).ok_or(PageError::Busy)?;
    Ok(FilePlace { _all: PLACES.try_acquire().map_err(|_| PageError::Busy)?, _own: own })
}

/// What may lie between writing and sending.
const BUFFER: usize = 64 * 1024;

/// A file of this name and type, with what `write` writes; it gives the stream back when everything is written. Where it fails, the file
/// breaks off. It has its place until then.
pub fn file<F>(name: &str, kind: &'static str, place: FilePlace, write: impl FnOnce(DuplexStream) -> F) -> Response
where
    F: Future<Output = anyhow::Result<DuplexStream>> + Send + 'static,
{
    let (read, out) = tokio::io::duplex(BUFFER);
    let whole = Arc::new(AtomicBool::new(false));
    let (done, work) = (whole.clone(), write(out));
    tokio::spawn(async move {
        let _place = place;
        let ended = async {
            let mut out = work.await?;
            done.store(true, Ordering::Release);
            Ok::<_, anyhow::Error>(out.shutdown().await?)
        };
        if let Err(error) = ended.await {
            tracing::info!(error = format!("{error:#}"), "a file was not written to its end");
        }
    });
    let headers = [(header::CONTENT_TYPE, kind.to_owned()), (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\""))];
    (headers, Body::from_stream(ReaderStream::new(Whole { read, whole }))).into_response()
}

/// Records as lines of a CSV file.
pub fn lines(records: impl IntoIterator<Item = Vec<String>>) -> anyhow::Result<Vec<u8>> {
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
    use super::super::show::harmless;
    use super::*;

    #[test]
    fn a_cell_is_quoted() {
        let written = lines([vec!["a\"b".to_owned(), harmless("=HYPERLINK(\"x\")".to_owned())]]).unwrap();
        assert_eq!(String::from_utf8(written).unwrap(), "\"a\"\"b\",\"'=HYPERLINK(\"\"x\"\")\"\r\n");
    }
}
