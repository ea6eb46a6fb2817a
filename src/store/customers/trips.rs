//! Ways of customers' people to their directory and back: ten minutes, one answer, one browser. A trip is no tenant's data: of whom it is shows only
//! when it ends.

use crate::model::{DirectoryId, TenantId};
use crate::store::Scoped;
use crate::store::staff::MINUTES;
use crate::store::trips::{self, Answered, Bound, Columns};
use crate::store::vault::columns::{CUSTOMER_TRIP_NONCE, CUSTOMER_TRIP_VERIFIER};
use secrecy::SecretString;

const SEALED: Columns = [&CUSTOMER_TRIP_NONCE, &CUSTOMER_TRIP_VERIFIER];

/// The invite at which a trip begins.
#[derive(Clone, Debug)]
pub struct Invited {
    pub tenant: TenantId,
    pub hash: Vec<u8>,
    /// The directory that was bound to the tenant when the trip began: the only one that is asked.
    pub directory: DirectoryId,
}

/// A trip that begins.
#[derive(Clone, Copy, Debug)]
pub struct Start<'a> {
    pub state_hash: &'a [u8],
    pub browser_hash: &'a [u8],
    pub nonce: &'a str,
    pub pkce_verifier: &'a str,
    pub invited: Option<&'a Invited>,
}

/// A trip that was answered just now.
#[derive(Clone, Debug)]
pub struct Trip {
    browser_hash: Vec<u8>,
    pub nonce: SecretString,
    pub pkce_verifier: SecretString,
    pub invited: Option<Invited>,
    is_late: bool,
}

impl Bound for Trip {
    fn browser_hash(&self) -> &[u8] {
        &self.browser_hash
    }

    fn is_late(&self) -> bool {
        self.is_late
    }
}

#[derive(sqlx::FromRow)]
struct Row {
    browser_hash: Vec<u8>,
    nonce: String,
    pkce_verifier: String,
    invite_tenant: Option<TenantId>,
    invite_hash: Option<Vec<u8>>,
    directory_id: Option<DirectoryId>,
    is_late: bool,
}

/// Keeps a trip; its secrets sealed.
pub async fn begin(tx: &mut Scoped, start: &Start<'_>) -> sqlx::Result<()> {
    let [nonce, verifier] = trips::seal(tx, SEALED, start.state_hash, [start.nonce, start.pkce_verifier])?;
    sqlx::query(
        "insert into customer_trips (state_hash, browser_hash, nonce, pkce_verifier, invite_tenant, invite_hash, directory_id, expires_at)
         values ($1, $2, $3, $4, $5, $6, $7, now() + make_interval(mins => $8))",
    )
    .bind(start.state_hash)
    .bind(start.browser_hash)
    .bind(nonce)
    .bind(verifier)
    .bind(start.invited.map(|invited| invited.tenant))
    .bind(start.invited.map(|invited| &invited.hash))
    .bind(start.invited.map(|invited| invited.directory))
    .bind(MINUTES)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Uses a trip up, whoever brings its state; what it kept secret is forgotten.
pub async fn answer(tx: &mut Scoped, state_hash: &[u8]) -> sqlx::Result<Answered<Trip>> {
    let row: Option<Row> = sqlx::query_as(
        "with was as (select state_hash, nonce, pkce_verifier from customer_trips where state_hash = $1 and answered_at is null for update)
         update customer_trips as t set answered_at = now(), nonce = null, pkce_verifier = null from was
         where t.state_hash = was.state_hash and was.nonce is not null and was.pkce_verifier is not null
         returning t.browser_hash, was.nonce, was.pkce_verifier, t.invite_tenant, t.invite_hash, t.directory_id, t.expires_at <= now() as is_late",
    )
    .bind(state_hash)
    .fetch_optional(&mut **tx)
    .await?;
    if let Some(Row { browser_hash, nonce, pkce_verifier, invite_tenant, invite_hash, directory_id, is_late }) = row {
        let [nonce, pkce_verifier] = trips::open(tx, SEALED, state_hash, [&nonce, &pkce_verifier])?;
        let invited = match (invite_tenant, invite_hash, directory_id) {
            (Some(tenant), Some(hash), Some(directory)) => Some(Invited { tenant, hash, directory }),
            _ => None,
        };
        return Ok(Answered::Now(Trip { browser_hash, nonce, pkce_verifier, invited, is_late }));
    }
    let known: bool = sqlx::query_scalar("select exists (select from customer_trips where state_hash = $1)")
        .bind(state_hash)
        .fetch_one(&mut **tx)
        .await?;
    Ok(if known { Answered::Before } else { Answered::Unknown })
}
