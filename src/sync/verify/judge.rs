//! What the answers mean for each permission. Pure: a finding and what was known make rows.

use super::find::{Finding, has};
use crate::microsoft::consent::Remedy;
use crate::microsoft::operations::probes::{self, Proof};
use crate::microsoft::{CallError, Problem};
use crate::model::{PermissionState, permission};
use crate::store::claims;
use crate::store::permissions::Permission;
use chrono::{DateTime, Utc};
use sqlx::types::Json;

const ASK_AGAIN: &str = "Send the customer a new consent link: an administrator there approves the permission. If it stays missing, check \
                         that the app registration asks for it.";
const REFUSED: &str = "The token carries the permission, so the refusal is the product's own. After a fresh consent wait an hour; then check \
                       the customer's licence for this product, and check again.";
const AUDIENCE: &str = "Check the tenant's cloud, and the audience of an [[api]] in the configuration: the API wants a token that is made out \
                        to itself.";
const WE_LOOK: &str = "Nothing for you to do: we are looking after it.";

/// A row for each permission that the configuration asks for. `may_lag`: a consent is so fresh that what is missing may only be late.
pub fn rows(finding: &Finding, known: &[Permission], may_lag: bool, now: DateTime<Utc>) -> Vec<Permission> {
    let one = |name: &String| {
        let asked = Permission::asked(&finding.app, finding.product, name);
        let old = known.iter().find(|row| row.is_same(&asked)).cloned().unwrap_or_else(|| asked.clone());
        if finding.is_ours() && old.checked_at.is_some() {
            // Nothing was learnt of the tenant: what was found out before stands.
            return Permission { expected: true, checked_at: Some(now), ..old };
        }
        let mut row = Permission { checked_at: Some(now), settled: old.settled, ..asked };
        if finding.is_done_without(known) {
            (row.granted, row.reason) = (Some(false), Some("Optional: the customer has not approved this app.".to_owned()));
        } else {
            judge(&mut row, &old, finding, may_lag, now);
        }
        let verdict = row.verdict();
        row.since = old.since.filter(|_| old.verdict() == verdict).or(Some(now));
        if verdict.is_good() || verdict.is_bad() {
            row.settled = Some(verdict);
        }
        row
    };
    finding.expected.iter().map(one).collect()
}

/// Whether a permission that a fresh consent may have brought is still looked for.
pub(super) fn is_awaited(row: &Permission) -> bool {
    row.granted == Some(false) && row.state == PermissionState::Unknown
}

fn judge(row: &mut Permission, old: &Permission, finding: &Finding, may_lag: bool, now: DateTime<Utc>) {
    let proof = probes::proof(finding.product, &row.permission);
    let own = if let Proof::By(probe) = proof { finding.answer(probe) } else { None };
    let reading = finding.reading();
    let was_granted = old.granted == Some(true) || old.state == PermissionState::Revoked;
    row.granted = match &finding.roles {
        Ok(roles) => Some(has(roles, &row.permission)),
        Err(CallError::ConsentLost { .. }) => Some(false),
        Err(_) => None,
    };
    row.licensed = finding.tried.iter().any(|tried| tried.result.is_ok()).then_some(true);
    let errors = [finding.roles.as_ref().err(), own.or(reading).and_then(|answer| answer.as_ref().err())];
    let unlicensed = errors.into_iter().flatten().find(|error| matches!(error, CallError::NoLicence { .. }));
    let untaken = reading.and_then(|answer| answer.as_ref().err()).filter(|error| **error == CallError::Unauthorized);
    match (row.granted, &finding.roles, unlicensed, untaken) {
        (_, _, Some(error), _) => {
            (row.state, row.licensed) = (PermissionState::Unlicensed, Some(false));
            row.working = (row.granted == Some(true)).then_some(false);
            tell(row, error, error.reason(), error.remedy());
        }
        (Some(true), ..) => granted(row, old, finding, proof, now),
        (Some(false), Ok(_), None, Some(error)) => {
            // The token is made out to another API, and so are the roles in it: they say nothing of this one.
            (row.granted, row.state, row.working) = (None, PermissionState::Unknown, Some(false));
            tell(row, error, audience(finding), remedy(AUDIENCE, WE_LOOK));
        }
        (Some(false), roles, ..) => missing(row, roles.as_ref().err(), was_granted, may_lag),
        (None, Err(error), ..) => {
            row.state = PermissionState::Unknown;
            tell(row, error, error.reason(), error.remedy());
        }
        (None, Ok(_), ..) => row.state = PermissionState::Unknown,
    }
}

