//! The stand-in's own front page: what it is, what stands in it, and a few strings for a person trying the demo.

use super::call::{Answer, Call, find};
use super::faults::{Fault, Times};
use super::hosts::Api;
use super::pages::{escape, page};
use super::world::{Directory, World};
use crate::model::{DirectoryId, Product};
use axum::http::{Method, header};
use std::fmt::Write as _;
use uuid::Uuid;

pub(super) fn answer(world: &mut World, call: &Call) -> Answer {
    match (&call.method, call.path.as_str()) {
        (&Method::GET, "/") => front(world),
        (&Method::POST, "/stand-in/control") if same_origin(call) => control(world, call),
        (&Method::POST, "/stand-in/control") => Answer::text(403, "This form was sent from another site."),
        _ => Answer::text(404, "The stand-in plays no such host. The first part of the path must be a host name of Microsoft's."),
    }
}

/// The page at which the partner documents' consent link leaves the browser.
pub(super) fn portal() -> Answer {
    let main = "<p>Microsoft's link ends here and brings nobody back. Close this page and go on where you came from.</p>";
    page(200, false, "Microsoft Azure", main)
}

/// A page of another site must not pull the strings of a demo on this machine.
fn same_origin(call: &Call) -> bool {
    let host = call.header(&header::HOST).unwrap_or_default();
    call.header(&header::ORIGIN).is_none_or(|origin| origin == format!("http://{host}"))
}

fn front(world: &World) -> Answer {
    let mut main = String::from(
        "<p>This server plays Microsoft's sign-in and the Defender APIs for Watchfloor's demo and tests. Change something here and \
         watch how Watchfloor notices.</p><h2>Directories</h2>",
    );
    let mut directories: Vec<&Directory> = world.directories.values().collect();
    directories.sort_by_key(|directory| &directory.name);
    for directory in directories {
        main.push_str(&card(world, directory));
    }
    page(200, true, "A Microsoft cloud, played", &main)
}

fn card(world: &World, directory: &Directory) -> String {
    let licences: Vec<&str> = directory.licences.iter().filter(|product| **product != Product::Graph).map(|p| p.label()).collect();
    let mut html = format!(
        "<section class=\"card\"><h3>{}</h3><p><code>{}</code> · {} · {} · {} incidents<br>Licences: {}</p>",
        escape(&directory.name),
        directory.id,
        escape(directory.domain()),
        directory.cloud.label(),
        directory.records.incidents_by_update.len(),
        if licences.is_empty() { "none".to_owned() } else { licences.join(", ") },
    );
    html.push_str("<div class=\"row\">");
    for app in world.apps.values().filter(|app| app.home.is_none()) {
        let name = escape(&app.name);
        let app = app.client_id.to_string();
        if world.grants.contains_key(&(directory.id, app.parse().unwrap_or_default())) {
            html.push_str(&button(directory.id, "revoke", &format!("Revoke the consent to {name}"), &app));
        } else {
            let _ = write!(html, "<span class=\"soft\">No consent to {name}.</span> ");
        }
    }
    html.push_str(&button(directory.id, "incident", "Add an incident", ""));
    for api in [Api::DefenderXdr, Api::DefenderEndpoint, Api::CloudApps, Api::Graph] {
        let (act, verb) = if world.faults.is_planned(directory.id, api) { ("heal", "Heal") } else { ("throttle", "Throttle") };
        html.push_str(&button(directory.id, act, &format!("{verb} {}", label(api)), api.as_str()));
    }
    html.push_str("</div></section>");
    html
}

const fn label(api: Api) -> &'static str {
    match api {
        Api::Token => "tokens",
        Api::DefenderXdr => Product::DefenderXdr.label(),
        Api::DefenderEndpoint => Product::DefenderEndpoint.label(),
        Api::CloudApps => Product::CloudApps.label(),
        Api::Graph => Product::Graph.label(),
    }
}

/// A form of one button; the label is HTML.
fn button(directory: DirectoryId, act: &str, label: &str, of: &str) -> String {
    format!(
        "<form class=\"in\" method=\"post\" action=\"/stand-in/control\"><input type=\"hidden\" name=\"directory\" value=\"{directory}\">\
         <input type=\"hidden\" name=\"of\" value=\"{of}\"><button name=\"act\" value=\"{act}\">{label}</button></form>"
    )
}

fn control(world: &mut World, call: &Call) -> Answer {
    let form = call.form();
    let field = |name: &str| find(&form, name).unwrap_or_default();
    let Some(directory) = DirectoryId::parse(field("directory")).filter(|id| world.directories.contains_key(id)) else {
        return Answer::text(404, "There is no such directory.");
    };
    let api = Api::ALL.into_iter().find(|api| api.as_str() == field("of"));
    match (field("act"), api) {
        ("revoke", _) => {
            if let Ok(app) = Uuid::try_parse(field("of")) {
                world.revoke(directory, app);
            }
        }
        ("incident", _) => world.invent_incident(directory),
        ("throttle", Some(api)) => world.fault(directory, api, Fault::Throttle(Some("60".to_owned())), Times::Forever),
        ("heal", Some(api)) => world.heal(directory, api),
        _ => return Answer::text(400, "There is no such button."),
    }
    let mut answer = Answer::redirect("/");
    answer.status = 303;
    answer
}
