//! Advanced hunting through its three interfaces, after "Advanced hunting API" of Defender XDR, "Advanced hunting API" of Defender for
//! Endpoint, and "security: runHuntingQuery" of Graph.
//!
//! A small, honest part of the query language is understood (`parse`); anything else is refused as Microsoft would refuse what it cannot
//! read, with the place. The tables (`tables`) tell of the directory's own devices, people and alerts.

mod lexer;
mod parse;
mod run;
mod schemas;
mod tables;

use super::call::{Answer, Call};
use super::faults::Times;
use super::gate::{self, Operation};
use super::hosts::Api;
use super::world::World;
use crate::model::{DirectoryId, Product};
use axum::http::{Method, header};
use chrono::{DateTime, TimeDelta, Utc};
use run::Table;
use serde_json::{Value, json};
use std::collections::{HashMap, VecDeque};
use std::time::Duration;

const XDR: Operation = Operation { name: "xdr hunting", per_minute: 45, per_hour: 1500, roles: &["AdvancedHunting.Read.All"] };
const ENDPOINT: Operation = Operation { name: "mde advanced queries", per_minute: 45, per_hour: 1500, roles: &["AdvancedQuery.Read.All"] };
const GRAPH: Operation = Operation { name: "graph hunting", per_minute: 45, per_hour: 1500, roles: &["ThreatHunting.Read.All"] };

const MOST_ROWS: usize = 100_000;
/// The most of results that the Endpoint API's page documents: 124 MB.
const LARGEST: usize = 124 * 1024 * 1024;

/// What can be made to go wrong with hunting alone.
#[derive(Clone, Debug)]
pub enum HuntFault {
    /// 429: the quota of processor time.
    CpuQuota,
    /// 429: the Endpoint API's quota of running time.
    RunningTime,
    /// The right answer after a while.
    Slow(Duration),
    /// 504, as if the query had taken longer than Microsoft lets it.
    TimeOut,
    /// The right answer with its rows repeated until there are so many.
    Rows(usize),
    /// Graph writes `Name` and `Type` instead of `name` and `type`.
    UpperCase,
    /// This status and text.
    Body(u16, String),
}

/// The faults waiting, by directory.
#[derive(Default)]
pub(super) struct Faults(HashMap<DirectoryId, VecDeque<(HuntFault, Times)>>);

impl Faults {
    fn take(&mut self, directory: DirectoryId) -> Option<HuntFault> {
        let queue = self.0.get_mut(&directory)?;
        let (fault, times) = queue.front_mut()?;
        let fault = fault.clone();
        match times {
            Times::Forever => {}
            Times::Calls(left) if *left > 1 => *left -= 1,
            Times::Calls(_) => drop(queue.pop_front()),
        }
        Some(fault)
    }
}

impl World {
    /// Breaks hunting in a directory, through whichever interface. Several faults follow one another.
    pub fn hunt_fault(&mut self, directory: DirectoryId, fault: HuntFault, times: Times) {
        self.hunting.0.entry(directory).or_default().push_back((fault, times));
    }

    /// Hunting in a directory is well again.
    pub fn hunt_heal(&mut self, directory: DirectoryId) {
        self.hunting.0.remove(&directory);
        self.limits.forget(directory);
    }
}

/// Whether a call to an API is for hunting.
pub(super) fn is_meant(call: &Call, api: Api) -> bool {
    let mut segments = call.segments();
    let version = match api {
        Api::Graph => segments.first() == Some(&"v1.0"),
        _ => segments.first() == Some(&"api"),
    };
    segments.retain(|segment| !matches!(*segment, "v1.0" | "api"));
    let path: &[&str] = match api {
        Api::DefenderXdr => &["advancedhunting", "run"],
        Api::DefenderEndpoint => &["advancedqueries", "run"],
        Api::Graph => &["security", "runHuntingQuery"],
        _ => return false,
    };
    version && segments == path
}

pub(super) fn answer(world: &mut World, call: &Call, api: Api) -> Answer {
    if call.method != Method::POST {
        return gate::refusal(api, 405, "MethodNotAllowed", "The requested resource does not support this http method.");
    }
    let operation = match api {
        Api::DefenderXdr => &XDR,
        Api::DefenderEndpoint => &ENDPOINT,
        _ => &GRAPH,
    };
    gate::serve(world, call, api, operation, |world, directory| hunt(world, call, api, directory))
}

