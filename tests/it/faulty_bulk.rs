//! Bulk jobs on their way through a Microsoft at its worst, through either of its APIs, with workers that die on the way: each change ends there
//! exactly as it was asked for or, visibly, not at all.

use crate::bulk_killed::begun;
use crate::rig::{Customer, Rig};
use chrono::TimeDelta;
use serde_json::Value;
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;
use watchfloor::app::bulk;
use watchfloor::app::triage::Wish;
use watchfloor::auth::Person;
use watchfloor::demo::{Api, Fault, Loss, Times};
use watchfloor::microsoft::Pace;
use watchfloor::model::{BulkId, ChangeId, ChangeState};
use watchfloor::store::audit::By;
use watchfloor::store::bulk::tally;
use watchfloor::store::changes;
use watchfloor::sync::push;

const SEEDS: u64 = 9;
const INCIDENTS: i64 = 6;
/// In so many steps of a job something goes wrong; then Microsoft answers well.
const ROUGH: u64 = 40;
/// A worker that dies while it waits for a slow answer.
const SLOW: Duration = Duration::from_millis(400);
const DIES: Duration = Duration::from_millis(200);

/// One job of one customer.
struct Scene<'a> {
    rig: &'a Rig,
    of: Customer,
    api: Api,
    seed: u64,
}

/// An incident's members by the names of the Defender APIs, in small letters, and its comments.
#[derive(Clone, Debug, Default, PartialEq)]
struct Record {
    members: BTreeMap<String, String>,
    comments: Vec<String>,
}

impl Record {
    /// As an incident or a request says it; Graph's words for tags are the others'.
    fn tell(&mut self, told: &Value) {
        for (name, value) in told.as_object().unwrap() {
            let value = match value {
                Value::String(text) => text.to_lowercase(),
                Value::Array(tags) => tags.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", "),
                _ => String::new(),
            };
            match name.as_str() {
                "comment" => self.comments.push(told[name].as_str().unwrap().to_owned()),
                "tags" | "customTags" => _ = self.members.insert("tags".to_owned(), value),
                "status" | "assignedTo" | "classification" => _ = self.members.insert(name.clone(), value),
                _ => {}
            }
        }
    }
}

