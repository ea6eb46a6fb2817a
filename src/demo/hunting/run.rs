//! Runs a query over tables.

use super::parse::{Comparison, Condition, Query, Stage, Value};
use crate::demo::content::stamp;
use chrono::{DateTime, Utc};
use serde_json::{Map, json};
use std::cmp::Ordering;

/// The kind of a column's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Number,
    Bool,
    Time,
}

impl Kind {
    /// Microsoft's word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Text => "String",
            Self::Number => "Int64",
            Self::Bool => "SByte",
            Self::Time => "DateTime",
        }
    }
}

/// One value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Cell {
    Null,
    Text(String),
    Number(i64),
    Bool(bool),
    Time(DateTime<Utc>),
}

impl Cell {
    fn json(&self) -> serde_json::Value {
        match self {
            Self::Null => serde_json::Value::Null,
            Self::Text(text) => json!(text),
            Self::Number(number) => json!(number),
            Self::Bool(value) => json!(value),
            Self::Time(at) => json!(stamp(*at)),
        }
    }

    fn order(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Text(one), Self::Text(two)) => one.cmp(two),
            (Self::Number(one), Self::Number(two)) => one.cmp(two),
            (Self::Bool(one), Self::Bool(two)) => one.cmp(two),
            (Self::Time(one), Self::Time(two)) => one.cmp(two),
            (Self::Null, Self::Null) => Ordering::Equal,
            (Self::Null, _) => Ordering::Less,
            _ => Ordering::Greater,
        }
    }
}

/// Columns and rows.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    pub columns: Vec<(String, Kind)>,
    pub rows: Vec<Vec<Cell>>,
}

impl Table {
    pub fn objects(&self) -> Vec<serde_json::Value> {
        let object = |row: &Vec<Cell>| {
            let members = self.columns.iter().zip(row).map(|((name, _), cell)| (name.clone(), cell.json()));
            serde_json::Value::Object(members.collect::<Map<_, _>>())
        };
        self.rows.iter().map(object).collect()
    }

    fn column(&self, stage: &str, name: &str) -> Result<usize, String> {
        self.columns.iter().position(|(column, _)| column == name).ok_or_else(|| {
            format!("'{stage}' operator: Failed to resolve column or scalar expression named '{name}'. Fix semantic errors in your query.")
        })
    }
}

