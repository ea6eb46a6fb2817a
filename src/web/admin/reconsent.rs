//! Asking many customers at once to consent again: which they are, and for each chosen one a link and the mail that carries it.

use super::invite;
use crate::app::AppState;
use crate::app::onboarding::{self, Desk};
use crate::model::{TenantId, clock};
use crate::store;
use crate::store::reconsent::Needed;
use crate::web::error::PageError;
use crate::web::extract::{Lead, Posted, User};
use crate::web::filters;
use crate::web::page::Page;
use crate::web::scope::ScopedDb;
use crate::web::show::harmless;
use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Links made at once.
const MOST: usize = 200;

pub(super) fn routes() -> Router<AppState> {
    Router::new().route("/admin/tenants/reconsent", get(show).post(make))
}

#[derive(Template)]
#[template(path = "admin/reconsent.html")]
struct ReconsentPage {
    user: User,
    tenants: Vec<Waiting>,
    /// What was made just now; shown once.
    made: Vec<Made>,
}

/// A tenant that must consent again.
struct Waiting {
    tenant_id: TenantId,
    name: String,
    contacts: String,
    needed: Vec<Needed>,
}

/// A link and its mail.
struct Made {
    tenant_id: TenantId,
    name: String,
    contacts: String,
    apps: Vec<String>,
    link: String,
    subject: String,
    text: String,
}

async fn waiting(desk: &Desk, tx: &mut store::Scoped) -> sqlx::Result<Vec<Waiting>> {
    let mut needed = BTreeMap::<TenantId, Vec<Needed>>::new();
    for one in store::reconsent::needed(tx, &onboarding::expected(&desk.config), None).await? {
        needed.entry(one.tenant_id).or_default().push(one);
    }
    let mut tenants = Vec::new();
    for tenant in store::tenant_lists::full(tx).await? {
        if let Some(needed) = needed.remove(&tenant.tenant_id) {
            tenants.push(Waiting { tenant_id: tenant.tenant_id, name: tenant.name, contacts: tenant.contacts, needed });
        }
    }
    Ok(tenants)
}

async fn show(State(desk): State<Desk>, Lead(user): Lead, db: ScopedDb) -> Result<Page<ReconsentPage>, PageError> {
    let mut tx = db.begin().await?;
    let tenants = waiting(&desk, &mut tx).await?;
    Ok(Page(ReconsentPage { user, tenants, made: Vec::new() }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Chosen {
    #[serde(default)]
    tenants: Vec<TenantId>,
    #[serde(rename = "as")]
    format: Format,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Format {
    Page,
    Csv,
}

async fn make(State(desk): State<Desk>, Lead(user): Lead, db: ScopedDb, Posted(_, chosen): Posted<Chosen>) -> Result<Response, PageError> {
    if chosen.tenants.is_empty() || chosen.tenants.len() > MOST {
        return Err(PageError::BadRequest("Choose at least one tenant, and at most 200 at once.".into()));
    }
    let (by, now) = (user.by(), clock::now());
    let mut tx = db.begin().await?;
    let waiting = waiting(&desk, &mut tx).await?;
    let mut made = Vec::new();
    for one in waiting.iter().filter(|one| chosen.tenants.contains(&one.tenant_id)) {
        let tenant = store::tenants::get(&mut tx, one.tenant_id).await?.ok_or(PageError::NotFound)?;
        let apps: Vec<String> = one.needed.iter().map(|needed| needed.app.clone()).collect();
        let (_, link, mail) = invite::make(&desk, &mut tx, &by, &tenant, Some(&apps), now).await?;
        let (name, contacts) = (tenant.name.clone(), tenant.contacts.clone());
        made.push(Made { tenant_id: one.tenant_id, name, contacts, apps, link, subject: mail.subject, text: mail.body });
    }
    if made.len() != chosen.tenants.len() {
        return Err(PageError::Conflict(
            "The list has changed meanwhile: a chosen tenant need not consent again. Nothing was made.".into(),
        ));
    }
    tx.commit().await?;
    if chosen.format == Format::Csv {
        let name = format!("attachment; filename=\"consent-again-{}.csv\"", now.format("%Y-%m-%d"));
        let headers = [(header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()), (header::CONTENT_DISPOSITION, name)];
        return Ok((headers, csv(&made)?).into_response());
    }
    Ok(Page(ReconsentPage { user, tenants: waiting, made }).into_response())
}

/// A table with every cell quoted, and none that a spreadsheet would take for a formula.
fn csv(made: &[Made]) -> anyhow::Result<Vec<u8>> {
    let mut out = csv::WriterBuilder::new().quote_style(csv::QuoteStyle::Always).from_writer(Vec::new());
    out.write_record(["name", "contacts", "link", "subject", "text"])?;
    for one in made {
        out.write_record([&one.name, &one.contacts, &one.link, &one.subject, &one.text].map(|cell| harmless(cell.clone())))?;
    }
    Ok(out.into_inner()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_of_the_table_is_a_formula() {
        let made = Made {
            tenant_id: TenantId::new(),
            name: "=HYPERLINK(\"x\")".to_owned(),
            contacts: "+49 30 1234\nit@example.com".to_owned(),
            apps: Vec::new(),
            link: "https://portal.example.com/onboard/x".to_owned(),
            subject: "Please, approve".to_owned(),
            text: "Hello".to_owned(),
        };
        let text = String::from_utf8(csv(&[made]).unwrap()).unwrap();
        assert!(
            text.starts_with("\"name\",\"contacts\",\"link\",\"subject\",\"text\"\n\"'=HYPERLINK(\"\"x\"\")\",\"'+49 30 1234\nit@"),
            "{text}"
        );
    }
}
