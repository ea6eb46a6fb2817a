//! The second factor: the second half of a sign-in, the first factor of an account, and a fresh proof within a session.
//!
//! A sign-in whose password was right is a flow of ten minutes and no session. It ends in one here, once somebody has shown a code, or has made
//! the factor that is required of them. Every code that is tried counts against the name, as a password does.

pub mod codes;
pub mod own;
pub mod passkeys;

use super::limits::{self, Attempt};
use super::{AuthError, secret, sessions, totp};
use crate::model::UserId;
use crate::store::audit::{self, Actor, By, Event};
use crate::store::factors::Kind;
use crate::store::flows::{self, Kind as Begun};
use crate::store::users::{self, Account};
use crate::store::{self, Db, Scoped, factors};
use chrono::{DateTime, Utc};
use secrecy::SecretString;
use serde_json::{Value, json};
use url::Url;

/// What somebody shows.
#[derive(Clone, Debug)]
pub enum Shown {
    /// A code of an app.
    Code(SecretString),
    /// One of the codes for whoever has lost everything else.
    Recovery(SecretString),
    /// What a browser answers for a passkey that was asked for.
    Passkey(SecretString),
}

/// Where and when something is shown.
#[derive(Clone, Copy, Debug)]
pub struct Ground<'a> {
    /// Where the portal is: passkeys are good there and nowhere else.
    pub public_url: &'a Url,
    pub ip: Option<&'a str>,
    pub now: DateTime<Utc>,
}

/// Ways in which somebody can prove who they are.
#[derive(Clone, Copy, Debug)]
pub struct Ways {
    pub code: bool,
    pub passkey: bool,
}

/// Why what was shown is not good.
#[derive(Clone, Copy, Debug)]
enum Bad {
    Wrong,
    /// The passkey's counter did not go up: there may be two of it.
    Counter,
}

/// What was shown, and is good.
#[derive(Clone, Copy, Debug)]
enum Good {
    Code,
    Passkey,
    /// How many are left.
    Recovery(i64),
}

impl Good {
    fn facts(self) -> Value {
        match self {
            Self::Code => json!({ "second": Kind::Totp }),
            Self::Passkey => json!({ "second": Kind::Passkey }),
            Self::Recovery(left) => json!({ "second": "recovery_code", "recovery_codes_left": left }),
        }
    }
}

/// A sign-in that is through.
#[derive(Debug)]
pub struct Through {
    /// The session's, for the cookie.
    pub session: SecretString,
    /// A page of our own.
    pub next: String,
}

/// Begins the second half of a sign-in, in the transaction that holds the account by its password: gives the flow's secret. Whoever has no
/// factor gets the key of a new one along.
pub(super) async fn begin(tx: &mut Scoped, account: &Account, next: &str) -> anyhow::Result<SecretString> {
    let flow = secret::random()?;
    let key = if account.factors == 0 { Some(totp::new_key()?) } else { None };
    flows::begin(tx, (Begun::SignIn, &secret::hash(&flow)), account.user_id, next, key.as_ref()).await?;
    Ok(flow)
}

/// The sign-in that is under way.
pub async fn under_way(db: &Db, flow: &SecretString) -> sqlx::Result<Option<flows::Flow>> {
    let mut tx = db.no_tenant().await?;
    flows::find(&mut tx, Begun::SignIn, &secret::hash(flow)).await
}

/// How somebody can prove who they are.
pub async fn ways(db: &Db, user: UserId, public_url: &Url) -> sqlx::Result<Ways> {
    let all = factors::list(&mut db.no_tenant().await?, user).await?;
    let has = |kind| all.iter().any(|factor| factor.kind == kind);
    Ok(Ways { code: has(Kind::Totp), passkey: has(Kind::Passkey) && passkeys::offered(public_url) })
}

/// Asks for a passkey in a sign-in that is under way: what the browser is told. `None`: there is nothing under way, or no passkey.
pub async fn ask_passkey(db: &Db, flow: &SecretString, public_url: &Url) -> anyhow::Result<Option<String>> {
    let Some(known) = under_way(db, flow).await? else { return Ok(None) };
    passkeys::ask(db, known.user_id, &secret::hash(flow), public_url).await
}

