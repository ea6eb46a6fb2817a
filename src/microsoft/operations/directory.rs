//! What is asked about our own staff in the provider's own directory. No customer grants it and no call of our API makes it, so it is not
//! among [`all`](super::all). Sources: Microsoft's pages "directoryObject: checkMemberGroups", "List users", "List appRoleAssignments granted to a
//! user" and "Get servicePrincipal".

use super::{Budget, Operation, Way};
use crate::model::Product;

/// Far below what Microsoft documents for identity and access.
static DIRECTORY: Budget = Budget::new("graph directory", 300, 9000);

/// The groups a list may hold in one call.
pub const MOST_GROUPS: usize = 20;

const fn read(name: &'static str, call: &'static str, permissions: &'static [&'static str]) -> Operation {
    Operation::new(name, Product::Graph, call, permissions, &DIRECTORY, Way::Read)
}

/// Of a list of groups those that somebody is a member of, directly or through other groups. Needs User.Read.All besides.
pub static CHECK_GROUPS: Operation = read("graph.users.check_groups", "POST users/{id}/checkMemberGroups", &["GroupMember.Read.All"]);
/// Whether somebody may sign in. A list, because an empty one is Microsoft's word that there is nobody, and a 404 may be a proxy's.
pub static USERS_LIST: Operation = read("graph.users.list", "GET users", &["User.Read.All"]);
/// The app roles of a registration, by what their assignments call them.
pub static APP_ROLES: Operation = read("graph.service_principals.get", "GET servicePrincipals(appId='{id}')", &["Directory.Read.All"]);
/// The app roles of somebody, also those that a group of theirs brings.
pub static USER_ROLES: Operation = read("graph.users.app_roles", "GET users/{id}/appRoleAssignments", &["Directory.Read.All"]);
