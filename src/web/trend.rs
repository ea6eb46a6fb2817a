//! Incidents opened and resolved over 30 days, as a drawing made by the server and as a table.

use crate::store::overview::Day;
use std::fmt::Write as _;

/// The drawing's size in its own units.
pub const WIDTH: u32 = 360;
pub const HEIGHT: u32 = 150;
/// Room for the numbers beside it.
pub const LEFT: u32 = 30;
const RIGHT: f64 = 8.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 24.0;

/// The trend, ready to draw.
#[derive(Clone, Debug)]
pub struct Trend {
    pub days: Vec<Day>,
    /// Points of the two lines.
    pub opened: String,
    pub resolved: String,
    /// The line of opened ones, closed along the bottom.
    pub area: String,
    /// Horizontal lines: place and number.
    pub grid: Vec<(f64, i64)>,
    /// Dates below: place and text.
    pub dates: Vec<(f64, String)>,
}

impl Trend {
    /// Lays out the days, oldest first.
    pub fn new(days: Vec<Day>) -> Self {
        let most = days.iter().map(|day| day.opened.max(day.resolved)).max().unwrap_or(0);
        let step = step(most);
        let top = (most.max(1) + step - 1) / step * step;
        let x = |n: usize| f64::from(LEFT) + at(n) / at(days.len().max(2) - 1) * (f64::from(WIDTH - LEFT) - RIGHT);
        let y = |value: i64| TOP + (1.0 - number(value) / number(top)) * (f64::from(HEIGHT) - TOP - BOTTOM);
        let line = |of: fn(&Day) -> i64| {
            days.iter().enumerate().fold(String::new(), |mut points, (n, day)| {
                let _ = write!(points, "{:.1},{:.1} ", x(n), y(of(day)));
                points
            })
        };
        let opened = line(|day| day.opened);
        let area = format!("{:.1},{:.1} {opened}{:.1},{:.1}", x(0), y(0), x(days.len().saturating_sub(1)), y(0));
        let grid = (0..=top / step).map(|n| (y(n * step), n * step)).collect();
        let dates = days.iter().enumerate().rev().step_by(7).map(|(n, day)| (x(n), day.day.format("%-d %b").to_string())).collect();
        Self { opened, resolved: line(|day| day.resolved), area, grid, dates, days }
    }

    /// Whether there is anything to draw.
    pub fn is_flat(&self) -> bool {
        self.days.iter().all(|day| day.opened == 0 && day.resolved == 0)
    }

    /// Sums for the drawing's description.
    pub fn sums(&self) -> (i64, i64) {
        self.days.iter().fold((0, 0), |(opened, resolved), day| (opened + day.opened, resolved + day.resolved))
    }
}

/// 1, 2 or 5 times a power of ten, so that at most five lines are drawn.
fn step(most: i64) -> i64 {
    let mut unit = 1;
    loop {
        for step in [unit, 2 * unit, 5 * unit] {
            if most <= 4 * step {
                return step;
            }
        }
        unit *= 10;
    }
}

#[expect(clippy::cast_precision_loss, reason = "places in a drawing")]
fn number(n: i64) -> f64 {
    n as f64
}

fn at(n: usize) -> f64 {
    u32::try_from(n).map_or(0.0, f64::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scale_is_round_and_the_lines_stay_inside() {
        let day = |n: u32, opened| Day { day: chrono::NaiveDate::from_ymd_opt(2026, 11, n).unwrap(), opened, resolved: 0 };
        let trend = Trend::new((1..=30).map(|n| day(n, i64::from(n) * 3)).collect());
        assert_eq!(trend.grid.iter().map(|(_, label)| *label).collect::<Vec<_>>(), [0, 50, 100]);
        let points = trend.opened.split_whitespace().map(|point| point.split_once(',').unwrap());
        for (x, y) in points {
            assert!((0.0..=360.0).contains(&x.parse::<f64>().unwrap()) && (0.0..=150.0).contains(&y.parse::<f64>().unwrap()));
        }
        assert!(Trend::new(Vec::new()).is_flat());
    }
}
