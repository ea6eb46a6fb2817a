//! One hunt in one tenant: claimed, asked through the interface that the tenant's consent allows, and its answer or the reason stored.
//! Hunting only reads, so a part whose worker died is done again.

use super::read::Reader;
use super::{Clock, push};
use crate::microsoft::hunting::{self, Found};
use crate::microsoft::operations::Operation;
use crate::microsoft::{CallError, Granted, NetworkFault, Pace, Target};
use crate::model::{HuntApi, HuntId, HuntOutcome, TenantId};
use crate::store::hunts::{self, Claimed, Column, Settled, Task};
use crate::store::tenants::Tenant;
use crate::store::{permissions, tenants};
use chrono::{DateTime, TimeDelta, Utc};

/// How long a part waits for its turn with Microsoft, from its first try on.
pub const PATIENCE: TimeDelta = TimeDelta::hours(1);
/// While another hunt asks the same tenant.
const BUSY: TimeDelta = TimeDelta::seconds(3);
/// Where Microsoft does not say how long to wait; and after a failure that may pass.
const PAUSE: TimeDelta = TimeDelta::seconds(30);
/// How often a part is tried while Microsoft fails.
const TRIES: i32 = 3;

/// Whom to ask, and through what.
struct Errand {
    target: Target,
    app: String,
    operation: &'static Operation,
}

/// Does one part. Returns when to come again, if at all.
///
/// # Errors
/// When the database fails. What Microsoft refuses is a result.
pub async fn hunt(reader: &Reader, tenant: TenantId, hunt: HuntId, now: DateTime<Utc>) -> anyhow::Result<Option<TimeDelta>> {
    let mut tx = reader.db.tenant(tenant).await?;
    let task = match hunts::claim(&mut tx, tenant, hunt, now).await? {
        Claimed::Yes(task) => task,
        Claimed::Busy => return Ok(Some(BUSY)),
        Claimed::Over => {
            tx.commit().await?;
            return Ok(None);
        }
    };
    let registered = tenants::get(&mut tx, tenant).await?;
    let granted = super::grants(permissions::granted(&mut tx, tenant).await?);
    tx.commit().await?;
    let errand = match registered {
        Some(registered) => errand(reader, &registered, &granted, task.api),
        None => Err((HuntOutcome::Failed, "The tenant is gone.")),
    };
    let refused = task.stop_reason.as_deref().unwrap_or_default();
    let errand = match errand {
        Ok(errand) if task.refused_by.iter().any(|name| name == errand.operation.name) => Err((HuntOutcome::Cancelled, refused)),
        errand => errand,
    };
    let errand = match errand {
        Ok(errand) => errand,
        Err((outcome, reason)) => {
            let mut tx = reader.db.tenant(tenant).await?;
            hunts::settle(&mut tx, tenant, hunt, &Settled::without_rows(outcome, None, reason), now).await?;
            tx.commit().await?;
            return Ok(None);
        }
    };
    let query = (task.query.as_str(), task.timespan.as_deref());
    let clock = Clock::start(now);
    match reader.microsoft.hunt(&errand.target, &errand.app, errand.operation, query, now).await {
        Ok(found) => answered(reader, tenant, hunt, &errand, &found, clock.now()).await.map(|()| None),
        Err(error) => failed(reader, (tenant, hunt), &errand, &task, &error, clock.now()).await,
    }
}

/// The interface pinned by the hunter; else the best one whose permission is granted; else one that the tenant was asked for, which then
/// tells why not.
fn errand(reader: &Reader, tenant: &Tenant, granted: &[Granted], wish: HuntApi) -> Result<Errand, (HuntOutcome, &'static str)> {
    if !tenant.is_open() {
        return Err((HuntOutcome::Failed, "The tenant is paused, offboarded or not approved."));
    }
    let target = super::target(tenant).ok_or((HuntOutcome::Failed, "The tenant has no directory."))?.at(Pace::Background);
    let has = |operation: &Operation| {
        let mut mine = granted.iter().filter(|grant| grant.product == operation.product && tenant.apps.contains(&grant.app));
        mine.any(|grant| operation.rank(&grant.permission).is_some())
    };
    let all = hunting::BEST_FIRST.iter().filter(|api| wish == HuntApi::Auto || wish == **api).filter_map(|api| hunting::operation(*api));
    let (best, rest): (Vec<_>, Vec<_>) = all.partition(|operation| has(operation));
    let chosen = best.into_iter().chain(rest).find_map(|operation| {
        let app = reader.microsoft.app_to_call(operation, &tenant.apps, granted).ok()?;
        Some((operation, app))
    });
    let (operation, app) = chosen.ok_or((
        HuntOutcome::NoPermission,
        "No app of this tenant asks for ThreatHunting.Read.All, AdvancedHunting.Read.All or AdvancedQuery.Read.All, whichever the hunt needs.",
    ))?;
    Ok(Errand { target, app, operation })
}

