//! The words every floor shares. No input or output happens here.

pub mod access;
pub mod action;
pub mod change;
pub mod clock;
pub mod cloud;
pub mod cloud_apps;
pub mod consent;
pub mod entity;
pub mod ids;
pub mod import;
pub mod incident;
pub mod permission;
pub mod places;
pub mod product;
pub mod registration;
pub mod tenant;
pub mod visible;
pub(crate) mod words;

pub use access::{Role, Scope};
pub use change::{ChangeState, LookupState};
pub use cloud::Cloud;
pub use consent::{ConsentOutcome, ConsentStep, PermissionState, Verdict};
pub use ids::{AlertId, AttemptId, ChangeId, DeviceId, DirectoryId, IncidentId, InviteId, LookupId, RunId, TenantId, TokenId, UserId};
pub use incident::{Severity, Status};
pub use places::{CloudAppsHost, Places, Region};
pub use product::Product;
pub use tenant::{SyncHealth, TenantState};
