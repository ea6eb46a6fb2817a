//! One rule: what it hides and has hidden, its end, and more time for it.

use super::DAYS;
use crate::app::AppState;
use crate::app::acting::Refusal;
use crate::app::suppressions as rules;
use crate::model::{SuppressionId, clock};
use crate::store::Scoped;
use crate::store::suppressions::{self, Hit, Rule, Standing};
use crate::web::acting::refused;
use crate::web::chips::Chip;
use crate::web::error::PageError;
use crate::web::extract::{Id, Lead, Nothing, Posted, User};
use crate::web::filters;
use crate::web::page::Page;
use crate::web::scope::ScopedDb;
use crate::web::show::{When, count, thousands};
use askama::Template;
use axum::Router;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use chrono::{DateTime, SecondsFormat, Utc};
use serde::Deserialize;

/// Alerts that are listed.
const SHOWN: i64 = 50;
/// A count stops here.
const MOST: i64 = 10_000;

pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route("/suppressions/{id}", get(detail))
        .route("/suppressions/{id}/end", post(end))
        .route("/suppressions/{id}/extend", post(extend))
}

#[derive(Template)]
#[template(path = "suppressions/rule.html")]
struct RulePage {
    user: User,
    rule: Rule,
    standing: Standing,
    hits: Vec<Hit>,
    /// What was wrong with the form for more time, and what was written there.
    back: Option<(&'static str, Extend)>,
    now: DateTime<Utc>,
}

impl RulePage {
    fn when(&self, at: &DateTime<Utc>) -> When {
        When::new(*at, self.now)
    }

    fn chip(&self) -> Chip {
        super::standing(&self.rule, self.now)
    }

    fn scope(&self) -> String {
        super::scope(&self.rule)
    }

    fn hidden(&self) -> String {
        if self.standing.hidden > MOST { format!("more than {}", thousands(MOST)) } else { thousands(self.standing.hidden) }
    }

    /// What deserves a look.
    fn warnings(&self) -> Vec<String> {
        let Standing { true_positives, risen, .. } = self.standing;
        let line = |n: i64, what: &str| {
            let were = if n == 1 { "was" } else { "were" };
            (n > 0).then(|| what.replace("{}", &count(n, "hidden alert", "hidden alerts")).replace("{were}", were))
        };
        [
            line(true_positives, "{} {were} judged a true positive. This rule may hide what matters."),
            line(risen, "{} {were} less severe when the rule hid it."),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// Where a form goes.
    fn at(&self, deed: &str) -> String {
        format!("/suppressions/{}/{deed}", self.rule.suppression_id)
    }

    /// The end as the form for more time has seen it.
    fn shown(&self) -> String {
        self.rule.expires_at.to_rfc3339_opts(SecondsFormat::Micros, true)
    }

    fn days(&self) -> String {
        self.back.as_ref().map_or_else(|| rules::USUAL.to_string(), |(_, sent)| sent.days.clone())
    }
}

async fn read(tx: &mut Scoped, user: User, id: SuppressionId, back: Option<(&'static str, Extend)>) -> Result<Page<RulePage>, PageError> {
    let rule = suppressions::get(tx, id).await?.ok_or(PageError::NotFound)?;
    let standing = suppressions::standing(tx, id).await?;
    let hits = suppressions::latest(tx, id, SHOWN).await?;
    Ok(Page(RulePage { user, rule, standing, hits, back, now: clock::now() }))
}

async fn detail(user: User, db: ScopedDb, Id(id): Id<SuppressionId>) -> Result<Page<RulePage>, PageError> {
    let mut tx = db.begin().await?;
    let page = read(&mut tx, user, id, None).await?;
    tx.commit().await?;
    Ok(page)
}

async fn end(
    Lead(user): Lead,
    db: ScopedDb,
    Id(id): Id<SuppressionId>,
    Posted(_, Nothing {}): Posted<Nothing>,
) -> Result<Redirect, PageError> {
    let mut tx = db.begin().await?;
    let rule = suppressions::get(&mut tx, id).await?.ok_or(PageError::NotFound)?;
    rules::end(&mut tx, &user.by(), &rule, clock::now()).await.map_err(refused)?;
    tx.commit().await?;
    Ok(Redirect::to(&format!("/suppressions/{id}")))
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Extend {
    /// The end that the form has seen.
    until: DateTime<Utc>,
    days: String,
    #[serde(default)]
    reason: String,
}

async fn extend(Lead(user): Lead, db: ScopedDb, Id(id): Id<SuppressionId>, Posted(_, sent): Posted<Extend>) -> Result<Response, PageError> {
    let mut tx = db.begin().await?;
    let rule = suppressions::get(&mut tx, id).await?.ok_or(PageError::NotFound)?;
    let wish = (sent.reason.as_str(), sent.days.parse().unwrap_or(0));
    match rules::extend(&mut tx, &user.by(), &rule, sent.until, wish, clock::now()).await {
        Ok(()) => {
            tx.commit().await?;
            Ok(Redirect::to(&format!("/suppressions/{id}")).into_response())
        }
        Err(Refusal::Wrong(_, why)) => {
            let page = read(&mut tx, user, id, Some((why, sent))).await?;
            Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
        }
        Err(Refusal::Changed(_)) => Err(PageError::Conflict(
            "The rule has ended, or its end has been changed, since you loaded its page. Load it again and look.".into(),
        )),
        Err(other) => Err(refused(other)),
    }
}
