//! How long it took until incidents were taken and closed.

use crate::model::Severity;
use crate::store::Scoped;
use chrono::{DateTime, Utc};

/// How long it took with the incidents of one severity.
#[derive(Clone, Debug)]
pub struct Lasted {
    /// `None`: of every severity together.
    pub severity: Option<Severity>,
    pub incidents: i64,
    /// Seconds: half took less. `None` where there are no incidents.
    pub median: Option<f64>,
    /// Seconds: nine of ten took less.
    pub p90: Option<f64>,
    /// How many of them had a target of a service level, and how many of these kept it.
    pub promised: i64,
    pub kept: i64,
}

/// The incidents of one severity: seconds of each, how many had a target, how many kept it.
type Group = (Severity, Vec<f64>, i64, i64);

/// Seconds of each incident from when it was opened until a time that its index holds too, so that no row is read. They are sorted here: the
/// database takes ten times as long for it.
macro_rules! lasted {
    ($until:literal, $by:literal) => {
        concat!(
            "select severity, array_agg(greatest(date_part('epoch', ",
            $until,
            " - created_at), 0)) as seconds, count(",
            $by,
            ") as promised, count(*) filter (where ",
            $until,
            " <= ",
            $by,
            ") as kept from incidents where ",
            $until,
            " >= $1 and tenant_id <> all (array(select tenant_id from tenants where state = 'offboarded')) group by severity"
        )
    };
}

/// From opening to the first acknowledgement, of the incidents that were acknowledged since a time: by severity, and of all.
pub async fn acknowledged(tx: &mut Scoped, since: DateTime<Utc>) -> sqlx::Result<Vec<Lasted>> {
    sqlx::query_as(lasted!("acknowledged_at", "acknowledge_by")).bind(since).fetch_all(&mut **tx).await.map(told)
}

/// From opening to the last resolution, of the incidents that were resolved since a time and still are: by severity, and of all.
pub async fn resolved(tx: &mut Scoped, since: DateTime<Utc>) -> sqlx::Result<Vec<Lasted>> {
    sqlx::query_as(lasted!("resolved_at", "resolve_by")).bind(since).fetch_all(&mut **tx).await.map(told)
}

fn told(groups: Vec<Group>) -> Vec<Lasted> {
    let all = groups.iter().flat_map(|(_, seconds, ..)| seconds.iter().copied()).collect();
    let (promised, kept) = groups.iter().fold((0, 0), |(promised, kept), group| (promised + group.2, kept + group.3));
    let lasted = |(severity, mut seconds, promised, kept): (Option<Severity>, Vec<f64>, i64, i64)| {
        seconds.sort_unstable_by(f64::total_cmp);
        Lasted {
            severity,
            incidents: i64::try_from(seconds.len()).unwrap_or(i64::MAX),
            median: percentile(&seconds, 0.5),
            p90: percentile(&seconds, 0.9),
            promised,
            kept,
        }
    };
    let each = groups.into_iter().map(|(severity, seconds, promised, kept)| (Some(severity), seconds, promised, kept));
    each.chain([(None, all, promised, kept)]).map(lasted).collect()
}

/// The value below which such a part of them lies, between two of them if need be; they are sorted. `None` if there are none.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "thousands of values, and never negative"
)]
fn percentile(sorted: &[f64], part: f64) -> Option<f64> {
    let place = part * sorted.len().saturating_sub(1) as f64;
    let low = *sorted.get(place.floor() as usize)?;
    let high = *sorted.get(place.ceil() as usize)?;
    Some(low + (high - low) * place.fract())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_lies_between_two_values_where_it_falls_between_them() {
        assert_eq!(percentile(&[], 0.5), None);
        assert_eq!((percentile(&[7.0], 0.5), percentile(&[7.0], 0.9)), (Some(7.0), Some(7.0)));
        assert_eq!(percentile(&[1.0, 2.0, 4.0], 0.5), Some(2.0));
        assert_eq!(percentile(&[1.0, 2.0, 4.0, 8.0], 0.5), Some(3.0));
        assert_eq!(percentile(&[0.0, 10.0], 0.9), Some(9.0));
    }

    #[test]
    fn all_together_stand_beside_each_severity_also_where_there_is_none() {
        let of = told(vec![(Severity::High, vec![3.0, 1.0], 2, 1), (Severity::Low, vec![8.0], 1, 1)]);
        let lines: Vec<_> = of.iter().map(|line| (line.severity, line.incidents, line.median)).collect();
        assert_eq!(lines, [(Some(Severity::High), 2, Some(2.0)), (Some(Severity::Low), 1, Some(8.0)), (None, 3, Some(3.0))]);
        assert_eq!(of.last().map(|all| (all.promised, all.kept)), Some((3, 2)));
        assert_eq!(told(Vec::new()).iter().map(|line| (line.severity, line.incidents, line.median)).collect::<Vec<_>>(), [(None, 0, None)]);
    }
}
