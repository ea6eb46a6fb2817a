//! Adding many tenants from a CSV file: a preview with a verdict for each row, then the good rows.

use crate::app::AppState;
use crate::app::onboarding::{self, Desk};
use crate::model::import::{self, Row, Verdict};
use crate::model::{TenantId, clock};
use crate::store;
use crate::store::audit::{By, carried};
use crate::store::tenants::WriteError;
use crate::web::error::PageError;
use crate::web::extract::{Lead, User};
use crate::web::page::Page;
use askama::Template;
use axum::Router;
use axum::extract::{DefaultBodyLimit, Multipart, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

/// Of the file; the form around it needs a little more.
const LARGEST: usize = 1024 * 1024;

pub(super) fn routes() -> Router<AppState> {
    let limit = DefaultBodyLimit::max(LARGEST + 16 * 1024);
    Router::new().route("/admin/tenants/import", get(show).post(take).layer(limit))
}

#[derive(Template)]
#[template(path = "admin/import.html")]
struct ImportPage {
    user: User,
    problem: Option<&'static str>,
    /// What was sent, to be sent again with the decision.
    text: String,
    rows: Vec<Row>,
    /// How many tenants were added, once they were.
    added: Option<usize>,
}

impl ImportPage {
    fn good(&self) -> usize {
        self.rows.iter().filter(|row| matches!(row.verdict, Verdict::Good(_))).count()
    }

    fn columns() -> String {
        import::COLUMNS.join(",")
    }
}

async fn show(Lead(user): Lead) -> Page<ImportPage> {
    Page(ImportPage { user, problem: None, text: String::new(), rows: Vec::new(), added: None })
}

#[derive(Default)]
struct Sent {
    token: String,
    text: String,
    file: String,
    import: bool,
}

async fn take(
    State(desk): State<Desk>,
    Lead(user): Lead,
    parts: Result<Multipart, axum::extract::multipart::MultipartRejection>,
) -> Result<Response, PageError> {
    let parts = parts.map_err(|_| PageError::BadRequest("Send the file with the form of this page.".into()))?;
    let sent = match receive(parts).await {
        Ok(sent) => sent,
        Err(problem) => return Ok(wrong(user, String::new(), problem)),
    };
    if !user.accepts_form_token("/admin/tenants/import", &sent.token) {
        return Err(PageError::Forbidden);
    }
    let text = if sent.file.trim().is_empty() { sent.text } else { sent.file };
    if text.len() > LARGEST {
        return Ok(wrong(user, String::new(), "The file is larger than 1 MiB. Split it."));
    }
    let mut tx = desk.db.all_tenants().await?;
    let (names, directories) = store::tenant_lists::registered(&mut tx).await?;
    drop(tx);
    let mut rows = match import::read(&text, &onboarding::known_apps(&desk.config), &names, &directories) {
        Ok(rows) => rows,
        Err(problem) => return Ok(wrong(user, text, problem)),
    };
    if !sent.import {
        return Ok(Page(ImportPage { user, problem: None, text, rows, added: None }).into_response());
    }
    // In a task of its own: a browser that goes away does not cut it off.
    let by = user.by();
    let (rows, added) = tokio::spawn(carried(async move { add(&desk, &by, &mut rows).await.map(|added| (rows, added)) })).await??;
    Ok(Page(ImportPage { user, problem: None, text: String::new(), rows, added: Some(added) }).into_response())
}

fn wrong(user: User, text: String, problem: &'static str) -> Response {
    let page = ImportPage { user, problem: Some(problem), text, rows: Vec::new(), added: None };
    (StatusCode::UNPROCESSABLE_ENTITY, Page(page)).into_response()
}

async fn receive(mut parts: Multipart) -> Result<Sent, &'static str> {
    let mut sent = Sent::default();
    while let Some(part) = parts.next_field().await.map_err(|_| "The form could not be read, or is larger than 1 MiB.")? {
        let name = part.name().unwrap_or_default().to_owned();
        let bytes = part.bytes().await.map_err(|_| "The file is larger than 1 MiB. Split it.")?;
        let value = String::from_utf8(bytes.into()).map_err(|_| "The file is not UTF-8 text. Save it as CSV UTF-8.")?;
        match name.as_str() {
            "form_token" => sent.token = value,
            "text" => sent.text = value,
            "file" => sent.file = value,
            "import" => sent.import = value == "yes",
            _ => return Err("The form has fields we do not know."),
        }
    }
    Ok(sent)
}

/// Adds the good rows, each in a transaction of its own: one taken meanwhile does not cost the others.
async fn add(desk: &Desk, by: &By, rows: &mut [Row]) -> Result<usize, PageError> {
    let mut added = 0;
    for row in rows {
        let Verdict::Good(good) = &row.verdict else { continue };
        let tenant = TenantId::new();
        let mut tx = desk.db.tenant(tenant).await?;
        match store::tenants::create(&mut tx, by, tenant, good, clock::now()).await {
            Ok(()) => {
                tx.commit().await?;
                added += 1;
            }
            Err(WriteError::NameTaken) => row.verdict = Verdict::Registered,
            Err(error) => return Err(super::not_written(error)),
        }
    }
    Ok(added)
}
