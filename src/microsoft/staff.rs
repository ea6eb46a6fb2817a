//! Our own staff: their sign-in at the provider's own directory, and what Graph says of them there.

use super::credential::Keepers;
use super::lanes::Watch;
use super::operations::Operation;
use super::operations::directory::{APP_ROLES, CHECK_GROUPS, MOST_GROUPS, USER_ROLES, USERS_LIST};
use super::request::Ask;
use super::{App, CUSTOMERS, CallError, Client, Pace, SignInError, SignInTrip, SignedIn, Target, clouds, odata};
use crate::config::{self, ConsentForm};
use crate::model::{Cloud, TenantId};
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

/// What the directory says of somebody who may sign in there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Values of the app roles of the portal's registration.
    pub roles: Vec<String>,
    /// Of the groups that were asked for.
    pub groups: Vec<Uuid>,
}

/// The app roles of the portal's registration, as assignments name them.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AppRoles {
    id: Uuid,
    app_roles: Vec<AppRole>,
}

#[derive(Clone, Debug, Deserialize)]
struct AppRole {
    id: Uuid,
    value: Option<String>,
}

#[derive(Deserialize)]
struct Members {
    value: Vec<Uuid>,
}

#[derive(Deserialize)]
struct Users {
    value: Vec<User>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct User {
    account_enabled: bool,
}

#[derive(Deserialize)]
struct Assignments {
    value: Vec<Assignment>,
    #[serde(default, rename = "@odata.nextLink")]
    next: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Assignment {
    app_role_id: Uuid,
    resource_id: Uuid,
}

impl Client {
    /// A client that signs staff and customers' people in, as far as that is configured. Called before it is used or cloned.
    ///
    /// # Errors
    /// One sentence that names key and file, when an app's credential cannot be used.
    pub fn with_logins(mut self, login: &config::Login, now: DateTime<Utc>) -> anyhow::Result<Self> {
        let inner = Arc::get_mut(&mut self.inner).context("the client is in use already")?;
        if let Some(login) = &login.entra {
            inner.login = Some((app(LOGIN, (login.cloud, login.client_id), &login.credential, now)?, login.clone()));
        }
        if let Some(login) = &login.customers {
            inner.customers = Some(app(CUSTOMERS, (login.cloud, login.client_id), &login.credential, now)?);
        }
        Ok(self)
    }

    /// The way to Microsoft for somebody of our own staff, who is asked which account to use, or, `anew`, to show who they are although they
    /// are signed in there. See [`Client::sign_in_url`]. `None`: there is no `[login.entra]`.
    pub fn staff_trip(&self, redirect: &Url, state: &str, nonce: &str, anew: bool) -> Option<SignInTrip> {
        let mut trip = self.sign_in_url(LOGIN, self.login()?.directory_id, redirect, state, nonce)?;
        if anew {
            trip.url.query_pairs_mut().append_pair("prompt", "login").append_pair("max_age", "0");
        } else {
            trip.url.query_pairs_mut().append_pair("prompt", "select_account");
        }
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
        let directory = self.login().ok_or(NOT_CONFIGURED)?.directory_id;
        self.redeem(LOGIN, directory, redirect, code, verifier, nonce, now).await
    }

    /// Of these groups those that somebody of our own directory is a member of, directly or through other groups; asked of Graph as the
    /// app itself.
    pub async fn staff_groups(&self, person: Uuid, groups: &[Uuid], now: DateTime<Utc>) -> Result<Vec<Uuid>, CallError> {
        let target = self.own_directory()?;
        let mut found = Vec::new();
        for some in groups.chunks(MOST_GROUPS) {
            let ask = Ask::new(self, &target, LOGIN, &CHECK_GROUPS, &[&person.to_string()])?.json(&json!({ "groupIds": some }));
            let members: Members = read(&self.ask(&ask, &Watch::start(now)).await?)?;
            // What was not asked for is no answer.
            found.extend(members.value.into_iter().filter(|group| some.contains(group)));
        }
        Ok(found)
    }

    /// The `[login.entra]` of the configuration.
    pub fn login(&self) -> Option<&config::EntraLogin> {
        self.inner.login.as_ref().map(|(_, login)| login)
    }

    /// Who issues the id_tokens of our own directory.
    pub fn staff_issuer(&self) -> Option<String> {
        self.login().map(|login| clouds::issuer(login.cloud, login.directory_id))
    }

    /// The app roles of the portal's own registration.
    pub async fn staff_roles(&self, now: DateTime<Utc>) -> Result<AppRoles, CallError> {
        let client = self.login().ok_or(NOT_CONFIGURED)?.client_id;
        read(&self.ask_of(&APP_ROLES, &[&client.to_string()], &[("$select", "id,appRoles")], now).await?)
    }

    /// What our own directory says of somebody now: whether they may sign in, which of `roles` they have, which of `groups` they are in. `None`:
    /// they may not, or are not there any more.
    pub async fn staff_standing(
        &self,
        person: Uuid,
        roles: Option<&AppRoles>,
        groups: &[Uuid],
        now: DateTime<Utc>,
    ) -> Result<Option<Standing>, CallError> {
        let query = [("$select", "id,accountEnabled"), ("$filter", &*format!("id eq '{person}'"))];
        let users: Users = read(&self.ask_of(&USERS_LIST, &[], &query, now).await?)?;
        if !users.value.iter().any(|user| user.account_enabled) {
            return Ok(None);
        }
        let mut standing = Standing { groups: self.staff_groups(person, groups, now).await?, ..Standing::default() };
        if let Some(known) = roles {
            let filter = format!("resourceId eq {}", known.id);
            let body = self.ask_of(&USER_ROLES, &[&person.to_string()], &[("$filter", &filter)], now).await?;
            let list: Assignments = read(&body)?;
            if list.next.is_some() {
                return Err(CallError::Unexpected("it lists more app roles than a registration can have"));
            }
            let mine = |role: &&AppRole| list.value.iter().any(|given| given.app_role_id == role.id && given.resource_id == known.id);
            standing.roles = known.app_roles.iter().filter(mine).filter_map(|role| role.value.clone()).collect();
        }
        Ok(Some(standing))
    }

    async fn ask_of(
        &self,
        operation: &'static Operation,
        args: &[&str],
        query: &[(&str, &str)],
        now: DateTime<Utc>,
    ) -> Result<String, CallError> {
        let mut ask = Ask::new(self, &self.own_directory()?, LOGIN, operation, args)?;
        ask.query(query);
        self.ask(&ask, &Watch::start(now)).await
    }

    fn own_directory(&self) -> Result<Target, CallError> {
        let login = self.login().ok_or(NOT_CONFIGURED)?;
        Ok(Target::new(NO_TENANT, login.directory_id, login.cloud).at(Pace::Person))
    }
}

/// A registration that signs people in.
fn app(name: &'static str, (cloud, client_id): (Cloud, Uuid), credential: &config::Credential, now: DateTime<Utc>) -> anyhow::Result<App> {
    let credentials = Keepers::load(std::slice::from_ref(credential), now).with_context(|| format!("[{name}]"))?;
    let (consent, permissions) = (ConsentForm::default(), BTreeMap::new());
    Ok(App { name: name.to_owned(), cloud, client_id, consent, optional: false, permissions, credentials })
}

fn read<T: for<'a> Deserialize<'a>>(body: &str) -> Result<T, CallError> {
    serde_json::from_str(odata::object(body)?).map_err(|_| CallError::Unexpected("it does not say what was asked"))
}

const NOT_CONFIGURED: CallError = CallError::NotConfigured("there is no [login.entra]");
