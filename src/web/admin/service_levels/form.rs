//! The form of a service level.

use crate::model::Severity;
use crate::store::service_levels::{LONGEST, Target, Terms};
use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};
use serde::Deserialize;

/// Monday is the first.
pub(super) const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
/// What is proposed: severity, minutes to acknowledge and to resolve, and whether that is around the clock.
const PROPOSED: [(Severity, i32, i32, bool); 4] = [
    (Severity::Critical, 15, 240, true),
    (Severity::High, 30, 480, true),
    (Severity::Medium, 120, 1_440, false),
    (Severity::Low, 480, 2_400, false),
];
/// Holidays of one level.
const HOLIDAYS: usize = 500;

/// What the browser sends. `acknowledge` and `resolve` hold a text for each severity, worst first.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Fields {
    name: String,
    time_zone: String,
    opens: String,
    closes: String,
    #[serde(default)]
    days: Vec<i16>,
    #[serde(default)]
    holidays: String,
    acknowledge: Vec<String>,
    resolve: Vec<String>,
    /// Severities that are counted around the clock.
    #[serde(default)]
    always: Vec<String>,
    #[serde(default)]
    version: String,
}

/// The form as it is shown.
pub(super) struct Form {
    pub name: String,
    pub time_zone: String,
    pub opens: String,
    pub closes: String,
    pub days: Vec<i16>,
    pub holidays: String,
    pub aims: Vec<Aimed>,
    pub version: String,
    /// Which field is wrong, and why.
    pub problem: Option<(&'static str, &'static str)>,
}

/// The line of a severity.
pub(super) struct Aimed {
    pub severity: Severity,
    pub acknowledge: String,
    pub resolve: String,
    pub always: bool,
}

type Problem = (&'static str, &'static str);

impl Fields {
    /// Of the service level as it was read.
    pub fn version(&self) -> Option<DateTime<Utc>> {
        DateTime::parse_from_rfc3339(&self.version).ok().map(|at| at.to_utc())
    }

    /// What is agreed, or the first field that is wrong.
    pub fn terms(&self) -> Result<Terms, Problem> {
        let name = self.name.trim();
        if name.is_empty() || name.chars().count() > 100 || name.contains('\0') {
            return Err(("name", "A name has 1 to 100 characters."));
        }
        let time_zone = self.time_zone.trim();
        if time_zone.is_empty() || time_zone.len() > 100 || time_zone.contains('\0') {
            return Err(("time_zone", "Write the time zone as in Europe/Berlin."));
        }
        let times = minute(&self.opens).zip(minute(&self.closes)).filter(|(opens, closes)| opens < closes);
        let (opens, closes) = times.ok_or(("opens", "Write times as 08:00, the end after the beginning and at 24:00 at the latest."))?;
        let days: Vec<i16> = (1..=7).filter(|day| self.days.contains(day)).collect();
        if days.is_empty() || self.days.iter().any(|day| !(1..=7).contains(day)) {
            return Err(("days", "Choose at least one working day."));
        }
        let holidays: Result<Vec<NaiveDate>, _> = self.holidays.split_whitespace().map(str::parse).collect();
        let holidays = holidays.ok().filter(|days| days.len() <= HOLIDAYS);
        let holidays = holidays.ok_or(("holidays", "Write each holiday on a line of its own, as 2026-12-25; at most 500."))?;
        Ok(Terms { name: name.to_owned(), time_zone: time_zone.to_owned(), opens, closes, days, holidays, targets: self.targets()? })
    }

    fn targets(&self) -> Result<Vec<Target>, Problem> {
        let wrong = ("targets", "Write times as 30 min or 8 h, between a minute and 720 hours, or leave them empty.");
        if self.acknowledge.len() != Severity::ALL.len() || self.resolve.len() != Severity::ALL.len() {
            return Err(wrong);
        }
        let mut targets = Vec::new();
        for ((severity, acknowledge), resolve) in Severity::ALL.into_iter().zip(&self.acknowledge).zip(&self.resolve) {
            let (acknowledge_minutes, resolve_minutes) = (minutes(acknowledge).ok_or(wrong)?, minutes(resolve).ok_or(wrong)?);
            if acknowledge_minutes.zip(resolve_minutes).is_some_and(|(acknowledge, resolve)| acknowledge > resolve) {
                return Err(("targets", "What is to be resolved must be acknowledged no later."));
            }
            if acknowledge_minutes.or(resolve_minutes).is_some() {
                let always = self.always.iter().any(|word| word == severity.as_str());
                targets.push(Target { severity, acknowledge_minutes, resolve_minutes, always });
            }
        }
        if targets.is_empty() {
            return Err(("targets", "Give at least one time."));
        }
        Ok(targets)
    }
}

impl Form {
    /// For a new one: working hours, and times that are usual.
    pub fn proposed() -> Self {
        let target = |&(severity, acknowledge, resolve, always): &(Severity, i32, i32, bool)| Target {
            severity,
            acknowledge_minutes: Some(acknowledge),
            resolve_minutes: Some(resolve),
            always,
        };
        let terms = Terms {
            name: String::new(),
            time_zone: "UTC".to_owned(),
            opens: 480,
            closes: 1_080,
            days: (1..=5).collect(),
            holidays: Vec::new(),
            targets: PROPOSED.iter().map(target).collect(),
        };
        Self { version: String::new(), ..Self::of(&terms, DateTime::UNIX_EPOCH) }
    }

