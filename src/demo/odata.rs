//! The part of OData that the Defender APIs document: comparisons joined by `and`, over named fields; `$top` and `$skip`.

use super::call::{Answer, Call, find};
use chrono::{DateTime, Utc};
use serde_json::Value;

/// What a field holds: dates are written bare, texts in single quotes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Date,
    Text,
    Number,
}

/// A field's value, or what it is compared with.
#[derive(Clone, PartialEq, PartialOrd)]
pub(super) enum Operand {
    Null,
    Date(DateTime<Utc>),
    Text(String),
    Number(i64),
}

/// `field operator value`.
pub(super) struct Clause {
    field: &'static str,
    operator: Operator,
    value: Operand,
}

#[derive(Clone, Copy)]
enum Operator {
    Eq,
    Ne,
    Ge,
    Gt,
    Le,
    Lt,
}

impl Clause {
    /// Whether it holds for a record whose fields are read through `field`.
    pub fn holds(&self, field: impl Fn(&str) -> Operand) -> bool {
        let actual = field(self.field);
        match self.operator {
            Operator::Eq => actual == self.value,
            Operator::Ne => actual != self.value,
            _ if actual == Operand::Null => false,
            Operator::Ge => actual >= self.value,
            Operator::Gt => actual > self.value,
            Operator::Le => actual <= self.value,
            Operator::Lt => actual < self.value,
        }
    }
}

/// A request for a page.
pub(super) struct Page {
    pub clauses: Vec<Clause>,
    pub top: usize,
    pub skip: usize,
}

pub(super) type Fields = &'static [(&'static str, Kind)];

/// Reads the query options of a list, and refuses those that are not documented.
pub(super) fn page(call: &Call, fields: Fields, max: usize, others: &[&str]) -> Result<Page, Answer> {
    page_of(&call.query, fields, max, others)
}

/// The same from a query's names and values.
pub(super) fn page_of(query: &[(String, String)], fields: Fields, max: usize, others: &[&str]) -> Result<Page, Answer> {
    options(query, fields, max, others).map_err(|text| Answer::defender(400, "ODataError", &text))
}

/// The same for another API; the error is a sentence.
pub(super) fn options(query: &[(String, String)], fields: Fields, max: usize, others: &[&str]) -> Result<Page, String> {
    let number = |name: &str, default: usize| match find(query, name) {
        None => Ok(default),
        Some(text) => text.parse::<usize>().map_err(|_| format!("Invalid value '{text}' for {name}.")),
    };
    if let Some((name, _)) =
        query.iter().find(|(name, _)| !matches!(name.as_str(), "$filter" | "$top" | "$skip") && !others.contains(&name.as_str()))
    {
        return Err(format!("The query option '{name}' is not supported."));
    }
    let (top, skip) = (number("$top", max)?, number("$skip", 0)?);
    if top > max {
        return Err(format!("The limit of '{max}' for Top query has been exceeded. The value from the incoming request is '{top}'."));
    }
    let clauses = find(query, "$filter").map_or_else(|| Ok(Vec::new()), |text| parse(text, fields))?;
    Ok(Page { clauses, top, skip })
}

fn parse(text: &str, fields: Fields) -> Result<Vec<Clause>, String> {
    let words = words(text)?;
    let mut clauses = Vec::new();
    for (n, part) in words.chunks(4).enumerate() {
        let (field, operator, value, and) = match part {
            [field, operator, value] if (n + 1) * 4 > words.len() => (field, operator, value, true),
            [field, operator, value, and] if words.len() > (n + 1) * 4 => (field, operator, value, and == "and"),
            _ => return Err(format!("Syntax error in the filter '{text}'.")),
        };
        if !and {
            return Err(format!("The filter '{text}' may only join comparisons with 'and'."));
        }
        let known = fields.iter().find(|(name, _)| name == field);
        let (field, kind) = known.ok_or_else(|| format!("The property '{field}' cannot be used in the $filter query option."))?;
        clauses.push(Clause { field, operator: operator_of(operator)?, value: operand(value, *kind)? });
    }
    Ok(clauses)
}

fn operator_of(word: &str) -> Result<Operator, String> {
    Ok(match word {
        "eq" => Operator::Eq,
        "ne" => Operator::Ne,
        "ge" => Operator::Ge,
        "gt" => Operator::Gt,
        "le" => Operator::Le,
        "lt" => Operator::Lt,
        other => return Err(format!("The operator '{other}' is not supported.")),
    })
}

fn operand(word: &str, kind: Kind) -> Result<Operand, String> {
    let quoted = word.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\''));
    let wrong = || format!("A binary operator with incompatible types was detected near '{word}'.");
    match (kind, quoted) {
        (_, None) if word == "null" => Ok(Operand::Null),
        (Kind::Text, Some(text)) => Ok(Operand::Text(text.replace("''", "'"))),
        (Kind::Date, None) => DateTime::parse_from_rfc3339(word).map(|at| Operand::Date(at.with_timezone(&Utc))).map_err(|_| wrong()),
        (Kind::Number, None) => word.parse().map(Operand::Number).map_err(|_| wrong()),
        _ => Err(wrong()),
    }
}

/// Splits at spaces outside quotes.
fn words(text: &str) -> Result<Vec<String>, String> {
    let (mut words, mut word, mut quoted) = (Vec::new(), String::new(), false);
    for c in text.chars() {
        match c {
            '\'' => {
                quoted = !quoted;
                word.push(c);
            }
            ' ' if !quoted => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
            }
            other => word.push(other),
        }
    }
    if quoted {
        return Err(format!("Unterminated string literal in '{text}'."));
    }
    if !word.is_empty() {
        words.push(word);
    }
    Ok(words)
}

/// A field of a record that is shown as raw JSON.
pub(super) fn raw_field(record: &Value, name: &str, kind: Kind) -> Operand {
    let value = &record[name];
    match kind {
        Kind::Number => value.as_i64().map_or(Operand::Null, Operand::Number),
        Kind::Text => value.as_str().map_or(Operand::Null, |text| Operand::Text(text.to_owned())),
        Kind::Date => {
            let at = value.as_str().and_then(|text| DateTime::parse_from_rfc3339(text).ok());
            at.map_or(Operand::Null, |at| Operand::Date(at.with_timezone(&Utc)))
        }
    }
}

/// A text that may be absent.
pub(super) fn text(value: Option<&str>) -> Operand {
    value.map_or(Operand::Null, |text| Operand::Text(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIELDS: Fields = &[("lastUpdateTime", Kind::Date), ("status", Kind::Text), ("incidentId", Kind::Number)];

    #[test]
    fn a_filter_is_comparisons_joined_by_and() {
        let good = parse("lastUpdateTime ge 2026-01-02T03:04:05.1234567Z and status eq 'It''s' and incidentId lt 7", FIELDS);
        let clauses = good.ok().unwrap();
        assert!(clauses[1].holds(|_| Operand::Text("It's".to_owned())));
        assert!(clauses[2].holds(|_| Operand::Number(6)) && !clauses[2].holds(|_| Operand::Number(7)));
        for bad in [
            "severity eq 'High'",
            "lastUpdateTime ge '2026-01-02T03:04:05Z'",
            "status eq Active",
            "status eq 'Active' or status eq 'Resolved'",
            "status eq 'Active' and",
            "and",
            "status",
            "status eq 'Active",
            "lastupdatetime ge 2026-01-02T03:04:05Z",
            "contains(status,'x')",
            "lastUpdateTime ge 2026-01-02",
        ] {
            assert!(parse(bad, FIELDS).is_err(), "{bad}");
        }
    }
}
