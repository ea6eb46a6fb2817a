//! What is changed at Microsoft from a page: incidents, alerts, and what becomes of changes.

use super::error::PageError;
use super::extract::{Analyst, Id, Lead, Posted, User};
use super::scope::ScopedDb;
use crate::app::AppState;
use crate::app::acting::{self, Refusal};
use crate::app::collected;
use crate::app::triage::{self, Wish};
use crate::model::{AlertId, ChangeId, ChangeState, IncidentId, TenantId};
use crate::store;
use crate::store::Scoped;
use crate::store::changes::{self, Change};
use crate::sync::engine::Queue;
use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::post;
use serde::Deserialize;
use std::collections::BTreeMap;

/// The rows of the longest page.
const MOST_ALERTS: usize = 200;

pub fn routes() -> Router<AppState> {
    Router::new()
        .route("/incidents/{id}", post(incident))
        .route("/alerts/{id}", post(alert))
        .route("/alerts/batch", post(batch))
        .route("/tenants/{tenant}/changes/{change}/again", post(again))
        .route("/tenants/{tenant}/changes/{change}/cancel", post(cancel))
        .route("/tenants/{tenant}/changes/{change}/collected", post(collect))
}

/// What a refusal is on a page.
pub fn refused(refusal: Refusal) -> PageError {
    match refusal {
        Refusal::NoTenant => PageError::NotFound,
        Refusal::NotRead => PageError::Conflict("This tenant is not read at the moment. Nothing was sent.".into()),
        Refusal::TooMany => PageError::TooMany(
            "You have isolated five devices within ten minutes, the most one person may. Nothing was sent. Wait, or ask a colleague."
                .into(),
        ),
        Refusal::Wrong(_, why) => PageError::BadRequest(why.into()),
        Refusal::Failed(error) => PageError::Internal(error),
    }
}

/// The form of an incident or alert.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TriageForm {
    change: ChangeId,
    status: String,
    assigned_to: String,
    #[serde(default)]
    take: Option<String>,
    /// "Classification" or "Classification/Determination".
    verdict: String,
    #[serde(default)]
    tags: Option<String>,
    comment: String,
}

impl TriageForm {
    fn wish(&self, user: &User) -> Wish {
        let given = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        let (classification, determination) = self.verdict.split_once('/').unwrap_or((&self.verdict, ""));
        Wish {
            status: given(&self.status),
            assigned_to: Some(if self.take.is_some() { user.login.clone() } else { self.assigned_to.trim().to_owned() }),
            classification: given(classification),
            determination: given(determination),
            tags: self.tags.as_ref().map(|tags| tags.split(',').filter_map(given).collect()),
            comment: given(&self.comment),
        }
    }
}

async fn incident(
    State(queue): State<Queue>,
    Analyst(user): Analyst,
    db: ScopedDb,
    Id(id): Id<IncidentId>,
    Posted(_, form): Posted<TriageForm>,
) -> Result<Redirect, PageError> {
    let mut tx = db.begin().await?;
    let incident = store::incidents::get(&mut tx, id).await?.ok_or(PageError::NotFound)?;
    triage::incident(&mut tx, &queue, (&user.by(), &user), &incident, form.change, &form.wish(&user)).await.map_err(refused)?;
    tx.commit().await?;
    Ok(Redirect::to(&format!("/incidents/{id}")))
}

async fn alert(
    State(queue): State<Queue>,
    Analyst(user): Analyst,
    db: ScopedDb,
    Id(id): Id<AlertId>,
    Posted(_, form): Posted<TriageForm>,
) -> Result<Redirect, PageError> {
    let mut tx = db.begin().await?;
    let alert = store::alerts::get(&mut tx, id).await?.ok_or(PageError::NotFound)?;
    triage::alert(&mut tx, &queue, (&user.by(), &user), &alert, form.change, &form.wish(&user)).await.map_err(refused)?;
    tx.commit().await?;
    Ok(Redirect::to(&format!("/alerts/{id}")))
}

/// The form below the list of alerts.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BatchForm {
    change: ChangeId,
    #[serde(default)]
    alert: Vec<AlertId>,
    status: String,
    verdict: String,
    #[serde(default)]
    take: Option<String>,
    comment: String,
}

