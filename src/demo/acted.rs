//! Making things happen to devices, and seeing what was done to them.

use super::actions::{Action, Ending};
use super::world::{Directory, World};
use crate::model::DirectoryId;
use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

/// Device, kind, hours ago, comment, ending.
const BEFORE: [(usize, &str, i64, &str, Ending); 4] = [
    (0, "Isolate", 74, "Beacons to an unknown address", Ending::Succeeded),
    (0, "RunAntiVirusScan", 73, "After the isolation", Ending::Succeeded),
    (0, "Unisolate", 50, "Cleaned", Ending::Succeeded),
    (1, "CollectInvestigationPackage", 26, "For the forensics team", Ending::Failed),
];

/// An action that has been begun.
struct Past {
    id: Uuid,
    at: DateTime<Utc>,
    comment: &'static str,
    ending: Ending,
}

/// What such an action is told to reach.
fn scope(kind: &str) -> Option<String> {
    match kind {
        "Isolate" => Some("Full".to_owned()),
        "RunAntiVirusScan" => Some("Quick".to_owned()),
        _ => None,
    }
}

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
        let guid = self.rng.guid();
        self.acted(directory, machine, kind, &Past { id: guid, at: self.now(), comment: "Looks odd", ending: Ending::Succeeded });
    }

    /// What an administrator of the directory did in the last days: a device isolated and let go, one scanned, and a collection that failed.
    pub(super) fn seed_actions(&mut self, directory: DirectoryId, now: DateTime<Utc>) {
        let devices = self.directories.get(&directory).map(Directory::device_ids).unwrap_or_default();
        let seed = directory.0.as_u128();
        for (n, (device, kind, hours, comment, ending)) in (1_u128..).zip(BEFORE) {
            let Some(machine) = devices.get(device) else { continue };
            let id = uuid::Builder::from_random_bytes((seed ^ n).to_be_bytes()).into_uuid();
            self.acted(directory, machine, kind, &Past { id, at: now - TimeDelta::hours(hours), comment, ending });
        }
    }

    fn acted(&mut self, directory: DirectoryId, machine: &str, kind: &'static str, past: &Past) {
        let Some(dir) = self.directories.get_mut(&directory) else { return };
        let Some(device) = dir.devices.iter().find(|device| device.id == machine).cloned() else { return };
        dir.actions.push(Action {
            id: past.id.to_string(),
            kind,
            scope: scope(kind),
            machine: device.id,
            name: device.dns_name,
            comment: past.comment.to_owned(),
            requestor: format!("admin@{}", dir.domains.first().map_or("", String::as_str)),
            sha1: None,
            commands: Vec::new(),
            created: past.at,
            ending: past.ending,
            cancelled: None,
        });
    }
}
