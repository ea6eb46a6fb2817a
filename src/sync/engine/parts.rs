//! Jobs that are done in parts, one in each tenant, which come again until nothing is left: hunts and bulk jobs.

use super::{ATTEMPTS, Queue};
use crate::model::TenantId;
use crate::store::Scoped;
use chrono::{DateTime, Utc};
use graphile_worker::{JobKeyMode, JobSpec, JobSpecBuilder, TaskHandler};

/// How late a part that comes again is taken: after the beginnings of others.
const AGAIN: i16 = 20;
/// Parts that one plan queues again at most.
pub(super) const PLANNED: i64 = 500;

/// A part of something in one tenant.
pub(super) trait Part: TaskHandler + Clone {
    /// Of whatever it is a part of.
    fn id(&self) -> uuid::Uuid;
    fn tenant(&self) -> TenantId;

    /// No queue of its own: the engine would lock every queue while it looks for jobs of this kind. The store sees to it that nothing is done
    /// twice.
    fn spec(&self, priority: i16, at: Option<DateTime<Utc>>) -> JobSpec {
        let builder = JobSpecBuilder::new()
            .job_key(format!("{}:{}:{}", Self::IDENTIFIER, self.id(), self.tenant()))
            .job_key_mode(JobKeyMode::PreserveRunAt)
            .priority(priority)
            .max_attempts(ATTEMPTS);
        match at {
            Some(at) => builder.run_at(at).build(),
            None => builder.build(),
        }
    }
}

impl Queue {
    /// Asks for these parts at once. The first part of everything comes before the second part of anything: what is about one tenant does not
    /// wait for what is about 500. Asking twice is asking once.
    pub(super) async fn parts<P: Part>(&self, tx: &mut Scoped, parts: impl Iterator<Item = P>) -> anyhow::Result<()> {
        let jobs: Vec<(P, JobSpec)> = (0_i16..).zip(parts).map(|(place, part)| (part.clone(), part.spec(place, None))).collect();
        for jobs in jobs.chunks(500) {
            let jobs: Vec<(P, &JobSpec)> = jobs.iter().map(|(job, spec)| (job.clone(), spec)).collect();
            self.utils.clone().with_executor(&mut **tx).add_jobs(&jobs).await?;
        }
        Ok(())
    }

    /// Lets a part come again.
    pub(super) async fn part_at<P: Part>(&self, tx: &mut Scoped, part: P, at: DateTime<Utc>) -> anyhow::Result<()> {
        let spec = part.spec(AGAIN, Some(at));
        self.utils.clone().with_executor(&mut **tx).add_job(part, spec).await?;
        Ok(())
    }
}
