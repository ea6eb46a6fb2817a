//! The small marks that say a state by sign, colour and word.

use crate::model::{ConsentOutcome, HuntOutcome, PermissionState, SyncHealth, TenantState, Verdict};
use crate::store::tenant_lists::ProductLine;

/// One mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chip {
    /// `ok`, `warn`, `bad`, `note` or `plain`: the colour.
    pub class: &'static str,
    pub sign: &'static str,
    pub word: &'static str,
}

/// A mark of this colour with this word.
pub const fn chip(class: &'static str, word: &'static str) -> Chip {
    let sign = match class.as_bytes() {
        b"ok" => "✓",
        b"warn" => "▲",
        b"bad" => "✕",
        b"note" => "●",
        _ => "○",
    };
    Chip { class, sign, word }
}

/// Where a tenant stands.
pub const fn tenant(state: TenantState) -> Chip {
    let class = match state {
        TenantState::Active => "ok",
        TenantState::Degraded => "warn",
        TenantState::Blind => "bad",
        TenantState::ConsentPending | TenantState::Verifying => "note",
        TenantState::Invited | TenantState::Paused | TenantState::Offboarded => "plain",
    };
    chip(class, state.label())
}

/// How a product is read.
pub const fn health(health: SyncHealth) -> Chip {
    let class = match health {
        SyncHealth::Ok => "ok",
        SyncHealth::Waiting => "plain",
        SyncHealth::Backfilling => "note",
        SyncHealth::Throttled | SyncHealth::NoLicence => "warn",
        SyncHealth::NoPermission | SyncHealth::ConsentLost | SyncHealth::OurCredential | SyncHealth::Failing => "bad",
    };
    chip(class, health.label())
}

/// How the reading of a product of a tenant goes; while the tenant is paused there is none, however the last one went.
pub const fn reading(state: TenantState, of: SyncHealth) -> Chip {
    match state {
        TenantState::Paused => tenant(state),
        _ => health(of),
    }
}

/// What became of a hunt in a tenant.
pub const fn hunt(outcome: HuntOutcome) -> Chip {
    let class = match outcome {
        HuntOutcome::Ok => "ok",
        HuntOutcome::Running => "note",
        HuntOutcome::Waiting | HuntOutcome::Cancelled => "plain",
        HuntOutcome::NoSuchTable | HuntOutcome::NoLicence | HuntOutcome::Throttled | HuntOutcome::Quota => "warn",
        HuntOutcome::NoPermission | HuntOutcome::TimeOut | HuntOutcome::TooLarge | HuntOutcome::Refused | HuntOutcome::Failed => "bad",
    };
    chip(class, outcome.label())
}

/// What became of a permission.
pub const fn permission(state: PermissionState) -> Chip {
    let class = match state {
        PermissionState::Granted => "ok",
        PermissionState::Asked | PermissionState::Unknown => "plain",
        PermissionState::Unlicensed => "warn",
        PermissionState::Missing | PermissionState::Revoked => "bad",
    };
    chip(class, state.label())
}

/// What a permission is good for.
pub const fn verdict(verdict: Verdict) -> Chip {
    let class = match verdict {
        Verdict::Works => "ok",
        Verdict::Untried => "note",
        Verdict::Unlicensed => "warn",
        Verdict::Fails | Verdict::Missing | Verdict::Revoked => "bad",
        Verdict::Unknown | Verdict::Asked => "plain",
    };
    chip(class, verdict.label())
}

/// Whether the configuration asks for it.
pub const fn asked(expected: bool) -> Chip {
    if expected { chip("ok", "Yes") } else { chip("plain", "No more") }
}

/// A product in a list of tenants, of one in this state: its reading; before one is planned, its permissions.
pub fn product(state: TenantState, line: &ProductLine) -> Chip {
    line.health.map_or_else(|| permission(line.permission.unwrap_or(PermissionState::Unknown)), |of| reading(state, of))
}

/// Whether a product is read although not all is granted that its apps ask for: its chip does not say so.
pub fn lacks(line: &ProductLine) -> bool {
    let told = matches!(line.health, None | Some(SyncHealth::NoPermission | SyncHealth::ConsentLost | SyncHealth::NoLicence));
    !told && matches!(line.permission, Some(PermissionState::Missing | PermissionState::Revoked | PermissionState::Unlicensed))
}

/// How a trip to Microsoft ended.
pub const fn outcome(outcome: ConsentOutcome) -> Chip {
    let class = match outcome {
        ConsentOutcome::Granted | ConsentOutcome::Proven => "ok",
        ConsentOutcome::Reported => "note",
        ConsentOutcome::Skipped => "plain",
        ConsentOutcome::ForeignDirectory | ConsentOutcome::WrongDirectory | ConsentOutcome::WrongCloud | ConsentOutcome::Refused => "bad",
        _ => "warn",
    };
    chip(class, outcome.label())
}

/// Yes, no, or not known.
pub const fn known(answer: Option<bool>) -> Chip {
    match answer {
        Some(true) => chip("ok", "Yes"),
        Some(false) => chip("bad", "No"),
        None => chip("plain", "Not known"),
    }
}
