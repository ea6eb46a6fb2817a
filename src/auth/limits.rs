//! How often somebody may try to sign in, or bring an answer of Microsoft's: by address, and over all.

use crate::store::Scoped;
use crate::store::limits::{self, Limit};
use chrono::TimeDelta;
use std::net::IpAddr;

/// Of one address: ten, and then one every six seconds.
const EACH: Limit = Limit { burst: 10.0, each_second: 1.0 / 6.0 };
/// Of all addresses together, each second.
const ALL: Limit = Limit { burst: 20.0, each_second: 20.0 };

/// What strangers may only try so often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attempt {
    SignIn,
    /// An answer of Microsoft's that nobody waits for.
    Stray,
}

impl Attempt {
    const fn word(self) -> &'static str {
        match self {
            Self::SignIn => "sign-in",
            Self::Stray => "stray",
        }
    }

    /// The bucket of an address.
    fn bucket(self, ip: &str) -> String {
        format!("{} {}", self.word(), household(ip))
    }
}

/// An address as limits count it: in the newer protocol a household has a whole range of 64 bits.
pub fn household(ip: &str) -> String {
    match ip.parse() {
        Ok(IpAddr::V6(address)) => format!("{:x}::/64", address.to_bits() >> 64),
        _ => ip.to_owned(),
    }
}

/// Counts an attempt. How long to wait, if it is one too many; that is written into the audit log now and then. Commit it.
pub async fn attempt(tx: &mut Scoped, what: Attempt, ip: Option<&str>) -> sqlx::Result<Option<TimeDelta>> {
    let each = ip.map(|ip| (what.bucket(ip), EACH));
    // One address alone does not use up what all have.
    for (bucket, limit) in each.into_iter().chain([(what.word().to_owned(), ALL)]) {
        if let Some(wait) = limits::take(tx, &bucket, limit).await? {
            limits::tell(tx, &bucket, ip).await?;
            return Ok(Some(wait));
        }
    }
    Ok(None)
}

/// The attempt was in order and does not count.
pub async fn forgive(tx: &mut Scoped, what: Attempt, ip: Option<&str>) -> sqlx::Result<()> {
    match ip {
        Some(ip) => limits::give_back(tx, &what.bucket(ip)).await,
        None => Ok(()),
    }
}
