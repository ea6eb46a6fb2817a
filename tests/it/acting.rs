//! Changing things at Microsoft: nothing is sent twice, whatever happens on the way, and every change ends in the state that is true.

use crate::engine::until;
use crate::interrupted::worker_process;
use crate::responding::respond;
use crate::rig::{Customer, Rig};
use chrono::TimeDelta;
use sqlx::{ConnectOptions, Executor};
use std::time::Duration;
use uuid::Uuid;
use watchfloor::app::acting::{self, Act};
use watchfloor::config;
use watchfloor::demo::{Api, Ending, Fault, Loss, Times};
use watchfloor::microsoft::Client;
use watchfloor::model::action::Deed;
use watchfloor::model::{ChangeId, ChangeState, Product, UserId};
use watchfloor::store::audit::{Actor, By};
use watchfloor::store::changes::{self, Change};
use watchfloor::store::devices;
use watchfloor::sync::engine;
use watchfloor::sync::push::push;

pub const ENDPOINT: Api = Api::DefenderEndpoint;

pub fn ann() -> By {
    By { actor: Actor::User(UserId::new(), "ann".to_owned()), ip: None }
}

/// The first device of a customer, read from Microsoft.
pub async fn device(rig: &Rig, customer: Customer) -> devices::Device {
    watchfloor::sync::devices::read(&rig.reader, customer.tenant, rig.now()).await.unwrap();
    let mut tx = rig.db.web.tenant(customer.tenant).await.unwrap();
    devices::list(&mut tx, &devices::Filter::default(), None, 1).await.unwrap().remove(0)
}

fn what(deed: Deed) -> Act {
    let comment = format!("{deed} because of alert 1234");
    let (sha1, command) = ("87662bc3d60e4200ceaf7aae249d1c343f4b83c9".to_owned(), "GetFile".to_owned());
    let act = Act { comment, target: "C:\\x.zip".to_owned(), ..Act::default() };
    match deed {
        Deed::Quarantine => Act { sha1, ..act },
        Deed::LiveResponse => Act { command, ..act },
        _ => act,
    }
}

pub async fn wanted(rig: &Rig, device: &devices::Device, deed: Deed) -> ChangeId {
    let change = acting::fresh();
    let mut tx = rig.db.web.tenant(device.tenant_id).await.unwrap();
    acting::act(&mut tx, &rig.reader.queue, &ann(), device, change, (deed, &what(deed))).await.unwrap();
    tx.commit().await.unwrap();
    change
}

pub async fn change(rig: &Rig, customer: Customer, id: ChangeId) -> Change {
    let mut tx = rig.db.web.tenant(customer.tenant).await.unwrap();
    changes::get(&mut tx, id).await.unwrap().unwrap()
}

/// Pushes until nothing more is to come; the clock goes on as the job asks.
pub async fn pushed(rig: &Rig, customer: Customer, id: ChangeId) -> Change {
    for _ in 0..60 {
        match push(&rig.reader, customer.tenant, id, rig.now()).await.unwrap() {
            Some(wait) => rig.pass(wait.num_seconds().max(1)),
            None => return change(rig, customer, id).await,
        }
    }
    panic!("it does not end: {:?}", change(rig, customer, id).await);
}

/// How many actions were really begun for a change.
fn effective(rig: &Rig, customer: Customer, id: ChangeId) -> usize {
    rig.cloud.world().actions_begun(customer.directory).iter().filter(|comment| comment.contains(&id.to_string())).count()
}

#[tokio::test]
async fn an_action_whose_answer_is_lost_is_never_sent_twice_and_ends_in_the_right_state() {
    let rig = Rig::start().await;
    let customer = rig.acting_customer("Alder").await;
    let device = device(&rig, customer).await;
    let api = ENDPOINT;
    let wait = || Fault::Throttle(Some("7".to_owned()));
    let cases: Vec<(&str, Api, Vec<Fault>, ChangeState, usize)> = vec![
        ("no token at first", Api::Token, vec![Fault::Status(500); 5], ChangeState::Done, 1),
        ("nothing goes wrong", api, vec![], ChangeState::Done, 1),
        ("cut before it was carried out", api, vec![Fault::Cut], ChangeState::Lost, 0),
        ("carried out, then cut", api, vec![Fault::Acted(Loss::Cut)], ChangeState::Done, 1),
        ("carried out, cut in the middle of the answer", api, vec![Fault::Acted(Loss::Half)], ChangeState::Done, 1),
        ("carried out, then 500", api, vec![Fault::Acted(Loss::Status(500))], ChangeState::Done, 1),
        ("500 and nothing else", api, vec![Fault::Status(500)], ChangeState::Lost, 0),
        ("told to wait", api, vec![wait()], ChangeState::Done, 1),
        ("told to wait, then lost", api, vec![wait(), Fault::Acted(Loss::Cut)], ChangeState::Done, 1),
        ("told to wait, then cut before", api, vec![wait(), Fault::Cut], ChangeState::Lost, 0),
        ("a token refused twice", api, vec![Fault::Unauthorized], ChangeState::Failed, 0),
        ("forbidden", api, vec![Fault::Forbidden], ChangeState::Failed, 0),
        ("an answer that is no JSON", api, vec![Fault::html()], ChangeState::Lost, 0),
    ];
    for (name, api, faults, state, count) in cases {
        // Every case begins with a token that is refused once.
        rig.cloud.world().expire_tokens(customer.directory);
        rig.pass(60);
        for fault in faults {
            rig.fault(customer, api, fault, Times::Calls(1));
        }
        let id = wanted(&rig, &device, Deed::Isolate).await;
        let ended = pushed(&rig, customer, id).await;
        assert_eq!((ended.state, effective(&rig, customer, id)), (state, count), "{name}: {:?}", ended.reason);
        assert!(ended.finished_at.is_some(), "{name}");
        if state == ChangeState::Lost {
            assert!(ended.finished_at.unwrap() - ended.sent_at.unwrap() >= TimeDelta::minutes(2) && ended.looks >= 1, "{name}: {ended:?}");
        }
        // Whoever comes again finds nothing to do.
        assert_eq!(push(&rig.reader, customer.tenant, id, rig.now()).await.unwrap(), None, "{name}");
        assert_eq!(effective(&rig, customer, id), count, "{name}");
        rig.pass(120);
    }
}

