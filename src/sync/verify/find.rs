//! Asks Microsoft: which roles a fresh token carries, what the token says of itself, and whether the calls that its permissions allow are
//! answered.

use crate::microsoft::operations::probes::{self, Probe, Proof};
use crate::microsoft::operations::{Operation, endpoint};
use crate::microsoft::{CallError, Claims, Client, Target};
use crate::model::{PermissionState, Product};
use crate::store::permissions::Permission;
use chrono::{DateTime, TimeDelta, Utc};

/// Hunting costs a quota: a permission for it is tried this often at most, a little less than a day so that the daily check tries it.
const DEAR_EVERY: TimeDelta = TimeDelta::hours(20);

/// What was found out about one app and product.
pub struct Finding {
    pub app: String,
    pub product: Product,
    /// What the configuration asks for.
    pub expected: Vec<String>,
    /// Customers may do without the app.
    pub optional: bool,
    /// The roles of a fresh token.
    pub roles: Result<Vec<String>, CallError>,
    /// What that token says of itself.
    pub claims: Result<Claims, CallError>,
    /// The calls that were made, each with its answer.
    pub tried: Vec<Tried>,
}

/// One call that was made for its being allowed.
pub struct Tried {
    pub probe: &'static Probe,
    pub result: Result<(), CallError>,
}

impl Finding {
    /// Whether the product is to be read as this app: it asks for a permission that is enough.
    pub fn reads(&self) -> bool {
        self.expected.iter().any(|name| probes::reading(self.product).rank(name).is_some())
    }

    /// The answer to the call by which the product is read; `None`: no permission for it is there.
    pub fn reading(&self) -> Option<&Result<(), CallError>> {
        self.tried.iter().find(|tried| tried.probe.is_reading()).map(|tried| &tried.result)
    }

    /// The answer to one probe, if it was made.
    pub fn answer(&self, probe: &Probe) -> Option<&Result<(), CallError>> {
        self.tried.iter().find(|tried| std::ptr::eq(tried.probe, probe)).map(|tried| &tried.result)
    }

    /// Whether Microsoft did not accept our own credential, which says nothing of the tenant.
    pub fn is_ours(&self) -> bool {
        matches!(self.roles, Err(CallError::OurCredential { .. }))
    }

    /// An optional app that is not in the directory and, as far as is known, never was: nothing is amiss.
    pub fn is_done_without(&self, known: &[Permission]) -> bool {
        let once = |row: &Permission| row.app == self.app && (row.granted == Some(true) || row.state == PermissionState::Revoked);
        self.optional && matches!(self.roles, Err(CallError::ConsentLost { .. })) && !known.iter().any(once)
    }

    /// Whether the app asks for a permission that a call needs.
    pub fn asks_for(&self, operation: &Operation) -> bool {
        self.product == operation.product && self.expected.iter().any(|name| operation.rank(name).is_some())
    }

    /// Whether it has one.
    pub fn is_granted(&self, operation: &Operation) -> bool {
        let has_it = |roles: &Vec<String>| self.expected.iter().any(|name| operation.rank(name).is_some() && has(roles, name));
        self.product == operation.product && self.roles.as_ref().is_ok_and(has_it)
    }

    /// The answer to a call, if it was made.
    pub fn answer_to(&self, operation: &Operation) -> Option<&Result<(), CallError>> {
        self.tried.iter().find(|tried| tried.probe.operation.name == operation.name).map(|tried| &tried.result)
    }

    /// Whether something could not be found out just now and may be a little later.
    pub fn is_passing(&self) -> bool {
        let roles = self.roles.as_ref().err().is_some_and(CallError::is_passing);
        roles || self.tried.iter().any(|tried| tried.result.as_ref().err().is_some_and(CallError::is_passing))
    }
}

/// Whether a permission is among the roles. Their case differs between Microsoft's pages.
pub fn has(roles: &[String], name: &str) -> bool {
    roles.iter().any(|role| role.eq_ignore_ascii_case(name))
}

/// Asks about one app and product. `known` is what is stored: it tells which dear calls were made lately.
pub async fn find(
    microsoft: &Client,
    target: &Target,
    (app, product, expected): (&str, Product, &[String]),
    known: &[Permission],
    now: DateTime<Utc>,
) -> Finding {
    let roles = microsoft.roles(target, app, product, now).await;
    let claims = match &roles {
        // A refusal would only be repeated; a foreign token is described, and dropped.
        Err(error) if *error != CallError::WrongTenantToken => Err(error.clone()),
        _ => microsoft.claims(target, app, product, now).await,
    };
    let optional = microsoft.app(app).is_some_and(|app| app.optional);
    let mut finding = Finding { app: app.to_owned(), product, expected: expected.to_vec(), optional, roles, claims, tried: Vec::new() };
    let mut device = None;
    for probe in chosen(&finding, known, now) {
        if probe.of_device && device.is_none() {
            continue;
        }
        let answer = microsoft.prove(target, app, probe, device.as_deref(), now).await;
        if let (true, Ok(Some(id))) = (probe.operation.name == endpoint::MACHINES_LIST.name, &answer) {
            device = Some(id.clone());
        }
        finding.tried.push(Tried { probe, result: answer.map(drop) });
    }
    finding
}

/// The calls to make: each proves at least one permission that is granted. Where none is, the call of the reading is made all the same:
/// the API's own answer tells a missing permission from a token that it does not take.
fn chosen(finding: &Finding, known: &[Permission], now: DateTime<Utc>) -> Vec<&'static Probe> {
    let Ok(roles) = &finding.roles else { return Vec::new() };
    let mut probes: Vec<&'static Probe> = Vec::new();
    let granted = finding.expected.iter().filter(|name| has(roles, name));
    for name in granted {
        let Proof::By(probe) = probes::proof(finding.product, name) else { continue };
        let lately = |row: &&Permission| row.tried_at.is_some_and(|at| now - at < DEAR_EVERY) && row.granted == Some(true);
        let same = |row: &&Permission| row.app == finding.app && row.product == finding.product && row.permission == *name;
        let is_due = !probe.is_dear() || !known.iter().filter(same).any(|row| lately(&row));
        if is_due && !probes.iter().any(|other| std::ptr::eq(*other, probe)) {
            probes.push(probe);
        }
    }
    if !finding.expected.iter().any(|name| has(roles, name)) && finding.reads() {
        probes.push(probes::of_reading(finding.product));
    }
    probes.sort_by_key(|probe| probes::order(probe));
    probes
}
