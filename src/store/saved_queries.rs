//! Hunting queries kept for later: one's own, or the team's.

use super::Scoped;
use super::audit::{self, By};
use crate::model::{SavedQueryId, UserId};
use chrono::{DateTime, Utc};
use serde_json::json;

/// A query kept for later.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct SavedQuery {
    pub query_id: SavedQueryId,
    pub name: String,
    pub description: String,
    pub query: String,
    /// Everybody who hunts sees it.
    pub team: bool,
    /// Whose it is; `None`: it came with Watchfloor.
    pub user_id: Option<UserId>,
    pub author: String,
    pub updated_at: DateTime<Utc>,
}

/// What a person writes.
#[derive(Clone, Debug)]
pub struct Text<'a> {
    pub name: &'a str,
    pub description: &'a str,
    pub query: &'a str,
    pub team: bool,
}

/// The team's queries and this user's own, by name; at most 500.
pub async fn list(tx: &mut Scoped, user: UserId) -> sqlx::Result<Vec<SavedQuery>> {
    sqlx::query_as("select * from saved_queries where team or user_id = $1 order by team desc, lower(name), query_id limit 500")
        .bind(user)
        .fetch_all(&mut **tx)
        .await
}

/// One query that this user may see.
pub async fn get(tx: &mut Scoped, user: UserId, query: SavedQueryId) -> sqlx::Result<Option<SavedQuery>> {
    sqlx::query_as("select * from saved_queries where query_id = $2 and (team or user_id = $1)")
        .bind(user)
        .bind(query)
        .fetch_optional(&mut **tx)
        .await
}

/// Keeps a new query, with its audit row ("hunt.query_saved").
pub async fn insert(tx: &mut Scoped, by: &By, query: SavedQueryId, text: &Text<'_>, now: DateTime<Utc>) -> sqlx::Result<()> {
    sqlx::query(
        "insert into saved_queries (query_id, name, description, query, team, user_id, author, updated_at) values ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(query)
    .bind(text.name)
    .bind(text.description)
    .bind(text.query)
    .bind(text.team)
    .bind(by.user())
    .bind(by.login())
    .bind(now)
    .execute(&mut **tx)
    .await?;
    audit::record(tx, by.event("hunt.query_saved").object(text.name).after(json!({ "query": text.query, "team": text.team }))).await
}

/// Changes a query, if it is this user's own or, with `lead`, the team's. False: it is not.
pub async fn update(tx: &mut Scoped, by: &By, query: SavedQueryId, text: &Text<'_>, lead: bool, now: DateTime<Utc>) -> sqlx::Result<bool> {
    let done = sqlx::query(
        "update saved_queries set name = $2, description = $3, query = $4, team = $5 or user_id is null, updated_at = $6
         where query_id = $1 and (user_id = $7 or (team and $8))",
    )
    .bind(query)
    .bind(text.name)
    .bind(text.description)
    .bind(text.query)
    .bind(text.team)
    .bind(now)
    .bind(by.user())
    .bind(lead)
    .execute(&mut **tx)
    .await?;
    let changed = done.rows_affected() == 1;
    if changed {
        audit::record(tx, by.event("hunt.query_saved").object(text.name).after(json!({ "query": text.query, "team": text.team }))).await?;
    }
    Ok(changed)
}

/// Throws a query away, under the same condition as [`update`].
pub async fn delete(tx: &mut Scoped, by: &By, query: SavedQueryId, lead: bool) -> sqlx::Result<bool> {
    let name: Option<String> =
        sqlx::query_scalar("delete from saved_queries where query_id = $1 and (user_id = $2 or (team and $3)) returning name")
            .bind(query)
            .bind(by.user())
            .bind(lead)
            .fetch_optional(&mut **tx)
            .await?;
    let Some(name) = name else { return Ok(false) };
    audit::record(tx, by.event("hunt.query_deleted").object(name)).await?;
    Ok(true)
}
