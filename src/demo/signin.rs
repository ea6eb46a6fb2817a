//! Signing in: the authorization endpoint (code with PKCE), its account picker, and the codes it hands out.

use super::accounts::Account;
use super::call::{Answer, Call, find};
use super::login::{self, EntraError};
use super::pages::{dead_end, escape, page};
use super::world::{App, Directory, World};
use crate::model::DirectoryId;
use axum::http::{Method, header};
use chrono::{DateTime, TimeDelta, Utc};
use std::collections::HashMap;
use uuid::Uuid;

/// Remembers who signed in last, as Microsoft's session would.
const COOKIE: &str = "stand_in_account";

/// An authorization code's meaning.
#[derive(Clone)]
pub(super) struct Code {
    pub client_id: Uuid,
    pub directory: DirectoryId,
    pub account: Account,
    pub redirect_uri: String,
    pub nonce: Option<String>,
    pub challenge: Option<String>,
    pub scope: String,
    /// Whoever asked wants to know when the person showed who they are.
    pub asked: bool,
    pub expires: DateTime<Utc>,
    pub redeemed: bool,
}

/// Every code handed out.
#[derive(Default)]
pub(super) struct Codes(HashMap<String, Code>);

impl Codes {
    pub fn get(&self, code: &str) -> Option<&Code> {
        self.0.get(code)
    }

    pub fn redeem(&mut self, code: &str) {
        if let Some(code) = self.0.get_mut(code) {
            code.redeemed = true;
        }
    }
}

/// Whether the app may be answered there.
pub(super) fn registered(app: &App, redirect_uri: &str) -> Result<(), EntraError> {
    if app.redirect_uris.iter().any(|known| known == redirect_uri) {
        return Ok(());
    }
    let text = format!(
        "The redirect URI '{redirect_uri}' specified in the request does not match the redirect URIs configured for the application '{}'. Make sure the redirect URI sent in the request matches one added to your application in the Azure portal.",
        app.client_id
    );
    Err(EntraError::new(400, "invalid_request", 50_011, &text))
}

/// One radio button of the account picker.
pub(super) fn choice(directory: &Directory, account: &Account, checked: bool) -> String {
    let (id, upn) = (directory.id, escape(&account.upn));
    let kind = if account.admin { "administrator" } else { "ordinary user" };
    let checked = if checked { " checked" } else { "" };
    format!(
        "<label><input type=\"radio\" name=\"account\" value=\"{id}/{upn}\" required{checked}> {upn} <small>{}, {kind}</small></label>",
        escape(&directory.name)
    )
}

/// The account of such a button.
pub(super) fn account<'a>(world: &'a World, choice: &str) -> Option<(&'a Directory, &'a Account)> {
    let (id, upn) = choice.split_once('/')?;
    let directory = world.directories.get(&DirectoryId::parse(id)?)?;
    directory.accounts.iter().find(|account| account.upn == upn).map(|account| (directory, account))
}

pub(super) fn cookie(directory: &Directory, account: &Account) -> String {
    format!("{COOKIE}={}/{}; Path=/; HttpOnly; SameSite=Lax", directory.id, account.upn)
}

pub(super) fn not_of_this_directory(account: &Account, tenant: &str) -> Answer {
    let text = format!(
        "User account '{}' from identity provider does not exist in tenant '{tenant}' and cannot access the application in that tenant. The account needs to be added as an external user in the tenant first. Sign out and sign in again with a different account.",
        account.upn
    );
    dead_end(403, "Sorry, but we're having trouble signing you in.", 50_020, &text)
}

