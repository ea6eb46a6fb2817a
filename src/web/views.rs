//! Lists kept under a name, and those that everybody has.

use super::error::PageError;
use super::extract::{Id, Nothing, Posted, User, Watcher};
use super::list::{Asked, RawQuery};
use super::show::capped;
use crate::app::AppState;
use crate::model::{Product, ViewId, clock};
use crate::store::lists::{Filter, Hidden};
use crate::store::live::Kind;
use crate::store::saved_views::{self, New, View};
use crate::store::{self, Scoped};
use crate::web::scope::ScopedDb;
use axum::response::Redirect;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// All views together are counted for so long; the rest goes without a number.
const COUNTING: Duration = Duration::from_secs(2);

pub fn routes() -> Router<AppState> {
    Router::new()
        .route("/views", post(save))
        .route("/views/{id}/delete", post(delete))
        .route("/incidents/views", get(of_incidents))
        .route("/alerts/views", get(of_alerts))
}

/// One of the two lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum List {
    Incidents,
    Alerts,
}

impl List {
    pub const fn word(self) -> &'static str {
        match self {
            Self::Incidents => "incidents",
            Self::Alerts => "alerts",
        }
    }

    /// The same at the head of a column.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Incidents => "Incidents",
            Self::Alerts => "Alerts",
        }
    }

    pub const fn path(self) -> &'static str {
        match self {
            Self::Incidents => "/incidents",
            Self::Alerts => "/alerts",
        }
    }

    /// What tells of changes in it.
    pub const fn kind(self) -> Kind {
        match self {
            Self::Incidents => Kind::Incidents,
            Self::Alerts => Kind::Alerts,
        }
    }

    /// The products that give its rows.
    pub const fn products(self) -> &'static [Product] {
        match self {
            Self::Incidents => &[Product::DefenderXdr, Product::Graph],
            Self::Alerts => Product::ALL,
        }
    }

    /// The views that everybody has: name and query.
    const fn fixed(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Incidents => &[
                ("All open", ""),
                ("Unassigned", "owner=none"),
                ("Mine", "owner=me"),
                ("SLA late or at risk", "sla=breached&sla=at_risk"),
                ("Waiting", "waiting=customer"),
                ("New in 8 hours", "created=8h"),
                ("Changed since I looked", "updated=looked"),
                ("Resolved", "status=resolved&sort=updated"),
            ],
            Self::Alerts => &[("All open", ""), ("Without an incident", "incident=none"), ("Resolved", "status=resolved&sort=updated")],
        }
    }

    /// The same, if it is known in a moment.
    async fn count_quickly(self, tx: &mut Scoped, filter: &Filter) -> sqlx::Result<Option<i64>> {
        match self {
            Self::Incidents => store::incidents::count_quickly(tx, filter).await,
            Self::Alerts => store::alerts::count_quickly(tx, filter).await,
        }
    }

    /// How much rules hide of a list that leaves it out. Open rows lie apart in their index; of others it is told if it is known in a moment.
    pub async fn hidden(self, tx: &mut Scoped, filter: &Filter) -> sqlx::Result<i64> {
        if filter.hidden != Hidden::No {
            return Ok(0);
        }
        let only = Filter { hidden: Hidden::Only, ..filter.clone() };
        let is_soon_known = filter.is_open_only() && !filter.is_walked();
        if is_soon_known { self.count(tx, &only).await } else { Ok(self.count_quickly(tx, &only).await?.unwrap_or(0)) }
    }

    /// How many rows a filter finds that has been searched for, up to the cap; `None` where the list itself must be searched, and that takes
    /// longer than a moment.
    pub async fn total(self, tx: &mut Scoped, filter: &Filter) -> sqlx::Result<Option<i64>> {
        if filter.is_walked() { self.count_quickly(tx, filter).await } else { self.count(tx, filter).await.map(Some) }
    }

    /// The filter with what its text or entities find.
    pub async fn searched(self, tx: &mut Scoped, filter: &Filter) -> sqlx::Result<Filter> {
        match self {
            Self::Incidents => store::incidents::searched(tx, filter).await,
            Self::Alerts => store::alerts::searched(tx, filter).await,
        }
    }

    /// How many rows a filter finds, up to the cap.
    pub async fn count(self, tx: &mut Scoped, filter: &Filter) -> sqlx::Result<i64> {
        match self {
            Self::Incidents => store::incidents::count(tx, filter).await,
            Self::Alerts => store::alerts::count(tx, filter).await,
        }
    }
}

/// A view in the head of its list.
pub struct ViewLine {
    pub name: String,
    pub href: String,
    /// Of the view that is shown; the page asks for the others once its reader sees it.
    pub count: Option<String>,
    pub is_here: bool,
    pub team: bool,
    /// For who may throw it away.
    pub id: Option<ViewId>,
}

impl ViewLine {
    /// Where the form that throws it away goes.
    pub fn delete_path(&self) -> String {
        self.id.map_or_else(String::new, |id| format!("/views/{id}/delete"))
    }
}

/// A view that everybody has, or that somebody kept.
struct Known {
    kept: Option<View>,
    name: String,
    /// `None`: it was kept when addresses looked otherwise; it leads to the whole list, and can be thrown away.
    asked: Option<Asked>,
}

impl Known {
    fn href(&self, list: List) -> String {
        self.asked.as_ref().map_or_else(|| list.path().to_owned(), |asked| asked.address.here())
    }
}