#[tokio::test]
async fn every_kind_of_action_survives_a_lost_answer_and_failing_questions() {
    let rig = Rig::start().await;
    let customer = rig.acting_customer("Birch").await;
    let device = device(&rig, customer).await;
    for deed in Deed::ALL.iter().copied() {
        for fault in [None, Some(Fault::Acted(Loss::Cut)), Some(Fault::Acted(Loss::Half)), Some(Fault::Cut)] {
            let lost = matches!(fault, Some(Fault::Cut));
            if let Some(fault) = fault {
                rig.fault(customer, ENDPOINT, fault, Times::Calls(1));
                rig.fault(customer, ENDPOINT, Fault::Status(503), Times::Calls(5));
            }
            let id = wanted(&rig, &device, deed).await;
            let ended = pushed(&rig, customer, id).await;
            let expected = if lost { ChangeState::Lost } else { ChangeState::Done };
            assert_eq!(ended.state, expected, "{deed}: {:?}", ended.reason);
            if deed != Deed::Investigate {
                assert_eq!(effective(&rig, customer, id), usize::from(!lost), "{deed}");
            }
            rig.pass(180);
        }
    }
}

#[tokio::test]
async fn an_action_ends_as_microsoft_says_and_one_in_the_way_is_shown_and_not_repeated() {
    let rig = Rig::start().await;
    let customer = rig.acting_customer("Cedar").await;
    let device = device(&rig, customer).await;
    for (ending, word) in [(Ending::Failed, "failed on the device"), (Ending::TimeOut, "in time")] {
        rig.cloud.world().end_next_action(customer.directory, ending);
        let id = wanted(&rig, &device, Deed::ScanQuick).await;
        let ended = pushed(&rig, customer, id).await;
        assert!(ended.state == ChangeState::Failed && ended.reason.as_ref().unwrap().contains(word), "{ended:?}");
    }
    rig.cloud.world().act(customer.directory, &device.external_id, "Isolate");
    let id = wanted(&rig, &device, Deed::Isolate).await;
    let ended = pushed(&rig, customer, id).await;
    assert_eq!((ended.state, effective(&rig, customer, id)), (ChangeState::Failed, 0));
    assert!(ended.reason.unwrap().contains("already in progress") && ended.external_id.is_some());
    rig.pass(120);
    // A running one is cancelled, with a lost answer too.
    for fault in [None, Some(Fault::Acted(Loss::Cut))] {
        let id = wanted(&rig, &device, Deed::Collect).await;
        push(&rig.reader, customer.tenant, id, rig.now()).await.unwrap();
        if let Some(fault) = fault {
            rig.fault(customer, ENDPOINT, fault, Times::Calls(1));
        }
        let (running, end) = (change(&rig, customer, id).await, acting::fresh());
        let mut tx = rig.db.web.tenant(customer.tenant).await.unwrap();
        acting::cancel(&mut tx, &rig.reader.queue, &ann(), &running, end, "").await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(pushed(&rig, customer, end).await.state, ChangeState::Done);
        assert_eq!(pushed(&rig, customer, id).await.state, ChangeState::Cancelled);
        rig.pass(120);
    }
}

