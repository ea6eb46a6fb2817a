//! Lists kept under a name, and those that everybody has.

use super::error::PageError;
use super::extract::{Id, Posted, User};
use super::list::Asked;
use super::show::capped;
use crate::app::AppState;
use crate::model::{Product, ViewId, clock};
use crate::store::lists::{Filter, Hidden};
use crate::store::live::Kind;
use crate::store::saved_views::{self, New, View};
use crate::store::{self, Scoped};
use crate::web::scope::ScopedDb;
use axum::Router;
use axum::response::Redirect;
use axum::routing::post;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use std::time::{Duration, Instant};

/// All views together are counted for so long; the rest goes without a number.
const COUNTING: Duration = Duration::from_secs(2);

pub fn routes() -> Router<AppState> {
    Router::new().route("/views", post(save)).route("/views/{id}/delete", post(delete))
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
    /// None if counting takes too long.
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

/// The views of a list, each with how much it finds for this reader. `here`: the address of the list as it is shown, and how much it finds
/// if that is known.
pub async fn lines(
    tx: &mut Scoped,
    list: List,
    user: &User,
    (here, total): (&str, Option<i64>),
    now: DateTime<Utc>,
) -> Result<Vec<ViewLine>, PageError> {
    let own = saved_views::list(tx, user.id, list.word()).await?;
    let fixed = list.fixed().iter().map(|(name, query)| (None, (*name).to_owned(), (*query).to_owned()));
    let own = own.into_iter().map(|view: View| (Some((view.view_id, view.user_id, view.team)), view.name, view.query));
    let (mut lines, begun) = (Vec::new(), Instant::now());
    for (saved, name, query) in fixed.chain(own) {
        // A view that was kept when addresses looked otherwise leads to the whole list, and can be thrown away.
        let asked = Asked::read(list.path(), &query).ok();
        let href = asked.as_ref().map_or_else(|| list.path().to_owned(), |asked| asked.address.here());
        let count = match &asked {
            Some(_) if href == here => total,
            // One view that is hard to count must not keep everybody from the list.
            Some(asked) if begun.elapsed() < COUNTING => {
                let filter = asked.filter(tx, user, now).await?;
                list.count_quickly(tx, &filter).await?
            }
            _ => None,
        };
        lines.push(ViewLine {
            is_here: href == here,
            count: count.map(capped),
            team: saved.is_some_and(|(_, _, team)| team),
            id: saved.filter(|(_, owner, team)| *owner == user.id || (*team && user.is_lead())).map(|(id, _, _)| id),
            name: super::show::visible(&name),
            href,
        });
    }
    Ok(lines)
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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

async fn delete(db: ScopedDb, Id(view): Id<ViewId>, Posted(user, Nothing {}): Posted<Nothing>) -> Result<Redirect, PageError> {
    let mut tx = db.begin().await?;
    let list = saved_views::delete(&mut tx, &user.by(), user.id, view, user.is_lead()).await?.ok_or(PageError::NotFound)?;
    tx.commit().await?;
    Ok(Redirect::to(if list == "alerts" { "/alerts" } else { "/incidents" }))
}
