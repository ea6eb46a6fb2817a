//! Evidence for people. Microsoft's APIs write the same thing in four shapes; each kind is read from whichever members are there.

mod kinds;
#[cfg(test)]
mod tests;
mod tree;

pub use tree::Step;

use super::show;
use chrono::DateTime;
use kinds::KINDS;
use serde_json::Value;

/// Of a list so many members are told.
const TOLD: usize = 8;

/// One piece of evidence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    pub icon: &'static str,
    /// "User"; of a kind we do not know, Microsoft's word.
    pub kind: String,
    pub title: String,
    pub facts: Vec<(&'static str, String)>,
    /// Only for process.
    pub command: Option<String>,
    /// Microsoft's words on it, with a sign: "Malicious", "Remediated".
    pub verdicts: Vec<(&'static str, String)>,
    /// The whole record, where the kind is not known.
    pub json: Option<String>,
    /// What puts a process into its tree.
    pub process: Option<Process>,
    /// Its place among the evidence of its alert; none for what is only named.
    pub number: Option<usize>,
}

/// A process among others. Ids and times as Microsoft wrote them, times to the second.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    pub id: Option<String>,
    pub device: Option<String>,
    pub started: Option<String>,
    pub parent: Option<String>,
    pub parent_name: Option<String>,
    pub parent_started: Option<String>,
}

/// The evidence of an alert.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    /// The processes, each within the one that began it.
    pub tree: Vec<Step>,
    /// All else, devices first.
    pub proofs: Vec<Proof>,
}

impl Evidence {
    /// From an alert's original.
    pub fn of_alert(body: &Value) -> Self {
        let (processes, proofs) = of_alert(body).into_iter().partition(|proof: &Proof| proof.process.is_some());
        Self { tree: tree::of(processes), proofs }
    }

    /// How many things there are.
    pub fn len(&self) -> usize {
        self.proofs.len() + self.tree.iter().filter(|step| matches!(step, Step::Begin(proof) if proof.number.is_some())).count()
    }

    /// There is nothing.
    pub fn is_empty(&self) -> bool {
        self.tree.is_empty() && self.proofs.is_empty()
    }
}

impl Proof {
    /// A process of which another's record tells the name.
    fn named(name: &str, id: Option<&str>) -> Self {
        Self {
            icon: "process",
            kind: "Process".to_owned(),
            title: name.to_owned(),
            facts: id.map(|id| ("Process id", id.to_owned())).into_iter().collect(),
            command: None,
            verdicts: Vec::new(),
            json: None,
            process: None,
            number: None,
        }
    }

    /// Whether a fact is one that people copy elsewhere.
    pub fn is_hash(label: &str) -> bool {
        matches!(label, "SHA-256" | "SHA-1" | "MD5" | "Hash")
    }
}

/// The evidence in an alert's original, devices first.
fn of_alert(body: &Value) -> Vec<Proof> {
    let list = |name: &str| body.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let devices = list("devices").iter().map(|item| proof("device", item));
    let others = list("entities").iter().chain(list("evidence")).map(|item| proof(kind_of(item), item));
    let mut proofs: Vec<Proof> = Vec::new();
    for proof in devices.chain(others) {
        if !proofs.contains(&proof) {
            proofs.push(proof);
        }
    }
    for (number, proof) in proofs.iter_mut().enumerate() {
        proof.number = Some(number);
    }
    proofs
}

/// `#microsoft.graph.security.userEvidence`, `User` and `account` are words for one thing.
fn kind_of(item: &Value) -> &str {
    let word = ["@odata.type", "entityType", "type"].iter().find_map(|name| item.get(name).and_then(Value::as_str)).unwrap_or("unknown");
    let word = word.rsplit('.').next().unwrap_or(word);
    word.strip_suffix("Evidence").unwrap_or(word)
}

