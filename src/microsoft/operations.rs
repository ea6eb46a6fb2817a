//! Every operation of Microsoft's that Watchfloor calls, as data: path, permission, limit. `OPERATIONS.md` beside this file is the same
//! table for people, with the page, the call of our API and the test of each; `tests/it/operations.rs` compares the two.

#![doc = include_str!("OPERATIONS.md")]

pub mod cloud_apps;
pub mod directory;
pub mod endpoint;
pub mod graph;
pub mod probes;
pub mod xdr;

use crate::model::Product;

/// A documented limit per tenant. Operations that share a limit share the value.
#[derive(Debug, PartialEq, Eq)]
pub struct Budget {
    /// Names it in counts and on pages.
    pub name: &'static str,
    pub per_minute: u32,
    pub per_hour: u32,
}

impl Budget {
    const fn new(name: &'static str, per_minute: u32, per_hour: u32) -> Self {
        Self { name, per_minute, per_hour }
    }
}

/// How a call is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// It only reads, whatever its method: tried again when that may help.
    Read,
    /// It changes something: sent once, see [`CallError::may_have_acted`](super::CallError::may_have_acted).
    Write,
    /// A hunting query: it only reads, takes up to 200 s, costs a quota, and holds up no reading of the same product.
    Hunt,
}

/// One operation of an API.
#[derive(Debug)]
pub struct Operation {
    /// `product.what`: names it in logs and in the table of operations.
    pub name: &'static str,
    pub product: Product,
    /// Method and path below the base of the product's API, with placeholders in braces: `GET incidents/{id}`.
    pub call: &'static str,
    /// Application permissions of which one is enough, the least first.
    pub permissions: &'static [&'static str],
    pub budget: &'static Budget,
    pub way: Way,
}

impl Operation {
    const fn new(
        name: &'static str,
        product: Product,
        call: &'static str,
        permissions: &'static [&'static str],
        budget: &'static Budget,
        way: Way,
    ) -> Self {
        Self { name, product, call, permissions, budget, way }
    }

    /// `GET`, `POST`, `PATCH` or `DELETE`.
    pub fn method(&self) -> &'static str {
        self.call.split(' ').next().unwrap_or_default()
    }

    /// The path alone.
    pub fn path(&self) -> &'static str {
        self.call.split(' ').nth(1).unwrap_or_default()
    }

    /// How well a granted permission serves: 0 is the least that is enough. `None`: it does not. Names are compared without case.
    pub fn rank(&self, permission: &str) -> Option<usize> {
        self.permissions.iter().position(|needed| needed.eq_ignore_ascii_case(permission))
    }
}

/// Every operation of every product.
pub fn all() -> impl Iterator<Item = &'static Operation> {
    xdr::ALL.iter().chain(endpoint::ALL).chain(cloud_apps::ALL).chain(graph::ALL).copied()
}

/// Every limit of a product, each once, in the order of the operations.
pub fn budgets(product: Product) -> Vec<&'static Budget> {
    let mut budgets: Vec<&'static Budget> = Vec::new();
    for operation in all().filter(|operation| operation.product == product) {
        if !budgets.iter().any(|known| known.name == operation.budget.name) {
            budgets.push(operation.budget);
        }
    }
    budgets
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_every_operation_needs_a_permission() {
        let mut names = std::collections::BTreeSet::new();
        for operation in all() {
            assert!(names.insert(operation.name), "{} stands twice", operation.name);
            assert!(["GET", "POST", "PATCH", "DELETE"].contains(&operation.method()) && !operation.path().is_empty(), "{}", operation.name);
            assert!(!operation.permissions.is_empty(), "{}", operation.name);
            assert!(operation.budget.per_minute <= operation.budget.per_hour, "{}", operation.name);
            assert!(operation.way != Way::Write || operation.method() != "GET", "{}", operation.name);
        }
    }

    #[test]
    fn permissions_are_compared_without_case_and_the_least_ranks_first() {
        assert_eq!(cloud_apps::ALERTS_LIST.rank("investigation.read"), Some(0));
        assert_eq!(xdr::INCIDENTS_LIST.rank("Incident.ReadWrite.All"), Some(1));
        assert_eq!(xdr::INCIDENTS_UPDATE.rank("Incident.Read.All"), None);
    }
}
