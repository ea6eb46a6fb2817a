//! One person at the queue.

use crate::customers;
use crate::portal::Person;
use reqwest::StatusCode;
use scraper::{Html, Selector};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use uuid::Uuid;
use watchfloor::model::TenantId;
use watchfloor::store::Db;

/// A form that was sent and accepted.
pub struct Sent {
    pub tenant: TenantId,
    pub incident: Uuid,
    pub change: Uuid,
    /// Whose name the page showed as the owner; the form took the incident from there.
    pub taken_from: Option<String>,
    /// What it says in a comment of its own; empty where it said nothing.
    pub comment: String,
}

/// What one or all analysts met.
#[derive(Default)]
pub struct Notes {
    /// How long each step took, in milliseconds.
    pub steps: BTreeMap<&'static str, Vec<f64>>,
    pub sent: Vec<Sent>,
    /// Forms that came back because somebody was faster.
    pub refused: usize,
    pub errors: usize,
}

impl Notes {
    pub fn add(&mut self, other: Self) {
        for (step, times) in other.steps {
            self.steps.entry(step).or_default().extend(times);
        }
        self.sent.extend(other.sent);
        self.refused += other.refused;
        self.errors += other.errors;
    }

    pub fn tell(&mut self) {
        println!("{:<10} {:>8} {:>9} {:>9} {:>9}", "step", "times", "p50 ms", "p95 ms", "most ms");
        for (step, times) in &mut self.steps {
            times.sort_by(f64::total_cmp);
            let at = |percent: usize| times[(times.len() * percent / 100).min(times.len() - 1)];
            println!("{step:<10} {:>8} {:>9.1} {:>9.1} {:>9.1}", times.len(), at(50), at(95), at(100));
        }
        println!("{} forms accepted, {} refused because somebody was faster, {} errors", self.sent.len(), self.refused, self.errors);
    }
}

/// A person and their notes.
struct Analyst {
    person: Person,
    db: Db,
    dice: u32,
    think: Duration,
    notes: Notes,
}

/// Works until it is over.
pub async fn work(person: Person, db: Db, n: u32, think: Duration, until: Instant) -> Notes {
    let mut analyst = Analyst { person, db, dice: n.wrapping_mul(2_654_435_761) | 1, think, notes: Notes::default() };
    while Instant::now() < until {
        analyst.one().await;
    }
    analyst.notes
}

impl Analyst {
    /// Opens, filters, looks, takes, closes.
    async fn one(&mut self) {
        self.get("open", "/incidents").await;
        let tenant = customers::tenant(self.roll(20));
        let Some(list) = self.get("filter", &format!("/incidents?tenant={tenant}&owner=none&status=new")).await else { return };
        let found: Vec<String> = links(&list);
        if found.is_empty() {
            return;
        }
        let few = u32::try_from(found.len().min(5)).unwrap();
        let path = found[self.roll(few) as usize].clone();
        self.get("preview", &format!("{path}/preview")).await;
        if self.change("take", &path, tenant).await {
            self.change("close", &path, tenant).await;
        }
    }

    /// Opens an incident and sends its form. Whether it was carried out.
    async fn change(&mut self, step: &'static str, path: &str, tenant: TenantId) -> bool {
        let Some(page) = self.get("incident", path).await else { return false };
        let Some((mut fields, mut sent)) = form(&page, path, tenant) else { return false };
        if step == "take" {
            fields.push(("take".to_owned(), "1".to_owned()));
        } else {
            sent.comment = format!("Looked at, nothing there. {}", sent.change);
            sent.taken_from = None;
            let verdict = option(&page, "verdict", "FalsePositive/").unwrap();
            fields.retain(|(name, _)| !matches!(name.as_str(), "status" | "verdict" | "comment"));
            fields.extend(
                [("status", "Resolved"), ("verdict", &verdict), ("comment", &sent.comment)].map(|(n, v)| (n.to_owned(), v.to_owned())),
            );
        }
        self.pause().await;
        let begun = Instant::now();
        let request = self.person.client.post(format!("{}{path}", self.person.address)).header("cookie", &self.person.cookie);
        let answer = request.header("sec-fetch-site", "same-origin").form(&fields).send().await.unwrap();
        let status = answer.status();
        answer.bytes().await.unwrap();
        self.note(step, begun);
        match status {
            StatusCode::SEE_OTHER => {
                let (change, begun) = (sent.change, Instant::now());
                self.notes.sent.push(sent);
                let state = self.ended(tenant, change).await;
                self.note("carried out", begun);
                state == "done"
            }
            StatusCode::CONFLICT => {
                self.notes.refused += 1;
                false
            }
            other => {
                println!("{path}: {other}");
                self.notes.errors += 1;
                false
            }
        }
    }

