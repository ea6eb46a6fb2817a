//! The people of a directory who can sign in, and what Microsoft Graph says of them, after "directoryObject: checkMemberGroups".

use super::call::{Answer, Call};
use super::gate::{self, Operation};
use super::hosts::Api;
use super::world::World;
use crate::model::DirectoryId;
use axum::http::Method;
use serde_json::{Value, json};
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
    /// Whose member the person is; a token names them if they are no more than [`MOST_GROUPS`].
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

const CHECK_GROUPS: Operation =
    Operation { name: "graph directory", per_minute: 300, per_hour: 9000, roles: &["GroupMember.Read.All", "Group.Read.All", DIRECTORY] };
const DIRECTORY: &str = "Directory.Read.All";

/// Below `users/{id}`. `None`: the stand-in plays no such page.
pub(super) fn answer(world: &mut World, call: &Call, id: &str, rest: &[&str]) -> Option<Answer> {
    if (&call.method, rest) != (&Method::POST, &["checkMemberGroups"]) {
        return None;
    }
    Some(gate::serve_as(world, call, Api::Graph, &CHECK_GROUPS, |world, directory, roles| {
        // Who asks for a user's groups needs two permissions, or the one that covers both.
        if !roles.iter().any(|role| role == "User.Read.All" || role == DIRECTORY) {
            return gate::refusal(Api::Graph, 403, "Authorization_RequestDenied", "Insufficient privileges to complete the operation.");
        }
        check_groups(world, call, directory, id)
    }))
}

fn check_groups(world: &World, call: &Call, directory: DirectoryId, id: &str) -> Answer {
    let accounts = world.directory(directory).map(|directory| directory.accounts.as_slice()).unwrap_or_default();
    let Some(account) = accounts.iter().find(|account| account.object_id.to_string() == id || account.upn == id) else {
        return Answer::graph(404, "Request_ResourceNotFound", &format!("Resource '{id}' does not exist."));
    };
    let body: Value = serde_json::from_slice(&call.body).unwrap_or_default();
    let asked: Option<Vec<Uuid>> = body["groupIds"].as_array().map(|ids| ids.iter().filter_map(|id| id.as_str()?.parse().ok()).collect());
    let Some(asked) = asked.filter(|ids| (1..=MOST_ASKED).contains(&ids.len())) else {
        return Answer::graph(400, "Request_BadRequest", "The value for parameter 'groupIds' is not valid.");
    };
    let members: Vec<Uuid> = asked.into_iter().filter(|group| account.groups.contains(group)).collect();
    Answer::json(200, &json!({"@odata.context": format!("https://{}/v1.0/$metadata#Collection(Edm.String)", call.host), "value": members}))
}
