//! The words every floor shares. No input or output happens here.

pub mod access;
pub mod action;
pub mod adapter;
pub mod change;
pub mod clock;
pub mod cloud;
pub mod cloud_apps;
pub mod consent;
pub mod deadline;
pub mod entity;
pub mod hex;
pub mod hunt;
pub mod ids;
pub mod import;
pub mod incident;
pub mod permission;
pub mod places;
pub mod portal;
pub mod product;
pub mod registration;
pub mod tenant;
pub mod verdict;
pub mod visible;
pub(crate) mod words;

pub use access::{Role, Scope};
pub use adapter::Adapter;
pub use change::{ChangeState, LookupState};
pub use cloud::{Cloud, Home};
pub use consent::{ConsentOutcome, ConsentStep, PermissionState, Verdict};
pub use deadline::{Aim, Deadline, SlaState};
pub use hunt::{HuntApi, HuntOutcome};
pub use ids::{
    AlertId, AttemptId, BulkId, ChangeId, CustomerId, CustomerInviteId, DeviceId, DirectoryId, FactorId, HuntId, IncidentId, InviteId,
    LookupId, NoteId, RunId, SavedQueryId, ServiceLevelId, SuppressionId, TenantId, TokenId, UserId, ViewId,
};
pub use incident::{Severity, Status};
pub use places::{CloudAppsHost, Places, Region, Seat};
pub use product::Product;
pub use tenant::{SyncHealth, TenantState};
