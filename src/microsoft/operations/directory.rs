//! What is asked about our own staff in the provider's own directory. No customer grants it and no call of our API makes it, so it is not
//! among [`all`](super::all). Source: Microsoft's page "directoryObject: checkMemberGroups".

use super::{Budget, Operation, Way};
use crate::model::Product;

/// Far below what Microsoft documents for identity and access.
static DIRECTORY: Budget = Budget::new("graph directory", 300, 9000);

/// The groups a list may hold in one call.
pub const MOST_GROUPS: usize = 20;

/// Of a list of groups those that somebody is a member of, directly or through other groups. Needs User.Read.All besides.
pub static CHECK_GROUPS: Operation = Operation::new(
    "graph.users.check_groups",
    Product::Graph,
    "POST users/{id}/checkMemberGroups",
    &["GroupMember.Read.All"],
    &DIRECTORY,
    Way::Read,
);
