//! What becomes of the audit log after it is written: it is chained, and sent to where the configuration says.

use super::syslog::{self, Message};
use crate::config::Audit;
use crate::model::clock;
use crate::store::{Db, audit_chain, audit_shipping};
use chrono::{DateTime, Utc};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often is looked for new rows.
const EVERY: Duration = Duration::from_secs(5);
/// Rows of one transaction.
const CHAINED: i64 = 2_000;
/// Rows that one connection carries.
const SENT: i64 = 500;

/// Chains what is written, and sends it if there is a receiver, until `stop`. Any number of processes may do so at once. `portal`: the host
/// by which the messages call us. `db` works as the worker role.
pub async fn run(db: &Db, audit: &Audit, portal: &str, stop: &CancellationToken) {
    let mut due = tokio::time::interval(EVERY);
    due.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let work = Box::pin(async {
        loop {
            due.tick().await;
            if let Err(error) = keep_up(db, audit, portal, clock::now()).await {
                tracing::error!(error = format!("{error:#}"), "the audit log could not be chained or sent; it is tried again");
            }
        }
    });
    // Whatever it is at: a receiver may take its time, and there may be much to send. What has not arrived for certain is sent again.
    stop.run_until_cancelled(work).await;
}

/// One look: all that is there is chained and sent. A receiver that does not take it is noted, and no error.
///
/// # Errors
/// When the database fails; the next look goes on.
pub async fn keep_up(db: &Db, audit: &Audit, portal: &str, now: DateTime<Utc>) -> anyhow::Result<()> {
    loop {
        let mut tx = db.all_tenants().await?;
        let chained = audit_chain::extend(&mut tx, CHAINED).await?;
        tx.commit().await?;
        if chained < usize::try_from(CHAINED)? {
            break;
        }
    }
    if audit.syslog.is_some() { ship(db, audit, portal, now).await } else { Ok(()) }
}

async fn ship(db: &Db, audit: &Audit, portal: &str, now: DateTime<Utc>) -> anyhow::Result<()> {
    let Some(url) = &audit.syslog else { return Ok(()) };
    let target = format!("{url} {}", audit.format);
    loop {
        let mut tx = db.all_tenants().await?;
        let Some(position) = audit_shipping::lease(&mut tx, &target).await? else { return Ok(()) };
        let rows = audit_chain::links(&mut tx, position, SENT).await?;
        let Some(last) = rows.last().map(|(link, _)| link.head.position) else {
            audit_shipping::rest(&mut tx, &target, now).await?;
            return Ok(tx.commit().await?);
        };
        tx.commit().await?;
        let messages: Vec<String> = rows.iter().map(|(link, row)| Message { portal, link, row: row.as_ref() }.text(audit.format)).collect();
        let answer = syslog::send(url, &messages).await;
        let mut tx = db.no_tenant().await?;
        match answer {
            Ok(()) => {
                let more = rows.len() == usize::try_from(SENT)?;
                audit_shipping::sent(&mut tx, &target, last, now).await?;
                tx.commit().await?;
                if !more {
                    return Ok(());
                }
            }
            Err(reason) => {
                tracing::warn!(%reason, "the receiver of the audit log takes nothing");
                audit_shipping::failed(&mut tx, &target, &reason, now).await?;
                return Ok(tx.commit().await?);
            }
        }
    }
}
