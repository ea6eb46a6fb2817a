//! How long it took, as the page shows it.

use crate::model::Severity;
use crate::store::shift::Lasted;
use crate::web::show::thousands;

/// One severity, or all of them.
pub struct Line {
    /// `None`: all of them.
    pub severity: Option<Severity>,
    pub acknowledged: Took,
    pub resolved: Took,
}

/// How many there were, and how long they took.
#[derive(Default)]
pub struct Took {
    pub incidents: i64,
    pub median: Option<String>,
    pub p90: Option<String>,
    /// "93 %" of those that had a target kept it.
    pub kept: Option<String>,
}

impl Took {
    /// "1,204".
    pub fn count(&self) -> String {
        thousands(self.incidents)
    }
}

impl From<&Lasted> for Took {
    fn from(lasted: &Lasted) -> Self {
        let kept = (lasted.promised > 0).then(|| format!("{}\u{a0}%", lasted.kept * 100 / lasted.promised));
        Self { incidents: lasted.incidents, median: lasted.median.map(duration), p90: lasted.p90.map(duration), kept }
    }
}

/// All together, then the worst first; a severity of which nothing was taken or closed has no line. Empty if nothing was at all.
pub fn lines(acknowledged: &[Lasted], resolved: &[Lasted]) -> Vec<Line> {
    let of = |lasted: &[Lasted], severity| lasted.iter().find(|one| one.severity == severity).map_or_else(Took::default, Took::from);
    let severities = std::iter::once(None).chain(Severity::ALL.into_iter().map(Some));
    severities
        .map(|severity| Line { severity, acknowledged: of(acknowledged, severity), resolved: of(resolved, severity) })
        .filter(|line| line.acknowledged.incidents + line.resolved.incidents > 0)
        .collect()
}

/// Whether anything was promised of any of them.
pub fn is_promised(lines: &[Line]) -> bool {
    lines.iter().any(|line| line.acknowledged.kept.is_some() || line.resolved.kept.is_some())
}

/// "40 s", "12 min", "5 h 20 min", "3 d 4 h": the two largest units that matter. A number and its unit stay on one line.
#[expect(clippy::cast_possible_truncation, reason = "seconds of some years at most")]
fn duration(seconds: f64) -> String {
    let seconds = seconds.round() as i64;
    let two = |large: i64, small: i64, words: (&str, &str)| {
        if small == 0 { format!("{large}\u{a0}{}", words.0) } else { format!("{large}\u{a0}{} {small}\u{a0}{}", words.0, words.1) }
    };
    match seconds {
        ..60 => format!("{seconds}\u{a0}s"),
        60..3600 => format!("{}\u{a0}min", seconds / 60),
        3600..172_800 => two(seconds / 3600, seconds % 3600 / 60, ("h", "min")),
        _ => two(seconds / 86_400, seconds % 86_400 / 3600, ("d", "h")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_has_two_units_at_most() {
        let told = [0.4, 59.4, 61.0, 3600.0, 19_260.0, 172_800.0, 273_700.0].map(duration);
        let told = told.map(|text| text.replace('\u{a0}', "_"));
        assert_eq!(told, ["0_s", "59_s", "1_min", "1_h", "5_h 21_min", "2_d", "3_d 4_h"]);
    }
}