/// Every view of a list that this person has; `has_sla`: clocks run in it.
async fn known(tx: &mut Scoped, (list, has_sla): (List, bool), user: &User) -> sqlx::Result<Vec<Known>> {
    let asked = |query: &str| Asked::read(list.path(), query).ok();
    let fixed = list.fixed().iter().filter(|(_, query)| has_sla || !query.starts_with("sla=")).map(|(name, query)| Known {
        kept: None,
        name: (*name).to_owned(),
        asked: asked(query),
    });
    let kept = saved_views::list(tx, user.id, list.word()).await?.into_iter();
    Ok(fixed.chain(kept.map(|view| Known { name: view.name.clone(), asked: asked(&view.query), kept: Some(view) })).collect())
}

/// The views of a list. `has_sla`: clocks run in it. `here`: the address of the list as it is shown, and how much it finds if that is known.
pub async fn lines(
    tx: &mut Scoped,
    (list, has_sla): (List, bool),
    user: &User,
    (here, total): (&str, Option<i64>),
) -> sqlx::Result<Vec<ViewLine>> {
    let may_delete = |view: &&View| view.user_id == user.id || (view.team && user.is_lead());
    let line = |known: Known| {
        let href = known.href(list);
        ViewLine {
            is_here: href == here,
            count: total.filter(|_| href == here).map(capped),
            team: known.kept.as_ref().is_some_and(|view| view.team),
            id: known.kept.as_ref().filter(may_delete).map(|view| view.view_id),
            name: super::show::visible(&known.name),
            href,
        }
    };
    Ok(known(tx, (list, has_sla), user).await?.into_iter().map(line).collect())
}

/// How much each view finds for this reader, by its address, and under no name the list of `query`, if there is one; what is hard to count is
/// left out.
async fn counts(list: List, user: &User, db: &ScopedDb, query: &str) -> Result<Json<BTreeMap<String, String>>, PageError> {
    let (mut counts, begun, now) = (BTreeMap::new(), Instant::now(), clock::now());
    let mut tx = db.begin().await?;
    if !query.is_empty() {
        let asked = Asked::read(list.path(), query)?;
        let filter = asked.filter(&mut tx, user, now).await?;
        if let Some(count) = list.count_quickly(&mut tx, &filter).await? {
            // It may be one of the views.
            counts.insert(asked.address.with("after", ""), capped(count));
            counts.insert(String::new(), capped(count));
        }
    }
    let has_sla = list == List::Incidents && store::service_levels::any(&mut tx).await?;
    for known in known(&mut tx, (list, has_sla), user).await? {
        let href = known.href(list);
        let is_wanted = begun.elapsed() < COUNTING && !counts.contains_key(&href);
        let Some(asked) = known.asked.as_ref().filter(|_| is_wanted) else { continue };
        let filter = asked.filter(&mut tx, user, now).await?;
        if let Some(count) = list.count_quickly(&mut tx, &filter).await? {
            counts.insert(href, capped(count));
        }
    }
    tx.commit().await?;
    Ok(Json(counts))
}

async fn of_incidents(
    Watcher(user): Watcher,
    db: ScopedDb,
    RawQuery(query): RawQuery,
) -> Result<Json<BTreeMap<String, String>>, PageError> {
    counts(List::Incidents, &user, &db, &query).await
}

async fn of_alerts(Watcher(user): Watcher, db: ScopedDb, RawQuery(query): RawQuery) -> Result<Json<BTreeMap<String, String>>, PageError> {
    counts(List::Alerts, &user, &db, &query).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    list: String,
    name: String,
    #[serde(default)]
    query: String,
    #[serde(default)]
    team: bool,
}

async fn save(db: ScopedDb, Posted(user, fields): Posted<Fields>) -> Result<Redirect, PageError> {
    let list = [List::Incidents, List::Alerts].into_iter().find(|list| list.word() == fields.list);
    let list = list.ok_or_else(|| PageError::BadRequest("There is no such list.".into()))?;
    let name = fields.name.trim();
    if name.is_empty() || name.chars().count() > 60 || name.contains('\0') {
        return Err(PageError::BadRequest("A view is kept under a name of 1 to 60 characters.".into()));
    }
    if fields.team && !user.is_analyst() {
        return Err(PageError::Forbidden);
    }
    let asked = Asked::read(list.path(), &fields.query)?;
    let there = asked.address.with("after", "");
    let query = there.split_once('?').map_or("", |(_, query)| query);
    if query.chars().count() > 4000 {
        return Err(PageError::BadRequest("This list has too many filters to be kept.".into()));
    }
    let mut tx = db.begin().await?;
    let new = New { list: list.word(), name, query, team: fields.team };
    if !saved_views::save(&mut tx, &user.by(), user.id, &new, clock::now()).await? {
        return Err(PageError::BadRequest("Twenty views of a list are the most that one person keeps. Throw one away first.".into()));
    }
    tx.commit().await?;
    Ok(Redirect::to(&there))
}

async fn delete(db: ScopedDb, Id(view): Id<ViewId>, Posted(user, Nothing {}): Posted<Nothing>) -> Result<Redirect, PageError> {
    let mut tx = db.begin().await?;
    let list = saved_views::delete(&mut tx, &user.by(), user.id, view, user.is_lead()).await?.ok_or(PageError::NotFound)?;
    tx.commit().await?;
    Ok(Redirect::to(if list == "alerts" { "/alerts" } else { "/incidents" }))
}
