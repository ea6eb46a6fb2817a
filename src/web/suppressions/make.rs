//! Making a rule: what it is to hide, and, once that has been seen tried out, the rule itself.

use super::DAYS;
use super::preview::sealed;
use crate::app::AppState;
use crate::app::acting::Refusal;
use crate::app::suppressions::{self as rules, Over, USUAL, Wish};
use crate::model::{AlertId, SuppressionId, TenantId, clock};
use crate::store;
use crate::store::overview::TenantName;
use crate::store::suppressions::Group;
use crate::web::acting::refused;
use crate::web::error::PageError;
use crate::web::extract::{Lead, Posted, Query, User};
use crate::web::filters;
use crate::web::page::Page;
use crate::web::scope::ScopedDb;
use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use serde::Deserialize;
use url::form_urlencoded;

pub(super) fn routes() -> Router<AppState> {
    Router::new().route("/suppressions/new", get(begin)).route("/suppressions", post(save))
}

/// A rule as the browser sends it, and as a link begins it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Fields {
    /// "tenant:<id>" or "group:<name>".
    #[serde(default)]
    pub(super) over: String,
    #[serde(default)]
    pub(super) detector: String,
    #[serde(default)]
    pub(super) title: String,
    #[serde(default)]
    pub(super) entity: String,
    #[serde(default)]
    pub(super) reason: String,
    #[serde(default)]
    pub(super) days: String,
}

impl Fields {
    pub(super) fn wish(&self) -> Result<Wish<'_>, Refusal> {
        let over = match self.over.split_once(':') {
            Some(("tenant", id)) => id.parse().ok().map(Over::Tenant),
            Some(("group", name)) if !name.is_empty() => Some(Over::Group(name.to_owned())),
            _ => None,
        };
        let over = over.ok_or(Refusal::Wrong("over", "Choose the tenant or the group that the rule is for."))?;
        Ok(Wish { over, detector: &self.detector, title: &self.title, entity: &self.entity })
    }

    pub(super) fn days(&self) -> i64 {
        self.days.parse().unwrap_or(0)
    }

    /// The form with these fields in it.
    pub(super) fn again(&self) -> String {
        let pairs = [
            ("over", &self.over),
            ("detector", &self.detector),
            ("title", &self.title),
            ("entity", &self.entity),
            ("reason", &self.reason),
            ("days", &self.days),
        ];
        format!("/suppressions/new?{}", form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish())
    }
}

/// What a new rule begins with.
#[derive(Deserialize)]
struct Asked {
    /// Alerts like this one.
    alert: Option<AlertId>,
    #[serde(flatten)]
    fields: Fields,
}

#[derive(Template)]
#[template(path = "suppressions/new.html")]
struct NewRule {
    user: User,
    fields: Fields,
    tenants: Vec<TenantName>,
    groups: Vec<Group>,
    /// Of the alert that the rule begins with.
    entities: Vec<String>,
    problem: Option<(&'static str, &'static str)>,
}

impl NewRule {
    fn is_wrong(&self, field: &str) -> bool {
        self.problem.is_some_and(|(wrong, _)| wrong == field)
    }

    fn tenant(id: &TenantId) -> String {
        format!("tenant:{id}")
    }

    fn group(name: &str) -> String {
        format!("group:{name}")
    }
}

async fn begin(
    Lead(user): Lead,
    State(state): State<AppState>,
    db: ScopedDb,
    Query(asked): Query<Asked>,
) -> Result<Page<NewRule>, PageError> {
    let (mut fields, mut entities) = (asked.fields, Vec::new());
    if let Some(alert) = asked.alert {
        let mut tx = db.begin().await?;
        let alert = store::alerts::get(&mut tx, alert).await?.ok_or(PageError::NotFound)?;
        tx.commit().await?;
        fields.over = NewRule::tenant(&alert.tenant_id);
        fields.title = alert.title;
        fields.detector = alert.detector_id.unwrap_or_default();
        entities = alert.entities;
    }
    if fields.days.is_empty() {
        fields.days = USUAL.to_string();
    }
    form(&state, &db, user, fields, (entities, None)).await
}

async fn form(
    state: &AppState,
    db: &ScopedDb,
    user: User,
    fields: Fields,
    (entities, problem): (Vec<String>, Option<(&'static str, &'static str)>),
) -> Result<Page<NewRule>, PageError> {
    let groups = rules::groups(&state.db, &user.scope).await?;
    let mut tx = db.begin().await?;
    let tenants = store::overview::names(&mut tx).await?;
    tx.commit().await?;
    Ok(Page(NewRule { user, fields, tenants, groups, entities, problem }))
}

/// The form once more, with what is wrong; whatever cannot be put right there is an error page.
pub(super) async fn back(state: &AppState, db: &ScopedDb, user: User, fields: Fields, refusal: Refusal) -> Result<Response, PageError> {
    let problem = match refusal {
        Refusal::Wrong(rules::PREVIEWED, why) => return Err(PageError::Conflict(why.into())),
        Refusal::Wrong(field, why) => (field, why),
        // Another's tenant and one that does not exist are the same.
        Refusal::NoTenant => ("over", "There is no such tenant or group among yours."),
        other => return Err(refused(other)),
    };
    Ok((StatusCode::UNPROCESSABLE_ENTITY, form(state, db, user, fields, (Vec::new(), Some(problem))).await?).into_response())
}

/// What the page of a preview sends.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sent {
    suppression: SuppressionId,
    seal: String,
    // Not flattened: a form's fields are known one by one.
    over: String,
    #[serde(default)]
    detector: String,
    #[serde(default)]
    title: String,
    #[serde(default)]
    entity: String,
    reason: String,
    days: String,
}

async fn save(Lead(user): Lead, State(state): State<AppState>, db: ScopedDb, Posted(_, sent): Posted<Sent>) -> Result<Response, PageError> {
    let Sent { suppression, seal, over, detector, title, entity, reason, days } = sent;
    let fields = Fields { over, detector, title, entity, reason, days };
    let mut tx = db.begin().await?;
    let outcome = match fields.wish() {
        Ok(wish) => {
            let seen = |fingerprint: &str| user.accepts_form_token(&sealed(fingerprint), &seal);
            let lasting = (fields.reason.as_str(), fields.days());
            rules::make(&mut tx, &state.db, (&user.by(), &user.scope), suppression, (&wish, seen), lasting, clock::now()).await
        }
        Err(refusal) => Err(refusal),
    };
    match outcome {
        Ok(()) => {
            tx.commit().await?;
            Ok(Redirect::to(&format!("/suppressions/{suppression}")).into_response())
        }
        Err(refusal) => {
            drop(tx);
            back(&state, &db, user, fields, refusal).await
        }
    }
}
