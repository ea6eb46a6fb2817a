//! Our own staff: their sign-in at the provider's own directory, and what Graph says of them there.

use super::credential::Keepers;
use super::lanes::Watch;
use super::operations::directory::{CHECK_GROUPS, MOST_GROUPS};
use super::request::Ask;
use super::{App, CallError, Client, Pace, SignInError, SignInTrip, SignedIn, Target, odata};
use crate::config::{self, ConsentForm};
use crate::model::TenantId;
use anyhow::Context;
use chrono::{DateTime, Utc};
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use url::Url;
use uuid::Uuid;

/// The name of the app that signs staff in. No app of a customer's can have it.
pub const LOGIN: &str = "login.entra";

/// Stands where a tenant's id is due: the provider's own directory is no tenant.
const NO_TENANT: TenantId = TenantId(Uuid::nil());

#[derive(Deserialize)]
struct Members {
    value: Vec<Uuid>,
}

impl Client {
    /// A client that signs staff in. Called before it is used or cloned.
    ///
    /// # Errors
    /// One sentence that names key and file, when the app's credential cannot be used.
    pub fn with_login(mut self, login: Option<&config::EntraLogin>, now: DateTime<Utc>) -> anyhow::Result<Self> {
        let Some(login) = login else { return Ok(self) };
        let credentials = Keepers::load(std::slice::from_ref(&login.credential), now).context("[login.entra]")?;
        let app = App {
            name: LOGIN.to_owned(),
            cloud: login.cloud,
            client_id: login.client_id,
            consent: ConsentForm::default(),
            optional: false,
            permissions: BTreeMap::new(),
            credentials,
        };
        Arc::get_mut(&mut self.inner).context("the client is in use already")?.login = Some((app, login.directory_id));
        Ok(self)
    }

    /// The way to Microsoft for somebody of our own staff, who is asked which account to use. See [`Client::sign_in_url`]. `None`: there is
    /// no `[login.entra]`.
    pub fn staff_trip(&self, redirect: &Url, state: &str, nonce: &str) -> Option<SignInTrip> {
        let (_, directory) = self.inner.login.as_ref()?;
        let mut trip = self.sign_in_url(LOGIN, *directory, redirect, state, nonce)?;
        trip.url.query_pairs_mut().append_pair("prompt", "select_account");
        Some(trip)
    }

    /// Who came back with this code, see [`Client::redeem`]. The directory is the configured one, whatever the answer says.
    pub async fn redeem_staff(
        &self,
        redirect: &Url,
        (code, verifier): (&SecretString, &SecretString),
        nonce: &str,
        now: DateTime<Utc>,
    ) -> Result<SignedIn, SignInError> {
        let (_, directory) = self.inner.login.as_ref().ok_or(NOT_CONFIGURED)?;
        self.redeem(LOGIN, *directory, redirect, code, verifier, nonce, now).await
    }

    /// Of these groups those that somebody of our own directory is a member of, directly or through other groups; asked of Graph as the
    /// app itself.
    pub async fn staff_groups(&self, person: Uuid, groups: &[Uuid], now: DateTime<Utc>) -> Result<Vec<Uuid>, CallError> {
        let target = self.own_directory()?;
        let mut found = Vec::new();
        for some in groups.chunks(MOST_GROUPS) {
            let ask = Ask::new(self, &target, LOGIN, &CHECK_GROUPS, &[&person.to_string()])?.json(&json!({ "groupIds": some }));
            let body = self.ask(&ask, &Watch::start(now)).await?;
            let members: Members =
                serde_json::from_str(odata::object(&body)?).map_err(|_| CallError::Unexpected("it holds no list of groups"))?;
            // What was not asked for is no answer.
            found.extend(members.value.into_iter().filter(|group| some.contains(group)));
        }
        Ok(found)
    }

    fn own_directory(&self) -> Result<Target, CallError> {
        let (app, directory) = self.inner.login.as_ref().ok_or(NOT_CONFIGURED)?;
        Ok(Target::new(NO_TENANT, *directory, app.cloud).at(Pace::Person))
    }
}

const NOT_CONFIGURED: CallError = CallError::NotConfigured("there is no [login.entra]");
