//! Trips of a customer's administrator to Microsoft: begun, answered once, and told to staff.

use super::Scoped;
use super::audit::{self, By};
use super::vault::columns::{CONSENT_NONCE, CONSENT_VERIFIER, Column};
use crate::model::{AttemptId, ConsentOutcome, ConsentStep, DirectoryId, InviteId, TenantId};
use chrono::{DateTime, Duration, Utc};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

/// How long Microsoft's answer is waited for.
pub const LIFETIME: Duration = Duration::minutes(10);

/// One trip, without its secrets.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Attempt {
    pub tenant_id: TenantId,
    pub attempt_id: AttemptId,
    pub invite_id: InviteId,
    pub app: String,
    pub step: ConsentStep,
    pub browser_hash: Vec<u8>,
    /// `admin_consent`: what the callback claimed. `sign_in`: what is to be proven.
    pub directory_id: Option<DirectoryId>,
    pub started_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
    pub answered_at: Option<DateTime<Utc>>,
    pub outcome: Option<ConsentOutcome>,
    /// The number in Microsoft's error, `AADSTS65004`.
    pub aadsts: Option<i32>,
    /// One sentence for staff: what happened and what to do.
    pub error: Option<String>,
    pub correlation_id: Option<String>,
    pub trace_id: Option<String>,
}

/// The secrets of a sign-in, which are handed out once.
#[derive(Clone, Debug)]
pub struct SignIn {
    pub nonce: SecretString,
    pub pkce_verifier: SecretString,
}

/// A trip about to begin.
#[derive(Debug)]
pub struct Start<'a> {
    pub tenant: TenantId,
    pub invite: InviteId,
    pub app: &'a str,
    pub state_hash: &'a [u8],
    /// Of the cookie of the browser that began; or the invite's own hash, for a link that any browser may follow which holds the invite.
    pub browser_hash: &'a [u8],
    /// [`LIFETIME`] from now, for a browser that goes at once.
    pub expires_at: DateTime<Utc>,
    /// Only for the trip that proves this directory.
    pub sign_in: Option<(DirectoryId, &'a SignIn)>,
}

/// Stores the start of a trip. The state's text and the browser's cookie are not kept, only their hashes; secrets are sealed.
pub async fn begin(tx: &mut Scoped, by: &By, start: &Start<'_>, now: DateTime<Utc>) -> sqlx::Result<()> {
    let attempt = AttemptId::new();
    let step = if start.sign_in.is_some() { ConsentStep::SignIn } else { ConsentStep::AdminConsent };
    let seal = |column: &'static Column, secret: &SecretString| {
        tx.vault.seal(&column.at(attempt.to_string(), Some(start.tenant)), secret.expose_secret())
    };
    let nonce = start.sign_in.map(|(_, secrets)| seal(&CONSENT_NONCE, &secrets.nonce)).transpose()?;
    let verifier = start.sign_in.map(|(_, secrets)| seal(&CONSENT_VERIFIER, &secrets.pkce_verifier)).transpose()?;
    sqlx::query(
        "insert into consent_attempts (tenant_id, attempt_id, invite_id, app, step, state_hash, browser_hash, nonce, pkce_verifier,
                                       directory_id, started_at, expires_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
    )
    .bind(start.tenant)
    .bind(attempt)
    .bind(start.invite)
    .bind(start.app)
    .bind(step)
    .bind(start.state_hash)
    .bind(start.browser_hash)
    .bind(nonce)
    .bind(verifier)
    .bind(start.sign_in.map(|(directory, _)| directory))
    .bind(now)
    .bind(start.expires_at)
    .execute(&mut **tx)
    .await?;
    audit::record(tx, by.event("consent.start").tenant(start.tenant).object(start.app).after(json!({ "step": step }))).await
}

/// The trip with this state, whatever became of it.
pub async fn find(tx: &mut Scoped, tenant: TenantId, state_hash: &[u8]) -> sqlx::Result<Option<Attempt>> {
    sqlx::query_as("select * from consent_attempts where tenant_id = $1 and state_hash = $2")
        .bind(tenant)
        .bind(state_hash)
        .fetch_optional(&mut **tx)
        .await
}

