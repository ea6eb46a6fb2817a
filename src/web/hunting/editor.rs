//! The editor: query, tenants, time span; queries kept for later; what was hunted lately.

use super::tidy;
use crate::app::AppState;
use crate::app::hunts::{self, Over, Refusal, Wish};
use crate::model::{HuntApi, HuntId, SavedQueryId, Scope, TenantId, clock};
use crate::store::hunts::{Hunt, Huntable};
use crate::store::saved_queries::SavedQuery;
use crate::store::{self, Scoped};
use crate::web::chips::Chip;
use crate::web::error::PageError;
use crate::web::extract::{Analyst, Posted, Query, User};
use crate::web::filters;
use crate::web::page::Page;
use crate::web::scope::ScopedDb;
use crate::web::show::When;
use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use chrono::{DateTime, SecondsFormat, Utc};
use serde::Deserialize;

/// Hunts that are listed.
const RECENT: i64 = 25;
/// What is offered as time span: Graph's word, ours.
const SPANS: [(&str, &str); 6] = [
    ("", "30 days, Microsoft's most"),
    ("PT24H", "24 hours"),
    ("P3D", "3 days"),
    ("P7D", "7 days"),
    ("P14D", "14 days"),
    ("P30D", "30 days"),
];

#[derive(Template)]
#[template(path = "hunting/editor.html")]
struct EditorPage {
    user: User,
    fields: Fields,
    problem: Option<String>,
    tenants: Vec<Huntable>,
    groups: Vec<String>,
    saved: Vec<SavedQuery>,
    recent: Vec<Hunt>,
    /// The newest hunts are listed.
    first: bool,
    /// Where the list goes on to older ones.
    older: Option<String>,
    now: DateTime<Utc>,
}

impl EditorPage {
    fn when(&self, at: &DateTime<Utc>) -> When {
        When::new(*at, self.now)
    }

    fn standing(hunt: &Hunt) -> Chip {
        super::standing(hunt)
    }

    fn ready(&self) -> usize {
        self.tenants.iter().filter(|tenant| tenant.is_ready()).count()
    }

    fn is_chosen(&self, tenant: &Huntable) -> bool {
        self.fields.tenants.contains(&tenant.tenant_id)
    }

    fn is_over(&self, over: &str) -> bool {
        if self.fields.over.is_empty() { over == "all" } else { self.fields.over == over }
    }

    /// The hunt that is edited has a span that is none of ours.
    fn is_other_span(&self) -> bool {
        !SPANS.iter().any(|(word, _)| *word == self.fields.timespan)
    }

    /// The query takes as many lines as it has, and some.
    fn lines(&self) -> usize {
        (self.fields.query.lines().count() + 2).clamp(8, 24)
    }

    fn may_edit(&self, query: &SavedQuery) -> bool {
        query.user_id == Some(self.user.id) || (query.team && self.user.is_lead())
    }
}

/// What the browser sends.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Fields {
    #[serde(default)]
    title: String,
    #[serde(default)]
    query: String,
    #[serde(default)]
    api: String,
    #[serde(default)]
    timespan: String,
    /// all, group, some
    #[serde(default)]
    over: String,
    #[serde(default)]
    group: String,
    #[serde(default)]
    tenants: Vec<TenantId>,
}

/// What to begin with.
#[derive(Deserialize)]
pub(super) struct Asked {
    from: Option<HuntId>,
    saved: Option<SavedQueryId>,
    #[serde(default)]
    tenant: Vec<TenantId>,
    /// Hunts asked for before this time are listed.
    before: Option<DateTime<Utc>>,
}

pub(super) async fn show(Analyst(user): Analyst, db: ScopedDb, Query(asked): Query<Asked>) -> Result<Response, PageError> {
    let mut tx = db.begin().await?;
    let mut fields = Fields::default();
    if let Some(hunt) = asked.from {
        let hunt = store::hunts::get(&mut tx, user.id, hunt).await?.ok_or(PageError::NotFound)?;
        fields.tenants = store::hunts::parts(&mut tx, hunt.hunt_id).await?.iter().map(|part| part.tenant_id).collect();
        "some".clone_into(&mut fields.over);
        (fields.title, fields.query, fields.api) = (hunt.title, hunt.query, hunt.api.to_string());
        fields.timespan = hunt.timespan.unwrap_or_default();
    }
    if let Some(query) = asked.saved {
        let query = store::saved_queries::get(&mut tx, user.id, query).await?.ok_or(PageError::NotFound)?;
        (fields.title, fields.query) = (query.name, query.query);
    }
    if !asked.tenant.is_empty() {
        "some".clone_into(&mut fields.over);
        fields.tenants = asked.tenant;
    }
    Ok(Page(page(user, &mut tx, fields, asked.before).await?).into_response())
}

async fn page(user: User, tx: &mut Scoped, fields: Fields, before: Option<DateTime<Utc>>) -> Result<EditorPage, PageError> {
    let tenants = store::hunts::huntable(tx).await?;
    let mut groups: Vec<String> = tenants.iter().filter_map(|tenant| tenant.tenant_group.clone()).collect();
    groups.sort_unstable();
    groups.dedup();
    let saved = store::saved_queries::list(tx, user.id).await?;
    let mut recent = store::hunts::recent(tx, user.id, before, RECENT + 1).await?;
    let more = i64::try_from(recent.len()).is_ok_and(|rows| rows > RECENT);
    if more {
        recent.pop();
    }
    let older = recent.last().filter(|_| more).map(|last| last.asked_at.to_rfc3339_opts(SecondsFormat::Micros, true));
    let (first, now) = (before.is_none(), clock::now());
    Ok(EditorPage { user, fields, problem: None, tenants, groups, saved, recent, first, older, now })
}

pub(super) async fn run(
    State(state): State<AppState>,
    Analyst(user): Analyst,
    db: ScopedDb,
    Posted(_, mut fields): Posted<Fields>,
) -> Result<Response, PageError> {
    fields.query = tidy(&fields.query);
    match started(&state, &user.scope.clone(), &user, &fields).await {
        Ok(hunt) => Ok(Redirect::to(&format!("/hunting/{hunt}")).into_response()),
        Err(Refusal::Field(_, message)) => {
            let mut tx = db.begin().await?;
            let page = page(user, &mut tx, fields, None).await?;
            Ok((StatusCode::BAD_REQUEST, Page(EditorPage { problem: Some(message.to_owned()), ..page })).into_response())
        }
        Err(Refusal::NoTenant) => Err(PageError::NotFound),
        Err(Refusal::TooMany(wait)) => Err(PageError::TooMany(hunts::TOO_MANY.into(), wait)),
        Err(Refusal::Failed(error)) => Err(error.into()),
    }
}

async fn started(state: &AppState, scope: &Scope, user: &User, fields: &Fields) -> Result<HuntId, Refusal> {
    let api = match fields.api.as_str() {
        "" => HuntApi::Auto,
        word => word.parse().map_err(|_| Refusal::Field("api", "There is no such interface."))?,
    };
    let over = match fields.over.as_str() {
        "some" => Over::These(fields.tenants.clone()),
        "group" => Over::Group(fields.group.clone()),
        "all" => Over::All,
        _ => return Err(Refusal::Field("tenants", "Choose the tenants.")),
    };
    let timespan = (!fields.timespan.is_empty()).then_some(fields.timespan.as_str());
    let wish = Wish { title: &fields.title, query: &fields.query, api, timespan, over };
    hunts::start(&state.db, &state.queue, scope, &user.by(), &wish, clock::now()).await
}