/// The answer to a query, over events since a time.
///
/// # Errors
/// The message of a query that means nothing here.
pub(super) fn run(
    query: &Query,
    offered: impl Fn(&str) -> Option<Table>,
    since: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<Table, String> {
    let (name, stages) = match query {
        Query::Print(values) => return Ok(print(values, now)),
        Query::Table(name, stages) => (name, stages),
    };
    let operator = stages.first().map_or("take", Stage::name);
    let mut table = offered(name).ok_or_else(|| {
        format!("'{operator}' operator: Failed to resolve table or column expression named '{name}'. Fix semantic errors in your query.")
    })?;
    table.rows.retain(|row| !matches!(row.first(), Some(Cell::Time(at)) if *at < since));
    for stage in stages {
        table = apply(table, stage, now)?;
    }
    Ok(table)
}

fn print(values: &[(String, Value)], now: DateTime<Utc>) -> Table {
    let kind = |value: &Value| match value {
        Value::Text(_) => Kind::Text,
        Value::Number(_) => Kind::Number,
        Value::Bool(_) => Kind::Bool,
        Value::Ago(_) => Kind::Time,
    };
    let columns = values.iter().map(|(name, value)| (name.clone(), kind(value))).collect();
    Table { columns, rows: vec![values.iter().map(|(_, value)| cell(value, now)).collect()] }
}

fn cell(value: &Value, now: DateTime<Utc>) -> Cell {
    match value {
        Value::Text(text) => Cell::Text(text.clone()),
        Value::Number(number) => Cell::Number(*number),
        Value::Bool(value) => Cell::Bool(*value),
        Value::Ago(span) => Cell::Time(now - *span),
    }
}

fn apply(mut table: Table, stage: &Stage, now: DateTime<Utc>) -> Result<Table, String> {
    match stage {
        Stage::Where(condition) => {
            check(&table, condition, now)?;
            let rows = std::mem::take(&mut table.rows);
            table.rows = rows.into_iter().filter(|row| holds(&table, condition, row, now)).collect();
        }
        Stage::Project(names) => {
            let places = names.iter().map(|(_, column)| table.column("project", column)).collect::<Result<Vec<_>, _>>()?;
            table.columns = names.iter().zip(&places).map(|((name, _), &at)| (name.clone(), table.columns[at].1)).collect();
            table.rows = table.rows.iter().map(|row| places.iter().map(|&at| row[at].clone()).collect()).collect();
        }
        Stage::Take(most) => table.rows.truncate(*most),
        Stage::Sort(by) => sort(&mut table, "sort", by)?,
        Stage::Top(most, column, falling) => {
            sort(&mut table, "top", &[(column.clone(), *falling)])?;
            table.rows.truncate(*most);
        }
        Stage::Summarize(name, by) => return summarize(&table, name, by),
        Stage::Count => {
            let count = Cell::Number(i64::try_from(table.rows.len()).unwrap_or(i64::MAX));
            table = Table { columns: vec![("Count".to_owned(), Kind::Number)], rows: vec![vec![count]] };
        }
    }
    Ok(table)
}

fn sort(table: &mut Table, stage: &str, by: &[(String, bool)]) -> Result<(), String> {
    let places = by.iter().map(|(column, falling)| Ok((table.column(stage, column)?, *falling))).collect::<Result<Vec<_>, String>>()?;
    table.rows.sort_by(|one, two| {
        let orders = places.iter().map(|&(at, falling)| {
            let order = one[at].order(&two[at]);
            if falling { order.reverse() } else { order }
        });
        orders.fold(Ordering::Equal, Ordering::then)
    });
    Ok(())
}

fn summarize(table: &Table, name: &str, by: &[String]) -> Result<Table, String> {
    let places = by.iter().map(|column| table.column("summarize", column)).collect::<Result<Vec<_>, _>>()?;
    let mut groups: Vec<(Vec<Cell>, i64)> = Vec::new();
    for row in &table.rows {
        let key: Vec<Cell> = places.iter().map(|&at| row[at].clone()).collect();
        match groups.iter_mut().find(|(known, _)| *known == key) {
            Some((_, count)) => *count += 1,
            None => groups.push((key, 1)),
        }
    }
    if by.is_empty() && groups.is_empty() {
        groups.push((Vec::new(), 0));
    }
    let mut columns: Vec<(String, Kind)> = places.iter().map(|&at| table.columns[at].clone()).collect();
    columns.push((name.to_owned(), Kind::Number));
    let rows = groups.into_iter().map(|(mut key, count)| {
        key.push(Cell::Number(count));
        key
    });
    Ok(Table { columns, rows: rows.collect() })
}

/// Whether every column is there and compared with its own kind.
fn check(table: &Table, condition: &Condition, now: DateTime<Utc>) -> Result<(), String> {
    match condition {
        Condition::And(one, two) | Condition::Or(one, two) => check(table, one, now).and(check(table, two, now)),
        Condition::Is(column, comparison, value) => {
            let kind = table.columns[table.column("where", column)?].1;
            let textual = !matches!(
                comparison,
                Comparison::Equal
                    | Comparison::NotEqual
                    | Comparison::Less
                    | Comparison::LessOrEqual
                    | Comparison::Greater
                    | Comparison::GreaterOrEqual
            );
            let fits = match cell(value, now) {
                Cell::Text(_) => kind == Kind::Text,
                Cell::Number(_) => kind == Kind::Number,
                Cell::Bool(_) => kind == Kind::Bool,
                Cell::Time(_) => kind == Kind::Time,
                Cell::Null => false,
            };
            if fits && (!textual || kind == Kind::Text) {
                Ok(())
            } else {
                Err(format!(
                    "'where' operator: Cannot compare values of types {} and another. Fix semantic errors in your query.",
                    kind.word()
                ))
            }
        }
    }
}

fn holds(table: &Table, condition: &Condition, row: &[Cell], now: DateTime<Utc>) -> bool {
    match condition {
        Condition::And(one, two) => holds(table, one, row, now) && holds(table, two, row, now),
        Condition::Or(one, two) => holds(table, one, row, now) || holds(table, two, row, now),
        Condition::Is(column, comparison, value) => {
            let at = table.columns.iter().position(|(name, _)| name == column);
            at.is_some_and(|at| compare(&row[at], *comparison, &cell(value, now)))
        }
    }
}

fn compare(left: &Cell, comparison: Comparison, right: &Cell) -> bool {
    let text = |cell: &Cell| if let Cell::Text(text) = cell { text.to_lowercase() } else { String::new() };
    let word = |c: char| !c.is_alphanumeric();
    match comparison {
        Comparison::Equal => left == right,
        Comparison::NotEqual => left != right,
        Comparison::EqualInAnyCase => text(left) == text(right),
        Comparison::NotEqualInAnyCase => text(left) != text(right),
        Comparison::Contains => text(left).contains(&text(right)),
        Comparison::StartsWith => text(left).starts_with(&text(right)),
        // A whole word; of several, or of one with signs, the whole of it between signs.
        Comparison::Has => {
            let (whole, part) = (text(left), text(right));
            whole.match_indices(&part).any(|(at, _)| {
                let (before, after) = (whole[..at].chars().next_back(), whole[at + part.len()..].chars().next());
                before.is_none_or(word) && after.is_none_or(word)
            })
        }
        Comparison::Less => *left != Cell::Null && left.order(right).is_lt(),
        Comparison::LessOrEqual => *left != Cell::Null && left.order(right).is_le(),
        Comparison::Greater => left.order(right).is_gt(),
        Comparison::GreaterOrEqual => left.order(right).is_ge(),
    }
}
