//! Secrets that name their tenant: invites and the `state` of a trip to Microsoft.
//!
//! The text is base64url of the tenant's id and 32 random bytes, so that it is looked up inside that tenant's own scope. Only the
//! SHA-256 of the text is stored.

use crate::model::TenantId;
use aws_lc_rs::{digest, rand};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;

const ID: usize = 16;
const RANDOM: usize = 32;

/// A secret as it goes into a link or a cookie, with the hash under which it is stored. `Debug` hides the text.
#[derive(Clone)]
pub struct Ticket {
    pub text: String,
    pub hash: Vec<u8>,
}

impl std::fmt::Debug for Ticket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Ticket(hidden)")
    }
}

/// A new secret of one tenant.
///
/// # Errors
/// When the operating system gives no randomness.
pub fn mint(tenant: TenantId) -> Result<Ticket, aws_lc_rs::error::Unspecified> {
    let mut bytes = [0; ID + RANDOM];
    bytes[..ID].copy_from_slice(tenant.0.as_bytes());
    rand::fill(&mut bytes[ID..])?;
    Ok(ticket(URL_SAFE_NO_PAD.encode(bytes)))
}

/// A new secret of no tenant: what binds a trip to the browser that began it, a nonce.
///
/// # Errors
/// When the operating system gives no randomness.
pub fn random() -> Result<Ticket, aws_lc_rs::error::Unspecified> {
    let mut bytes = [0; RANDOM];
    rand::fill(&mut bytes)?;
    Ok(ticket(URL_SAFE_NO_PAD.encode(bytes)))
}

/// The tenant a secret names and the hash it is stored under; `None` for what we cannot have made. Proves nothing by itself.
pub fn read(text: &str) -> Option<(TenantId, Vec<u8>)> {
    let bytes: [u8; ID + RANDOM] = URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()?;
    let tenant = TenantId(Uuid::from_slice(&bytes[..ID]).ok()?);
    Some((tenant, hash(text)))
}

/// The hash under which a secret is stored.
pub fn hash(text: &str) -> Vec<u8> {
    digest::digest(&digest::SHA256, text.as_bytes()).as_ref().to_vec()
}

fn ticket(text: String) -> Ticket {
    let hash = hash(&text);
    Ticket { text, hash }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_names_its_tenant_and_is_found_by_its_hash_alone() {
        let tenant = TenantId::new();
        let ticket = mint(tenant).unwrap();
        assert_eq!(read(&ticket.text), Some((tenant, ticket.hash.clone())));
        assert_ne!(mint(tenant).unwrap().hash, ticket.hash);
        assert_eq!(format!("{ticket:?}"), "Ticket(hidden)");
    }

    #[test]
    fn a_text_of_another_length_or_alphabet_is_no_ticket() {
        for bad in ["", "x", "0190/aaa", &"A".repeat(63), &"A".repeat(65), &"ä".repeat(32), &"A".repeat(10_000)] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
