//! Whom work can be given to: what a field for an owner offers while somebody types.

use super::error::PageError;
use super::extract::Analyst;
use super::scope::ScopedDb;
use crate::app::AppState;
use crate::store::colleagues::{self, Colleague};
use axum::routing::get;
use axum::{Json, Router};

pub fn routes() -> Router<AppState> {
    Router::new().route("/colleagues", get(list))
}

async fn list(_: Analyst, db: ScopedDb) -> Result<Json<Vec<Colleague>>, PageError> {
    let mut tx = db.begin().await?;
    let known = colleagues::list(&mut tx).await?;
    tx.commit().await?;
    Ok(Json(known))
}