/// An address with further query parameters, form-encoded.
pub(super) fn with_query(address: &str, pairs: &[(&'static str, String)]) -> String {
    let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
    let joint = if address.contains('?') { '&' } else { '?' };
    format!("{address}{joint}{query}")
}

pub(super) fn answer(world: &mut World, call: &Call, tenant: &str) -> Answer {
    let stop = |error: &EntraError| dead_end(400, "Sorry, but we're having trouble signing you in.", error.code, error.sentence());
    if !login::is_common(tenant) && login::directory(world, call, tenant).is_none() {
        return stop(&login::not_here(world, call, tenant));
    }
    let client = call.query("client_id").unwrap_or_default();
    let Some(app) = world.app_at(&call.host, client).cloned() else {
        return stop(&EntraError::app_not_found(client, tenant));
    };
    let redirect_uri = call.query("redirect_uri").unwrap_or_default().to_owned();
    if let Err(error) = registered(&app, &redirect_uri) {
        return stop(&error);
    }
    let here = login::directory(world, call, tenant).map(|directory| directory.id);
    if app.home.is_some_and(|home| here != Some(home)) {
        let text = format!("Application '{client}' is not configured as a multi-tenant application.");
        return stop(&EntraError::new(400, "invalid_request", 50_194, &text));
    }
    if let Err(error) = well_formed(call) {
        return send_back(world, call, &redirect_uri, &error);
    }
    let form = call.form();
    let remembered = if call.method == Method::POST { find(&form, "account") } else { remembered(call) };
    let Some((directory, account)) = remembered.and_then(|choice| self::account(world, choice)) else {
        if call.query("prompt") == Some("none") {
            let error = EntraError::new(400, "login_required", 50_058, "A silent sign-in request was sent but no user is signed in.");
            return send_back(world, call, &redirect_uri, &error);
        }
        return pick(world, call, tenant, &app);
    };
    if here.is_some_and(|here| here != directory.id) {
        // A session of another directory is not used silently.
        return if call.method == Method::POST { not_of_this_directory(account, tenant) } else { pick(world, call, tenant, &app) };
    }
    if !account.enabled {
        return stop(&EntraError::new(400, "invalid_grant", 50_057, "The user account is disabled."));
    }
    let (directory, cookie, account) = (directory.id, cookie(directory, account), account.clone());
    hand_out(world, call, &app, &redirect_uri, directory, account).header(header::SET_COOKIE, cookie)
}

/// Who signed in last, unless the caller wants to be asked.
fn remembered(call: &Call) -> Option<&str> {
    let ask = matches!(call.query("prompt"), Some("select_account" | "login"));
    if ask { None } else { call.cookie(COOKIE) }
}

fn well_formed(call: &Call) -> Result<(), EntraError> {
    let invalid = |error, code, text: &str| Err(EntraError::new(400, error, code, text));
    if call.query("response_type") != Some("code") {
        return invalid("unsupported_response_type", 700_051, "The stand-in plays response_type=code only.");
    }
    if !matches!(call.query("response_mode"), None | Some("query")) {
        return invalid("invalid_request", 700_052, "The stand-in plays response_mode=query only.");
    }
    if !call.query("scope").is_some_and(|scope| scope.split(' ').any(|word| word == "openid")) {
        return invalid("invalid_scope", 70_011, "The provided value for the input parameter 'scope' is not valid.");
    }
    if call.query("code_challenge").is_some() && call.query("code_challenge_method") != Some("S256") {
        return invalid("invalid_request", 501_491, "The stand-in plays code_challenge_method=S256 only.");
    }
    Ok(())
}

fn send_back(world: &World, call: &Call, redirect_uri: &str, error: &EntraError) -> Answer {
    let mut reply = vec![("error", error.error.to_owned()), ("error_description", error.description(world.now()))];
    reply.extend(call.query("state").map(|state| ("state", state.to_owned())));
    Answer::redirect(&with_query(redirect_uri, &reply))
}

fn pick(world: &World, call: &Call, tenant: &str, app: &App) -> Answer {
    let here = login::directory(world, call, tenant).map(|directory| directory.id);
    let (mut first, mut others) = (String::new(), String::new());
    for directory in world.directories.values().filter(|directory| login::signs_in_at(directory.cloud, &call.host)) {
        let mine = here.is_none_or(|here| here == directory.id);
        for (n, account) in directory.accounts.iter().enumerate() {
            let html = choice(directory, account, here.is_some() && mine && n == 0);
            if mine { first.push_str(&html) } else { others.push_str(&html) }
        }
    }
    let others = if others.is_empty() {
        String::new()
    } else {
        format!("<details><summary>Another directory's account</summary>{others}</details>")
    };
    let main = format!(
        "<p>to continue to <strong>{}</strong></p><form method=\"post\"><fieldset><legend>Pick an account</legend>{first}{others}</fieldset>\
         <button class=\"go\">Sign in</button></form>",
        escape(&app.name)
    );
    page(200, false, "Sign in", &main)
}

fn hand_out(world: &mut World, call: &Call, app: &App, redirect_uri: &str, directory: DirectoryId, account: Account) -> Answer {
    let text = format!("0.{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
    let of = |name: &str| call.query(name).map(str::to_owned);
    let code = Code {
        client_id: app.client_id,
        directory,
        account,
        redirect_uri: redirect_uri.to_owned(),
        nonce: of("nonce"),
        challenge: of("code_challenge"),
        scope: of("scope").unwrap_or_default(),
        asked: call.query("max_age").is_some(),
        expires: world.now() + TimeDelta::minutes(10),
        redeemed: false,
    };
    world.codes.0.insert(text.clone(), code);
    let mut reply = vec![("code", text)];
    reply.extend(of("state").map(|state| ("state", state)));
    reply.push(("session_state", Uuid::new_v4().to_string()));
    Answer::redirect(&with_query(redirect_uri, &reply))
}