fn proof(word: &str, item: &Value) -> Proof {
    let lower = word.to_lowercase();
    let known = KINDS.iter().copied().flatten().find(|kind| kind.names.contains(&lower.as_str()));
    let title = known.and_then(|kind| first(item, kind.title));
    let (Some(kind), Some(title)) = (known, title) else {
        let json = serde_json::to_string_pretty(&without_nulls(item)).unwrap_or_default();
        return Proof {
            icon: known.map_or("more", |kind| kind.icon),
            kind: show::words(word),
            title: known.map_or_else(|| show::words(word), |kind| kind.label.to_owned()),
            json: Some(show::visible(&json)),
            ..Proof::named("", None)
        };
    };
    let facts = kind.facts.iter().chain(COMMON).filter_map(|(label, members)| Some((*label, first(item, members)?)));
    Proof {
        icon: kind.icon,
        kind: kind.label.to_owned(),
        facts: facts.filter(|(label, value)| *value != title || Proof::is_hash(label)).map(named).collect(),
        command: first(item, &["/processCommandLine"]),
        verdicts: verdicts(item),
        json: None,
        process: (kind.label == "Process").then(|| process(item)),
        number: None,
        title,
    }
}

/// Systems have names with spaces.
fn named((label, value): (&'static str, String)) -> (&'static str, String) {
    let value = if label == "System" { super::names::system(&value) } else { value };
    (label, value)
}

/// What any kind may say.
const COMMON: &[(&str, &[&str])] =
    &[("Role", &["/detailedRoles", "/roles", "/entityRole"]), ("Remediation", &["/remediationStatusDetails"]), ("Tags", &["/tags"])];

fn process(item: &Value) -> Process {
    let second = |text: String| text.get(..19).map_or_else(|| text.clone(), str::to_owned);
    let raw = |members: &[&str]| members.iter().find_map(|member| item.pointer(member)?.as_str().map(str::to_owned)).map(second);
    Process {
        id: first(item, &["/processId"]),
        device: first(item, &["/mdeDeviceId", "/deviceId"]),
        started: raw(&["/processCreationTime", "/processCreationDateTime"]),
        parent: first(item, &["/parentProcessId"]),
        parent_name: first(item, &["/parentProcessFileName", "/parentProcessImageFile/fileName"]),
        parent_started: raw(&["/parentProcessCreationTime", "/parentProcessCreationDateTime"]),
    }
}

fn verdicts(item: &Value) -> Vec<(&'static str, String)> {
    let words = ["/verdict", "/remediationStatus", "/detectionStatus"].iter().filter_map(|member| first(item, &[member]));
    let telling = words.filter(|word| !matches!(word.to_lowercase().as_str(), "unknown" | "none" | "detected"));
    let signed = telling.map(|word| {
        let class = match word.to_lowercase().as_str() {
            "malicious" => "bad",
            "suspicious" | "active" => "warn",
            "remediated" | "prevented" | "blocked" | "nothreatsfound" => "ok",
            _ => "",
        };
        (class, show::words(&word))
    });
    signed.collect()
}

/// The first of the members that says something.
fn first(item: &Value, members: &[&str]) -> Option<String> {
    members.iter().find_map(|member| told(item.pointer(member)?))
}

/// A text, number or answer for people; of a list what its members say. `None`: nothing.
fn told(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.trim().is_empty() => Some(moment(text).unwrap_or_else(|| show::visible(text))),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(answer) => Some(if *answer { "Yes" } else { "No" }.to_owned()),
        Value::Array(list) => {
            let all: Vec<String> = list.iter().filter_map(told).collect();
            let rest = all.len().saturating_sub(TOLD);
            let mut text = all.into_iter().take(TOLD).collect::<Vec<_>>().join(", ");
            if rest > 0 {
                text = format!("{text} and {rest} more");
            }
            Some(text).filter(|text| !text.is_empty())
        }
        // Within lists: a file, an address, a hash.
        Value::Object(_) => first(value, &["/fileName", "/fileDetails/fileName", "/imageFile/fileName", "/ipAddress", "/value", "/name"]),
        _ => None,
    }
}

/// Microsoft's time as pages write times.
fn moment(text: &str) -> Option<String> {
    let at = DateTime::parse_from_rfc3339(text).ok().filter(|_| text.len() >= 20)?;
    Some(at.to_utc().format("%Y-%m-%d %H:%M:%S UTC").to_string())
}

fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            members.iter().filter(|(_, value)| !value.is_null()).map(|(name, value)| (name.clone(), without_nulls(value))).collect()
        }
        other => other.clone(),
    }
}
