//! Every column that holds sealed secrets. A new one goes into [`SEALED`]: rotation, the check at the start, and the tests look there.

use super::Place;
use crate::model::TenantId;

/// A column of sealed texts.
#[derive(Debug)]
pub struct Column {
    pub table: &'static str,
    pub name: &'static str,
    /// The row's key as text, in SQL; what a store function gives to [`Column::at`] is the same text.
    pub row: &'static str,
    /// Whether the rows are tenants' data.
    pub of_tenants: bool,
}

impl Column {
    /// A row's place in this column.
    pub fn at(&'static self, row: impl Into<String>, tenant: Option<TenantId>) -> Place {
        Place { column: self, row: row.into(), tenant }
    }

    /// The tenant's id, in SQL.
    pub(super) const fn tenant(&self) -> &'static str {
        if self.of_tenants { "tenant_id" } else { "null::uuid" }
    }
}

/// By it a process knows that it has the same keys as those before it.
pub static CHECK: Column = Column { table: "vault_check", name: "sealed", row: "one::text", of_tenants: false };
pub static TRIP_NONCE: Column = trip("sign_in_trips", "nonce");
pub static TRIP_VERIFIER: Column = trip("sign_in_trips", "pkce_verifier");
pub static CUSTOMER_TRIP_NONCE: Column = trip("customer_trips", "nonce");
pub static CUSTOMER_TRIP_VERIFIER: Column = trip("customer_trips", "pkce_verifier");
pub static CONSENT_NONCE: Column = consent("nonce");
pub static CONSENT_VERIFIER: Column = consent("pkce_verifier");
pub static FACTOR_SECRET: Column = Column { table: "factors", name: "secret", row: "factor_id::text", of_tenants: false };
pub static FLOW_SECRET: Column =
    Column { table: "flows", name: "secret", row: "kind || ':' || encode(flow_hash, 'hex')", of_tenants: false };

const fn trip(table: &'static str, name: &'static str) -> Column {
    Column { table, name, row: "encode(state_hash, 'hex')", of_tenants: false }
}

const fn consent(name: &'static str) -> Column {
    Column { table: "consent_attempts", name, row: "attempt_id::text", of_tenants: true }
}

/// All of them.
pub static SEALED: [&Column; 9] = [
    &CHECK,
    &FACTOR_SECRET,
    &FLOW_SECRET,
    &TRIP_NONCE,
    &TRIP_VERIFIER,
    &CUSTOMER_TRIP_NONCE,
    &CUSTOMER_TRIP_VERIFIER,
    &CONSENT_NONCE,
    &CONSENT_VERIFIER,
];
