//! The administrator consent pages, v1 and v2, and the partner documents' sign-in link that asks for consent: what is asked, by whom, Accept
//! and Cancel.

use super::accounts::Account;
use super::call::{Answer, Call, find};
use super::login::{self, EntraError};
use super::pages::{dead_end, escape, page};
use super::world::{App, Directory, World};
use super::{hosts, signin};
use crate::model::{Cloud, DirectoryId, Product};
use axum::http::Method;
use std::fmt::Write as _;
use uuid::Uuid;

/// Which of the documented links.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    V1,
    V2,
    /// `prompt=consent` at the v1 authorization endpoint: it ends at the app's own reply URL.
    Authorize,
}

pub(super) fn answer(world: &mut World, call: &Call, tenant: &str, form: Form) -> Answer {
    let app = match checked(world, call, tenant, form) {
        Ok(app) => app,
        Err(stays) => return stays,
    };
    if call.method == Method::GET {
        return ask(world, call, tenant, &app);
    }
    decide(world, call, tenant, form, &app)
}

/// The app, if the link is one that Microsoft would follow.
fn checked(world: &World, call: &Call, tenant: &str, form: Form) -> Result<App, Answer> {
    let stop = |code, text: &str| dead_end(400, "Sorry, but we're having trouble signing you in.", code, text);
    let needed = |name| {
        call.query(name)
            .filter(|value| !value.is_empty())
            .ok_or_else(|| stop(900_144, &format!("The request must contain the following parameter: '{name}'.")))
    };
    if tenant == "consumers" || (form == Form::V2 && tenant == "common") {
        return Err(stop(90_009, "The tenant segment must be a directory id, a domain or 'organizations'."));
    }
    if !login::is_common(tenant) && login::directory(world, call, tenant).is_none() {
        let error = login::not_here(world, call, tenant);
        return Err(stop(error.code, error.sentence()));
    }
    let client = needed("client_id")?;
    let app = world.app_at(&call.host, client).filter(|app| app.home.is_none());
    let app = app.ok_or_else(|| stop(700_016, EntraError::app_not_found(client, tenant).sentence()))?;
    if form == Form::Authorize {
        if !matches!(call.query("prompt"), Some("consent" | "admin_consent")) {
            return Err(stop(900_144, "The stand-in plays this endpoint with prompt=consent or prompt=admin_consent only."));
        }
        if needed("response_type")? != "code" {
            return Err(stop(700_051, "The stand-in plays response_type=code only."));
        }
    }
    let redirect = if form == Form::Authorize { reply_url(call, app) } else { needed("redirect_uri")? };
    signin::registered(app, redirect).map_err(|error| stop(error.code, error.sentence()))?;
    if form == Form::V2 {
        let scope = needed("scope")?;
        let here = |cloud: &&Cloud| login::signs_in_at(**cloud, &call.host);
        let known = |resource| Cloud::ALL.iter().filter(here).any(|cloud| hosts::resource_in(*cloud, resource).is_some());
        let good = scope.strip_suffix("/.default").is_some_and(known);
        if !good {
            return Err(stop(
                70_011,
                &format!("The provided value for the input parameter 'scope' is not valid. The scope {scope} is not valid."),
            ));
        }
    }
    Ok(app.clone())
}

/// Where the browser ends: as asked, or the first reply URL of the registration.
fn reply_url<'a>(call: &'a Call, app: &'a App) -> &'a str {
    call.query("redirect_uri").or(app.redirect_uris.first().map(String::as_str)).unwrap_or_default()
}

fn ask(world: &World, call: &Call, tenant: &str, app: &App) -> Answer {
    let mut asked = String::new();
    for product in Product::ALL {
        for (_, role) in app.roles.iter().filter(|(of, _)| of == product) {
            let _ = write!(asked, "<li>{} <small>({})</small></li>", escape(role), hosts::service_principal(*product));
        }
    }
    let accounts = accounts(world, call, tenant);
    let main = format!(
        "<p><strong>{}</strong> by {} asks for permissions for your whole organization, without a signed-in user:</p><ul>{asked}</ul>\
         <form method=\"post\"><fieldset><legend>Sign in as</legend>{accounts}</fieldset>\
         <p>If you accept, this app gets access to the named resources for your organization. You can take it back in the \
         directory's Enterprise applications.</p><div class=\"row\"><button class=\"go\" name=\"decision\" value=\"accept\">Accept</button>\
         <button name=\"decision\" value=\"cancel\">Cancel</button></div>\
         <button class=\"link\" name=\"decision\" value=\"not_admin\">I am not an administrator</button></form>",
        escape(&app.name),
        escape(&app.publisher),
    );
    page(200, false, "Permissions requested: review for your organization", &main)
}

/// The accounts one can be, those of the named directory alone if one is named.
fn accounts(world: &World, call: &Call, tenant: &str) -> String {
    let mut html = String::new();
    let named = login::directory(world, call, tenant).map(|directory| directory.id);
    let here = world.directories.values().filter(|dir| named.is_none_or(|id| id == dir.id) && login::signs_in_at(dir.cloud, &call.host));
    for directory in here {
        for account in &directory.accounts {
            html.push_str(&signin::choice(directory, account, named.is_some() && account.admin));
        }
    }
    html
}

