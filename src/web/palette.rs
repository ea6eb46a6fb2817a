//! What the palette (Ctrl+K) finds: tenants by name and incidents by number.

use super::error::PageError;
use super::extract::{Query, User};
use super::scope::ScopedDb;
use super::show::visible;
use crate::app::AppState;
use crate::store;
use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

/// Tenants that are told of one question.
const TENANTS: i64 = 8;
const LONGEST: usize = 100;

pub fn routes() -> Router<AppState> {
    Router::new().route("/palette", get(find))
}

#[derive(Deserialize)]
struct Asked {
    #[serde(default)]
    q: String,
}

/// A place to go to.
#[derive(Serialize)]
struct Place {
    href: String,
    name: String,
    kind: &'static str,
}

async fn find(_: User, db: ScopedDb, Query(Asked { q }): Query<Asked>) -> Result<Json<Vec<Place>>, PageError> {
    let text = q.trim();
    if text.is_empty() || text.contains('\0') || text.chars().count() > LONGEST {
        return Ok(Json(Vec::new()));
    }
    let mut tx = db.begin().await?;
    let tenants = store::overview::named(&mut tx, &text.to_lowercase(), TENANTS).await?;
    let number = text.trim_start_matches('#');
    let incidents = store::incidents::with_number(&mut tx, number).await?;
    tx.commit().await?;
    let incident = |(id, title, tenant): (crate::model::IncidentId, String, String)| Place {
        href: format!("/incidents/{id}"),
        name: visible(&format!("#{number} {title} · {tenant}")),
        kind: "Incident",
    };
    let of_tenants = tenants.into_iter().flat_map(|tenant| {
        let place = |href: String, kind| Place { href, name: visible(&tenant.name), kind };
        [
            place(format!("/incidents?tenant={}", tenant.tenant_id), "Incidents of"),
            place(format!("/tenants/{}", tenant.tenant_id), "Tenant"),
        ]
    });
    Ok(Json(incidents.into_iter().map(incident).chain(of_tenants).collect()))
}
