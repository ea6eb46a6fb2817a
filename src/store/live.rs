//! What the database tells of changes as they are committed, and what has changed since a page was made.

use super::Scoped;
use super::alerts::Alert;
use super::incidents::Incident;
use crate::model::TenantId;
use chrono::{DateTime, Utc};
use sqlx::Executor;
use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use std::convert::Infallible;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// As the triggers name it.
const CHANNEL: &str = "watchfloor_live";
/// Without a word for this long, the listening connection says something to itself.
const BEAT: Duration = Duration::from_secs(20);
/// By then it has come back.
const ECHO: Duration = Duration::from_secs(10);
/// Before listening again after a failure; doubled each time, up to the second.
const PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Which rows changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Incidents,
    Alerts,
    /// What somebody wants changed at Microsoft, and how far that is.
    Changes,
}

impl Kind {
    pub const ALL: [Self; 3] = [Self::Incidents, Self::Alerts, Self::Changes];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Incidents => "incidents",
            Self::Alerts => "alerts",
            Self::Changes => "changes",
        }
    }
}

/// What is heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// Rows of this kind changed in this tenant, and are there to be read.
    Changed(Kind, TenantId),
    /// Changes may have been missed: whoever waits for one must look.
    Missed,
}

impl Told {
    /// "incidents 0192…", as a trigger writes it.
    fn read(text: &str) -> Option<Self> {
        let (kind, tenant) = text.split_once(' ')?;
        let kind = Kind::ALL.into_iter().find(|known| known.as_str() == kind)?;
        Some(Self::Changed(kind, TenantId(Uuid::try_parse(tenant).ok()?)))
    }
}

/// Passes on what the database tells, on one connection of its own, from the moment on at which `told` first gets [`Told::Missed`]. A
/// connection that is lost, or on which nothing is heard, is made again, and then changes may have been missed. The connection must lead to
/// the server itself: what PgBouncer gives in transaction mode hears nothing, and pages look every half minute only.
pub async fn listen(options: PgConnectOptions, told: impl Fn(Told)) -> Infallible {
    let options = options.application_name(CHANNEL).options([("role", "watchfloor_web"), ("statement_timeout", "10s")]);
    let mut pause = PAUSE;
    loop {
        let begun = Instant::now();
        let Err(error) = hear(&options, &told).await;
        tracing::warn!(%error, "changes are not heard; listening again shortly");
        if begun.elapsed() > LONGEST_PAUSE {
            pause = PAUSE;
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

async fn hear(options: &PgConnectOptions, told: &impl Fn(Told)) -> sqlx::Result<Infallible> {
    let pool = PgPoolOptions::new().max_connections(1).acquire_timeout(LONGEST_PAUSE).connect_lazy_with(options.clone());
    let mut listener = PgListener::connect_with(&pool).await?;
    listener.eager_reconnect(false);
    listener.listen(CHANNEL).await?;
    told(Told::Missed);
    let mut beaten = false;
    loop {
        match tokio::time::timeout(if beaten { ECHO } else { BEAT }, listener.try_recv()).await {
            Ok(notification) => {
                let notification = notification?.ok_or_else(|| failure("the connection was lost"))?;
                beaten = false;
                if let Some(change) = Told::read(notification.payload()) {
                    told(change);
                }
            }
            Err(_) if beaten => return Err(failure("nothing comes through; listen_database_url must lead to the server itself")),
            Err(_) => {
                let beat = listener.execute("select pg_notify('watchfloor_live', 'beat')");
                tokio::time::timeout(ECHO, beat).await.map_err(|_| failure("the server does not answer"))??;
                beaten = true;
            }
        }
    }
}

fn failure(text: &str) -> sqlx::Error {
    sqlx::Error::Protocol(text.to_owned())
}

/// Up to where a page has seen the data: the database's time, and which transactions were through by then.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Seen {
    pub at: DateTime<Utc>,
    /// As PostgreSQL writes it: "731:735:732,733".
    pub snapshot: String,
}

impl Seen {
    /// What a page says it has seen; none if it is nothing that [`seen`] gives.
    pub fn read(at: DateTime<Utc>, snapshot: &str) -> Option<Self> {
        let (low, rest) = snapshot.split_once(':')?;
        let (high, open) = rest.split_once(':')?;
        let number = |text: &str| text.parse::<u64>().ok().filter(|number| *number > 0 && *number < 1 << 62);
        let (low, high) = (number(low)?, number(high)?);
        let open = if open.is_empty() { Vec::new() } else { open.split(',').map(number).collect::<Option<Vec<u64>>>()? };
        let in_order = low <= high && open.is_sorted() && open.iter().all(|number| (low..high).contains(number));
        let in_time = (0..=4_102_444_800).contains(&at.timestamp()); // beyond, the database's times and ours do not agree
        (in_order && in_time).then(|| Self { at, snapshot: snapshot.to_owned() })
    }
}

/// Up to where this transaction sees. Ask before the rows are read: what is committed in between is news to a page that shows it, which is
/// better than news of which a page says nothing.
pub async fn seen(tx: &mut Scoped) -> sqlx::Result<Seen> {
    sqlx::query_as("select clock_timestamp() as at, pg_current_snapshot()::text as snapshot").fetch_one(&mut **tx).await
}

/// Where a record has changed since.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct RecordNews {
    /// At Microsoft: it was read anew, or one of its alerts was.
    pub there: bool,
    /// A change that was asked for here is further than it was.
    pub here: bool,
}

/// The condition on the changes of one of Microsoft's objects: `$1` tenant, `$3` and `$4` what was seen, `$5` its id, `$6` the operations.
macro_rules! changed_here {
    () => {
        "exists (select from changes as c where c.tenant_id = $1 and c.args[1] = $5 and c.operation like $6
                 and greatest(c.created_at, c.sent_at, c.finished_at) > $3 - interval '2 minutes' and is_unseen(c.xmin, $4::text::pg_snapshot)) as here"
    };
}