/// Ends a sign-in with what somebody shows.
///
/// # Errors
/// [`AuthError::Over`]: it must begin again. [`AuthError::Refused`]: what was shown is not good, or was tried too often.
pub async fn finish(db: &Db, flow: &SecretString, shown: &Shown, ground: Ground<'_>) -> Result<Through, AuthError> {
    let hash = secret::hash(flow);
    let known = under_way(db, flow).await?.ok_or(AuthError::Over)?;
    let free = counted(db, &known.login, ground.ip).await?;
    let asked = asked(db, (known.user_id, &hash), shown).await?;
    let mut tx = db.no_tenant().await?;
    let account = users::hold(&mut tx, known.user_id).await?.ok_or(AuthError::Over)?;
    let flow = flows::take(&mut tx, Begun::SignIn, &hash).await?.ok_or(AuthError::Over)?;
    let judged = if free { judge(&mut tx, account.user_id, (shown, asked.as_ref()), ground).await? } else { Err(Bad::Wrong) };
    let good = match judged {
        Ok(good) => good,
        Err(bad) => {
            drop(tx); // the flow is there still
            return refuse(db, &account, ("login.second", bad), ground.ip).await;
        }
    };
    let session = let_in(&mut tx, &account, good, ground.ip).await?;
    tx.commit().await?;
    Ok(Through { session, next: flow.next })
}

/// Ends a sign-in by making the first factor of the account; the new recovery codes are shown once.
///
/// # Errors
/// As [`finish`]; and [`AuthError::Form`], a sentence about the name.
pub async fn enrol(
    db: &Db,
    flow: &SecretString,
    (name, code): (&str, &SecretString),
    Ground { ip, now, .. }: Ground<'_>,
) -> Result<(Through, Vec<SecretString>), AuthError> {
    let name = own::name(name)?;
    let hash = secret::hash(flow);
    let known = under_way(db, flow).await?.ok_or(AuthError::Over)?;
    let free = counted(db, &known.login, ip).await?;
    let mut tx = db.no_tenant().await?;
    let account = users::hold(&mut tx, known.user_id).await?.ok_or(AuthError::Over)?;
    let flow = flows::take(&mut tx, Begun::SignIn, &hash).await?.ok_or(AuthError::Over)?;
    let (Some(key), 0) = (flow.secret, account.factors) else { return Err(AuthError::Over) };
    if !free || !own::is_of(&mut tx, account.user_id, &key, code, now).await? {
        drop(tx);
        return refuse(db, &account, ("login.second", Bad::Wrong), ip).await;
    }
    let by = By { actor: Actor::User(account.user_id, account.login.clone()), ip: ip.map(str::to_owned) };
    own::add(&mut tx, &by, account.user_id, name, &key).await?;
    let made = codes::make(&mut tx, account.user_id).await?;
    // Whatever else was begun with the password alone ends.
    store::sessions::end_others(&mut tx, account.user_id, &[]).await?;
    flows::end(&mut tx, account.user_id).await?;
    let session = let_in(&mut tx, &account, Good::Code, ip).await?;
    tx.commit().await?;
    Ok((Through { session, next: flow.next }, made))
}

/// Proves anew who a session's person is: gives the session's new secret. With a recovery code, all others of the person's end.
///
/// # Errors
/// As [`finish`].
pub async fn prove(db: &Db, (user, session): (UserId, &[u8]), shown: &Shown, ground: Ground<'_>) -> Result<SecretString, AuthError> {
    let ip = ground.ip;
    let mut tx = db.no_tenant().await?;
    let known = users::find(&mut tx, user).await?.ok_or(AuthError::Over)?;
    drop(tx);
    let free = counted(db, &known.login, ip).await?;
    let asked = asked(db, (user, session), shown).await?;
    let mut tx = db.no_tenant().await?;
    let account = users::hold(&mut tx, user).await?.ok_or(AuthError::Over)?;
    let judged = if free { judge(&mut tx, user, (shown, asked.as_ref()), ground).await? } else { Err(Bad::Wrong) };
    let good = match judged {
        Ok(good) => good,
        Err(bad) => {
            drop(tx);
            return refuse(db, &account, ("login.proof", bad), ip).await;
        }
    };
    let renewed = sessions::renew(&mut tx, user, session).await?.ok_or(AuthError::Over)?;
    if let Good::Recovery(_) = good {
        store::sessions::end_others(&mut tx, user, &secret::hash(&renewed)).await?;
        flows::end(&mut tx, user).await?;
    }
    forgive(&mut tx, &account, ip, 1).await?;
    let event = Event::new(Actor::User(user, account.login), "login.proof").ip(ip.map(str::to_owned));
    audit::record(&mut tx, event.after(good.facts())).await?;
    tx.commit().await?;
    Ok(renewed)
}

