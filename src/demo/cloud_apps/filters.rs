//! Filters of every list: the documented fields with the documented operators, and nothing else.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Map, Value};

/// The documented fields of a list, each with its operators.
pub(super) type Fields = &'static [(&'static str, &'static [&'static str])];

/// Calls `take` for every `field: { operator: value }` that is documented.
pub(super) fn each<'a>(
    filters: &'a Map<String, Value>,
    known: Fields,
    mut take: impl FnMut(&'static str, &'static str, &'a Value) -> Result<(), String>,
) -> Result<(), String> {
    for (name, operators) in filters {
        let (field, allowed) = known.iter().find(|(field, _)| field == name).ok_or_else(|| format!("Unknown filter '{name}'."))?;
        for (operator, value) in operators.as_object().ok_or_else(|| format!("The filter '{name}' must be an object."))? {
            let known = allowed.iter().find(|allowed| *allowed == operator);
            take(field, known.ok_or_else(|| format!("The filter '{name}' does not take '{operator}'."))?, value)?;
        }
    }
    Ok(())
}

/// The rows that every filter lets through. `values` tells what a row has under a field.
pub(super) fn filtered<R>(
    rows: Vec<R>,
    filters: &Map<String, Value>,
    known: Fields,
    now: DateTime<Utc>,
    values: impl Fn(&R, &str) -> Vec<Value>,
) -> Result<Vec<R>, String> {
    let mut list = Vec::new();
    each(filters, known, |field, operator, value| {
        if !well_typed(operator, value) {
            return Err(format!("The filter '{field}' with '{operator}' has a value of the wrong type."));
        }
        list.push((field, operator, value));
        Ok(())
    })?;
    let holds = |row: &R| list.iter().all(|(field, operator, value)| holds(operator, value, &values(row, field), now));
    Ok(rows.into_iter().filter(holds).collect())
}

/// Operators like `eq` take lists; those of order take one value.
fn well_typed(operator: &str, value: &Value) -> bool {
    match operator {
        "range" => value.as_array().is_some_and(|ranges| ranges.iter().all(|r| r["start"].is_i64() && r["end"].is_i64())),
        "lte" | "gte" | "lt" | "gt" | "lte_ndays" | "gte_ndays" => value.is_i64(),
        "isset" | "isnotset" => value.is_boolean(),
        "text" => value.is_string(),
        _ => value.is_array() || value.is_i64() || value.is_string() || value.is_boolean(),
    }
}

fn holds(operator: &str, value: &Value, actual: &[Value], now: DateTime<Utc>) -> bool {
    let single = std::slice::from_ref(value);
    let given = value.as_array().map_or(single, Vec::as_slice);
    let text = |value: &Value| value.as_str().map(str::to_lowercase);
    let texts = |test: fn(&str, &str) -> bool| {
        let matches = |(actual, wanted): (String, String)| test(&actual, &wanted);
        actual.iter().any(|actual| given.iter().any(|wanted| text(actual).zip(text(wanted)).is_some_and(matches)))
    };
    let number = value.as_i64().unwrap_or_default();
    let numbers = |test: &dyn Fn(i64) -> bool| actual.iter().filter_map(Value::as_i64).any(test);
    let days_ago = || (now - TimeDelta::try_days(number).unwrap_or_default()).timestamp_millis();
    match operator {
        "eq" => actual.iter().any(|actual| given.contains(actual)),
        "neq" => !actual.iter().any(|actual| given.contains(actual)),
        "isset" => actual.iter().any(|value| !value.is_null()) == (value == true),
        "isnotset" => actual.iter().all(Value::is_null) == (value == true),
        "startswith" | "startswithsingle" => texts(|actual, wanted| actual.starts_with(wanted)),
        "doesnotstartwith" => !texts(|actual, wanted| actual.starts_with(wanted)),
        "endswith" => texts(|actual, wanted| actual.ends_with(wanted)),
        "contains" | "text" => texts(|actual, wanted| actual.contains(wanted)),
        "ncontains" => !texts(|actual, wanted| actual.contains(wanted)),
        "gte" => numbers(&|actual| actual >= number),
        "gt" => numbers(&|actual| actual > number),
        "lte" => numbers(&|actual| actual <= number),
        "lt" => numbers(&|actual| actual < number),
        "gte_ndays" => numbers(&|actual| actual <= days_ago()),
        "lte_ndays" => numbers(&|actual| actual >= days_ago()),
        "range" => given.iter().any(|range| {
            let end = |name: &str| range[name].as_i64().unwrap_or_default();
            numbers(&|actual| (end("start")..=end("end")).contains(&actual))
        }),
        _ => false,
    }
}
