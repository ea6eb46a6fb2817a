//! One tenant's part of a bulk job, incident by incident: its change is written down and then sent, before the next one is looked at. So a
//! part holds one place of the worker however long it is, keeps to the tenant's limits, and can be called off at any time.
//!
//! An incident is taken in the transaction that writes its change, and only a claimed change is sent (`sync/push.rs`): a part whose worker died
//! goes on where that one stopped, and sends nothing twice. It acts as its person, with the rights that they have at that moment.

use crate::app::acting::Refusal;
use crate::app::triage::Now;
use crate::app::triage::batch::{self, Chosen, Undo};
use crate::auth::Person;
use crate::microsoft::Pace;
use crate::model::{BulkId, ChangeId, ChangeState, Role, TenantId};
use crate::store::audit::{Actor, By};
use crate::store::bulk::{self, Item, Task};
use crate::store::changes::{self, Outcome};
use crate::store::incidents::{self, Incident};
use crate::store::{Scoped, users};
use crate::sync::push;
use crate::sync::read::Reader;
use chrono::{DateTime, TimeDelta, Utc};
use std::pin::Pin;
use std::time::Instant;

/// Incidents of one piece; then other tenants have their turn.
const AT_ONCE: usize = 20;
/// For so long nobody else looks after a part.
const VISIT: TimeDelta = TimeDelta::minutes(3);
/// When one change was tried for so long in vain, the next ones are not.
const PATIENCE: TimeDelta = TimeDelta::hours(1);
/// With so many incidents of which nobody knows what became, Microsoft seems not to answer, and no other one is begun.
const UNKNOWN: i64 = 3;
/// When to look again whether it answers.
const OUTAGE: TimeDelta = TimeDelta::minutes(1);
const CLOSED: &str = "Not sent: the tenant is paused, offboarded or not approved.";

/// Does a piece of a job in one tenant, and tells when to come again, if at all.
pub fn work(
    reader: Reader,
    tenant: TenantId,
    bulk: BulkId,
    now: DateTime<Utc>,
) -> Pin<Box<dyn Future<Output = anyhow::Result<Option<TimeDelta>>> + Send>> {
    Box::pin(async move { Part { reader, tenant, bulk, since: Instant::now(), began: now }.piece().await })
}

struct Part {
    reader: Reader,
    tenant: TenantId,
    bulk: BulkId,
    since: Instant,
    began: DateTime<Utc>,
}

/// What there is to do.
enum Next {
    Nothing,
    /// Microsoft does not answer.
    Wait,
    Send(Vec<ChangeId>),
}

/// Whom a part acts as.
struct Agent {
    by: By,
    person: Person,
}

impl Part {
    fn now(&self) -> DateTime<Utc> {
        self.began + TimeDelta::from_std(self.since.elapsed()).unwrap_or_default()
    }

    async fn piece(&self) -> anyhow::Result<Option<TimeDelta>> {
        for _ in 0..AT_ONCE {
            match self.write().await? {
                Next::Nothing => return Ok(None),
                Next::Wait => return Ok(Some(OUTAGE)),
                Next::Send(written) => {
                    for change in written {
                        if let Some(wait) = self.send(change).await? {
                            return Ok(Some(wait));
                        }
                    }
                }
            }
            if self.reader.stop.is_cancelled() {
                break;
            }
        }
        Ok(Some(TimeDelta::zero()))
    }

    /// Writes the next incident's changes down, unless some that were written wait to be sent: those come first.
    async fn write(&self) -> anyhow::Result<Next> {
        let mut tx = self.reader.db.tenant(self.tenant).await?;
        let Some(task) = bulk::task(&mut tx, self.bulk).await? else { return Ok(Next::Nothing) };
        bulk::visit(&mut tx, self.tenant, self.bulk, self.now() + VISIT).await?;
        let unsent = bulk::unsent(&mut tx, self.tenant, self.bulk).await?;
        let next = match agent(&mut tx, &task, self.tenant).await? {
            Err(why) => {
                self.give_up(&mut tx, &unsent, &why).await?;
                Next::Nothing
            }
            Ok(_) if !unsent.is_empty() => Next::Send(unsent),
            Ok(who) => self.take(&mut tx, &task, &who).await?,
        };
        tx.commit().await?;
        Ok(next)
    }

    /// Takes the next incident, unless Microsoft does not answer for this tenant.
    async fn take(&self, tx: &mut Scoped, task: &Task, who: &Agent) -> anyhow::Result<Next> {
        let so_far = bulk::so_far(tx, self.tenant, self.bulk, PATIENCE).await?;
        if let Some(why) = so_far.in_vain {
            bulk::give_up(tx, self.tenant, self.bulk, &format!("Given up, after an hour was spent on another incident. {why}")).await?;
            return Ok(Next::Nothing);
        }
        if so_far.unknown >= UNKNOWN && bulk::going(tx, self.tenant, self.bulk).await? {
            return Ok(Next::Wait);
        }
        let Some(item) = bulk::next(tx, self.tenant, self.bulk).await? else { return Ok(Next::Nothing) };
        self.one(tx, task, who, &item).await?;
        Ok(Next::Send(bulk::unsent(tx, self.tenant, self.bulk).await?))
    }

