//! How people sign in at Entra: staff at the directory of the provider itself, customers each at their own.

use super::credential::{Credential, Keys, credential_keys};
use crate::model::words::words;
use crate::model::{Cloud, DirectoryId, Role};
use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use std::collections::BTreeMap;
use uuid::Uuid;

words! {
    /// Whether accounts of the portal need more than a password. Those of Entra are asked for more there.
    SecondFactor {
        Required = "required",
        Optional = "optional",
    }
}

/// How staff sign in, besides local accounts.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Login {
    /// Whoever has none sets one up before anything else.
    pub second_factor: SecondFactor,
    /// Absent: with accounts of the portal only.
    pub entra: Option<EntraLogin>,
    /// Absent: customers' own people do not sign in.
    pub customers: Option<CustomersLogin>,
}

impl Default for Login {
    fn default() -> Self {
        Self { second_factor: SecondFactor::Required, entra: None, customers: None }
    }
}

impl Login {
    /// Whether nobody with an account of the portal does without a second factor.
    pub fn needs_second(&self) -> bool {
        self.second_factor == SecondFactor::Required
    }

    /// Each block's name and credential.
    pub(super) fn credentials(&self) -> impl Iterator<Item = (&'static str, &Credential)> {
        let staff = self.entra.iter().map(|login| ("[login.entra]", &login.credential));
        staff.chain(self.customers.iter().map(|login| ("[login.customers]", &login.credential)))
    }
}

/// The multi-tenant app registration with which customers' own people sign in, each at their own directory. It has no permissions there but to
/// say who somebody is.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "CustomersKeys")]
pub struct CustomersLogin {
    /// The registration's Application (client) ID.
    pub client_id: Uuid,
    pub cloud: Cloud,
    pub credential: Credential,
}

credential_keys! {
    struct CustomersKeys {
        client_id: Uuid,
        #[serde(default = "default_cloud")]
        cloud: Cloud,
    }
}

impl TryFrom<CustomersKeys> for CustomersLogin {
    type Error = String;

    fn try_from(mut written: CustomersKeys) -> Result<Self, String> {
        let credential = credential(written.keys(), "[login.customers]").map_err(|error| format!("{error:#}"))?;
        Ok(Self { client_id: written.client_id, cloud: written.cloud, credential })
    }
}

/// The one credential that a block must have.
fn credential(keys: Keys, place: &str) -> Result<Credential> {
    let needs = || format!("{place} needs certificate_file and private_key_file, or client_secret_file, or another credential");
    keys.read(place)?.with_context(needs)
}

/// The single-tenant app registration with which staff sign in, and what their directory's roles mean here.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "EntraKeys")]
pub struct EntraLogin {
    /// The provider's own directory. Nobody of another one gets in.
    pub directory_id: DirectoryId,
    /// The registration's Application (client) ID.
    pub client_id: Uuid,
    pub cloud: Cloud,
    pub credential: Credential,
    /// By the value of an app role. Never empty together with `groups`.
    pub roles: BTreeMap<String, Role>,
    /// By a group's object id.
    pub groups: BTreeMap<Uuid, Role>,
}

credential_keys! {
    struct EntraKeys {
        directory_id: DirectoryId,
        client_id: Uuid,
        #[serde(default = "default_cloud")]
        cloud: Cloud,
        #[serde(default)]
        roles: BTreeMap<String, Role>,
    }
}

fn default_cloud() -> Cloud {
    Cloud::Commercial
}

impl TryFrom<EntraKeys> for EntraLogin {
    type Error = String;

    fn try_from(written: EntraKeys) -> Result<Self, String> {
        Self::read(written).map_err(|error| format!("{error:#}"))
    }
}

impl EntraLogin {
    fn read(mut written: EntraKeys) -> Result<Self> {
        const PLACE: &str = "[login.entra]";
        let credential = credential(written.keys(), PLACE)?;
        let EntraKeys { directory_id, client_id, cloud, roles: written, .. } = written;
        ensure!(
            DirectoryId::parse(&directory_id.to_string()).is_some(),
            "{PLACE}: directory_id is the directory of your own organisation; personal accounts have none"
        );
        ensure!(!written.is_empty(), "[login.entra.roles] is empty, so nobody could sign in: name an app role or a group's object id");
        let (mut roles, mut groups) = (BTreeMap::new(), BTreeMap::new());
        for (name, role) in written {
            // The limits of an app role's value, see Microsoft's page "appRole resource type".
            let plain = (1..=120).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_graphic());
            ensure!(plain, "[login.entra.roles]: a key is the value of an app role, without spaces, or the object id of a group");
            match Uuid::try_parse(&name) {
                Ok(group) => groups.insert(group, role),
                Err(_) => roles.insert(name, role),
            };
        }
        Ok(Self { directory_id, client_id, cloud, credential, roles, groups })
    }

    /// The highest of our roles that these app roles and groups of a person's give. `None`: the person may not sign in.
    pub fn role_of(&self, roles: &[String], groups: &[Uuid]) -> Option<Role> {
        let by_role = roles.iter().filter_map(|name| self.roles.get(name));
        let by_group = groups.iter().filter_map(|group| self.groups.get(group));
        by_role.chain(by_group).copied().min() // the highest role stands first
    }

    /// The groups that would give more than `role` does.
    pub fn groups_above(&self, role: Option<Role>) -> Vec<Uuid> {
        self.groups.iter().filter(|(_, gives)| role.is_none_or(|role| **gives < role)).map(|(group, _)| *group).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_role_counts_and_a_name_is_compared_letter_by_letter() {
        let (staff, leads) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let login = EntraLogin {
            directory_id: DirectoryId(Uuid::from_u128(3)),
            client_id: Uuid::from_u128(4),
            cloud: Cloud::Commercial,
            credential: Credential::secret_file("x"),
            roles: [("Watchfloor.Viewer".to_owned(), Role::Viewer), ("Watchfloor.Admin".to_owned(), Role::Admin)].into(),
            groups: [(staff, Role::Analyst), (leads, Role::Lead)].into(),
        };
        let role_of =
            |roles: &[&str], groups: &[Uuid]| login.role_of(&roles.iter().map(|&role| role.to_owned()).collect::<Vec<_>>(), groups);
        assert_eq!(role_of(&["Watchfloor.Viewer", "Watchfloor.Admin"], &[staff]), Some(Role::Admin));
        assert_eq!(role_of(&["Watchfloor.Viewer"], &[staff, leads]), Some(Role::Lead));
        assert_eq!(role_of(&["watchfloor.admin", "Watchfloor.Admin ", ""], &[Uuid::from_u128(9)]), None);
        assert_eq!(login.groups_above(Some(Role::Viewer)), [staff, leads]);
        assert_eq!(login.groups_above(Some(Role::Analyst)), [leads]);
        assert!(login.groups_above(Some(Role::Lead)).is_empty());
        assert_eq!(login.groups_above(None), [staff, leads]);
    }
}
