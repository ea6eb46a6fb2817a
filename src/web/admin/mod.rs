//! Administration: the registry (for leads), users, apps, audit and health (for administrators).

mod form;
mod import;
mod invite;
mod new;
mod steps;
mod tenant;
mod tenant_actions;

use super::error::PageError;
use crate::app::AppState;
use crate::store::tenants::WriteError;
use axum::Router;

pub fn routes() -> Router<AppState> {
    Router::new()
        .merge(import::routes())
        .merge(invite::routes())
        .merge(new::routes())
        .merge(tenant::routes())
        .merge(tenant_actions::routes())
}

/// A change of the registry that was not written, as the page that answers an action.
fn not_written(error: WriteError) -> PageError {
    match error {
        WriteError::NameTaken => PageError::Conflict("Another tenant has this name.".into()),
        WriteError::DirectoryTaken => PageError::Conflict("The directory belongs to another tenant.".into()),
        WriteError::Changed => PageError::Conflict("Somebody changed this tenant meanwhile. Go back, reload and look again.".into()),
        WriteError::Database(error) => error.into(),
    }
}
