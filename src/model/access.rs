//! Who may do what, and for which tenants.

use super::TenantId;

super::words::words! {
    /// What a user may do. Each role may do what the ones after it may.
    Role {
        /// Users, apps, audit, and everything below.
        Admin = "admin",
        /// The registry: add, invite, approve, pause, offboard tenants.
        Lead = "lead",
        /// Works the queue.
        Analyst = "analyst",
        /// Looks only.
        Viewer = "viewer",
    }
}

impl Role {
    /// For people.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Admin => "Administrator",
            Self::Lead => "Lead",
            Self::Analyst => "Analyst",
            Self::Viewer => "Viewer",
        }
    }

    /// Whether this role may do what `needed` may.
    pub fn allows(self, needed: Self) -> bool {
        self <= needed
    }
}

/// The tenants a reader may see. There is no empty "everything": all tenants is its own explicit value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    All,
    Tenants(Vec<TenantId>),
}

impl Scope {
    /// The tenants asked for, as far as they are in the scope; without any, the scope's own. `None`: every tenant.
    pub fn narrowed(&self, asked: &[TenantId]) -> Option<Vec<TenantId>> {
        match self {
            Self::All => (!asked.is_empty()).then(|| asked.to_vec()),
            Self::Tenants(own) if asked.is_empty() => Some(own.clone()),
            Self::Tenants(own) => Some(asked.iter().copied().filter(|tenant| own.contains(tenant)).collect()),
        }
    }

    /// Whether this tenant is in it.
    pub fn holds(&self, tenant: TenantId) -> bool {
        match self {
            Self::All => true,
            Self::Tenants(own) => own.contains(&tenant),
        }
    }

    /// Exactly one tenant.
    pub fn one(tenant: TenantId) -> Self {
        Self::Tenants(vec![tenant])
    }
}
