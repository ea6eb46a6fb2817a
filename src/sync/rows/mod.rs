//! Microsoft's JSON becomes our rows. Pure.
//!
//! A record without an id or a time, or one that cannot be read at all, is set aside with the reason; all else is tolerated: unknown
//! words are kept as they came, what is missing stays empty.

use crate::microsoft::{cloud_apps, endpoint, graph as wire, xdr};
use crate::model::{Cloud, DirectoryId, Product};
use crate::store::ingest::{Alert, Incident};
use crate::store::quarantine::Kind;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::value::RawValue;

mod cloud;
mod defender;
mod entities;
mod graph;
mod graph_words;

/// Whose records are read, and from which API.
#[derive(Clone, Copy, Debug)]
pub struct Origin {
    pub directory: DirectoryId,
    pub cloud: Cloud,
    /// The product whose API sent them: the product itself, or Graph.
    pub api: Product,
}

/// A record that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bad {
    pub kind: Kind,
    pub body: String,
    pub reason: String,
}

/// What a page of records became.
#[derive(Clone, Debug, Default)]
pub struct Rows {
    pub incidents: Vec<Incident>,
    pub alerts: Vec<Alert>,
    pub bad: Vec<Bad>,
}

/// The kind of record that a product's list holds.
pub const fn kind(product: Product) -> Kind {
    match product {
        Product::DefenderXdr | Product::Graph => Kind::Incident,
        Product::DefenderEndpoint | Product::CloudApps => Kind::Alert,
    }
}

impl Rows {
    /// Reads records of one product's list.
    pub fn read(product: Product, origin: Origin, records: &[Box<RawValue>]) -> Self {
        let mut rows = Self::default();
        for record in records {
            rows.add(product, kind(product), origin, record.get());
        }
        rows
    }

    /// Reads one record: of the product's list, or (`Kind::Alert` of Defender XDR) one of an incident's alerts.
    pub fn add(&mut self, product: Product, kind: Kind, origin: Origin, body: &str) {
        let read = match (origin.api, kind) {
            (Product::Graph, Kind::Incident) => parse(body).map(|incident: wire::Incident| self.graph_incident(incident, origin, body)),
            (Product::Graph, Kind::Alert) => {
                let inside = product != Product::DefenderEndpoint;
                parse(body).and_then(|alert| graph::alert(alert, None, inside, origin, body)).map(|alert| self.alerts.push(alert))
            }
            (Product::CloudApps, _) => parse(body).map(|alert: cloud_apps::Alert| self.alerts.push(cloud::alert(alert, body))),
            (Product::DefenderEndpoint, _) => {
                parse(body).map(|alert: endpoint::Alert| self.alerts.push(defender::endpoint_alert(alert, origin, body)))
            }
            (_, Kind::Alert) => {
                parse(body).and_then(|alert| defender::alert(alert, None, origin, body)).map(|alert| self.alerts.push(alert))
            }
            (_, Kind::Incident) => parse(body).map(|incident: xdr::Incident| self.incident(incident, origin, body)),
        };
        if let Err(reason) = read {
            self.bad.push(Bad { kind, body: body.to_owned(), reason });
        }
    }

    /// An incident with its alerts: one that cannot be read hides neither the others nor the incident.
    fn incident(&mut self, incident: xdr::Incident, origin: Origin, body: &str) {
        let mut alerts = Vec::new();
        for raw in &incident.alerts {
            let within = Some((incident.incident_id.as_str(), incident.last_update_time));
            match parse(raw.get()).and_then(|alert| defender::alert(alert, within, origin, raw.get())) {
                Ok(alert) => alerts.push(alert),
                Err(reason) => self.bad.push(Bad { kind: Kind::Alert, body: raw.get().to_owned(), reason }),
            }
        }
        self.incidents.push(defender::incident(incident, &alerts, origin, body));
        self.alerts.extend(alerts);
    }

