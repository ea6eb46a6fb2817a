//! A request is attended to once it has come as a whole: until then it takes no place from anybody, however slowly it comes.

use super::error::PageError;
use crate::app::seats::{Attended, Seat};
use axum::body::{Body, Bytes, HttpBody as _};
use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use futures_util::stream;
use http_body::{Frame, SizeHint};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

/// As much of a body is waited for; the rest of a larger one is left to whoever reads files.
const FIRST: usize = 64 * 1024;
/// For so long.
const TIME: Duration = Duration::from_secs(10);

/// The layer.
pub async fn attend(request: Request, next: Next) -> Response {
    let seat = request.extensions().get::<Seat>().cloned();
    let (parts, body) = request.into_parts();
    let body = match tokio::time::timeout(TIME, arrived(body)).await {
        Ok(Ok(body)) => body,
        Ok(Err(_)) => return PageError::BadRequest("The request broke off.".into()).into_response(),
        Err(_) => {
            let late = PageError::BadRequest("What you sent did not arrive as a whole in ten seconds. Nothing was done.".into());
            return (StatusCode::REQUEST_TIMEOUT, late).into_response();
        }
    };
    let attended = seat.map(|seat| seat.attend());
    next.run(Request::from_parts(parts, body)).await.map(|body| Body::new(Held { body, _attended: attended }))
}

/// The body, once it is here or larger than what is waited for.
async fn arrived(body: Body) -> Result<Body, axum::Error> {
    if body.is_end_stream() {
        return Ok(body);
    }
    let (mut pieces, mut size) = (Vec::<Bytes>::new(), 0);
    let mut rest = body.into_data_stream();
    while let Some(piece) = rest.next().await {
        let piece = piece?;
        size += piece.len();
        pieces.push(piece);
        if size > FIRST {
            return Ok(Body::from_stream(stream::iter(pieces.into_iter().map(Ok)).chain(rest)));
        }
    }
    Ok(Body::from(pieces.concat()))
}

/// An answer: its connection waits again when it has been given.
struct Held {
    body: Body,
    _attended: Option<Attended>,
}

impl http_body::Body for Held {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