/// Uses the state up. True for exactly one caller, once the transaction commits.
pub async fn answer(tx: &mut Scoped, attempt: &Attempt, now: DateTime<Utc>) -> sqlx::Result<bool> {
    let done: Option<AttemptId> = sqlx::query_scalar(
        "update consent_attempts set answered_at = $3 where tenant_id = $1 and attempt_id = $2 and answered_at is null returning attempt_id",
    )
    .bind(attempt.tenant_id)
    .bind(attempt.attempt_id)
    .bind(now)
    .fetch_optional(&mut **tx)
    .await?;
    Ok(done.is_some())
}

/// The secrets of a sign-in, and forgets them. `None` if there are none (any more).
pub async fn take_secrets(tx: &mut Scoped, attempt: &Attempt) -> sqlx::Result<Option<SignIn>> {
    let sealed: Option<(String, String)> = sqlx::query_as(
        "with old as (select tenant_id, attempt_id, nonce, pkce_verifier from consent_attempts
                      where tenant_id = $1 and attempt_id = $2 and nonce is not null and pkce_verifier is not null for update)
         update consent_attempts as c set nonce = null, pkce_verifier = null
         from old where c.tenant_id = old.tenant_id and c.attempt_id = old.attempt_id
         returning old.nonce, old.pkce_verifier",
    )
    .bind(attempt.tenant_id)
    .bind(attempt.attempt_id)
    .fetch_optional(&mut **tx)
    .await?;
    let Some((nonce, verifier)) = sealed else { return Ok(None) };
    let open = |column: &'static Column, text| tx.vault.open(&column.at(attempt.attempt_id.to_string(), Some(attempt.tenant_id)), text);
    Ok(Some(SignIn { nonce: open(&CONSENT_NONCE, &nonce)?, pkce_verifier: open(&CONSENT_VERIFIER, &verifier)? }))
}

/// How a trip ended.
#[derive(Clone, Debug)]
pub struct Ending {
    pub outcome: ConsentOutcome,
    /// What the callback claimed, or the sign-in proved.
    pub directory: Option<DirectoryId>,
    pub aadsts: Option<i32>,
    /// One sentence for staff; never Microsoft's text.
    pub error: Option<String>,
    pub correlation_id: Option<String>,
    pub trace_id: Option<String>,
}

impl Ending {
    /// An ending of our own making.
    pub fn new(outcome: ConsentOutcome, directory: Option<DirectoryId>, error: Option<&str>) -> Self {
        Self { outcome, directory, aadsts: None, error: error.map(str::to_owned), correlation_id: None, trace_id: None }
    }
}

/// Writes how a trip ended, with its audit row `consent.<outcome>`.
pub async fn end(tx: &mut Scoped, by: &By, attempt: &Attempt, ending: &Ending) -> sqlx::Result<()> {
    sqlx::query(
        "update consent_attempts set outcome = $3, aadsts = $4, error = $5, correlation_id = $6, trace_id = $7, nonce = null,
                                     pkce_verifier = null, directory_id = coalesce($8, directory_id)
         where tenant_id = $1 and attempt_id = $2",
    )
    .bind(attempt.tenant_id)
    .bind(attempt.attempt_id)
    .bind(ending.outcome)
    .bind(ending.aadsts)
    .bind(&ending.error)
    .bind(&ending.correlation_id)
    .bind(&ending.trace_id)
    .bind(ending.directory)
    .execute(&mut **tx)
    .await?;
    let action = format!("consent.{}", ending.outcome);
    let mut event = by.event(&action).tenant(attempt.tenant_id).object(&attempt.app);
    event.after = Some(json!({ "step": attempt.step, "directory_id": ending.directory, "aadsts": ending.aadsts, "reason": ending.error }));
    if !ending.outcome.is_well() {
        event = event.refused();
    }
    audit::record(tx, event).await
}

/// The newest trips of a tenant, newest first.
pub async fn list(tx: &mut Scoped, tenant: TenantId, limit: i64) -> sqlx::Result<Vec<Attempt>> {
    sqlx::query_as("select * from consent_attempts where tenant_id = $1 order by started_at desc, attempt_id desc limit $2")
        .bind(tenant)
        .bind(limit)
        .fetch_all(&mut **tx)
        .await
}