    /// The same as Graph tells it.
    fn graph_incident(&mut self, incident: wire::Incident, origin: Origin, body: &str) {
        let mut alerts = Vec::new();
        for raw in &incident.alerts {
            let within = Some((incident.id.as_str(), incident.last_update_date_time));
            match parse(raw.get()).and_then(|alert| graph::alert(alert, within, true, origin, raw.get())) {
                Ok(alert) => alerts.push(alert),
                Err(reason) => self.bad.push(Bad { kind: Kind::Alert, body: raw.get().to_owned(), reason }),
            }
        }
        self.incidents.push(graph::incident(incident, &alerts, origin, body));
        self.alerts.extend(alerts);
    }

    /// When each record was updated.
    pub fn times(&self) -> impl Iterator<Item = DateTime<Utc>> {
        let of_alerts = self.alerts.iter().map(|row| row.updated_at).filter(|_| self.incidents.is_empty());
        self.incidents.iter().map(|row| row.updated_at).chain(of_alerts)
    }
}

/// Whether two words of Graph's enumerations mean the same: some have two names.
pub fn is_same_word(one: &str, other: &str) -> bool {
    graph_words::is_same(one, other)
}

/// Graph's word for a value of `status`, `classification` or `determination` in whichever API's words; what is not known stays as it is.
pub fn to_graph(member: &str, word: &str) -> String {
    graph_words::to_graph(member, word)
}

/// Microsoft's id of a record that could not be read, where it has one.
pub fn identity(kind: Kind, body: &str) -> Option<String> {
    let value: serde_json::Value = serde_json::from_str(body).ok()?;
    // An alert also names its incident.
    let names = if kind == Kind::Incident { ["incidentId", "id", "_id"] } else { ["alertId", "id", "_id"] };
    let id = names.into_iter().find_map(|name| value.get(name).filter(|id| !id.is_null()))?;
    id.as_str().map(str::to_owned).or_else(|| id.as_u64().map(|id| id.to_string()))
}

/// The database reads the original again and its patience with nesting is finite.
const DEEPEST: usize = 100;

fn parse<'a, T: Deserialize<'a>>(body: &'a str) -> Result<T, String> {
    if depth(body) > DEEPEST {
        return Err(format!("it is nested deeper than {DEEPEST} levels"));
    }
    serde_json::from_str(body).map_err(|error| {
        let text = error.to_string();
        text.split(" at line ").next().unwrap_or_default().to_owned()
    })
}

/// How deep valid JSON is nested.
fn depth(json: &str) -> usize {
    let (mut deepest, mut now, mut in_text, mut escaped) = (0_usize, 0_usize, false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'{' | b'[' if !in_text => {
                now += 1;
                deepest = deepest.max(now);
            }
            b'}' | b']' if !in_text => now = now.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// The page of a record in Microsoft's portal, for the right directory.
fn portal(origin: Origin, page: &str, id: &str) -> Option<String> {
    crate::model::portal::page(origin.cloud, origin.directory, &[page, id])
}

/// At most `most` characters: indexes and lists have their limits, the original keeps the whole.
fn clip(text: String, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => text[..end].to_owned(),
        None => text,
    }
}

/// Lists go into the database with U+001F between their values.
fn words(values: Vec<String>, most: usize) -> Vec<String> {
    values.into_iter().take(most).map(|value| clip(value.replace('\u{1f}', " "), 200)).collect()
}

/// "Unknown" and "NotAvailable" are Microsoft's words for "not set".
fn verdict(word: Option<String>) -> Option<String> {
    word.filter(|word| !["Unknown", "NotAvailable"].iter().any(|unset| word.eq_ignore_ascii_case(unset))).map(|word| clip(word, 100))
}

const TITLE: usize = 1000;
const NAME: usize = 300;

fn name(text: Option<String>) -> Option<String> {
    text.map(|text| clip(text, NAME))
}

#[cfg(test)]
mod tests;