/// The token names it.
fn granted(row: &mut Permission, old: &Permission, finding: &Finding, proof: Proof, now: DateTime<Utc>) {
    row.state = PermissionState::Granted;
    let Proof::By(probe) = proof else {
        let why = if matches!(proof, Proof::Acts) { "it would act" } else { "Watchfloor makes no call that needs it" };
        row.reason = Some(format!("Granted, not tried: {why}."));
        return;
    };
    row.proof = Some(probe.operation.name.to_owned());
    (row.tried_at, row.working) = (old.tried_at, old.working.filter(|_| old.granted == Some(true)));
    match finding.answer(probe) {
        Some(Ok(())) => {
            (row.tried_at, row.working, row.licensed) = (Some(now), Some(true), Some(true));
            row.answer = Some("HTTP 200".to_owned());
        }
        // It says nothing of the permission: what was known stays.
        Some(Err(error)) if error.is_passing() => {
            let reason = format!("Could not be tried just now. {}", error.reason());
            tell(row, error, reason, error.remedy());
        }
        Some(Err(error)) => {
            (row.tried_at, row.working) = (Some(now), Some(false));
            match error {
                CallError::Unauthorized => tell(row, error, audience(finding), remedy(AUDIENCE, WE_LOOK)),
                CallError::Forbidden { .. } => {
                    let reason = "The token carries it, and the API refuses the call all the same.".to_owned();
                    tell(row, error, reason, remedy(REFUSED, WE_LOOK));
                }
                _ => tell(row, error, error.reason(), error.remedy()),
            }
        }
        None if probe.of_device && old.tried_at.is_none() => {
            row.reason = Some("Granted, not tried: the call takes a device, and none was found.".to_owned());
        }
        None => {
            let same = old.clone();
            (row.reason, row.answer, row.remedy, row.remedy_customer) = (same.reason, same.answer, same.remedy, same.remedy_customer);
        }
    }
}

/// The token does not name it, or there is no token.
fn missing(row: &mut Permission, error: Option<&CallError>, was_granted: bool, may_lag: bool) {
    let plain = permission::plain(row.product, &row.permission);
    let customer = format!("The permission to {plain} has not been granted. Please open the link and consent again.");
    let because = error.map(|error| format!(" {}", error.reason())).unwrap_or_default();
    let (state, reason) = if was_granted {
        (PermissionState::Revoked, format!("It was granted once and is no longer.{because}"))
    } else if may_lag {
        (PermissionState::Unknown, "Not seen yet; Microsoft may need some minutes. It is looked for again.".to_owned())
    } else if error.is_some() {
        (PermissionState::Missing, because.trim().to_owned())
    } else {
        (PermissionState::Missing, "The consent does not include it: the token does not name it.".to_owned())
    };
    (row.state, row.reason) = (state, Some(reason));
    row.answer = error.and_then(CallError::answer);
    if state != PermissionState::Unknown {
        row.remedy = Some(error.map_or(ASK_AGAIN, |error| error.remedy().staff).to_owned());
        row.remedy_customer = Some(error.map_or(customer, |error| error.remedy().customer.to_owned()));
    }
}

fn tell(row: &mut Permission, error: &CallError, reason: String, remedy: Remedy) {
    row.reason = Some(reason);
    row.answer = error.answer();
    (row.remedy, row.remedy_customer) = (Some(remedy.staff.to_owned()), Some(remedy.customer.to_owned()));
}

const fn remedy(staff: &'static str, customer: &'static str) -> Remedy {
    Remedy { who: crate::microsoft::consent::Who::Mssp, staff, customer }
}

/// A token was refused that Entra has just issued: to whom is it made out?
fn audience(finding: &Finding) -> String {
    let claims = finding.claims.as_ref().ok();
    let aud = claims.and_then(|claims| claims.all.get("aud")).and_then(|aud| aud.as_str());
    let label = finding.product.label();
    match aud {
        Some(aud) => format!("The API of {label} refuses a fresh token whose audience (aud) is {aud}."),
        None => format!("The API of {label} refuses a fresh token."),
    }
}

/// What a token says, with what is wrong in it, as it is stored.
pub fn claims(finding: &Finding, now: DateTime<Utc>) -> claims::Claims {
    let mut problems = Vec::new();
    let of = |problem: &Problem| claims::Problem { claim: problem.claim().map(str::to_owned), why: problem.sentence().to_owned() };
    let problem = |claim: &str, why: String| claims::Problem { claim: Some(claim.to_owned()), why };
    if let Ok(found) = &finding.claims {
        problems.extend(found.problems.iter().map(of));
    }
    if let Ok(roles) = &finding.roles {
        let missing: Vec<&str> = finding.expected.iter().filter(|name| !has(roles, name)).map(String::as_str).collect();
        if !missing.is_empty() {
            problems.push(problem("roles", format!("Asked for and not among them: {}.", missing.join(", "))));
        }
    }
    let refused = finding.tried.iter().any(|tried| tried.result == Err(CallError::Unauthorized));
    if refused && !problems.iter().any(|problem| problem.claim.as_deref() == Some("aud")) {
        problems.push(problem("aud", format!("The API of {} refuses this token.", finding.product.label())));
    }
    let error = finding.claims.as_ref().err();
    claims::Claims {
        app: finding.app.clone(),
        product: finding.product,
        claims: finding.claims.as_ref().ok().map(|claims| claims.all.clone()).filter(|all| !all.is_null()),
        problems: Json(problems),
        error: error.map(CallError::reason),
        answer: error.and_then(CallError::answer),
        fetched_at: now,
    }
}
