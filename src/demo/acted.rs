//! Making things happen to devices, and seeing what was done to them.

use super::actions::{Action, Ending};
use super::world::{Directory, World};
use crate::model::DirectoryId;

impl World {
    /// How the next action in a directory is to end.
    pub fn end_next_action(&mut self, directory: DirectoryId, ending: Ending) {
        if let Some(dir) = self.directories.get_mut(&directory) {
            dir.next_ending = Some(ending);
        }
    }

    /// The comments of every action that was really begun, oldest first.
    pub fn actions_begun(&self, directory: DirectoryId) -> Vec<String> {
        self.directories
            .get(&directory)
            .map(|dir: &Directory| dir.actions.iter().map(|action| action.comment.clone()).collect())
            .unwrap_or_default()
    }

    /// An action of somebody else's, begun now.
    pub fn act(&mut self, directory: DirectoryId, machine: &str, kind: &'static str) {
        let (now, guid) = (self.now(), self.rng.guid());
        let Some(dir) = self.directories.get_mut(&directory) else { return };
        let Some(device) = dir.devices.iter().find(|device| device.id == machine).cloned() else { return };
        dir.actions.push(Action {
            id: guid.to_string(),
            kind,
            scope: None,
            machine: device.id,
            name: device.dns_name,
            comment: "Looks odd".to_owned(),
            requestor: format!("admin@{}", dir.domains.first().map_or("", String::as_str)),
            sha1: None,
            commands: Vec::new(),
            created: now,
            ending: Ending::Succeeded,
            cancelled: None,
        });
    }
}
