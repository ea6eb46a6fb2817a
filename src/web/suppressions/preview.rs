//! What a rule would have hidden, on the page that alone can make it.

use super::DAYS;
use super::make::{Fields, back};
use crate::app::AppState;
use crate::app::suppressions::{self as rules, Over};
use crate::model::{SuppressionId, clock};
use crate::store;
use crate::store::suppressions::{Criteria, Preview};
use crate::web::error::PageError;
use crate::web::extract::{Lead, Posted, User};
use crate::web::filters;
use crate::web::page::Page;
use crate::web::scope::ScopedDb;
use crate::web::show::{When, count, thousands};
use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use chrono::{DateTime, Utc};

pub(super) fn routes() -> Router<AppState> {
    Router::new().route("/suppressions/preview", post(preview))
}

#[derive(Template)]
#[template(path = "suppressions/preview.html")]
struct PreviewPage {
    user: User,
    fields: Fields,
    criteria: Criteria,
    /// For whom, in words.
    scope: String,
    /// In how many days, and what.
    seen: Option<(i64, Preview)>,
    /// Proves that this page showed what is then made.
    seal: String,
    id: SuppressionId,
    now: DateTime<Utc>,
}

impl PreviewPage {
    fn when(&self, at: &DateTime<Utc>) -> When {
        When::new(*at, self.now)
    }

    fn open(preview: &Preview) -> String {
        thousands(preview.open())
    }

    fn alerts(preview: &Preview) -> String {
        thousands(preview.alerts())
    }

    /// It was tried out over fewer days than usual.
    fn is_short(&self) -> bool {
        self.seen.as_ref().is_some_and(|(days, _)| *days < rules::TRIED[0])
    }

    /// See [`sentence`].
    fn sentence(&self) -> String {
        self.seen.as_ref().map(|(days, preview)| sentence(*days, preview)).unwrap_or_default()
    }
}

/// "would have hidden 37 alerts in 90 days, 1 of them a confirmed true positive".
fn sentence(days: i64, preview: &Preview) -> String {
    let alerts = if preview.is_cut() {
        format!("more than {} alerts", thousands(store::suppressions::CAP))
    } else {
        count(preview.alerts(), "alert", "alerts")
    };
    let judged = match preview.true_positives() {
        0 => "none of them a confirmed true positive".to_owned(),
        n if preview.is_cut() => format!("at least {} of them confirmed true positives", thousands(n)),
        1 => "1 of them a confirmed true positive".to_owned(),
        n => format!("{} of them confirmed true positives", thousands(n)),
    };
    if preview.alerts() == 0 {
        format!("would have hidden no alert in {days} days")
    } else {
        format!("would have hidden {alerts} in {days} days, {judged}")
    }
}

/// What a seal stands for.
pub(super) fn sealed(fingerprint: &str) -> String {
    format!("suppression {fingerprint}")
}

async fn preview(
    Lead(user): Lead,
    State(state): State<AppState>,
    db: ScopedDb,
    Posted(_, fields): Posted<Fields>,
) -> Result<Response, PageError> {
    let now = clock::now();
    let mut tx = db.begin().await?;
    let outcome = match (fields.wish(), rules::lasting(&fields.reason, fields.days())) {
        (Ok(wish), Ok(_)) => rules::check(&mut tx, &state.db, &user.scope, &wish).await,
        (Err(refusal), _) | (_, Err(refusal)) => Err(refusal),
    };
    let checked = match outcome {
        Ok(checked) => checked,
        Err(refusal) => {
            drop(tx);
            return back(&state, &db, user, fields, refusal).await;
        }
    };
    let seen = rules::preview(&mut tx, &checked, now).await?;
    let scope = match &checked.over {
        Over::Tenant(tenant) => store::tenants::get(&mut tx, *tenant).await?.map(|tenant| tenant.name).unwrap_or_default(),
        Over::Group(name) => {
            format!("the group {name} ({})", count(i64::try_from(checked.tenants.len()).unwrap_or(0), "tenant", "tenants"))
        }
    };
    tx.commit().await?;
    let seal = user.form_token(&sealed(&checked.fingerprint()));
    let criteria = checked.criteria;
    Ok(Page(PreviewPage { user, fields, criteria, scope, seen, seal, id: SuppressionId::new(), now }).into_response())
}
