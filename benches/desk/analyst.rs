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

/// How long a change may take to end. One whose answer was lost is looked for first.
const LONGEST: Duration = Duration::from_secs(60);

/// A form that was sent. Its comment names its change, so that the stand-in's ledger tells the one from the other.
pub struct Sent {
    /// The analyst.
    pub by: u32,
    pub tenant: TenantId,
    pub incident: Uuid,
    pub change: Uuid,
    /// Whose name the page showed as the owner, from whom the form took the incident; nothing where it closed it.
    pub taken_from: Option<String>,
}

/// What one or all analysts met.
#[derive(Default)]
pub struct Notes {
    /// How long each step took, in milliseconds.
    pub steps: BTreeMap<&'static str, Vec<f64>>,
    /// Forms that were accepted.
    pub sent: Vec<Sent>,
    /// Forms that came back because somebody was faster.
    pub refused: Vec<Sent>,
    /// Answers that are errors, pages that are not understood, changes that do not end.
    pub errors: usize,
}

impl Notes {
    pub fn add(&mut self, other: Self) {
        for (step, times) in other.steps {
            self.steps.entry(step).or_default().extend(times);
        }
        self.sent.extend(other.sent);
        self.refused.extend(other.refused);
        self.errors += other.errors;
    }

    pub fn tell(&mut self) {
        println!("{:<10} {:>8} {:>9} {:>9} {:>9}", "step", "times", "p50 ms", "p95 ms", "most ms");
        for (step, times) in &mut self.steps {
            times.sort_by(f64::total_cmp);
            let at = |percent: usize| times[(times.len() * percent / 100).min(times.len() - 1)];
            println!("{step:<10} {:>8} {:>9.1} {:>9.1} {:>9.1}", times.len(), at(50), at(95), at(100));
        }
        println!("{} forms accepted, {} refused because somebody was faster, {} errors", self.sent.len(), self.refused.len(), self.errors);
    }
}

/// A person and their notes.
struct Analyst {
    person: Person,
    db: Db,
    n: u32,
    dice: u32,
    think: Duration,
    notes: Notes,
}

/// Works until it is over.
pub async fn work(person: Person, db: Db, n: u32, think: Duration, until: Instant) -> Notes {
    let mut analyst = Analyst { person, db, n, dice: n.wrapping_mul(2_654_435_761) | 1, think, notes: Notes::default() };
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
        let Some(found) = links(&list) else {
            self.fail("a list is neither rows nor said to be empty");
            return;
        };
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
        let Some((fields, sent)) = self.filled(&page, step, path, tenant) else {
            self.fail(&format!("{path} has no form to {step} it with"));
            return false;
        };
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
                self.notes.refused.push(sent);
                false
            }
            other => {
                self.fail(&format!("{path}: {other}"));
                false
            }
        }
    }

    /// The form of an incident's page, filled in: its fields, and what it stands for.
    fn filled(&self, page: &str, step: &str, path: &str, tenant: TenantId) -> Option<(Fields, Sent)> {
        let (mut fields, change, owner) = form(page, path)?;
        let incident = path.rsplit('/').next()?.parse().ok()?;
        let mut sent = Sent { by: self.n, tenant, incident, change, taken_from: None };
        let mut fill = |name: &str, value: String| fields.push((name.to_owned(), value));
        if step == "take" {
            sent.taken_from = Some(owner);
            fill("take", "1".to_owned());
            fill("status", String::new());
            fill("verdict", String::new());
            fill("comment", format!("I look at this. {change}"));
        } else {
            fill("status", "Resolved".to_owned());
            fill("verdict", option(page, "verdict", "FalsePositive/")?);
            fill("comment", format!("Looked at, nothing there. {change}"));
        }
        Some((fields, sent))
    }

    /// How a change ends, or how it stands when it has taken too long.
    async fn ended(&mut self, tenant: TenantId, change: Uuid) -> String {
        let begun = Instant::now();
        loop {
            let mut tx = self.db.tenant(tenant).await.unwrap();
            let query = sqlx::query_scalar("select state from changes where tenant_id = $1 and change_id = $2");
            let state: Option<String> = query.bind(tenant).bind(change).fetch_optional(&mut *tx).await.unwrap();
            drop(tx);
            let state = state.unwrap_or_else(|| "lost".to_owned());
            if !matches!(state.as_str(), "intended" | "sending" | "running" | "unknown") {
                return state;
            }
            if begun.elapsed() > LONGEST {
                self.fail(&format!("the change {change} is {state} after {LONGEST:?}"));
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
            self.fail(&format!("{path}: {status}"));
        }
        status.is_success().then_some(text)
    }

    fn fail(&mut self, told: &str) {
        println!("{told}");
        self.notes.errors += 1;
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

/// Where the rows of a list lead; nothing if the page is no list.
fn links(list: &str) -> Option<Vec<String>> {
    let html = Html::parse_document(list);
    let [rows, empty] = ["table.queue a[data-row]", ".empty"].map(|text| Selector::parse(text).unwrap());
    let links: Vec<String> = html.select(&rows).filter_map(|link| link.attr("href")).map(str::to_owned).collect();
    (!links.is_empty() || html.select(&empty).next().is_some()).then_some(links)
}

/// What a form sends: names and values.
type Fields = Vec<(String, String)>;

/// The form of an incident's page: what stands in its input fields, the id of its change, and the owner that the page shows.
fn form(page: &str, path: &str) -> Option<(Fields, Uuid, String)> {
    let html = Html::parse_document(page);
    let inputs = Selector::parse(&format!("form[action='{path}'] input")).unwrap();
    let given = html.select(&inputs).map(|input| (input.attr("name").unwrap_or_default(), input.attr("value").unwrap_or_default()));
    let fields: Fields = given.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let value = |name: &str| fields.iter().find(|(other, _)| other == name).map(|(_, value)| value.clone());
    let (change, owner) = (value("change")?.parse().ok()?, value("was_owner")?);
    Some((fields, change, owner))
}

/// The first choice of a field that begins so.
fn option(page: &str, name: &str, beginning: &str) -> Option<String> {
    let html = Html::parse_document(page);
    let choices = Selector::parse(&format!("select[name='{name}'] option[value^='{beginning}']")).unwrap();
    html.select(&choices).next().and_then(|choice| choice.attr("value")).map(str::to_owned)
}