async fn answered(
    reader: &Reader,
    tenant: TenantId,
    hunt: HuntId,
    errand: &Errand,
    found: &Found,
    now: DateTime<Utc>,
) -> anyhow::Result<()> {
    let columns = found.columns.iter().map(|column| Column { name: column.name.clone(), r#type: column.r#type.clone() });
    let settled = Settled {
        outcome: HuntOutcome::Ok,
        operation: Some(errand.operation.name),
        columns: columns.collect(),
        rows: found.rows.iter().map(|row| row.get()).collect(),
        truncated: found.truncated,
        // PostgreSQL's JSON holds no character 0.
        stats: found.stats.clone().filter(|stats| !stats.to_string().contains("\\u0000")),
        reason: found.truncated.then_some("Microsoft gives at most 100,000 rows: there may be more."),
    };
    let mut tx = reader.db.tenant(tenant).await?;
    hunts::settle(&mut tx, tenant, hunt, &settled, now).await?;
    push::add_usage(reader, &mut tx, tenant, now).await?;
    tx.commit().await?;
    Ok(())
}

async fn failed(
    reader: &Reader,
    (tenant, hunt): (TenantId, HuntId),
    errand: &Errand,
    task: &Task,
    error: &CallError,
    now: DateTime<Utc>,
) -> anyhow::Result<Option<TimeDelta>> {
    let verdict = judge(error, task, now);
    let mut tx = reader.db.tenant(tenant).await?;
    match &verdict {
        Verdict::Again { wait, reason } => hunts::put_back(&mut tx, tenant, hunt, reason, now + *wait).await?,
        Verdict::Over { outcome, reason } => {
            hunts::settle(&mut tx, tenant, hunt, &Settled::without_rows(*outcome, Some(errand.operation.name), reason), now).await?;
        }
    }
    push::add_usage(reader, &mut tx, tenant, now).await?;
    tx.commit().await?;
    match verdict {
        Verdict::Again { wait, .. } => Ok(Some(wait)),
        Verdict::Over { outcome: HuntOutcome::Refused, reason } if is_of_the_query(&reason) => {
            // What is wrong with a query is wrong in every tenant that is asked through the same interface.
            let mut tx = reader.db.tenant(tenant).await?;
            hunts::refuse(&mut tx, hunt, errand.operation.name, &format!("Not asked, because the query is refused. {reason}")).await?;
            tx.commit().await?;
            Ok(None)
        }
        Verdict::Over { .. } => Ok(None),
    }
}

/// What a failure means for a part.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Again { wait: TimeDelta, reason: String },
    Over { outcome: HuntOutcome, reason: String },
}

fn judge(error: &CallError, task: &Task, now: DateTime<Utc>) -> Verdict {
    let over = |outcome| Verdict::Over { outcome, reason: error.reason() };
    let patient = |wait: TimeDelta, outcome, said: String| {
        if now + wait - task.first_at > PATIENCE {
            let reason = format!("{} Given up after {} tries.", error.reason(), task.tries);
            Verdict::Over { outcome, reason }
        } else {
            Verdict::Again { wait, reason: format!("{} {said}", error.reason()) }
        }
    };
    match error {
        CallError::Throttled { retry_after } => {
            let wait = retry_after.and_then(|wait| TimeDelta::from_std(wait).ok()).map_or(PAUSE, |wait| wait.max(TimeDelta::seconds(1)));
            patient(wait, HuntOutcome::Throttled, "It is asked again then.".to_owned())
        }
        CallError::Quota { retry_after, .. } => {
            let wait = TimeDelta::from_std(*retry_after).unwrap_or(PAUSE) + TimeDelta::seconds(1);
            let at = (now + wait).format("%H:%M");
            patient(wait, HuntOutcome::Quota, format!("It is asked again at {at} UTC, when the quota begins anew."))
        }
        CallError::Forbidden { .. } | CallError::ConsentLost { .. } => over(HuntOutcome::NoPermission),
        CallError::NoLicence { .. } => over(HuntOutcome::NoLicence),
        CallError::TooLarge | CallError::Rejected { status: 413, .. } => over(HuntOutcome::TooLarge),
        CallError::Network(NetworkFault::Timeout) | CallError::Server { status: 408 | 504 } => over(HuntOutcome::TimeOut),
        CallError::Rejected { status: 400, told, .. } => over(refusal(told.as_deref().unwrap_or_default())),
        CallError::Server { .. } | CallError::Network(NetworkFault::Connect | NetworkFault::Broken) if task.tries < TRIES => {
            Verdict::Again { wait: PAUSE, reason: format!("{} It is asked again.", error.reason()) }
        }
        _ => over(HuntOutcome::Failed),
    }
}

/// Whether Microsoft's words name a fault of syntax or meaning. A 400 has many other reasons, which may be one tenant's alone. Source:
/// Microsoft's page "Handle advanced hunting errors".
fn is_of_the_query(told: &str) -> bool {
    let told = told.to_ascii_lowercase();
    ["could not be parsed", "syntax error", "semantic error", "failed to resolve column", "failed to resolve scalar"]
        .iter()
        .any(|words| told.contains(words))
}

/// What Microsoft's words about a query mean. A table that cannot be resolved may exist elsewhere. Sources: the messages that the pages on
/// advanced hunting errors and on the Endpoint API's limits show.
fn refusal(told: &str) -> HuntOutcome {
    let told = told.to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| told.contains(word));
    if says(&["failed to resolve table", "failed to resolve entity"]) {
        HuntOutcome::NoSuchTable
    } else if says(&[
        "exceeded the allowed result size",
        "exceeded the allowed limits",
        "result set too large",
        "e_query_result_set_too_large",
    ]) {
        HuntOutcome::TooLarge
    } else if says(&["timed out", "timeout", "time limit"]) {
        HuntOutcome::TimeOut
    } else {
        HuntOutcome::Refused
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn at(minutes: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::minutes(minutes)
    }

    fn task(tries: i32) -> Task {
        Task { query: String::new(), api: HuntApi::Auto, timespan: None, tries, first_at: at(0), refused_by: Vec::new(), stop_reason: None }
    }

    fn outcome(verdict: &Verdict) -> Option<HuntOutcome> {
        match verdict {
            Verdict::Over { outcome, .. } => Some(*outcome),
            Verdict::Again { .. } => None,
        }
    }

    #[test]
    fn microsofts_waits_are_kept_until_patience_ends() {
        let throttled = CallError::Throttled { retry_after: Some(Duration::from_secs(40)) };
        assert!(matches!(judge(&throttled, &task(1), at(1)), Verdict::Again { wait, .. } if wait == TimeDelta::seconds(40)));
        assert_eq!(outcome(&judge(&throttled, &task(9), at(60))), Some(HuntOutcome::Throttled));
        let quota = CallError::Quota { retry_after: Duration::from_secs(600), told: "CPU".to_owned() };
        let Verdict::Again { wait, reason } = judge(&quota, &task(1), at(5)) else { panic!() };
        assert_eq!(wait, TimeDelta::seconds(601));
        assert!(reason.contains("CPU") && reason.contains("00:15 UTC"), "{reason}");
        assert_eq!(outcome(&judge(&quota, &task(5), at(55))), Some(HuntOutcome::Quota));
    }

    #[test]
    fn what_may_pass_is_tried_three_times_and_a_time_out_is_not_repeated() {
        let broken = CallError::Network(NetworkFault::Broken);
        assert_eq!(outcome(&judge(&broken, &task(2), at(1))), None);
        assert_eq!(outcome(&judge(&broken, &task(3), at(1))), Some(HuntOutcome::Failed));
        for slow in [CallError::Network(NetworkFault::Timeout), CallError::Server { status: 504 }] {
            assert_eq!(outcome(&judge(&slow, &task(1), at(1))), Some(HuntOutcome::TimeOut));
        }
        assert_eq!(outcome(&judge(&CallError::Unexpected("x"), &task(1), at(1))), Some(HuntOutcome::Failed));
    }

    #[test]
    fn microsofts_words_about_a_query_are_told_apart() {
        for (told, expected) in [
            ("'take' operator: Failed to resolve table or column expression named 'EmailEvents'", HuntOutcome::NoSuchTable),
            ("Query execution has exceeded the allowed result size. Optimize your query", HuntOutcome::TooLarge),
            ("Query timed out.", HuntOutcome::TimeOut),
            ("Query could not be parsed at '|' on line [1,4]. Fix syntax errors in your query.", HuntOutcome::Refused),
            ("'where' operator: Failed to resolve column or scalar expression named 'Foo'", HuntOutcome::Refused),
            ("", HuntOutcome::Refused),
        ] {
            assert_eq!(refusal(told), expected, "{told}");
        }
    }

    #[test]
    fn only_a_fault_of_the_query_itself_is_one_everywhere() {
        for (told, expected) in [
            ("Query could not be parsed at '|' on line [1,4]. Fix syntax errors in your query.", true),
            ("'where' operator: Failed to resolve column or scalar expression named 'Foo'", true),
            ("'where' operator: Cannot compare values of types string and int. Fix semantic errors in your query.", true),
            ("The feature is being prepared for this organization.", false),
            ("", false),
        ] {
            assert_eq!(is_of_the_query(told), expected, "{told}");
        }
    }
}
