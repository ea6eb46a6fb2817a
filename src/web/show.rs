//! How values are shown to people.

use crate::store::lists::COUNT_CAP;
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};

/// A time as a page shows it: relative in the text, exact in the `<time>` element.
#[derive(Clone, Copy, Debug)]
pub struct When {
    at: DateTime<Utc>,
    now: DateTime<Utc>,
}

impl When {
    /// `at` as seen at `now`.
    pub const fn new(at: DateTime<Utc>, now: DateTime<Utc>) -> Self {
        Self { at, now }
    }

    /// For the `datetime` attribute.
    pub fn iso(&self) -> String {
        self.at.to_rfc3339_opts(SecondsFormat::Secs, true)
    }

    /// "2026-11-22 14:32:05 UTC".
    pub fn exact(&self) -> String {
        self.at.format("%Y-%m-%d %H:%M:%S UTC").to_string()
    }

    /// "40 s ago", "in 3 d", "just now".
    pub fn relative(&self) -> String {
        let passed = self.now - self.at;
        if passed < TimeDelta::zero() {
            format!("in {}", left(-passed))
        } else if passed < TimeDelta::seconds(1) {
            "just now".to_owned()
        } else {
            format!("{} ago", span(passed))
        }
    }

    /// "40 s", "3 d": for columns whose head says what it is.
    pub fn age(&self) -> String {
        span((self.now - self.at).abs())
    }
}

/// The largest unit that fits: "40 s", "12 min", "5 h", "3 d", "8 mo", "2 y".
pub fn span(span: TimeDelta) -> String {
    let seconds = span.num_seconds();
    match seconds {
        ..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..172_800 => format!("{} h", seconds / 3600),
        172_800..5_184_000 => format!("{} d", seconds / 86_400),
        5_184_000..63_072_000 => format!("{} mo", seconds / 2_592_000),
        _ => format!("{} y", seconds / 31_536_000),
    }
}

/// What is left of a time, to the nearest: 30 days that were chosen a moment ago are not 29.
pub fn left(time: TimeDelta) -> String {
    let half = match time.num_seconds() {
        60..3600 => 30,
        3600..172_800 => 1800,
        172_800..5_184_000 => 43_200,
        5_184_000..63_072_000 => 1_296_000,
        _ => 0,
    };
    span(time + TimeDelta::seconds(half))
}

/// "1 incident", "1,204 incidents".
pub fn count(n: i64, one: &str, many: &str) -> String {
    format!("{} {}", thousands(n), if n == 1 { one } else { many })
}

/// A count that stops at [`COUNT_CAP`]: "1,204" or "1,000+".
pub fn capped(count: i64) -> String {
    if count > COUNT_CAP { format!("{}+", thousands(COUNT_CAP)) } else { thousands(count) }
}

/// "1,204".
pub fn thousands(n: i64) -> String {
    let digits = n.unsigned_abs().to_string();
    let mut text = String::from(if n < 0 { "-" } else { "" });
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Microsoft's compound word as words: "DefenseEvasion" is "Defense evasion".
pub fn words(word: &str) -> String {
    if let Some(known) = super::names::verdict(word) {
        return known.to_owned();
    }
    let mut text = String::new();
    let mut before_lower = false;
    for c in visible(word).chars() {
        if c.is_uppercase() && before_lower {
            text.push(' ');
            text.extend(c.to_lowercase());
        } else if text.is_empty() {
            text.extend(c.to_uppercase());
        } else {
            text.push(c);
        }
        before_lower = c.is_lowercase();
    }
    text
}

/// "WindowsDefenderAtp" is "Defender for Endpoint"; a name that we do not know is taken apart and keeps its capitals.
pub fn spaced(name: &str) -> String {
    if let Some(known) = super::names::source(name) {
        return known.to_owned();
    }
    let mut text = String::new();
    for c in visible(name).chars() {
        if c.is_uppercase() && text.ends_with(char::is_lowercase) {
            text.push(' ');
        }
        text.push(c);
    }
    text
}

/// Somebody else's text with its invisible characters made visible: controls and those that turn the direction of writing.
pub fn visible(text: &str) -> String {
    let odd = |c: char| {
        (c.is_control() && c != '\n' && c != '\t')
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{061c}')
    };
    if !text.contains(odd) {
        return text.to_owned();
    }
    text.chars().flat_map(|c| if odd(c) { format!("⟨U+{:04X}⟩", u32::from(c)).chars().collect() } else { vec![c] }).collect()
}

/// A text that no spreadsheet takes for a formula.
pub fn harmless(text: String) -> String {
    let begins = |c: char| matches!(c, '=' | '+' | '-' | '@' | '\t' | '\r' | '\n' | '\0' | '＝' | '＋' | '－' | '＠');
    if text.starts_with(begins) { format!("'{text}") } else { text }
}

/// What is said of a list of which at most `most` records are shown, and no more were asked for; `None`: nothing is missing.
pub fn cut(records: usize, most: usize) -> Option<String> {
    match records {
        n if n > most => Some(format!("The first {most} of {n}.")),
        n if n == most => Some(format!("The first {most}; there may be more.")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_relative_in_the_largest_unit_that_fits() {
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let shown = |seconds: i64| When::new(now - TimeDelta::seconds(seconds), now).relative();
        assert_eq!([shown(40), shown(-80), shown(7200), shown(200_000)], ["40 s ago", "in 1 min", "2 h ago", "2 d ago"]);
        assert_eq!([shown(0), shown(-30 * 86_400 + 5), shown(-3600 + 1)], ["just now", "in 30 d", "in 1 h"]);
    }

    #[test]
    fn a_text_that_a_spreadsheet_would_run_is_made_harmless() {
        for formula in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "\0=1", "＝1"] {
            assert!(harmless(formula.to_owned()).starts_with('\''), "{formula:?}");
        }
        assert_eq!(harmless("a=1".to_owned()), "a=1");
    }

    #[test]
    fn a_list_that_is_cut_says_so() {
        assert_eq!([cut(49, 50), cut(0, 50)], [None, None]);
        assert_eq!(cut(50, 50).unwrap(), "The first 50; there may be more.");
        assert_eq!(cut(61, 50).unwrap(), "The first 50 of 61.");
    }

    #[test]
    fn thousands_are_parted() {
        assert_eq!([thousands(0), thousands(999), thousands(1000), thousands(-1_234_567)], ["0", "999", "1,000", "-1,234,567"]);
    }

    #[test]
    fn microsofts_compound_words_are_taken_apart() {
        assert_eq!(
            [words("DefenseEvasion"), words("truePositive"), words("MCAS"), words(""), words("NoEnoughDataToValidate")],
            ["Defense evasion", "True positive", "MCAS", "", "Not enough data to validate"]
        );
    }

    #[test]
    fn characters_that_turn_the_text_around_are_made_visible() {
        assert_eq!(visible("gpj\u{202e}exe\0"), "gpj⟨U+202E⟩exe⟨U+0000⟩");
        assert_eq!(visible("Grüße 👋"), "Grüße 👋");
    }
}
