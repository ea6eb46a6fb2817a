//! What the stand-in was told, beside what the database says became of each form.

use crate::analyst::{Notes, Sent};
use crate::customers;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use uuid::Uuid;
use watchfloor::demo::{Api, StandIn};
use watchfloor::store::Db;

/// So many requests are kept by the stand-in.
const LEDGER: usize = 200_000;

/// Waits until no change is under way.
pub async fn settle(db: &Db) {
    let begun = Instant::now();
    let text = "select count(*) from changes where state in ('intended', 'sending', 'running', 'unknown')";
    loop {
        let mut left = 0;
        for n in customers::all() {
            let mut tx = db.tenant(customers::tenant(n)).await.unwrap();
            left += sqlx::query_scalar::<_, i64>(text).fetch_one(&mut *tx).await.unwrap();
        }
        if left == 0 {
            return;
        }
        assert!(begun.elapsed() < Duration::from_secs(120), "{left} changes do not end");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Tells each thing that is not as it should be, and how many there were.
pub async fn against_ledger(db: &Db, cloud: &StandIn, notes: &Notes) -> usize {
    let (mut faults, mut states) = (0, BTreeMap::<String, usize>::new());
    let mut winners: BTreeMap<(Uuid, String), usize> = BTreeMap::new();
    let (mut takes, mut closes) = (0, 0);
    let told = Told::of(cloud);
    for sent in &notes.sent {
        let state = state(db, sent).await.unwrap_or_else(|| "lost".to_owned());
        let done = usize::from(state == "done");
        match &sent.taken_from {
            Some(from) => {
                takes += done;
                *winners.entry((sent.incident, from.clone())).or_default() += done;
            }
            None => closes += done,
        }
        let accepted = told.times(sent.change);
        if accepted != done || state == "lost" {
            println!("change {} is {state}, and was accepted {accepted} times", sent.change);
            faults += 1;
        }
        *states.entry(state).or_default() += 1;
    }
    for ((incident, from), winners) in &winners {
        if *winners > 1 {
            println!("{winners} people took incident {incident} from “{from}”");
            faults += 1;
        }
    }
    println!("how the changes ended: {states:?}; {takes} taken, {closes} closed, {} refused", notes.refused.len());
    if takes == 0 || closes == 0 || notes.refused.is_empty() {
        println!("what never happened was not tried: more people, more time or fewer incidents are needed");
        faults += 1;
    }
    faults + refused(db, &told, notes).await + unlike(db, cloud).await
}

/// Forms that came back and left something behind all the same, or to which nobody else was faster.
async fn refused(db: &Db, told: &Told, notes: &Notes) -> usize {
    let mut faults = 0;
    for sent in &notes.refused {
        if let Some(state) = state(db, sent).await {
            println!("change {} was refused, and is {state}", sent.change);
            faults += 1;
        }
        if told.times(sent.change) > 0 {
            println!("change {} was refused, and was accepted", sent.change);
            faults += 1;
        }
        let mut others = notes.sent.iter().filter(|other| other.incident == sent.incident && other.by != sent.by);
        if !others.any(|other| told.times(other.change) == 1) {
            println!("change {} was refused, and nobody else has changed incident {}", sent.change, sent.incident);
            faults += 1;
        }
    }
    faults
}

/// What the database says of a change; nothing if there is none of this id.
async fn state(db: &Db, sent: &Sent) -> Option<String> {
    let mut tx = db.tenant(sent.tenant).await.unwrap();
    let query = sqlx::query_scalar("select state from changes where tenant_id = $1 and change_id = $2");
    query.bind(sent.tenant).bind(sent.change).fetch_optional(&mut *tx).await.unwrap()
}

/// The comments of all calls that were accepted.
struct Told(Vec<String>);

impl Told {
    fn of(cloud: &StandIn) -> Self {
        let world = cloud.world();
        let calls = world.ledger.requests();
        assert!(calls.count() < LEDGER, "the ledger is full, and has forgotten what came first");
        let accepted = world.ledger.requests().filter(|call| call.method == "PATCH" && call.status == 200);
        Self(accepted.filter_map(|call| call.json.clone()).collect())
    }

    /// How many of them name this change.
    fn times(&self, change: Uuid) -> usize {
        let change = change.to_string();
        self.0.iter().filter(|body| body.contains(&change)).count()
    }
}

/// Incidents whose last accepted change is not what the database shows.
async fn unlike(db: &Db, cloud: &StandIn) -> usize {
    let mut faults = 0;
    for n in customers::all() {
        let mut last: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
        for call in cloud.world().ledger.requests_of(customers::directory(n), Api::DefenderXdr) {
            if call.method != "PATCH" || call.status != 200 {
                continue;
            }
            let body: serde_json::Value = serde_json::from_str(call.json.as_deref().unwrap()).unwrap();
            let id = call.path.rsplit('/').next().unwrap().to_owned();
            for (member, value) in body.as_object().unwrap() {
                last.entry(id.clone()).or_default().insert(member.clone(), value.as_str().unwrap_or_default().to_owned());
            }
        }
        let mut tx = db.tenant(customers::tenant(n)).await.unwrap();
        for (id, members) in last {
            let query = sqlx::query_as::<_, (String, Option<String>)>(
                "select status_raw, assigned_to from incidents where tenant_id = $1 and external_id = $2",
            );
            let (status, owner) = query.bind(customers::tenant(n)).bind(&id).fetch_one(&mut *tx).await.unwrap();
            let same = |member: &str, stored: &str| members.get(member).is_none_or(|told| told.eq_ignore_ascii_case(stored));
            if !same("status", &status) || !same("assignedTo", owner.as_deref().unwrap_or_default()) {
                println!("incident {id} was told {members:?} and is stored as {status}, {owner:?}");
                faults += 1;
            }
        }
    }
    faults
}