/// Counts an attempt before it is looked at; whether the name is free.
async fn counted(db: &Db, login: &str, ip: Option<&str>) -> Result<bool, AuthError> {
    let mut tx = db.no_tenant().await?;
    let wait = limits::attempt(&mut tx, Attempt::SignIn, ip).await?;
    let free = wait.is_none() && store::limits::charge(&mut tx, login).await?;
    tx.commit().await?;
    wait.map_or(Ok(free), |wait| Err(AuthError::TooMany(wait)))
}

/// What was asked of a passkey, if one is shown; it is used up, whatever comes of it.
async fn asked(db: &Db, (user, hash): (UserId, &[u8]), shown: &Shown) -> Result<Option<SecretString>, AuthError> {
    let Shown::Passkey(_) = shown else { return Ok(None) };
    let mut tx = db.no_tenant().await?;
    let asked = passkeys::asked(&mut tx, user, hash).await?;
    tx.commit().await?;
    Ok(asked)
}

/// Nothing is held against the name any more, and the attempts that led here do not count for the address.
async fn forgive(tx: &mut Scoped, account: &Account, ip: Option<&str>, attempts: usize) -> sqlx::Result<()> {
    store::limits::forgive(tx, &account.login).await?;
    for _ in 0..attempts {
        limits::forgive(tx, Attempt::SignIn, ip).await?;
    }
    Ok(())
}

/// Looks at what is shown, and uses it up. The caller holds the user.
async fn judge(
    tx: &mut Scoped,
    user: UserId,
    (shown, asked): (&Shown, Option<&SecretString>),
    ground: Ground<'_>,
) -> anyhow::Result<Result<Good, Bad>> {
    match shown {
        Shown::Code(code) => {
            for (factor, key) in factors::secrets(tx, user, Kind::Totp).await? {
                if own::is_of(tx, user, &key, code, ground.now).await? {
                    factors::used(tx, factor).await?;
                    return Ok(Ok(Good::Code));
                }
            }
            Ok(Err(Bad::Wrong))
        }
        Shown::Recovery(code) => {
            if !factors::use_code(tx, user, &codes::hash(code)).await? {
                return Ok(Err(Bad::Wrong));
            }
            Ok(Ok(Good::Recovery(factors::codes_left(tx, user).await?)))
        }
        Shown::Passkey(answer) => passkeys::judge(tx, user, (answer, asked), ground.public_url).await,
    }
}

async fn refuse<T>(db: &Db, account: &Account, (action, bad): (&str, Bad), ip: Option<&str>) -> Result<T, AuthError> {
    let mut tx = db.no_tenant().await?;
    let event = Event::new(Actor::User(account.user_id, account.login.clone()), action).ip(ip.map(str::to_owned));
    let event = event.object(account.login.as_str()).refused();
    let event = if let Bad::Counter = bad { event.after(json!({ "reason": "counter" })) } else { event };
    audit::record(&mut tx, event).await?;
    tx.commit().await?;
    Err(AuthError::Refused)
}

/// The session at the end of a sign-in. With a recovery code, all others of the person's end.
async fn let_in(tx: &mut Scoped, account: &Account, good: Good, ip: Option<&str>) -> anyhow::Result<SecretString> {
    let user = account.user_id;
    if let Good::Recovery(_) = good {
        store::sessions::end_others(tx, user, &[]).await?;
        flows::end(tx, user).await?;
    }
    forgive(tx, account, ip, 2).await?; // the password's and the code's
    let session = sessions::start(tx, user, account.role, true, ip).await?;
    let event = Event::new(Actor::User(user, account.login.clone()), "login").ip(ip.map(str::to_owned));
    audit::record(tx, event.after(good.facts())).await?;
    Ok(session)
}
