//! Since when a shift asks what changed.

use crate::auth::Person;
use crate::web::list;
use chrono::{DateTime, NaiveTime, TimeDelta, Utc};
use std::str::FromStr;

/// The beginning of what is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Since {
    /// When the reader said last that they have seen it.
    #[default]
    Looked,
    /// So many hours ago.
    Hours(i64),
    /// The latest such time of day, in UTC.
    Clock(NaiveTime),
}

/// What is offered beside a time of day.
pub const OFFERED: [(Since, &str); 3] = [(Since::Looked, "Since I looked"), (Since::Hours(8), "8 hours"), (Since::Hours(24), "24 hours")];

/// What the field for a time of day shows at first.
const MORNING: &str = "06:00";

impl FromStr for Since {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "looked" => Ok(Self::Looked),
            "8h" => Ok(Self::Hours(8)),
            "24h" => Ok(Self::Hours(24)),
            // Browsers send five characters; without the length a minute may have one digit.
            time if time.len() == 5 => NaiveTime::parse_from_str(time, "%H:%M").map(Self::Clock).map_err(|_| ()),
            _ => Err(()),
        }
    }
}

impl Since {
    /// The time itself.
    pub fn start(self, person: &Person, now: DateTime<Utc>) -> DateTime<Utc> {
        match self {
            Self::Looked => list::looked(person, now),
            Self::Hours(hours) => now - TimeDelta::hours(hours),
            Self::Clock(time) => {
                let today = now.date_naive().and_time(time).and_utc();
                if today > now { today - TimeDelta::days(1) } else { today }
            }
        }
    }

    /// The same as a filter of the queue, if it has one.
    pub const fn filter(self) -> Option<&'static str> {
        match self {
            Self::Looked => Some("looked"),
            Self::Hours(8) => Some("8h"),
            Self::Hours(_) => Some("24h"),
            Self::Clock(_) => None,
        }
    }

    /// The page that begins there; of [`OFFERED`].
    pub fn href(self) -> String {
        self.filter()
            .map_or_else(String::new, |word| if self == Self::Looked { "/shift".to_owned() } else { format!("/shift?since={word}") })
    }

    /// What the field for a time of day shows.
    pub fn field(self) -> String {
        if let Self::Clock(time) = self { time.format("%H:%M").to_string() } else { MORNING.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Role, Scope, UserId};
    use crate::store::users::{Density, Theme};

    #[test]
    fn six_in_the_morning_is_the_latest_such_moment() {
        let person = |looked_at| Person {
            id: UserId::new(),
            login: "ada".to_owned(),
            name: "Ada".to_owned(),
            role: Role::Viewer,
            scope: Scope::All,
            theme: Theme::System,
            density: Density::Compact,
            keys: true,
            looked_at,
            behind: None,
        };
        let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        let start = |since: &str, now: &str| since.parse::<Since>().unwrap().start(&person(None), at(now));
        assert_eq!(start("06:00", "2026-11-26T05:59:59Z"), at("2026-11-25T06:00:00Z"));
        assert_eq!(start("06:00", "2026-11-26T06:00:00Z"), at("2026-11-26T06:00:00Z"));
        assert_eq!(start("06:00", "2026-11-26T23:00:00Z"), at("2026-11-26T06:00:00Z"));
        assert_eq!(start("8h", "2026-11-26T06:00:00Z"), at("2026-11-25T22:00:00Z"));
        assert_eq!(start("looked", "2026-11-26T06:00:00Z"), at("2026-11-25T06:00:00Z"), "who never said so is told of a day");
        let looked = at("2026-11-20T01:02:03Z");
        assert_eq!(Since::Looked.start(&person(Some(looked)), at("2026-11-26T06:00:00Z")), looked);
        for bad in ["", "7h", "6:00", "24:00", "06:60", "06:00:00", "yesterday", "６:00"] {
            assert!(bad.parse::<Since>().is_err(), "{bad}");
        }
    }
}
