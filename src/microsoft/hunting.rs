//! Advanced hunting: one query, asked through any of the three interfaces that answer it. Sources: Microsoft's pages "Advanced hunting API"
//! of Microsoft Defender XDR, "Advanced hunting API" of Microsoft Defender for Endpoint, and "security: runHuntingQuery" of Microsoft Graph.

use super::lanes::{LONGEST_WAIT, Watch};
use super::operations::{Budget, Operation, Way, endpoint, graph, xdr};
use super::request::Ask;
use super::{CallError, Client, Target};
use crate::model::{HuntApi, Product};
use chrono::{DateTime, Timelike, Utc};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::time::Duration;

/// Microsoft gives no more rows than this, and does not say that there were more.
pub const MOST_ROWS: usize = 100_000;

/// A column of an answer.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Column {
    pub name: String,
    /// Microsoft's word: `DateTime`, `String`, `SByte` …; empty where it gave none.
    pub r#type: String,
}

/// What a query found.
#[derive(Debug)]
pub struct Found {
    /// In Microsoft's order; where it gave none, in the order of the rows' members.
    pub columns: Vec<Column>,
    /// Each as Microsoft wrote it: an object by column.
    pub rows: Vec<Box<RawValue>>,
    /// What it cost, if Microsoft said so.
    pub stats: Option<Value>,
    /// [`MOST_ROWS`] was reached: there may be more.
    pub truncated: bool,
}

impl Client {
    /// Runs a query, once, within 210 seconds. `timespan` is ISO 8601 and reaches Graph only: the other two know no such member, and look
    /// at what the query says itself, within 30 days.
    ///
    /// # Errors
    /// [`CallError::Quota`] for the quotas of computing, [`CallError::Throttled`] for the number of calls; [`CallError::TooLarge`] for more
    /// than 32 MiB; [`CallError::Rejected`] with Microsoft's words for a query it does not accept.
    pub async fn hunt(
        &self,
        target: &Target,
        app: &str,
        operation: &'static Operation,
        (query, timespan): (&str, Option<&str>),
        now: DateTime<Utc>,
    ) -> Result<Found, CallError> {
        if operation.way != Way::Hunt {
            return Err(CallError::NotConfigured("this operation runs no hunting query"));
        }
        let mut body = json!({"Query": query});
        if let Some(timespan) = timespan.filter(|_| operation.product == Product::Graph) {
            body["Timespan"] = Value::from(timespan);
        }
        let ask = Ask::new(self, target, app, operation, &[])?.json(&body);
        read(&self.ask(&ask, &Watch::start(now)).await?)
    }
}

/// The operation of an interface. `None` for "the best one".
pub fn operation(api: HuntApi) -> Option<&'static Operation> {
    match api {
        HuntApi::Auto => None,
        HuntApi::Graph => Some(&graph::HUNTING_RUN),
        HuntApi::Xdr => Some(&xdr::HUNTING_RUN),
        HuntApi::Endpoint => Some(&endpoint::QUERY_RUN),
    }
}

/// Whether a limit is one of hunting's.
pub(super) fn is_of_hunting(budget: &Budget) -> bool {
    BEST_FIRST.iter().filter_map(|api| operation(*api)).any(|operation| operation.budget == budget)
}

/// The interfaces, best first: Microsoft has announced that the Defender APIs stop on 1 February 2027 (message centre MC1220762), and the
/// tables of Endpoint's are the fewest.
pub const BEST_FIRST: [HuntApi; 3] = [HuntApi::Graph, HuntApi::Xdr, HuntApi::Endpoint];

/// Members are written with either case: Graph's pages show both.
#[derive(Deserialize)]
struct Answer {
    #[serde(default, rename = "Schema", alias = "schema")]
    schema: Option<Vec<Value>>,
    #[serde(default, rename = "Results", alias = "results")]
    results: Option<Vec<Box<RawValue>>>,
    #[serde(default, rename = "Stats", alias = "stats")]
    stats: Option<Value>,
    #[serde(default)]
    error: Option<IgnoredAny>,
}

fn read(body: &str) -> Result<Found, CallError> {
    let answer: Answer = serde_json::from_str(body).map_err(|_| CallError::Unexpected("it is no answer to a query"))?;
    if answer.error.is_some() {
        return Err(CallError::Unexpected("it says that it succeeded and holds an error"));
    }
    let rows = answer.results.ok_or(CallError::Unexpected("it has no results"))?;
    let columns = match answer.schema {
        Some(schema) => schema.iter().filter_map(column).collect(),
        None => members(&rows),
    };
    Ok(Found { columns, truncated: rows.len() >= MOST_ROWS, rows, stats: answer.stats })
}