/// Changes the chosen alerts of Defender for Endpoint: one call to Microsoft for each tenant.
async fn batch(
    State(queue): State<Queue>,
    Analyst(user): Analyst,
    db: ScopedDb,
    Posted(_, form): Posted<BatchForm>,
) -> Result<Redirect, PageError> {
    let given = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
    let (classification, determination) = form.verdict.split_once('/').unwrap_or((&form.verdict, ""));
    let wish = Wish {
        status: given(&form.status),
        assigned_to: form.take.as_ref().map(|_| user.login.clone()),
        classification: given(classification),
        determination: given(determination),
        tags: None,
        comment: given(&form.comment),
    };
    if form.alert.is_empty() || form.alert.len() > MOST_ALERTS {
        return Err(PageError::BadRequest("Choose from 1 to 200 alerts.".into()));
    }
    let mut tx = db.begin().await?;
    let mut by_tenant: BTreeMap<TenantId, Vec<String>> = BTreeMap::new();
    for id in form.alert {
        let alert = store::alerts::get(&mut tx, id).await?.ok_or(PageError::NotFound)?;
        if alert.product != "defender_endpoint" {
            return Err(PageError::BadRequest("Only alerts of Defender for Endpoint can be changed together.".into()));
        }
        by_tenant.entry(alert.tenant_id).or_default().push(alert.external_id);
    }
    let by = user.by();
    let mut last = None;
    for (tenant, ids) in &by_tenant {
        let change = acting::change_of(&by, &format!("{} {tenant}", form.change));
        triage::alerts(&mut tx, &queue, (&by, &user), (*tenant, ids), change, &wish).await.map_err(refused)?;
        last = Some(*tenant);
    }
    tx.commit().await?;
    Ok(Redirect::to(&last.filter(|_| by_tenant.len() == 1).map_or("/alerts".to_owned(), |tenant| format!("/tenants/{tenant}/changes"))))
}

/// A change of a tenant of the reader's.
async fn find(tx: &mut Scoped, tenant: TenantId, change: ChangeId) -> Result<Change, PageError> {
    changes::get(tx, change).await?.filter(|found| found.tenant_id == tenant).ok_or(PageError::NotFound)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewChange {
    change: ChangeId,
}

async fn again(
    State(queue): State<Queue>,
    Lead(user): Lead,
    db: ScopedDb,
    Id((tenant, change)): Id<(TenantId, ChangeId)>,
    Posted(_, form): Posted<NewChange>,
) -> Result<Redirect, PageError> {
    let mut tx = db.begin().await?;
    let of = find(&mut tx, tenant, change).await?;
    if !matches!(of.state, ChangeState::Lost | ChangeState::Failed) {
        return Err(PageError::Conflict("Only what was not carried out can be asked for again.".into()));
    }
    let outcome = acting::again(&mut tx, &queue, &user.by(), &of, form.change).await;
    settle(tx, outcome).await?;
    Ok(Redirect::to(&format!("/tenants/{tenant}/changes")))
}

/// Commits; a refused isolation stays in the audit log.
pub async fn settle(tx: Scoped, outcome: Result<(), Refusal>) -> Result<(), PageError> {
    match outcome {
        Ok(()) | Err(Refusal::TooMany) => tx.commit().await?,
        Err(_) => drop(tx),
    }
    outcome.map_err(refused)
}

async fn cancel(
    State(queue): State<Queue>,
    Lead(user): Lead,
    db: ScopedDb,
    Id((tenant, change)): Id<(TenantId, ChangeId)>,
    Posted(_, form): Posted<NewChange>,
) -> Result<Redirect, PageError> {
    let mut tx = db.begin().await?;
    let of = find(&mut tx, tenant, change).await?;
    let outcome = acting::cancel(&mut tx, &queue, &user.by(), &of, form.change, "").await;
    settle(tx, outcome).await?;
    Ok(Redirect::to(&format!("/tenants/{tenant}/changes")))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Which {
    /// Of a live response: which command.
    #[serde(default)]
    index: Option<u32>,
}

/// Sends the browser to Microsoft's storage; the link stands nowhere else.
async fn collect(
    State(state): State<AppState>,
    Lead(user): Lead,
    db: ScopedDb,
    Id((tenant, change)): Id<(TenantId, ChangeId)>,
    Posted(_, form): Posted<Which>,
) -> Result<Response, PageError> {
    let mut tx = db.begin().await?;
    let of = find(&mut tx, tenant, change).await?;
    tx.commit().await?;
    match collected::link(&state.db, &state.microsoft, &user.by(), &of, form.index).await? {
        Ok(url) => Ok(Redirect::to(url.as_str()).into_response()),
        Err(error) => Err(PageError::Conflict(format!("Microsoft gave no link. {}", error.reason()).into())),
    }
}
