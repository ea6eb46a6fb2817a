//! Uploading a log to cloud discovery: one form, put down as it arrives.

use super::path;
use crate::app::AppState;
use crate::app::cloud_apps::{self, Inbox};
use crate::model::cloud_apps::{LARGEST_LOG, Upload};
use crate::model::{ChangeId, TenantId};
use crate::web::acting::refused;
use crate::web::error::PageError;
use crate::web::extract::{Id, Lead, User};
use axum::Router;
use axum::extract::multipart::{Field, MultipartRejection};
use axum::extract::{DefaultBodyLimit, Multipart, State};
use axum::response::Redirect;
use axum::routing::post;

pub(super) fn routes() -> Router<AppState> {
    let limit = DefaultBodyLimit::max(LARGEST_LOG + 64 * 1024);
    Router::new().route("/tenants/{tenant}/cloud-apps/discovery/upload", post(take).layer(limit))
}

/// The fields before the file, which the form sends last.
#[derive(Default)]
struct Sent {
    token: String,
    change: Option<ChangeId>,
    source: String,
    stream: String,
    snapshot: bool,
}

const UNREADABLE: &str = "The form could not be read, or the file is larger than 64 MiB. Split it.";

async fn take(
    State(state): State<AppState>,
    Lead(user): Lead,
    Id(tenant): Id<TenantId>,
    parts: Result<Multipart, MultipartRejection>,
) -> Result<Redirect, PageError> {
    let mut parts = parts.map_err(|_| PageError::BadRequest("Send the file with the form of this page.".into()))?;
    let mut sent = Sent::default();
    while let Some(part) = parts.next_field().await.map_err(|_| PageError::BadRequest(UNREADABLE.into()))? {
        match part.name().unwrap_or_default() {
            "form_token" => sent.token = text(part).await?,
            "change" => sent.change = text(part).await?.parse().ok(),
            "source" => sent.source = text(part).await?,
            "stream" => sent.stream = text(part).await?,
            "snapshot" => sent.snapshot = text(part).await? == "yes",
            "file" => {
                store(&state, &user, tenant, &sent, part).await?;
                return Ok(Redirect::to(&path(tenant, "discovery")));
            }
            _ => return Err(PageError::BadRequest("The form has fields we do not know.".into())),
        }
    }
    if !user.accepts_form_token(&path(tenant, "discovery/upload"), &sent.token) {
        return Err(PageError::Forbidden);
    }
    Err(PageError::BadRequest("Choose a file.".into()))
}

async fn text(part: Field<'_>) -> Result<String, PageError> {
    part.text().await.ok().filter(|text| text.len() <= 1000).ok_or(PageError::BadRequest(UNREADABLE.into()))
}

/// Nothing is put down before the token and the words around the file are good.
async fn store(state: &AppState, user: &User, tenant: TenantId, sent: &Sent, mut part: Field<'_>) -> Result<(), PageError> {
    if !user.accepts_form_token(&path(tenant, "discovery/upload"), &sent.token) {
        return Err(PageError::Forbidden);
    }
    let name = part.file_name().unwrap_or_default().to_owned();
    let upload = Upload::new(&name, &sent.source, &sent.stream, sent.snapshot).map_err(|(_, why)| PageError::BadRequest(why.into()))?;
    let change = sent.change.ok_or(PageError::BadRequest(UNREADABLE.into()))?;
    let mut inbox = Inbox::open(&state.db, &user.scope, tenant, change).await.map_err(refused)?;
    while let Some(bytes) = part.chunk().await.map_err(|_| PageError::BadRequest(UNREADABLE.into()))? {
        inbox.take(&bytes).await.map_err(refused)?;
    }
    let mut tx = state.db.begin(&user.scope).await?;
    inbox.end(&mut tx, &state.queue, &user.by(), &upload).await.map_err(refused)?;
    tx.commit().await?;
    cloud_apps::outcome(&state.db, tenant, change).await?;
    Ok(())
}