fn column(of: &Value) -> Option<Column> {
    let text = |names: [&str; 2]| names.iter().find_map(|name| of[*name].as_str()).map(str::to_owned);
    Some(Column { name: text(["Name", "name"])?, r#type: text(["Type", "type"]).unwrap_or_default() })
}

/// The names in the first rows, for an answer without a schema.
fn members(rows: &[Box<RawValue>]) -> Vec<Column> {
    let mut columns: Vec<Column> = Vec::new();
    for row in rows.iter().take(100) {
        let Ok(Value::Object(row)) = serde_json::from_str(row.get()) else { continue };
        for name in row.keys() {
            if !columns.iter().any(|column| column.name == *name) {
                columns.push(Column { name: name.clone(), r#type: String::new() });
            }
        }
    }
    columns
}

/// Of a 429 the body names the quota: the number of calls, or the computing they took. The second is renewed every quarter of an hour, and
/// asking before that is in vain. `None`: it is not about computing.
pub(super) fn quota(body: &str, retry_after: Option<Duration>, now: DateTime<Utc>) -> Option<CallError> {
    let body: Value = serde_json::from_str(body).ok()?;
    let told = ["/error/message", "/message"].into_iter().find_map(|pointer| body.pointer(pointer)?.as_str())?;
    let lower = told.to_ascii_lowercase();
    let computing = ["cpu", "resource", "running time", "runtime", "execution time"].iter().any(|word| lower.contains(word));
    computing.then(|| CallError::Quota {
        retry_after: retry_after.unwrap_or_default().max(until_quarter(now)).min(LONGEST_WAIT),
        told: super::request::sentence(told).unwrap_or_default(),
    })
}

/// From now to the next quarter of an hour, by the clock.
fn until_quarter(now: DateTime<Utc>) -> Duration {
    let passed = u64::from(now.minute() % 15 * 60 + now.second());
    Duration::from_secs(15 * 60 - passed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_in_either_case_with_or_without_a_schema_and_statistics() {
        for (body, columns, rows) in [
            (r#"{"Schema":[{"Name":"A","Type":"String"}],"Results":[{"A":"x"}],"Stats":{"ExecutionTime":1.5}}"#, vec![("A", "String")], 1),
            (r#"{"schema":[{"Name":"A","Type":"String"},{"name":"B"},{}],"results":[]}"#, vec![("A", "String"), ("B", "")], 0),
            (r#"{"results":[{"A":1},7,{"A":2,"B":3}],"@odata.context":"x"}"#, vec![("A", ""), ("B", "")], 3),
        ] {
            let found = read(body).unwrap();
            let names: Vec<(&str, &str)> = found.columns.iter().map(|column| (column.name.as_str(), column.r#type.as_str())).collect();
            assert_eq!((names, found.rows.len(), found.truncated), (columns, rows, false), "{body}");
        }
    }

    #[test]
    fn what_is_no_answer_is_never_read_as_nothing_found() {
        for body in
            ["", "<html>", "[]", "{}", r#"{"Schema":[]}"#, r#"{"Results":null}"#, r#"{"Results":{}}"#, r#"{"error":{},"Results":[]}"#]
        {
            assert!(matches!(read(body), Err(CallError::Unexpected(_))), "{body}");
        }
    }

    #[test]
    fn a_quota_of_computing_is_waited_for_until_the_next_quarter_of_an_hour() {
        let now = DateTime::parse_from_rfc3339("2026-11-25T10:07:30Z").unwrap().to_utc();
        let of = |message: &str, wait: Option<u64>| {
            quota(&json!({"error": {"code": "TooManyRequests", "message": message}}).to_string(), wait.map(Duration::from_secs), now)
        };
        let seconds = |error: Option<CallError>| match error {
            Some(CallError::Quota { retry_after, .. }) => retry_after.as_secs(),
            other => panic!("{other:?}"),
        };
        assert_eq!(seconds(of("The CPU quota is used up.", None)), 450);
        assert_eq!(seconds(of("The CPU quota is used up.", Some(600))), 600);
        assert_eq!(seconds(of("The running time per hour is used up.", Some(7200))), 900);
        assert_eq!(of("API calls quota exceeded. Please try again in 9 seconds.", Some(9)), None);
        assert_eq!(quota("", None, now), None);
    }
}
