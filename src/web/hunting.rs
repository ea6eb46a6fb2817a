//! Advanced hunting: a query over one, several or all tenants of the reader's scope. Analysts and better.

mod csv;
mod editor;
mod saved;
mod show;

use crate::app::AppState;
use crate::store::hunts::Hunt;
use crate::web::chips::Chip;
use axum::Router;
use axum::routing::{get, post};

pub fn routes() -> Router<AppState> {
    Router::new()
        .route("/hunting", get(editor::show).post(editor::run))
        .route("/hunting/queries", post(saved::create))
        .route("/hunting/queries/{query}", get(saved::show).post(saved::change))
        .route("/hunting/queries/{query}/delete", post(saved::delete))
        .route("/hunting/{hunt}", get(show::show))
        .route("/hunting/{hunt}/csv", get(csv::download))
        .route("/hunting/{hunt}/cancel", post(show::cancel))
        .route("/hunting/{hunt}/again", post(show::again))
}

/// How a hunt as a whole stands.
fn standing(hunt: &Hunt) -> Chip {
    let (class, sign, word) = match hunt.stopped.as_deref() {
        _ if hunt.is_running() => ("note", "●", "Running"),
        Some("refused") => ("bad", "✕", "Query refused"),
        Some(_) => ("plain", "○", "Cancelled"),
        None if hunt.answered == hunt.seen => ("ok", "✓", "Answered"),
        None if hunt.answered == 0 => ("bad", "✕", "Nobody answered"),
        None => ("warn", "▲", "Partly answered"),
    };
    Chip { class, sign, word }
}

/// The words of a form that a query and its wishes come in.
fn tidy(text: &str) -> String {
    text.replace("\r\n", "\n")
}
