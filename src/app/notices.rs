//! What those who run the portal are told on every page: that Microsoft does not accept an app, that a credential ends soon or cannot be read,
//! that the audit log is not sent.

pub use crate::microsoft::CredentialStatus;
use crate::microsoft::{Client, LOGIN};
use crate::model::Role;
use crate::store::alarms::{self, Alarm};
use crate::store::audit_shipping::{self, Shipping};
use crate::store::{Db, Scoped};
use chrono::{DateTime, TimeDelta, Utc};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How old the notices on a page may be: so often the database is asked, however many pages are served.
const AGE: Duration = Duration::from_secs(10);
/// From when on a credential's end is told to administrators, from when on to leads as well, and from when on with emphasis.
const SOON: TimeDelta = TimeDelta::days(30);
const NEAR: TimeDelta = TimeDelta::days(14);
const URGENT: TimeDelta = TimeDelta::days(7);

const APPS: (&str, &str) = ("/admin/apps", "Apps");

/// One thing to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// `bad` or `warn`.
    pub class: &'static str,
    pub text: String,
    /// The least role that is told.
    pub role: Role,
    /// The page that tells administrators more, and its name.
    pub page: (&'static str, &'static str),
}

/// The notices of this process. Cheap to clone; clones are one.
#[derive(Clone, Debug, Default)]
pub struct Notices(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    read_at: Option<Instant>,
    list: Arc<Vec<Notice>>,
}

impl Notices {
    /// What is to be told, at most 10 seconds old. Without a database it is what was known last.
    pub async fn current(&self, db: &Db, microsoft: &Client, now: DateTime<Utc>) -> Arc<Vec<Notice>> {
        {
            let mut kept = self.kept();
            if kept.read_at.is_some_and(|at| at.elapsed() < AGE) {
                return kept.list.clone();
            }
            // Whoever comes meanwhile is told what was known last.
            kept.read_at = Some(Instant::now());
        }
        match read(db, microsoft, now).await {
            Ok(list) => self.kept().list = Arc::new(list),
            Err(error) => tracing::warn!(%error, "the notices could not be read"),
        }
        self.kept().list.clone()
    }

