//! Newtyped identifiers: a tenant's id cannot be passed where an incident's is due.

use uuid::Uuid;

macro_rules! id {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize, sqlx::Type)]
        #[serde(transparent)]
        #[sqlx(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// A new, time-ordered id (UUID v7).
            #[must_use]
            pub fn new() -> Self {
                Self(Uuid::now_v7())
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self::new()
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::try_parse(text).map(Self)
            }
        }
    };
}

id!(/// A customer in our registry.
    TenantId);
id!(/// A person who signs in.
    UserId);
id!(/// What was agreed about how fast work is done.
    ServiceLevelId);
id!(/// A customer's own person who signs in here.
    CustomerId);
id!(/// A link that makes an account of a customer's person.
    CustomerInviteId);
id!(/// A second factor of a user.
    FactorId);
id!(/// A link to a tenant's onboarding page.
    InviteId);
id!(/// One trip of a customer's administrator to Microsoft.
    AttemptId);
id!(/// An incident in our database.
    IncidentId);
id!(/// An alert in our database.
    AlertId);
id!(/// A device in our database.
    DeviceId);
id!(/// One reading of one product of one tenant.
    RunId);
id!(/// Something to be changed at Microsoft.
    ChangeId);
id!(/// Something asked of Microsoft.
    LookupId);
id!(/// A hunting query run over several tenants.
    HuntId);
id!(/// One wish for many incidents.
    BulkId);
id!(/// A hunting query kept for later.
    SavedQueryId);
id!(/// A list kept under a name.
    ViewId);
id!(/// A note on an incident.
    NoteId);
id!(/// A rule that hides alerts.
    SuppressionId);
id!(/// An API token (not its secret).
    TokenId);

/// The GUID of an Entra directory. Never made by us, so it has no `new`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize, sqlx::Type)]
#[serde(transparent)]
#[sqlx(transparent)]
pub struct DirectoryId(pub Uuid);

/// The pseudo-directory of Microsoft's personal accounts, which can never be a customer.
const PERSONAL_ACCOUNTS: Uuid = Uuid::from_u128(0x9188_040d_6c67_4c5b_b112_36a3_04b6_6dad);

impl DirectoryId {
    /// Reads a directory id as people and Microsoft write it: 36 characters with dashes, either case. The personal
    /// accounts' directory and the nil GUID are refused.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != 36 {
            return None;
        }
        let id = Uuid::try_parse(text).ok()?;
        (id != PERSONAL_ACCOUNTS && !id.is_nil()).then_some(Self(id))
    }
}

impl std::fmt::Display for DirectoryId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_id_is_36_characters_with_dashes_and_not_the_personal_one() {
        assert!(DirectoryId::parse("AAAABBBB-0000-CCCC-1111-DDDD2222EEEE").is_some());
        for bad in [
            "",
            "aaaabbbb0000cccc1111dddd2222eeee",
            "urn:uuid:aaaabbbb-0000-cccc-1111-dddd2222eeee",
            "9188040d-6c67-4c5b-b112-36a304b66dad",
            "00000000-0000-0000-0000-000000000000",
            "organizations",
            "{aaaabbbb-0000-cccc-1111-dddd2222eeee}",
            "aaaabbbb\u{2011}0000-cccc-1111-dddd2222eeee",
        ] {
            assert!(DirectoryId::parse(bad).is_none(), "{bad}");
        }
    }
}
