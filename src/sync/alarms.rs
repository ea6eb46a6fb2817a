//! One alarm for an app whose credential is wrong, instead of one for each of its tenants.

use crate::microsoft::{Client, Verdict};
use crate::store::alarms::{self, Refusal};
use crate::store::audit::{self, Actor, Event};
use crate::store::{Db, sync_state};
use serde_json::json;

/// Writes down what Microsoft has said about our apps since the last time: the beginning of an alarm and its end, once each, and into the
/// audit log. What stood still over it is read again at its end. Costs nothing while there is no news.
pub async fn note(db: &Db, microsoft: &Client) -> anyhow::Result<()> {
    for (app, credential, verdict) in microsoft.take_verdicts() {
        match verdict {
            Verdict::Refused { at, aadsts, reason, remedy } => {
                let mut tx = db.no_tenant().await?;
                let refusal = Refusal { app: &app, credential: &credential, at, aadsts, reason: &reason, remedy: &remedy };
                if alarms::raise(&mut tx, &refusal).await? && credential.is_empty() {
                    let event = Event { result: "failed", ..Event::new(Actor::System("sync"), "app.credential_refused") };
                    audit::record(&mut tx, event.object(&app).after(json!({ "aadsts": aadsts, "reason": reason }))).await?;
                    tracing::error!(app, aadsts, "Microsoft accepts no credential of this app: nothing is read with it");
                }
                tx.commit().await?;
            }
            Verdict::Accepted { at } => {
                let mut tx = db.all_tenants().await?;
                let ended = alarms::clear(&mut tx, &app, &credential, at).await?;
                if let Some(alarm) = ended.filter(|_| credential.is_empty()) {
                    let event = Event::new(Actor::System("sync"), "app.credential_accepted").object(&app);
                    audit::record(&mut tx, event.before(json!({ "since": alarm.since, "aadsts": alarm.aadsts }))).await?;
                    sync_state::hurry_app(&mut tx, &app, at).await?;
                }
                tx.commit().await?;
            }
        }
    }
    Ok(())
}
