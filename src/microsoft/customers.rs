//! Customers' own people: their sign-in at their own directories.

use super::id_token::{Expected, directory_of};
use super::{CallError, Client, SignInError, SignInTrip, SignedIn};
use crate::model::DirectoryId;
use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

/// The name of the app that signs customers' people in. No app of `[[app]]` can have it.
pub const CUSTOMERS: &str = "login.customers";

/// Microsoft's name for "whichever directory of an organisation the person has an account in", see its page "Microsoft identity platform and
/// OpenID Connect". Personal accounts are no part of it.
const ORGANIZATIONS: &str = "organizations";

impl Client {
    /// The way to Microsoft for somebody of a customer's, who is asked which account to use. See [`Client::sign_in_url`]. `directory`: the only one
    /// that is wanted; without it people go to their own. `None`: there is no `[login.customers]`.
    pub fn customer_trip(&self, directory: Option<DirectoryId>, redirect: &Url, state: &str, nonce: &str) -> Option<SignInTrip> {
        let mut trip = self.sign_in_url_at(CUSTOMERS, &authority(directory), redirect, state, nonce)?;
        trip.url.query_pairs_mut().append_pair("prompt", "select_account");
        Some(trip)
    }

    /// Who came back with this code; `directory` as for [`Client::customer_trip`]. Without one the token itself says by whose rules it is verified:
    /// the directory that it names must have issued and signed it, so [`SignedIn::tid`] is proven. Whether that one is a customer's, and the
    /// person known, is another question.
    ///
    /// # Errors
    /// As [`Client::redeem`].
    pub async fn redeem_customer(
        &self,
        directory: Option<DirectoryId>,
        redirect: &Url,
        (code, verifier): (&SecretString, &SecretString),
        nonce: &str,
        now: DateTime<Utc>,
    ) -> Result<SignedIn, SignInError> {
        let token = self.redeem_at(CUSTOMERS, &authority(directory), redirect, (code, verifier), now).await?;
        let token = token.expose_secret();
        let directory = match directory {
            Some(directory) => directory,
            None => directory_of(token).ok_or(SignInError::Refused("it names no directory"))?,
        };
        let app = self.app(CUSTOMERS).ok_or(CallError::NotConfigured("there is no [login.customers]"))?;
        let expected = Expected { cloud: app.cloud, directory, audience: app.client_id, nonce };
        self.verify(token, &expected, now).await
    }
}

fn authority(directory: Option<DirectoryId>) -> String {
    directory.map_or_else(|| ORGANIZATIONS.to_owned(), |directory| directory.to_string())
}