/// Notes something the customer says of an app on our own page, as a trip that ends where it begins: `reported`, with the directory they
/// name, if any; or `skipped`.
pub async fn say(
    tx: &mut Scoped,
    by: &By,
    start: &Start<'_>,
    outcome: ConsentOutcome,
    directory: Option<DirectoryId>,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query(
        "insert into consent_attempts (tenant_id, attempt_id, invite_id, app, step, state_hash, browser_hash, directory_id, started_at,
                                       expires_at, answered_at, outcome)
         values ($1, $2, $3, $4, 'admin_consent', $5, $6, $7, $8, $8, $8, $9)",
    )
    .bind(start.tenant)
    .bind(AttemptId::new())
    .bind(start.invite)
    .bind(start.app)
    .bind(start.state_hash)
    .bind(start.browser_hash)
    .bind(directory)
    .bind(now)
    .bind(outcome)
    .execute(&mut **tx)
    .await?;
    let action = format!("consent.{outcome}");
    audit::record(tx, by.event(&action).tenant(start.tenant).object(start.app).after(json!({ "directory_id": directory }))).await
}

/// What is known of each app of one invite: its grant, if Microsoft says there is one, else the newest trip. Sign-ins are not among them.
pub async fn of_invite(tx: &mut Scoped, tenant: TenantId, invite: InviteId) -> sqlx::Result<Vec<Attempt>> {
    sqlx::query_as(
        "select distinct on (app) * from consent_attempts
         where tenant_id = $1 and invite_id = $2 and step = 'admin_consent'
         order by app, (outcome is not distinct from 'granted') desc, started_at desc, attempt_id desc",
    )
    .bind(tenant)
    .bind(invite)
    .fetch_all(&mut **tx)
    .await
}

/// The browsers (as hashes) that have proven a directory by a sign-in on this invite, and which.
pub async fn proofs(tx: &mut Scoped, tenant: TenantId, invite: InviteId) -> sqlx::Result<Vec<(Vec<u8>, DirectoryId)>> {
    sqlx::query_as(
        "select distinct browser_hash, directory_id from consent_attempts
         where tenant_id = $1 and invite_id = $2 and step = 'sign_in' and outcome = 'proven' and directory_id is not null",
    )
    .bind(tenant)
    .bind(invite)
    .fetch_all(&mut **tx)
    .await
}

/// The newest trip for each app of a tenant over all its invites, but a grant before anything else of the same invite.
pub async fn of_tenant(tx: &mut Scoped, tenant: TenantId) -> sqlx::Result<Vec<Attempt>> {
    sqlx::query_as(
        "select distinct on (c.app) c.* from consent_attempts as c join invites as i on i.tenant_id = c.tenant_id and i.invite_id = c.invite_id
         where c.tenant_id = $1 and step = 'admin_consent'
         order by c.app, i.created_at desc, (outcome is not distinct from 'granted') desc, started_at desc, attempt_id desc",
    )
    .bind(tenant)
    .fetch_all(&mut **tx)
    .await
}

/// A trip goes on in the browser that brought its answer: a link handed out by the API begins in none.
pub async fn follow(tx: &mut Scoped, attempt: &Attempt, browser_hash: &[u8]) -> sqlx::Result<()> {
    sqlx::query("update consent_attempts set browser_hash = $3 where tenant_id = $1 and attempt_id = $2")
        .bind(attempt.tenant_id)
        .bind(attempt.attempt_id)
        .bind(browser_hash)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Whether a browser has been on a trip for this invite: who may see how the onboarding goes on.
pub async fn knows_browser(tx: &mut Scoped, tenant: TenantId, invite: InviteId, browser_hash: &[u8]) -> sqlx::Result<bool> {
    sqlx::query_scalar("select exists (select from consent_attempts where tenant_id = $1 and invite_id = $2 and browser_hash = $3)")
        .bind(tenant)
        .bind(invite)
        .bind(browser_hash)
        .fetch_one(&mut **tx)
        .await
}

/// Notes an answer to a state that was answered before: somebody plays it again.
pub async fn replayed(tx: &mut Scoped, by: &By, attempt: &Attempt) -> sqlx::Result<()> {
    let event = by.event("consent.replayed").tenant(attempt.tenant_id).object(&attempt.app);
    audit::record(tx, event.after(json!({ "step": attempt.step })).refused()).await
}

/// Notes an answer that belongs to no trip of ours; `reason` is ours, nothing of the request is kept.
pub async fn stray(tx: &mut Scoped, by: &By, reason: &str) -> sqlx::Result<()> {
    audit::record(tx, by.event("consent.stray").after(json!({ "reason": reason })).refused()).await
}
