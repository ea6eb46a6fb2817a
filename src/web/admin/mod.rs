//! Administration: the registry (for leads), users, apps, audit and health (for administrators).

mod apps;
mod audit;
mod consents;
mod form;
mod health;
mod import;
mod invite;
mod new;
mod people;
mod reconsent;
mod service_levels;
mod steps;
mod tenant;
mod tenant_actions;
mod users;
mod view_as;

use super::error::PageError;
use crate::app::AppState;
use crate::store::tenants::WriteError;
use axum::Router;

pub fn routes() -> Router<AppState> {
    Router::new()
        .merge(apps::routes())
        .merge(audit::routes())
        .merge(health::routes())
        .merge(import::routes())
        .merge(invite::routes())
        .merge(new::routes())
        .merge(people::routes())
        .merge(reconsent::routes())
        .merge(service_levels::routes())
        .merge(tenant::routes())
        .merge(tenant_actions::routes())
        .merge(users::routes())
        .merge(view_as::routes())
}

/// Why a lead does not move a tenant into or out of some groups.
const GROUP_HELD: &str = "Who sees this tenant hangs on its group: an administrator changes that.";

/// A change of the registry that was not written, as the page that answers an action.
fn not_written(error: WriteError) -> PageError {
    match error {
        WriteError::NameTaken => PageError::Conflict("Another tenant has this name.".into()),
        WriteError::DirectoryTaken => PageError::Conflict("The directory belongs to another tenant.".into()),
        WriteError::Changed => PageError::Conflict("Somebody changed this tenant meanwhile. Go back, reload and look again.".into()),
        WriteError::GroupHeld => PageError::Conflict(GROUP_HELD.into()),
        WriteError::Database(error) => error.into(),
    }
}
