//! The filters of the Cloud Apps alert list: the documented fields with the documented operators, and nothing else.

use super::filters;
use crate::demo::content::cloud::severity;
use crate::demo::records::CloudAlert;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Map, Value};

/// The documented fields, each with its operators.
const FIELDS: &[(&str, &[&str])] = &[
    ("entity.entity", &["eq", "neq"]),
    ("entity.ip", &["eq", "neq"]),
    ("entity.service", &["eq", "neq"]),
    ("entity.instance", &["eq", "neq"]),
    ("entity.policy", &["eq", "neq"]),
    ("entity.file", &["eq", "neq"]),
    ("alertOpen", &["eq"]),
    ("severity", &["eq", "neq"]),
    ("resolutionStatus", &["eq", "neq"]),
    ("read", &["eq"]),
    ("date", &["lte", "gte", "range", "lte_ndays", "gte_ndays"]),
    ("resolutionDate", &["lte", "gte", "range"]),
    ("risk", &["eq", "neq"]),
    ("alertType", &["eq", "neq"]),
    ("id", &["eq", "neq"]),
    ("source", &["eq"]),
];

/// `field: { operator: value }`.
pub(super) struct Filter {
    field: &'static str,
    operator: &'static str,
    value: Value,
}

/// Reads the `filters` object.
pub(super) fn filters(fields: &Map<String, Value>) -> Result<Vec<Filter>, String> {
    let mut filters = Vec::new();
    filters::each(fields, FIELDS, |field, operator, value| {
        well_typed(field, operator, value)?;
        filters.push(Filter { field, operator, value: value.clone() });
        Ok(())
    })?;
    Ok(filters)
}

fn well_typed(field: &str, operator: &str, value: &Value) -> Result<(), String> {
    let good = match operator {
        "range" => value.as_array().is_some_and(|ranges| ranges.iter().all(|r| r["start"].is_i64() && r["end"].is_i64())),
        "lte" | "gte" | "lte_ndays" | "gte_ndays" => value.is_i64(),
        _ if matches!(field, "alertOpen" | "read") => value.is_boolean(),
        _ if field == "source" => value.is_string(),
        // The operators like `eq` take lists; a single value is understood too.
        _ => value.is_array() || value.is_i64() || value.is_string(),
    };
    if good { Ok(()) } else { Err(format!("The filter '{field}' with '{operator}' has a value of the wrong type.")) }
}

impl Filter {
    pub fn holds(&self, alert: &CloudAlert, now: DateTime<Utc>) -> bool {
        match self.field {
            "date" => self.in_time(Some(alert.at), now),
            "resolutionDate" => self.in_time(alert.resolved, now),
            "alertOpen" => self.value == Value::Bool(alert.resolution == 0),
            "read" => self.value == Value::Bool(alert.status > 0),
            "severity" => self.among(&Value::from(severity(alert.plan.severity))),
            "resolutionStatus" => self.among(&Value::from(alert.resolution)),
            "id" => self.among(&Value::from(alert.shown_id())),
            "source" => self.value == "built-in",
            // No alert of the stand-in is found by these.
            _ => self.operator == "neq",
        }
    }

    fn among(&self, actual: &Value) -> bool {
        let listed = self.value.as_array().map_or_else(|| self.value == *actual, |list| list.contains(actual));
        listed == (self.operator == "eq")
    }

    fn in_time(&self, at: Option<DateTime<Utc>>, now: DateTime<Utc>) -> bool {
        let Some(at) = at else { return false };
        let milliseconds = at.timestamp_millis();
        let given = self.value.as_i64().unwrap_or_default();
        let days_ago = || now - TimeDelta::try_days(given).unwrap_or_default();
        match self.operator {
            "gte" => milliseconds >= given,
            "lte" => milliseconds <= given,
            "gte_ndays" => at <= days_ago(),
            "lte_ndays" => at >= days_ago(),
            _ => self.value.as_array().into_iter().flatten().any(|range| {
                let end = |name: &str| range[name].as_i64().unwrap_or_default();
                (end("start")..=end("end")).contains(&milliseconds)
            }),
        }
    }
}