impl Scene<'_> {
    /// A number below `sides` that only the seed and the words decide.
    fn dice(&self, what: &str, step: u64, sides: u64) -> u64 {
        let mut hasher = DefaultHasher::new();
        (self.seed, what, step).hash(&mut hasher);
        hasher.finish() % sides
    }

    /// Lets something go wrong in the next calls. True: and the worker dies while it waits.
    fn break_something(&self, step: u64) -> bool {
        let (api, throttle) = (self.api, |after: &str| Fault::Throttle(Some(after.to_owned())));
        let (on, fault, calls) = match self.dice("fault", step, 20) {
            0 => (api, throttle("7"), 1),
            1 => (api, Fault::Throttle(None), 1),
            2 => (api, Fault::Status(500), 1),
            3 => (api, Fault::Status(503), 6),
            4 => (api, Fault::Unauthorized, 1),
            5 => (api, Fault::Unauthorized, 2),
            6 => (api, Fault::Forbidden, 1),
            7 => (api, Fault::Cut, 1),
            8 => (api, Fault::Acted(Loss::Cut), 1),
            9 => (api, Fault::Acted(Loss::Half), 1),
            10 => (api, Fault::Acted(Loss::Status(500)), 1),
            11 => (api, Fault::Acted(Loss::Busy(9)), 1),
            12 => (api, Fault::TruncatedJson, 1),
            13 => (api, Fault::html(), 1),
            14 => (Api::Token, Fault::Status(500), 6),
            15 | 16 => (api, Fault::Slow(SLOW), 1),
            _ => return false,
        };
        let is_slow = matches!(fault, Fault::Slow(_));
        if on == Api::Token {
            self.rig.cloud.world().expire_tokens(self.of.directory);
        }
        let pass = u32::try_from(self.dice("when", step, 4)).unwrap();
        self.rig.cloud.world().fault_after(self.of.directory, on, pass, fault, Times::Calls(calls));
        is_slow
    }

    /// The changes that have not ended, and how they stand.
    async fn open(&self) -> Vec<(ChangeId, ChangeState)> {
        let mut tx = self.rig.db.worker.tenant(self.of.tenant).await.unwrap();
        sqlx::query_as("select change_id, state from changes where state in ('intended', 'sending', 'unknown') order by created_at")
            .fetch_all(&mut *tx)
            .await
            .unwrap()
    }

    /// A worker takes a change and dies before it has sent it.
    async fn take_and_die(&self) {
        let mut tx = self.rig.db.worker.tenant(self.of.tenant).await.unwrap();
        for (id, _) in self.open().await.into_iter().filter(|(_, state)| *state == ChangeState::Intended).take(1) {
            let change = changes::get(&mut tx, id).await.unwrap().unwrap();
            changes::claim(&mut tx, &change, self.rig.now()).await.unwrap();
        }
        tx.commit().await.unwrap();
    }

    fn heal(&self) {
        for api in Api::ALL {
            self.rig.cloud.world().heal(self.of.directory, api);
        }
    }

    /// Works a job off as the engine would, with all that can go wrong on the way.
    async fn work(&self, job: BulkId) {
        for step in 0..400 {
            if step == ROUGH {
                self.heal();
            }
            let dies = step < ROUGH && self.break_something(step);
            if step < ROUGH && self.dice("claim", step, 8) == 0 {
                self.take_and_die().await;
            }
            let piece = bulk::work(self.rig.reader.clone(), self.of.tenant, job, self.rig.now());
            let mut waits = vec![TimeDelta::seconds(30)];
            if dies {
                if let Ok(wait) = tokio::time::timeout(DIES, piece).await {
                    waits.extend(wait.unwrap());
                }
            } else {
                waits.extend(piece.await.unwrap());
            }
            for (id, _) in self.open().await.into_iter().filter(|(_, state)| *state != ChangeState::Intended) {
                let next = push::carry(&self.rig.reader, self.of.tenant, id, Pace::Background, self.rig.now()).await.unwrap();
                waits.extend(next);
            }
            if self.open().await.is_empty() && self.rig.count(self.of, "bulk_incidents where state = 'waiting'").await == 0 {
                return;
            }
            self.rig.pass(waits.into_iter().min().unwrap().num_seconds().max(1));
        }
        let open = "select string_agg(concat_ws(' ', operation, state, looks, sent_at, reason, answer), '; ') from changes where state in ('intended', 'sending', 'unknown')";
        panic!("it does not end, with seed {}: {:?}", self.seed, self.rig.text(self.of, open).await);
    }

    /// Every incident as Microsoft has it, by its number.
    fn truth(&self, ids: &[i64]) -> BTreeMap<String, Record> {
        let record = |id: &i64| {
            let body = self.rig.cloud.world().incident(self.of.directory, *id).unwrap();
            let mut record = Record::default();
            record.tell(&body);
            let comments = body["comments"].as_array().unwrap();
            record.comments = comments.iter().map(|comment| comment["comment"].as_str().unwrap().to_owned()).collect();
            (id.to_string(), record)
        };
        ids.iter().map(record).collect()
    }

    /// What should have become of these records: each change that is done was made once, and no other one was made.
    async fn told(&self, mut records: BTreeMap<String, Record>) -> BTreeMap<String, Record> {
        let mut tx = self.rig.db.worker.tenant(self.of.tenant).await.unwrap();
        let text = "select args[1], request from changes where state = 'done' order by created_at, change_id";
        let done: Vec<(String, Value)> = sqlx::query_as(text).fetch_all(&mut *tx).await.unwrap();
        for (id, request) in done {
            records.get_mut(&id).unwrap().tell(&request);
        }
        records
    }

    /// The page of a job says of each incident what its changes say, and of none that it waits.
    async fn assert_told(&self, job: BulkId) -> i64 {
        let mut tx = self.rig.db.worker.tenant(self.of.tenant).await.unwrap();
        let told = tally(&mut tx, job).await.unwrap().remove(0);
        assert_eq!((told.waiting, told.done + told.failed + told.cancelled), (0, told.matched), "seed {}: {told:?}", self.seed);
        let sql = "select count(distinct c.args[1]) from changes as c where c.batch = $1
                   and not exists (select from changes as o where o.batch = c.batch and o.args[1] = c.args[1] and o.state <> 'done')";
        let whole: i64 = sqlx::query_scalar(sql).bind(job).fetch_one(&mut *tx).await.unwrap();
        let without: i64 = sqlx::query_scalar("select count(*) from bulk_incidents where bulk_id = $1 and state = 'done'")
            .bind(job)
            .fetch_one(&mut *tx)
            .await
            .unwrap();
        assert_eq!(told.done, whole + without, "seed {}: {told:?}", self.seed);
        told.done
    }

    async fn undo(&self, (by, ann): &(By, Person), job: BulkId) -> BulkId {
        let back = BulkId::new();
        let mut tx = self.rig.db.web.all_tenants().await.unwrap();
        bulk::undo(&mut tx, &self.rig.reader.queue, (by, ann), (job, back), self.rig.now()).await.unwrap();
        tx.commit().await.unwrap();
        back
    }
}

