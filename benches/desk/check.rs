//! What the stand-in was told, beside what the database says became of each form.

use crate::analyst::Notes;
use crate::customers;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use uuid::Uuid;
use watchfloor::demo::{Api, StandIn};
use watchfloor::store::Db;

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
    for sent in &notes.sent {
        let mut tx = db.tenant(sent.tenant).await.unwrap();
        let query = sqlx::query_scalar("select state from changes where tenant_id = $1 and change_id = $2");
        let state: String = query.bind(sent.tenant).bind(sent.change).fetch_one(&mut *tx).await.unwrap();
        if let Some(from) = &sent.taken_from {
            *winners.entry((sent.incident, from.clone())).or_default() += usize::from(state == "done");
        }
        if !sent.comment.is_empty() {
            let at_microsoft = told(cloud, &sent.comment);
            if at_microsoft != usize::from(state == "done") {
                println!("change {} is {state}, and was accepted {at_microsoft} times", sent.change);
                faults += 1;
            }
        }
        *states.entry(state).or_default() += 1;
    }
    for ((incident, from), winners) in &winners {
        if *winners > 1 {
            println!("{winners} people took incident {incident} from “{from}”");
            faults += 1;
        }
    }
    println!("how the changes ended: {states:?}; incidents taken: {}", winners.values().filter(|n| **n == 1).count());
    faults + unlike(db, cloud).await
}

/// How many calls that were accepted said this.
fn told(cloud: &StandIn, comment: &str) -> usize {
    let world = cloud.world();
    let calls = world.ledger.requests().filter(|call| call.method == "PATCH" && call.status == 200);
    calls.filter(|call| call.json.as_ref().is_some_and(|body| body.contains(comment))).count()
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
