//! What ways to Microsoft have in common, whoever goes: secrets that are kept sealed until the answer comes, and an answer that counts once.

use super::Scoped;
use super::vault::columns::Column;
use crate::model::hex;
use secrecy::SecretString;

/// The columns in which a kind of trip keeps its nonce and its PKCE verifier.
pub(super) type Columns = [&'static Column; 2];

/// What is known of a state.
pub enum Answered<T> {
    /// Of all who bring it one gets this.
    Now(T),
    Before,
    Unknown,
}

/// A trip whose answer counts in one browser, for a while.
pub trait Bound {
    /// The hash of the secret in the cookie of the browser that began it.
    fn browser_hash(&self) -> &[u8];
    /// The answer came after its time.
    fn is_late(&self) -> bool;
}

/// Seals nonce and verifier for the row of a state.
pub(super) fn seal(tx: &Scoped, columns: Columns, state_hash: &[u8], secrets: [&str; 2]) -> sqlx::Result<[String; 2]> {
    let row = hex::encode(state_hash);
    let [nonce, verifier] = columns;
    Ok([tx.vault.seal(&nonce.at(row.as_str(), None), secrets[0])?, tx.vault.seal(&verifier.at(row.as_str(), None), secrets[1])?])
}

/// Opens them again.
pub(super) fn open(tx: &Scoped, columns: Columns, state_hash: &[u8], sealed: [&str; 2]) -> sqlx::Result<[SecretString; 2]> {
    let row = hex::encode(state_hash);
    let [nonce, verifier] = columns;
    Ok([tx.vault.open(&nonce.at(row.as_str(), None), sealed[0])?, tx.vault.open(&verifier.at(row.as_str(), None), sealed[1])?])
}
