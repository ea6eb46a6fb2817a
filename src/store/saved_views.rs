//! Lists kept under a name: one's own, or the team's. They hold no row of a tenant's: what they find is found anew for whoever looks.

use super::Scoped;
use super::audit::{self, By};
use crate::model::{UserId, ViewId};
use chrono::{DateTime, Utc};
use serde_json::json;

/// A list kept under a name.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct View {
    pub view_id: ViewId,
    /// Whose it is.
    pub user_id: UserId,
    pub name: String,
    /// The query string of the list's address.
    pub query: String,
    /// Everybody of the staff sees it.
    pub team: bool,
}

/// Views of a list that one person keeps, at most.
pub const MOST: i64 = 20;

/// The user's own views of a list ("incidents" or "alerts") and the team's, by name; at most 200.
pub async fn list(tx: &mut Scoped, user: UserId, list: &str) -> sqlx::Result<Vec<View>> {
    sqlx::query_as(
        "select view_id, user_id, name, query, team from saved_views where list = $2 and (team or user_id = $1)
         order by team, lower(name), view_id limit 200",
    )
    .bind(user)
    .bind(list)
    .fetch_all(&mut **tx)
    .await
}

/// What a person keeps.
#[derive(Clone, Copy, Debug)]
pub struct New<'a> {
    /// "incidents" or "alerts".
    pub list: &'a str,
    /// 1 to 60 characters.
    pub name: &'a str,
    /// At most 4,000 characters.
    pub query: &'a str,
    pub team: bool,
}

/// Keeps a view, with its audit row ("view.saved"); one of the same person and name is replaced, and stays the team's if it was. False: the person has [`MOST`] already.
pub async fn save(tx: &mut Scoped, by: &By, user: UserId, new: &New<'_>, now: DateTime<Utc>) -> sqlx::Result<bool> {
    // One at a time for a person, or two at once would be one too many.
    sqlx::query("select from users where user_id = $1 for update").bind(user).execute(&mut **tx).await?;
    let done = sqlx::query(
        "insert into saved_views (view_id, user_id, list, name, query, team, updated_at)
         select $1, $2, $3, $4, $5, $6, $7
         where exists (select from saved_views where user_id = $2 and list = $3 and name = $4)
            or (select count(*) from saved_views where user_id = $2 and list = $3) < $8
         on conflict (user_id, list, name) do update set query = excluded.query, team = saved_views.team or excluded.team, updated_at = excluded.updated_at",
    )
    .bind(ViewId::new())
    .bind(user)
    .bind(new.list)
    .bind(new.name)
    .bind(new.query)
    .bind(new.team)
    .bind(now)
    .bind(MOST)
    .execute(&mut **tx)
    .await?;
    if done.rows_affected() == 0 {
        return Ok(false);
    }
    let after = json!({ "list": new.list, "query": new.query, "team": new.team });
    audit::record(tx, by.event("view.saved").object(new.name).after(after)).await?;
    Ok(true)
}

/// Throws a view away, with its audit row ("view.deleted"), if it is this user's own or, with `lead`, the team's. Returns the list it was of;
/// `None`: there is none such.
pub async fn delete(tx: &mut Scoped, by: &By, user: UserId, view: ViewId, lead: bool) -> sqlx::Result<Option<String>> {
    let found: Option<(String, String)> =
        sqlx::query_as("delete from saved_views where view_id = $1 and (user_id = $2 or (team and $3)) returning list, name")
            .bind(view)
            .bind(user)
            .bind(lead)
            .fetch_optional(&mut **tx)
            .await?;
    let Some((list, name)) = found else { return Ok(None) };
    audit::record(tx, by.event("view.deleted").object(name)).await?;
    Ok(Some(list))
}