    /// How a change ends.
    async fn ended(&self, tenant: TenantId, change: Uuid) -> String {
        loop {
            let mut tx = self.db.tenant(tenant).await.unwrap();
            let query = sqlx::query_scalar("select state from changes where tenant_id = $1 and change_id = $2");
            let state: String = query.bind(tenant).bind(change).fetch_one(&mut *tx).await.unwrap();
            drop(tx);
            if !matches!(state.as_str(), "intended" | "sending" | "running" | "unknown") {
                return state;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// A page, after a pause; nothing if it is an error.
    async fn get(&mut self, step: &'static str, path: &str) -> Option<String> {
        self.pause().await;
        let begun = Instant::now();
        let request = self.person.client.get(format!("{}{path}", self.person.address)).header("cookie", &self.person.cookie);
        let answer = request.send().await.unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        self.note(step, begun);
        if !status.is_success() {
            println!("{path}: {status}");
            self.notes.errors += 1;
        }
        status.is_success().then_some(text)
    }

    fn note(&mut self, step: &'static str, begun: Instant) {
        self.notes.steps.entry(step).or_default().push(begun.elapsed().as_secs_f64() * 1000.0);
    }

    async fn pause(&mut self) {
        let twice = self.think * 2;
        tokio::time::sleep(twice * self.roll(1000) / 1000).await;
    }

    /// A number below `sides`.
    fn roll(&mut self, sides: u32) -> u32 {
        self.dice ^= self.dice << 13;
        self.dice ^= self.dice >> 17;
        self.dice ^= self.dice << 5;
        self.dice % sides
    }
}

/// Where the rows of a list lead.
fn links(list: &str) -> Vec<String> {
    let html = Html::parse_document(list);
    let rows = Selector::parse("a[data-row]").unwrap();
    html.select(&rows).filter_map(|link| link.attr("href")).map(str::to_owned).collect()
}

/// The form of an incident's page as it stands there.
fn form(page: &str, path: &str, tenant: TenantId) -> Option<(Vec<(String, String)>, Sent)> {
    let html = Html::parse_document(page);
    let inputs = Selector::parse(&format!("form[action='{path}'] input")).unwrap();
    let given = html.select(&inputs).map(|input| (input.attr("name").unwrap_or_default(), input.attr("value").unwrap_or_default()));
    let mut fields: Vec<(String, String)> = given.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let value = |name: &str| fields.iter().find(|(other, _)| other == name).map(|(_, value)| value.clone());
    let (change, owner) = (value("change")?.parse().unwrap(), value("was_owner")?);
    fields.extend(["status", "verdict", "comment"].map(|name| (name.to_owned(), String::new())));
    let incident = path.rsplit('/').next()?.parse().ok()?;
    Some((fields, Sent { tenant, incident, change, taken_from: Some(owner), comment: String::new() }))
}

/// The first choice of a field that begins so.
fn option(page: &str, name: &str, beginning: &str) -> Option<String> {
    let html = Html::parse_document(page);
    let choices = Selector::parse(&format!("select[name='{name}'] option[value^='{beginning}']")).unwrap();
    html.select(&choices).next().and_then(|choice| choice.attr("value")).map(str::to_owned)
}