/// Whether an incident, one of its alerts, or a change of it has changed since a page showed it.
pub async fn of_incident(tx: &mut Scoped, incident: &Incident, seen: &Seen) -> sqlx::Result<RecordNews> {
    sqlx::query_as(concat!(
        "select exists (select from incidents as r where r.tenant_id = $1 and r.incident_id = $2
                        and r.synced_at > $3 - interval '2 minutes' and is_unseen(r.xmin, $4::text::pg_snapshot))
             or exists (select from alerts as r where r.tenant_id = $1 and r.incident_id = $2
                        and r.synced_at > $3 - interval '2 minutes' and is_unseen(r.xmin, $4::text::pg_snapshot)) as there, ",
        changed_here!()
    ))
    .bind(incident.tenant_id)
    .bind(incident.incident_id)
    .bind(seen.at)
    .bind(&seen.snapshot)
    .bind(&incident.external_id)
    .bind("%.incidents.%")
    .fetch_one(&mut **tx)
    .await
}

/// Whether an alert, or a change of it, has changed since a page showed it.
pub async fn of_alert(tx: &mut Scoped, alert: &Alert, seen: &Seen) -> sqlx::Result<RecordNews> {
    sqlx::query_as(concat!(
        "select exists (select from alerts as r where r.tenant_id = $1 and r.alert_id = $2
                        and r.synced_at > $3 - interval '2 minutes' and is_unseen(r.xmin, $4::text::pg_snapshot)) as there, ",
        changed_here!()
    ))
    .bind(alert.tenant_id)
    .bind(alert.alert_id)
    .bind(seen.at)
    .bind(&seen.snapshot)
    .bind(&alert.external_id)
    .bind("%.alerts.%")
    .fetch_one(&mut **tx)
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_page_has_seen_is_read_back_and_nonsense_is_not() {
        let at = "2026-11-22T10:00:00.123456Z".parse().unwrap();
        for good in ["731:731:", "731:735:732", "731:735:731,734"] {
            assert_eq!(Seen::read(at, good).unwrap().snapshot, good);
        }
        for bad in ["", "7", "7:8", "9:8:", "0:8:", "7:9:9", "7:9:8,7", "7:9:x", "7:9:'", "-7:9:", "7:99999999999999999999:"] {
            assert_eq!(Seen::read(at, bad), None, "{bad}");
        }
        assert_eq!(Seen::read(DateTime::<Utc>::MAX_UTC, "7:9:"), None);
    }

    #[test]
    fn only_what_a_trigger_writes_is_a_change() {
        let tenant = TenantId::new();
        assert_eq!(Told::read(&format!("alerts {tenant}")), Some(Told::Changed(Kind::Alerts, tenant)));
        for other in ["beat", "", "alerts", "alerts x", "users 01890000-0000-7000-8000-000000000000"] {
            assert_eq!(Told::read(other), None, "{other}");
        }
    }
}