    async fn one(&self, tx: &mut Scoped, task: &Task, who: &Agent, item: &Item) -> anyhow::Result<()> {
        let found = incidents::these(tx, &[item.incident_id]).await?.pop().filter(batch::can_change);
        let end = match found {
            None => Some(("failed", "It is not there any more, or was merged into another incident.")),
            Some(of) => match self.ask(tx, task, who, (item, of)).await {
                Ok(end) => end,
                Err(Refusal::Failed(error)) => return Err(error),
                Err(Refusal::NotRead | Refusal::NoTenant) => {
                    bulk::give_up(tx, self.tenant, self.bulk, CLOSED).await?;
                    Some(("failed", CLOSED))
                }
                Err(Refusal::Wrong(_, why)) => Some(("failed", why)),
                Err(_) => Some(("failed", "It has changed meanwhile. Nothing was sent.")),
            },
        };
        if let Some(end) = end {
            bulk::settle(tx, self.tenant, self.bulk, item.incident_id, end).await?;
        }
        Ok(())
    }

    /// Writes down what is wished for of an incident, or how it ends without that.
    async fn ask(
        &self,
        tx: &mut Scoped,
        task: &Task,
        who: &Agent,
        (item, of): (&Item, Incident),
    ) -> Result<Option<(&'static str, &'static str)>, Refusal> {
        let (wish, shown) = match task.undoes {
            None => (batch::read(&task.wish).unwrap_or_default(), shown(item, &of)),
            Some(undoes) => match batch::call_off(tx, &who.by, ChangeId(undoes.0), &of).await? {
                None | Some(Undo::Nothing) => return Ok(Some(("done", "Nothing of it was carried out: there is nothing to take back."))),
                Some(Undo::Unknown) => {
                    return Ok(Some(("failed", "Microsoft’s answer is still awaited. Nothing was sent: try again later.")));
                }
                Some(Undo::Back(back)) => (back.0, Some(back.1)),
            },
        };
        let chosen = [Chosen { incident: of, shown }];
        let means = (&self.reader.queue.patient(), &self.reader.microsoft);
        batch::incidents(tx, means, (&who.by, &who.person), (ChangeId(self.bulk.0), &chosen), &wish).await?;
        Ok(None)
    }

    /// Sends a change that was written down. Returns how long it has to wait, if it has to.
    async fn send(&self, change: ChangeId) -> anyhow::Result<Option<TimeDelta>> {
        let next = push::carry(&self.reader, self.tenant, change, Pace::Background, self.now()).await?;
        let mut tx = self.reader.db.tenant(self.tenant).await?;
        let sent = changes::get(&mut tx, change).await?;
        // What is being looked for is the job engine's to ask about.
        Ok(next.filter(|_| sent.is_some_and(|sent| sent.state == ChangeState::Intended)))
    }

    /// Ends what has not been sent, written down or not.
    async fn give_up(&self, tx: &mut Scoped, unsent: &[ChangeId], why: &str) -> anyhow::Result<()> {
        bulk::give_up(tx, self.tenant, self.bulk, why).await?;
        for change in unsent {
            if changes::hold_unsent(tx, self.tenant, *change).await?
                && let Some(found) = changes::get(tx, *change).await?
            {
                let outcome = Outcome { state: ChangeState::Failed, reason: Some(why), external_id: None, answer: None };
                changes::settle(tx, &found, &outcome, self.now()).await?;
            }
        }
        Ok(())
    }
}

/// How an incident was shown. Tags are added to, whatever is there.
fn shown(item: &Item, of: &Incident) -> Option<Now> {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    item.status.clone().map(|status| Now {
        status,
        assigned_to: text(&item.assigned_to),
        classification: text(&item.classification),
        determination: text(&item.determination),
        tags: of.tags.clone(),
    })
}

/// The person of a job, if they may still do this in a tenant; else why not.
async fn agent(tx: &mut Scoped, task: &Task, tenant: TenantId) -> sqlx::Result<Result<Agent, String>> {
    let person = match task.user_id {
        Some(user) => users::identity(tx, user).await?.map(Person::from),
        None => None,
    };
    let refused = |why: &str| Ok(Err(format!("Not sent: {}, who asked for it, {why}.", task.actor)));
    match person {
        None => refused("is disabled"),
        Some(person) if !person.role.allows(Role::Analyst) => refused("may not change incidents any more"),
        Some(person) if !person.scope.holds(tenant) => refused("may not see this tenant any more"),
        Some(person) => {
            let by = By { actor: Actor::User(person.id, person.login.clone()), ip: task.ip.clone() };
            Ok(Ok(Agent { by, person }))
        }
    }
}