/// A customer who is reached through this API, and whose incidents have been read.
async fn customer(rig: &Rig, api: Api) -> (Customer, Vec<i64>) {
    let customer = rig.acting_customer("Contoso").await;
    if api == Api::Graph {
        rig.give_apps(customer, &["graph"]).await;
    }
    let ids = (0..INCIDENTS).map(|n| rig.cloud.world().add_incident(customer.directory, &format!("Case {n}")).unwrap()).collect();
    rig.verify(customer, 3).await;
    rig.settle(customer).await;
    rig.interval(&[customer]).await;
    assert_eq!(rig.count(customer, "incidents").await, INCIDENTS);
    (customer, ids)
}

fn wish(seed: u64) -> Wish {
    let word = |word: &str| Some(word.to_owned());
    let wish = Wish { comment: word("Looked at"), ..Wish::default() };
    match seed % 3 {
        0 => Wish { status: word("Resolved"), classification: word("FalsePositive"), determination: word("NotMalicious"), ..wish },
        1 => Wish { tags: Some(vec!["bulk".to_owned()]), ..wish },
        _ => Wish { assigned_to: word("ann@msp.example"), status: word("InProgress"), comment: None, ..Wish::default() },
    }
}

async fn run(seed: u64, api: Api) -> (i64, i64) {
    let rig = Rig::start().await;
    let (of, ids) = customer(&rig, api).await;
    let scene = Scene { rig: &rig, of, api, seed };
    let before = scene.truth(&ids);
    let (job, who) = begun(&rig, &wish(seed)).await;
    scene.work(job).await;
    let mut done = scene.assert_told(job).await;
    // What closed them is taken back, while as much goes wrong.
    if seed.is_multiple_of(3) && done > 0 {
        let back = scene.undo(&who, job).await;
        Scene { seed: seed + 1000, ..scene }.work(back).await;
        done += scene.assert_told(back).await;
    }
    scene.heal();
    rig.interval(&[of]).await;
    rig.assert_ledger_equals_database(of).await;
    assert!(rig.cloud.world().ledger.early().is_empty(), "seed {seed}: somebody was called too early");
    let ends = rig.rows(of, "select concat_ws(' ', args[1], operation, state, reason) from changes order by created_at").await;
    let ends: Vec<String> = ends.iter().map(|row| sqlx::Row::get(row, 0)).collect();
    assert_eq!(scene.truth(&ids), scene.told(before).await, "seed {seed} through {api:?}: {ends:#?}");
    (done, rig.count(of, "changes where state <> 'done'").await)
}

#[tokio::test]
async fn whatever_goes_wrong_on_the_way_a_job_has_done_at_microsoft_what_it_says_and_nothing_else() {
    let (mut done, mut not_done) = (0, 0);
    for api in [Api::DefenderXdr, Api::Graph] {
        for seed in 0..SEEDS {
            let ends = Box::pin(run(seed, api)).await;
            eprintln!("{api:?} {seed}: {ends:?}");
            (done, not_done) = (done + ends.0, not_done + ends.1);
        }
    }
    assert!(done > 50 && not_done > 5, "enough came through and enough did not: {done}, {not_done}");
}
