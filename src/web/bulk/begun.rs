//! The jobs of the last 30 days: whoever has left the page of one finds it again.

use super::words::wished;
use crate::model::clock;
use crate::store::bulk::{self, Begun};
use crate::web::chips::{self, Chip};
use crate::web::error::PageError;
use crate::web::extract::{Analyst, User};
use crate::web::filters;
use crate::web::page::Page;
use crate::web::scope::ScopedDb;
use crate::web::show::{When, count, thousands};
use askama::Template;
use chrono::{DateTime, Utc};

/// So many jobs are shown.
const SHOWN: usize = 100;

#[derive(Template)]
#[template(path = "bulk/begun.html")]
pub struct BegunPage {
    user: User,
    jobs: Vec<Begun>,
    more: bool,
    now: DateTime<Utc>,
}

impl BegunPage {
    fn when(&self, job: &Begun) -> When {
        When::new(job.bulk.started_at.unwrap_or(job.bulk.created_at), self.now)
    }

    /// "213 incidents of 14 tenants", of those that the reader sees.
    fn head(job: &Begun) -> String {
        format!("{} of {}", count(job.here, "incident", "incidents"), count(job.bulk.seen, "tenant", "tenants"))
    }

    /// What it does, beside what is wished for.
    fn kind(job: &Begun) -> &'static str {
        match (job.bulk.undoes, job.bulk.follows) {
            (Some(_), _) => "Takes another one back",
            (None, Some(_)) => "Tries again what failed",
            (None, None) => "",
        }
    }

    fn wish(job: &Begun) -> String {
        wished(&job.bulk)
    }

    /// The filter, for whoever may read it.
    fn words<'a>(&'a self, job: &'a Begun) -> &'a str {
        job.bulk.words_for(self.user.id, &self.user.scope).unwrap_or_default()
    }

    fn chips(job: &Begun) -> Vec<Chip> {
        let mut chips = Vec::new();
        if job.waits {
            chips.push(chips::chip("note", "Under way"));
        }
        if job.failed > 0 {
            let word = if job.failed < job.here { "Partly failed" } else { "Failed" };
            chips.push(chips::chip(if job.tried_again { "plain" } else { "bad" }, word));
        }
        if job.called_off {
            chips.push(chips::chip("plain", "Called off"));
        }
        if chips.is_empty() {
            chips.push(chips::chip("ok", "Done"));
        }
        chips
    }

    /// "12 failed; tried again".
    fn failed(job: &Begun) -> String {
        let again = if job.tried_again { "; tried again" } else { "" };
        if job.failed == 0 { String::new() } else { format!("{} failed{again}", thousands(job.failed)) }
    }
}

pub async fn page(Analyst(user): Analyst, db: ScopedDb) -> Result<Page<BegunPage>, PageError> {
    let mut tx = db.begin().await?;
    let mut jobs = bulk::begun(&mut tx, user.id, i64::try_from(SHOWN + 1).unwrap_or(i64::MAX)).await?;
    tx.commit().await?;
    let more = jobs.len() > SHOWN;
    jobs.truncate(SHOWN);
    Ok(Page(BegunPage { user, jobs, more, now: clock::now() }))
}
