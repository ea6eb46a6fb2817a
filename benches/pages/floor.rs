//! The least that a page can take: what the bars are measured against.

use crate::portal::{Person, Portal, listen};
use axum::Router;
use axum::extract::State;
use axum::response::Html;
use axum::routing::get;
use std::fmt::Write as _;
use watchfloor::store::Db;

/// Fifty rows rendered and one trivial query, through the same pool, server and compression.
pub async fn start(portal: &Portal) -> Person {
    let router = Router::new()
        .route("/floor", get(fifty_rows))
        .with_state(portal.db.clone())
        .layer(tower_http::compression::CompressionLayer::new().quality(tower_http::CompressionLevel::Fastest));
    Person { client: reqwest::Client::builder().build().unwrap(), address: listen(router).await, cookie: String::new() }
}

async fn fifty_rows(State(db): State<Db>) -> Html<String> {
    let mut tx = db.no_tenant().await.unwrap();
    let one: i32 = sqlx::query_scalar("select 1").fetch_one(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
    let mut html = String::with_capacity(50_000);
    for row in 0..50 {
        let _ = write!(
            html,
            "<tr><td>{row}</td><td>{one}</td>{}</tr>",
            "<td class=\"cell\"><a href=\"/somewhere\">Something</a></td>".repeat(12)
        );
    }
    Html(html)
}