/// The directory and account chosen: `account` of our own form, or `directory` (its first administrator) of a test.
fn chosen<'a>(world: &'a World, form: &[(String, String)]) -> Option<(&'a Directory, &'a Account)> {
    if let Some(choice) = find(form, "account") {
        return signin::account(world, choice);
    }
    let directory = world.directories.get(&DirectoryId::parse(find(form, "directory")?)?)?;
    directory.accounts.iter().find(|account| account.admin).map(|account| (directory, account))
}

fn decide(world: &mut World, call: &Call, tenant: &str, form: Form, app: &App) -> Answer {
    let fields = call.form();
    let approval = "This app may read security data and only an administrator can allow it. Ask an administrator to grant permission to this app before you can use it.";
    let decision = find(&fields, "decision").unwrap_or_default();
    if decision == "not_admin" {
        return dead_end(403, "Need admin approval", 90_094, approval);
    }
    let Some((directory, account)) = chosen(world, &fields) else { return ask(world, call, tenant, app) };
    let (id, cookie) = (directory.id, signin::cookie(directory, account));
    if !login::signs_in_at(directory.cloud, &call.host) {
        // Somebody of another cloud gave their name at this one's sign-in.
        let reply = failure(world, call, form, &EntraError::cross_cloud());
        return Answer::redirect(&signin::with_query(reply_url(call, app), &reply));
    }
    if login::directory(world, call, tenant).is_some_and(|named| named.id != id) {
        return signin::not_of_this_directory(account, tenant);
    }
    if decision == "accept" && !account.admin {
        return dead_end(403, "Need admin approval", 90_094, approval);
    }
    let to = reply_url(call, app);
    let reply = if decision == "accept" { accept(world, call, form, app, id) } else { declined(world, call, form) };
    Answer::redirect(&signin::with_query(to, &reply)).header(axum::http::header::SET_COOKIE, cookie)
}

/// What comes back: the grant, or 650052 and no grant when the directory lacks one of the resources.
fn accept(world: &mut World, call: &Call, form: Form, app: &App, id: DirectoryId) -> Vec<(&'static str, String)> {
    let lacks = |product: &Product| world.directories.get(&id).is_some_and(|directory| !directory.licences.contains(product));
    let cloud = world.directories.get(&id).map_or(Cloud::Commercial, |directory| directory.cloud);
    if let Some((missing, _)) = app.roles.iter().find(|(product, _)| lacks(product)) {
        let name = world.directories.get(&id).map(|directory| directory.name.clone()).unwrap_or_default();
        let text = format!(
            "The app is trying to access a service '{}'({}) that your organization '{name}' lacks a service principal for. Contact your IT Admin to review the configuration of your service subscriptions or consent to the application in order to create the required service principal.",
            hosts::app_id_uri(cloud, *missing),
            hosts::service_principal(*missing),
        );
        return failure(world, call, form, &EntraError::new(400, "invalid_client", 650_052, &text));
    }
    world.grant(id, app.client_id);
    if form == Form::Authorize {
        let mut reply = vec![("code", format!("0.{}", Uuid::new_v4().simple()))];
        reply.extend(call.query("state").map(|state| ("state", state.to_owned())));
        reply.extend([("session_state", Uuid::new_v4().to_string()), ("admin_consent", "True".to_owned())]);
        return reply;
    }
    let mut reply = vec![("admin_consent", "True".to_owned()), ("tenant", id.to_string())];
    if form == Form::V2 {
        let names: Vec<String> = app.roles.iter().map(|(product, role)| format!("{}/{role}", hosts::app_id_uri(cloud, *product))).collect();
        reply.push(("scope", names.join(" ")));
    }
    reply.extend(call.query("state").map(|state| ("state", state.to_owned())));
    reply
}

fn declined(world: &World, call: &Call, form: Form) -> Vec<(&'static str, String)> {
    if form == Form::V1 {
        return vec![("error", "permission_denied".to_owned()), ("error_description", "The admin canceled the request".to_owned())];
    }
    let text = "User declined to consent to access the app.";
    failure(world, call, form, &EntraError::new(400, "access_denied", 65_004, text))
}

/// A failure of the v2 page says `admin_consent=True` all the same, and names no tenant; one of the v1 page names no state either.
fn failure(world: &World, call: &Call, form: Form, error: &EntraError) -> Vec<(&'static str, String)> {
    let mut reply = vec![("error", error.error.to_owned()), ("error_description", error.description(world.now()))];
    reply.push(("error_uri", format!("https://{}/error?code={}", call.host, error.code)));
    if form != Form::V1 {
        reply.extend(call.query("state").map(|state| ("state", state.to_owned())));
    }
    if form == Form::V2 {
        reply.push(("admin_consent", "True".to_owned()));
    }
    reply
}