    /// Looks again at the next page.
    pub fn forget(&self) {
        self.kept().read_at = None;
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn read(db: &Db, microsoft: &Client, now: DateTime<Utc>) -> sqlx::Result<Vec<Notice>> {
    let mut tx: Scoped = db.no_tenant().await?;
    let alarms = alarms::list(&mut tx).await?;
    let shipping = audit_shipping::list(&mut tx, now).await?;
    tx.commit().await?;
    // Where nothing works, no single credential is told.
    let told = alarms
        .iter()
        .filter(|alarm| alarm.credential.is_empty() || !alarms.iter().any(|other| other.app == alarm.app && other.credential.is_empty()));
    let mut list: Vec<Notice> = told.map(of_alarm).collect();
    for app in microsoft.every_app() {
        let credentials = app.credentials(now);
        list.extend(credentials.iter().flat_map(|credential| of_credential(&app.name, credential, now)));
    }
    list.extend(shipping.iter().filter_map(of_shipping));
    list.sort_by_key(|notice| notice.class != "bad");
    Ok(list)
}

fn of_alarm(alarm: &Alarm) -> Notice {
    let since = alarm.since.format("%-d %b %H:%M UTC");
    if alarm.app == LOGIN {
        let text = format!(
            "Since {since} it is not known whether staff who signed in with Microsoft may still be here: for half an hour the directory has not \
             said so. {} {}",
            alarm.reason, alarm.remedy
        );
        return Notice { class: "bad", text, role: Role::Admin, page: APPS };
    }
    if !alarm.credential.is_empty() {
        let text = format!(
            "Microsoft refuses the credential {} of the app {} since {since}; the other one stands in. {}",
            alarm.credential, alarm.app, alarm.remedy
        );
        return Notice { class: "warn", text, role: Role::Admin, page: APPS };
    }
    let text = format!("Nothing is read with the app {} since {since}. {} {}", alarm.app, alarm.reason, alarm.remedy);
    Notice { class: "bad", text, role: Role::Lead, page: APPS }
}

fn of_shipping(shipping: &Shipping) -> Option<Notice> {
    let since = shipping.failing_since?.format("%-d %b %H:%M UTC");
    let reason = shipping.reason.as_deref().unwrap_or_default();
    let text = format!("The audit log is not sent on since {since}. {reason}.");
    Some(Notice { class: "bad", text, role: Role::Admin, page: ("/admin/audit", "Audit") })
}

/// The credentials of an app as they stand in this process.
pub fn credentials(microsoft: &Client, app: &str, now: DateTime<Utc>) -> Vec<CredentialStatus> {
    microsoft.app(app).map(|app| app.credentials(now)).unwrap_or_default()
}

/// What is to be told of one credential of an app: its end, and that it cannot be read.
pub fn of_credential(app: &str, credential: &CredentialStatus, now: DateTime<Utc>) -> Vec<Notice> {
    let what = format!("The {} {} of the app {app}", credential.kind.to_lowercase(), credential.place);
    let is_near = credential.ends_at.is_some_and(|end| end - now <= NEAR);
    let notice = |class, text| Notice { class, text, role: if is_near { Role::Lead } else { Role::Admin }, page: APPS };
    let mut list = Vec::new();
    if let Some(end) = credential.ends_at.filter(|end| *end - now <= SOON) {
        let day = end.format("%-d %B %Y");
        list.push(match (end - now).num_days() {
            _ if end <= now => notice("bad", format!("{what} ended on {day}.")),
            days => {
                let class = if end - now <= URGENT { "bad" } else { "warn" };
                notice(
                    class,
                    format!("{what} ends in {days} {}, on {day}. Add a new one beside it.", if days == 1 { "day" } else { "days" }),
                )
            }
        });
    }
    if let Some(trouble) = &credential.trouble {
        let still = if credential.loaded { " What was read before stays in use." } else { "" };
        list.push(notice("bad", format!("{what} cannot be read: {trouble}{}{still}", if trouble.ends_with('.') { "" } else { "." })));
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receiver_that_takes_nothing_is_told_to_administrators_and_one_that_does_is_not() {
        let since = "2026-11-22T12:00:00Z".parse().ok();
        let shipping =
            Shipping { target: "t".to_owned(), position: 1, sent_at: None, failing_since: since, reason: Some("It is away".to_owned()) };
        let notice = of_shipping(&shipping).unwrap();
        assert_eq!((notice.class, notice.role, notice.page.0), ("bad", Role::Admin, "/admin/audit"));
        assert_eq!(notice.text, "The audit log is not sent on since 22 Nov 12:00 UTC. It is away.");
        assert_eq!(of_shipping(&Shipping { failing_since: None, ..shipping }), None);
    }

    #[test]
    fn an_end_is_told_thirty_days_before_to_leads_too_fourteen_and_with_emphasis_seven() {
        let now: DateTime<Utc> = "2026-11-22T12:00:00Z".parse().unwrap();
        let told = |days: i64| {
            let ends_at = Some(now + TimeDelta::days(days));
            let place = "app.pem".to_owned();
            let status = CredentialStatus { kind: "Certificate", place, ends_at, in_use: true, refused: None, trouble: None, loaded: true };
            of_credential("defender", &status, now).into_iter().next()
        };
        let role = |days| told(days).unwrap().role;
        assert_eq!([30, 15, 14, 7, -1].map(role), [Role::Admin, Role::Admin, Role::Lead, Role::Lead, Role::Lead]);
        let told = |days| told(days).map(|notice| (notice.class, notice.text));
        assert_eq!(told(31), None);
        let text = |text: &str| format!("The certificate app.pem of the app defender {text}");
        assert_eq!(told(30), Some(("warn", text("ends in 30 days, on 22 December 2026. Add a new one beside it."))));
        assert_eq!(told(14).unwrap().0, "warn");
        assert_eq!(told(7).unwrap().0, "bad");
        assert_eq!(told(1), Some(("bad", text("ends in 1 day, on 23 November 2026. Add a new one beside it."))));
        assert_eq!(told(-1), Some(("bad", text("ended on 21 November 2026."))));
    }
}