#[tokio::test]
async fn an_action_is_cancelled_as_an_app_that_may_do_its_kind() {
    let mut rig = Rig::start().await;
    let customer = rig.acting_customer("Sorrel").await;
    let device = device(&rig, customer).await;
    let isolate = vec!["Machine.Isolate".to_owned()];
    let permissions = [(Product::DefenderEndpoint, isolate)].into();
    let narrow = config::App { name: "isolate".to_owned(), client_id: Uuid::new_v4(), permissions, ..crate::rig::app(&rig.secret) };
    let mut tx = rig.db.web.tenant(customer.tenant).await.unwrap();
    sqlx::query("update tenants set apps = array['isolate', 'respond']").execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
    rig.reader.microsoft = Client::stand_in(rig.cloud.address(), &[narrow, respond(&rig.secret)], rig.now()).unwrap();
    let id = wanted(&rig, &device, Deed::Collect).await;
    push(&rig.reader, customer.tenant, id, rig.now()).await.unwrap();
    let (running, end) = (change(&rig, customer, id).await, acting::fresh());
    let mut tx = rig.db.web.tenant(customer.tenant).await.unwrap();
    acting::cancel(&mut tx, &rig.reader.queue, &ann(), &running, end, "").await.unwrap();
    tx.commit().await.unwrap();
    let cancelled = pushed(&rig, customer, end).await;
    assert_eq!(cancelled.state, ChangeState::Done, "{:?}", cancelled.reason);
}

#[tokio::test]
async fn two_workers_at_once_and_a_connection_that_cannot_be_made_send_once() {
    let mut rig = Rig::start().await;
    let customer = rig.acting_customer("Dogwood").await;
    let device = device(&rig, customer).await;
    let id = wanted(&rig, &device, Deed::Isolate).await;
    let now = rig.now();
    let (one, other) =
        tokio::join!(push(&rig.reader, customer.tenant, id, now), push(&rig.reader, customer.tenant, id, now + TimeDelta::seconds(1)));
    one.unwrap();
    other.unwrap();
    assert_eq!((pushed(&rig, customer, id).await.state, effective(&rig, customer, id)), (ChangeState::Done, 1));

    rig.pass(120);
    let (good, now) = (rig.reader.microsoft.clone(), rig.now());
    rig.reader.microsoft =
        Client::stand_in("127.0.0.1:1".parse().unwrap(), &[respond(&rig.secret)], now).unwrap().with_retry_delay(Duration::from_millis(1));
    let id = wanted(&rig, &device, Deed::Isolate).await;
    let wait = push(&rig.reader, customer.tenant, id, rig.now()).await.unwrap();
    assert!(wait.is_some() && change(&rig, customer, id).await.state == ChangeState::Intended);
    rig.reader.microsoft = good;
    assert_eq!((pushed(&rig, customer, id).await.state, effective(&rig, customer, id)), (ChangeState::Done, 1));
}

#[tokio::test]
async fn a_worker_killed_at_any_point_leaves_nothing_sent_twice() {
    for (point, state, count) in [
        ("before it is claimed", ChangeState::Done, 1),
        ("between claiming and sending", ChangeState::Lost, 0),
        ("after sending, before the outcome is noted", ChangeState::Done, 1),
        ("while polling", ChangeState::Done, 1),
    ] {
        let rig = Rig::start().await;
        let customer = rig.acting_customer("Elm").await;
        let device = device(&rig, customer).await;
        let id = wanted(&rig, &device, Deed::Isolate).await;
        let long = Duration::from_secs(30);
        let mut lock = None;
        match point {
            "before it is claimed" => {
                let mut owner = rig.db.owner.connect().await.unwrap();
                owner.execute("select set_config('app.all_tenants', 'on', false); begin; select 1 from changes for update").await.unwrap();
                lock = Some(owner);
            }
            "between claiming and sending" => rig.fault(customer, Api::Token, Fault::Slow(long), Times::Forever),
            "while polling" => {}
            _ => rig.fault(customer, ENDPOINT, Fault::Acted(Loss::Silence(long)), Times::Calls(1)),
        }
        let mut child = worker_process(&rig);
        let at = async |wanted: &str| change(&rig, customer, id).await.state.as_str() == wanted;
        match point {
            "before it is claimed" => {
                let mut owner = rig.db.owner.connect().await.unwrap();
                until("the worker at the lock", async || {
                    let text = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and query like 'update changes%'";
                    sqlx::query_scalar::<_, i64>(text).fetch_one(&mut owner).await.unwrap() > 0
                })
                .await;
            }
            "between claiming and sending" => until("the claim", async || at("sending").await).await,
            "while polling" => until("the acceptance", async || at("running").await).await,
            _ => until("the sending", async || effective(&rig, customer, id) == 1).await,
        }
        child.kill().unwrap();
        child.wait().unwrap();
        drop(lock);
        rig.cloud.world().heal(customer.directory, Api::Token);
        rig.cloud.world().heal(customer.directory, ENDPOINT);
        // What the plan of another worker would queue again.
        engine::plan_due(&rig.reader, rig.now()).await.unwrap();
        let ended = pushed(&rig, customer, id).await;
        assert_eq!((ended.state, effective(&rig, customer, id)), (state, count), "{point}: {ended:?}");
    }
}
