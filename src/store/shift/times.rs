//! How long it took until incidents were taken and closed.

use crate::model::Severity;
use crate::store::Scoped;
use chrono::{DateTime, Utc};

/// How long it took with the incidents of one severity.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Lasted {
    /// `None`: of every severity together.
    pub severity: Option<Severity>,
    pub incidents: i64,
    /// Seconds: half took less. `None` where there are no incidents.
    pub median: Option<f64>,
    /// Seconds: nine of ten took less.
    pub p90: Option<f64>,
}

/// From when it was opened until a time that its index holds too, so that no row is read.
macro_rules! lasted {
    ($until:literal) => {
        concat!(
            "select severity, incidents, lasted[1] as median, lasted[2] as p90 from (
                 select severity, count(*) as incidents, percentile_cont(array[0.5, 0.9]) within group (
                            order by greatest(extract(epoch from ",
            $until,
            " - created_at)::float8, 0)) as lasted
                 from incidents
                 where ",
            $until,
            " >= $1 and tenant_id <> all (array(select tenant_id from tenants where state = 'offboarded'))
                 group by grouping sets ((severity), ())
             ) as sums"
        )
    };
}

/// From opening to the first acknowledgement, of the incidents that were acknowledged since a time: by severity, and of all.
pub async fn acknowledged(tx: &mut Scoped, since: DateTime<Utc>) -> sqlx::Result<Vec<Lasted>> {
    sqlx::query_as(lasted!("acknowledged_at")).bind(since).fetch_all(&mut **tx).await
}

/// From opening to the last resolution, of the incidents that were resolved since a time and still are: by severity, and of all.
pub async fn resolved(tx: &mut Scoped, since: DateTime<Utc>) -> sqlx::Result<Vec<Lasted>> {
    sqlx::query_as(lasted!("resolved_at")).bind(since).fetch_all(&mut **tx).await
}