fn hunt(world: &mut World, call: &Call, api: Api, id: DirectoryId) -> Answer {
    let asked = match asked(call, api) {
        Ok(asked) => asked,
        Err(message) => return gate::refusal(api, 400, "BadRequest", &message),
    };
    let fault = world.hunting.take(id);
    if let Some(instead) = fault.as_ref().and_then(|fault| instead(api, fault)) {
        return instead;
    }
    let now = world.now();
    let Some(directory) = world.directories.get(&id) else { return gate::refusal(api, 404, "ResourceNotFound", "No such tenant.") };
    let has = |product| directory.licences.contains(&product);
    let table = parse::parse(&asked.query).and_then(|query| {
        let offered = |name: &str| match tables::home(name)? {
            Product::DefenderEndpoint if !has(Product::DefenderEndpoint) => None,
            Product::DefenderXdr if api == Api::DefenderEndpoint || !has(Product::DefenderXdr) => None,
            _ => tables::table(directory, name, now),
        };
        // Events older than 30 days are gone, and what is older than the time span is not asked for.
        let since = asked.since(now).unwrap_or(now - TimeDelta::days(30)).max(now - TimeDelta::days(30));
        run::run(&query, offered, since, now)
    });
    let mut table = match table {
        Ok(table) => table,
        Err(message) => return gate::refusal(api, 400, "BadRequest", &message),
    };
    if let Some(HuntFault::Rows(wanted)) = fault {
        let rows = std::mem::take(&mut table.rows);
        table.rows = rows.iter().cycle().take(if rows.is_empty() { 0 } else { wanted }).cloned().collect();
    }
    table.rows.truncate(MOST_ROWS);
    let mut answer = told(api, &table, matches!(fault, Some(HuntFault::UpperCase)));
    if answer.body.len() > LARGEST {
        let message =
            "Query execution has exceeded the allowed result size. Optimize your query by limiting the number of results and try again.";
        return gate::refusal(api, 400, "BadRequest", message);
    }
    if let Some(HuntFault::Slow(delay)) = fault {
        answer.delay = Some(delay);
    }
    answer
}

fn instead(api: Api, fault: &HuntFault) -> Option<Answer> {
    let refuse = |status, code, message| gate::refusal(api, status, code, message);
    Some(match fault {
        HuntFault::CpuQuota => refuse(
            429,
            "TooManyRequests",
            "The query was blocked: your tenant has used up its quota of CPU resources. The quota is renewed every 15 minutes.",
        ),
        HuntFault::RunningTime => {
            refuse(429, "TooManyRequests", "The query was blocked: 10 minutes of running time per hour are used up. Try again later.")
        }
        HuntFault::TimeOut => refuse(504, "GatewayTimeout", "The query did not end within its time limit."),
        HuntFault::Body(status, text) => {
            let mut answer = Answer::json(*status, &Value::Null);
            answer.set_body("application/json", text.clone());
            answer
        }
        HuntFault::Slow(_) | HuntFault::Rows(_) | HuntFault::UpperCase => return None,
    })
}

/// What stands in the body.
struct Asked {
    query: String,
    timespan: Option<String>,
}

impl Asked {
    /// Where a time span begins.
    fn since(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let text = self.timespan.as_deref()?;
        let first = text.split('/').next()?;
        length(first).map(|length| now - length).or_else(|| Some(DateTime::parse_from_rfc3339(first).ok()?.to_utc()))
    }
}

/// `P30D` or `PT12H`.
fn length(text: &str) -> Option<TimeDelta> {
    let number = |text: &str| text.parse::<u32>().ok().map(i64::from);
    let rest = text.strip_prefix('P')?;
    if let Some(days) = rest.strip_suffix('D') {
        return number(days).map(TimeDelta::days);
    }
    number(rest.strip_prefix('T')?.strip_suffix('H')?).map(TimeDelta::hours)
}

/// Member names are taken letter by letter.
fn asked(call: &Call, api: Api) -> Result<Asked, String> {
    if !call.header(&header::CONTENT_TYPE).is_some_and(|kind| kind.starts_with("application/json")) {
        return Err("The content type must be application/json.".to_owned());
    }
    let Ok(Value::Object(body)) = serde_json::from_slice(&call.body) else {
        return Err("The request body is not a JSON object.".to_owned());
    };
    let known = |name: &str| name == "Query" || (name == "Timespan" && api == Api::Graph);
    if let Some(odd) = body.keys().find(|name| !known(name)) {
        return Err(format!("The request body has an unknown member '{odd}'."));
    }
    let query = body.get("Query").and_then(Value::as_str).filter(|query| !query.trim().is_empty());
    let query = query.ok_or("The member 'Query' is missing or empty.")?.to_owned();
    let timespan = body.get("Timespan").and_then(Value::as_str).map(str::to_owned);
    let asked = Asked { query, timespan };
    if body.contains_key("Timespan") && asked.since(DateTime::UNIX_EPOCH).is_none() {
        return Err("The member 'Timespan' is no ISO 8601 time span that the stand-in knows.".to_owned());
    }
    Ok(asked)
}

fn told(api: Api, table: &Table, upper: bool) -> Answer {
    let results: Vec<Value> = table.objects();
    let (name, kind) = if api == Api::Graph && !upper { ("name", "type") } else { ("Name", "Type") };
    let schema: Vec<Value> = table.columns.iter().map(|(column, of)| json!({name: column, kind: of.word()})).collect();
    let body = match api {
        Api::Graph => json!({
            "@odata.context": "https://graph.microsoft.com/v1.0/$metadata#microsoft.graph.security.huntingQueryResults",
            "schema": schema,
            "results": results,
        }),
        Api::DefenderEndpoint => json!({"Schema": schema, "Results": results}),
        _ => json!({
            "Stats": {
                "ExecutionTime": 0.031_25,
                "resource_usage": {
                    "cache": {"memory": {"hits": 12, "misses": 0, "total": 12}, "disk": {"hits": 0, "misses": 0, "total": 0}},
                    "cpu": {"user": "00:00:00.0312500", "kernel": "00:00:00", "total cpu": "00:00:00.0312500"},
                    "memory": {"peak_per_node": 1_048_576},
                },
                "dataset_statistics": [{"table_row_count": results.len(), "table_size": results.len() * 64}],
            },
            "Schema": schema,
            "Results": results,
        }),
    };
    Answer::json(200, &body)
}
