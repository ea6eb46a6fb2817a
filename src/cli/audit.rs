//! `watchfloor audit …`

use super::{database, say};
use crate::config::Config;
use crate::model::clock::now;
use crate::store::Db;
use crate::store::audit::{Actor, Event, record};
use crate::store::audit_chain::{self, Head};
use anyhow::Result;
use chrono::TimeDelta;
use clap::Subcommand;
use serde_json::json;
use std::process::ExitCode;

/// Rows that are looked at in one transaction.
const AT_ONCE: i64 = 5_000;
/// So many faults are told one by one.
const TOLD: usize = 20;
/// A worker chains rows within seconds: what is older than this has been left.
const LEFT: TimeDelta = TimeDelta::minutes(10);

/// The audit log.
#[derive(Debug, Subcommand)]
#[command(after_help = "Example:\n  watchfloor audit verify --head 4711:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08")]
pub enum Args {
    /// Check that no row was changed, deleted or slipped in since it was written.
    ///
    /// Prints the head of the chain. Keep it outside, or send the log to a receiver (`[audit] syslog`): whoever owns the database could
    /// compute the whole chain anew, but not what you have kept. Exit code 1 if anything is wrong.
    Verify {
        /// A head that was printed earlier, or the position and hash of a row that was sent: the chain must still hold it.
        #[arg(long, value_name = "POSITION:HASH")]
        head: Option<Head>,
    },
}

pub async fn run(config: &Config, args: Args) -> Result<ExitCode> {
    let (_database, db) = database::open(config).await?;
    let Args::Verify { head } = args;
    let is_good = verify(&db, head).await?;
    db.close().await;
    Ok(ExitCode::from(u8::from(!is_good)))
}

/// Checks the chain and says what is wrong; false if anything is.
pub async fn verify(db: &Db, told: Option<Head>) -> Result<bool> {
    let (mut head, mut faults) = (Head::default(), Vec::new());
    loop {
        let mut tx = db.all_tenants().await?;
        let (reached, found) = audit_chain::verify(&mut tx, &head, AT_ONCE).await?;
        tx.commit().await?;
        faults.extend(found.iter().map(ToString::to_string));
        if reached == head {
            break;
        }
        head = reached;
    }
    let mut tx = db.all_tenants().await?;
    let (unchained, oldest) = audit_chain::unchained(&mut tx).await?;
    if let Some(told) = told
        && !audit_chain::holds(&mut tx, &told).await?
    {
        faults.push(format!("the chain does not hold {told}: it was cut off or written anew"));
    }
    if oldest.is_some_and(|at| at < now() - LEFT) {
        faults.push(format!("{unchained} rows are not in the chain though a worker should have chained them: does one run?"));
    }
    let result = if faults.is_empty() { "ok" } else { "failed" };
    let event = Event { result, ..Event::new(Actor::Operator, "audit.verify") };
    record(&mut tx, event.after(json!({ "rows": head.position, "faults": faults.len(), "head": head.to_string() }))).await?;
    tx.commit().await?;
    for fault in faults.iter().take(TOLD) {
        say(format_args!("✗ {fault}"))?;
    }
    if faults.len() > TOLD {
        say(format_args!("✗ and {} more", faults.len() - TOLD))?;
    }
    if faults.is_empty() {
        say(format_args!("{} rows are as they were written; {unchained} are too new to be in the chain.", head.position))?;
    }
    say(format_args!("Head: {head}"))?;
    Ok(faults.is_empty())
}
