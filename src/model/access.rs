//! Who may do what, and for which tenants.

use super::TenantId;

super::words::words! {
    /// What a user may do. Each role may do what the ones after it may.
    Role {
        /// Users, apps, audit, and everything below.
        Admin = "admin",
        /// The registry: add, invite, approve, pause, offboard tenants.
        Lead = "lead",
        /// Does something to devices: isolates, releases, collects.
        Responder = "responder",
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
            Self::Responder => "Responder",
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
    /// The tenants asked for, as far as they are in the scope, each once; without any, the scope's own. `None`: every tenant.
    pub fn narrowed(&self, asked: &[TenantId]) -> Option<Vec<TenantId>> {
        let mut tenants = match self {
            Self::All if asked.is_empty() => return None,
            Self::All => asked.to_vec(),
            Self::Tenants(own) if asked.is_empty() => own.clone(),
            Self::Tenants(own) => asked.iter().copied().filter(|tenant| own.contains(tenant)).collect(),
        };
        tenants.sort_unstable();
        tenants.dedup();
        Some(tenants)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_narrows_to_what_is_asked_for_of_it_and_names_each_tenant_once() {
        let mut tenants = [TenantId::new(), TenantId::new(), TenantId::new()];
        tenants.sort_unstable();
        let [a, b, foreign] = tenants;
        let own = Scope::Tenants(vec![b, a, b]);
        assert_eq!((Scope::All.narrowed(&[]), Scope::All.narrowed(&[b, a, b])), (None, Some(vec![a, b])));
        assert_eq!((own.narrowed(&[]), own.narrowed(&[b, b, foreign])), (Some(vec![a, b]), Some(vec![b])));
        assert_eq!(own.narrowed(&[foreign]), Some(Vec::new()), "nothing, and not everything");
    }
}