    /// One as it stands.
    pub fn of(terms: &Terms, version: DateTime<Utc>) -> Self {
        let aim = |severity: Severity| {
            let target = terms.targets.iter().find(|target| target.severity == severity);
            let told = |minutes: Option<i32>| minutes.map(told).unwrap_or_default();
            Aimed {
                severity,
                acknowledge: told(target.and_then(|target| target.acknowledge_minutes)),
                resolve: told(target.and_then(|target| target.resolve_minutes)),
                always: target.is_some_and(|target| target.always),
            }
        };
        Self {
            name: terms.name.clone(),
            time_zone: terms.time_zone.clone(),
            opens: clock(terms.opens),
            closes: clock(terms.closes),
            days: terms.days.clone(),
            holidays: terms.holidays.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
            aims: Severity::ALL.into_iter().map(aim).collect(),
            version: version.to_rfc3339_opts(SecondsFormat::Micros, true),
            problem: None,
        }
    }

    /// What was sent, with what is wrong with it.
    pub fn wrong_with(fields: Fields, problem: Problem) -> Self {
        let text = |texts: &[String], n: usize| texts.get(n).cloned().unwrap_or_default();
        let aim = |(n, severity): (usize, Severity)| Aimed {
            severity,
            acknowledge: text(&fields.acknowledge, n),
            resolve: text(&fields.resolve, n),
            always: fields.always.iter().any(|word| word == severity.as_str()),
        };
        let aims = Severity::ALL.into_iter().enumerate().map(aim).collect();
        let Fields { name, time_zone, opens, closes, days, holidays, version, .. } = fields;
        Self { name, time_zone, opens, closes, days, holidays, aims, version, problem: Some(problem) }
    }

    pub fn is_wrong(&self, field: &str) -> bool {
        self.problem.is_some_and(|(wrong, _)| wrong == field)
    }

    /// Each day with its number and whether it is worked.
    pub fn week(&self) -> impl Iterator<Item = (i16, &'static str, bool)> {
        (1..).zip(DAYS).map(|(n, name)| (n, name, self.days.contains(&n)))
    }
}

/// "08:30" of a day as minutes; "24:00" is its end.
fn minute(text: &str) -> Option<i16> {
    let (hour, minute) = text.trim().split_once(':')?;
    let (hour, minute): (i16, i16) = (hour.parse().ok()?, minute.parse().ok()?);
    let whole = hour.checked_mul(60)?.checked_add(minute)?;
    ((0..=24).contains(&hour) && (0..60).contains(&minute) && whole <= 1_440).then_some(whole)
}

fn clock(minute: i16) -> String {
    format!("{:02}:{:02}", minute / 60, minute % 60)
}

/// "30 min" or "8 h" as minutes, `Some(None)` of nothing.
#[expect(clippy::option_option, reason = "nothing is a good answer, too")]
fn minutes(text: &str) -> Option<Option<i32>> {
    let text = text.trim().to_lowercase();
    if text.is_empty() {
        return Some(None);
    }
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor = match unit.trim() {
        "m" | "min" | "minute" | "minutes" => 1,
        "h" | "hour" | "hours" => 60,
        _ => return None,
    };
    let minutes = number.parse::<i32>().ok()?.checked_mul(factor)?;
    (1..=LONGEST).contains(&minutes).then_some(Some(minutes))
}

fn told(minutes: i32) -> String {
    if minutes % 60 == 0 { format!("{} h", minutes / 60) } else { format!("{minutes} min") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_of_the_day_is_its_minutes() {
        for (text, wanted) in
            [("08:30", Some(510)), ("24:00", Some(1440)), ("0:00", Some(0)), ("24:01", None), ("8", None), ("-1:00", None)]
        {
            assert_eq!(minute(text), wanted, "{text}");
        }
    }

    #[test]
    fn a_target_is_written_in_minutes_or_hours_and_read_as_it_was_written() {
        for text in ["30 min", "8 h", "720 h"] {
            assert_eq!(minutes(text).flatten().map(told).as_deref(), Some(text));
        }
        assert_eq!(minutes(" 90M "), Some(Some(90)));
        assert_eq!(minutes(""), Some(None));
        for wrong in ["0 h", "721 h", "8", "h", "-1 h", "99999999999 h", "1 d"] {
            assert_eq!(minutes(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn what_is_proposed_can_be_sent_as_it_is_but_for_its_name() {
        let form = Form::proposed();
        let fields = Fields {
            name: "Standard".to_owned(),
            time_zone: form.time_zone,
            opens: form.opens,
            closes: form.closes,
            days: form.days,
            acknowledge: form.aims.iter().map(|aim| aim.acknowledge.clone()).collect(),
            resolve: form.aims.iter().map(|aim| aim.resolve.clone()).collect(),
            always: vec!["critical".to_owned(), "high".to_owned()],
            ..Fields::default()
        };
        let terms = fields.terms().unwrap();
        assert_eq!((terms.targets.len(), terms.opens, terms.closes), (4, 480, 1_080));
        assert!(terms.targets.iter().all(|target| target.always == (target.severity >= Severity::High)));
    }
}
