//! The people of a directory who can sign in, and what Microsoft Graph says of them, after "directoryObject: checkMemberGroups", "List
//! users", "List appRoleAssignments granted to a user" and "Get servicePrincipal".

use super::call::{Answer, Call};
use super::gate::{self, Operation};
use super::hosts::Api;
use super::rng::{Rng, seed_of};
use super::world::World;
use crate::model::DirectoryId;
use axum::http::Method;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use uuid::Uuid;

/// A person of a directory who can sign in.
#[derive(Clone, Debug)]
pub struct Account {
    pub object_id: Uuid,
    pub name: String,
    /// User principal name.
    pub upn: String,
    /// May consent for the organisation.
    pub admin: bool,
    /// App roles, as an `id_token` of the directory's own app names them.
    pub roles: Vec<String>,
    /// Whose member the person is; a token names them if they are no more than 200.
    pub groups: Vec<Uuid>,
    /// Whether the directory lets the person sign in.
    pub enabled: bool,
}

impl Default for Account {
    fn default() -> Self {
        let (name, upn) = (String::new(), String::new());
        Self { object_id: Uuid::nil(), name, upn, admin: false, roles: Vec::new(), groups: Vec::new(), enabled: true }
    }
}

/// The most groups that a token names.
pub(super) const MOST_GROUPS: usize = 200;

/// The most groups that can be asked for at once.
const MOST_ASKED: usize = 20;

const DIRECTORY: &str = "Directory.Read.All";

const fn operation(roles: &'static [&'static str]) -> Operation {
    Operation { name: "graph directory", per_minute: 300, per_hour: 9000, roles }
}

const READ_USERS: Operation = operation(&["User.Read.All", DIRECTORY]);
const CHECK_GROUPS: Operation = operation(&["GroupMember.Read.All", "Group.Read.All", DIRECTORY]);
const READ_DIRECTORY: Operation = operation(&[DIRECTORY]);

/// What Graph says of people, and of the apps of a directory. `None`: the stand-in plays no such page.
pub(super) fn answer(world: &mut World, call: &Call, path: &[&str]) -> Option<Answer> {
    let serve = |world: &mut World, operation, work: &dyn Fn(&World, DirectoryId) -> Answer| {
        Some(gate::serve(world, call, Api::Graph, operation, |world, directory| work(world, directory)))
    };
    match (&call.method, path) {
        (&Method::GET, ["users"]) => serve(world, &READ_USERS, &|world, directory| users(world, call, directory)),
        (&Method::GET, ["users", id, "appRoleAssignments"]) => {
            serve(world, &READ_DIRECTORY, &|world, directory| assignments(world, call, directory, id))
        }
        (&Method::GET, [one]) if one.starts_with("servicePrincipals(appId='") => {
            let client = one.split('\'').nth(1).unwrap_or_default();
            serve(world, &READ_DIRECTORY, &|world, directory| service_principal(world, directory, client))
        }
        (&Method::POST, ["users", id, "checkMemberGroups"]) => {
            // Who asks for a user's groups needs two permissions, or the one that covers both.
            Some(gate::serve_as(world, call, Api::Graph, &CHECK_GROUPS, |world, directory, roles| {
                if roles.iter().any(|role| READ_USERS.roles.contains(&role.as_str())) {
                    return check_groups(world, call, directory, id);
                }
                gate::refusal(Api::Graph, 403, "Authorization_RequestDenied", "Insufficient privileges to complete the operation.")
            }))
        }
        _ => None,
    }
}

/// The one user that is filtered for.
fn users(world: &World, call: &Call, directory: DirectoryId) -> Answer {
    let Some(id) = call.query("$filter").and_then(|filter| filter.strip_prefix("id eq '")?.strip_suffix('\'')) else {
        return Answer::graph(400, "Request_UnsupportedQuery", "The stand-in plays $filter=id eq '…' only.");
    };
    let row = |account: &Account| json!({"id": account.object_id, "accountEnabled": account.enabled});
    Answer::json(200, &json!({"value": found(world, directory, id).map(row).into_iter().collect::<Vec<_>>()}))
}

fn found<'a>(world: &'a World, directory: DirectoryId, id: &str) -> Result<&'a Account, Answer> {
    let accounts = world.directory(directory).map(|directory| directory.accounts.as_slice()).unwrap_or_default();
    let account = accounts.iter().find(|account| account.object_id.to_string() == id || account.upn == id);
    account.ok_or_else(|| Answer::graph(404, "Request_ResourceNotFound", &format!("Resource '{id}' does not exist.")))
}

/// The id that goes with a name: of an app role, or of an app in a directory.
fn id_of(directory: DirectoryId, name: &str) -> Uuid {
    Rng::new(seed_of(&format!("{directory}/{name}"))).guid()
}

/// Every app role that somebody has stands on the directory's own app.
fn service_principal(world: &World, directory: DirectoryId, client: &str) -> Answer {
    let app = Uuid::try_parse(client).ok().and_then(|id| world.app(id)).filter(|app| app.home == Some(directory));
    let Some(app) = app else {
        return Answer::graph(404, "Request_ResourceNotFound", &format!("Resource '{client}' does not exist."));
    };
    let accounts = world.directory(directory).map(|directory| directory.accounts.as_slice()).unwrap_or_default();
    let values: BTreeSet<&String> = accounts.iter().flat_map(|account| &account.roles).collect();
    let roles: Vec<Value> = values.into_iter().map(|value| json!({"id": id_of(directory, value), "value": value})).collect();
    Answer::json(200, &json!({"id": id_of(directory, &app.client_id.to_string()), "appRoles": roles}))
}

fn assignments(world: &World, call: &Call, directory: DirectoryId, id: &str) -> Answer {
    let account = match found(world, directory, id) {
        Ok(account) => account,
        Err(missing) => return missing,
    };
    let asked = call.query("$filter").and_then(|filter| filter.strip_prefix("resourceId eq "));
    let own = world.apps.values().filter(|app| app.home == Some(directory)).map(|app| id_of(directory, &app.client_id.to_string()));
    let rows = own.filter(|resource| asked.is_none_or(|asked| asked == resource.to_string())).flat_map(|resource| {
        let row = move |role: &String| json!({"appRoleId": id_of(directory, role), "principalId": id, "principalType": "User", "resourceId": resource});
        account.roles.iter().map(row)
    });
    Answer::json(200, &json!({"value": rows.collect::<Vec<_>>()}))
}

fn check_groups(world: &World, call: &Call, directory: DirectoryId, id: &str) -> Answer {
    let account = match found(world, directory, id) {
        Ok(account) => account,
        Err(missing) => return missing,
    };
    let body: Value = serde_json::from_slice(&call.body).unwrap_or_default();
    let asked: Option<Vec<Uuid>> = body["groupIds"].as_array().map(|ids| ids.iter().filter_map(|id| id.as_str()?.parse().ok()).collect());
    let Some(asked) = asked.filter(|ids| (1..=MOST_ASKED).contains(&ids.len())) else {
        return Answer::graph(400, "Request_BadRequest", "The value for parameter 'groupIds' is not valid.");
    };
    let members: Vec<Uuid> = asked.into_iter().filter(|group| account.groups.contains(group)).collect();
    Answer::json(200, &json!({"@odata.context": format!("https://{}/v1.0/$metadata#Collection(Edm.String)", call.host), "value": members}))
}
