//! What of Cloud Apps a directory keeps beside its alerts: ranges, reports, uploads, feedback.

use super::discovery::StreamShape;
use crate::demo::rng::{Rng, seed_of};
use crate::demo::world::World;
use crate::model::DirectoryId;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

pub(super) struct Range {
    pub id: String,
    pub name: String,
    pub category: i64,
    pub subnets: Vec<String>,
    pub organization: Option<String>,
    pub tags: Vec<String>,
    pub modified: DateTime<Utc>,
}

pub(super) struct Report {
    pub id: String,
    pub name: String,
    pub snapshot: bool,
    pub created: DateTime<Utc>,
    pub received: DateTime<Utc>,
    pub files: i64,
}

/// An upload under way: its address, and what was put there.
pub(super) struct Pending {
    pub url: String,
    /// What opens the store.
    pub signature: String,
    pub until: DateTime<Utc>,
    pub filename: String,
    pub source: String,
    pub content: Option<Vec<u8>>,
}

/// A log that arrived whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uploaded {
    pub filename: String,
    pub source: String,
    pub stream: String,
    pub content: Vec<u8>,
}

pub(in crate::demo) struct Shelf {
    pub(super) rng: Rng,
    pub(super) ranges: Vec<Range>,
    pub(super) reports: Vec<Report>,
    pub(super) pending: Vec<Pending>,
    pub(super) uploaded: Vec<Uploaded>,
    /// Activity and body.
    pub(super) feedback: Vec<(String, Value)>,
    pub(super) shape: StreamShape,
    /// Said instead of the real address: url and provider.
    pub(super) address: Option<(String, String)>,
}

impl Shelf {
    pub fn new(domain: &str) -> Self {
        let mut rng = Rng::new(seed_of(domain) ^ 0x5e1f);
        let long_ago = DateTime::from_timestamp(1_767_225_600, 0).unwrap_or_default();
        let mut range = |name: &str, category, subnets: &[&str], organization: Option<&str>| Range {
            id: rng.hex(24),
            name: name.to_owned(),
            category,
            subnets: subnets.iter().map(|&text| text.to_owned()).collect(),
            organization: organization.map(str::to_owned),
            tags: vec!["Corporate".to_owned()],
            modified: long_ago,
        };
        let ranges = vec![
            range("Head office", 1, &["198.51.100.0/24"], Some("Northern Fibre")),
            range("VPN gateways", 4, &["203.0.113.16/28", "2001:db8:40::/48"], None),
        ];
        let mut report = |name: &str, days| Report {
            id: rng.hex(24),
            name: name.to_owned(),
            snapshot: false,
            created: long_ago,
            received: long_ago + TimeDelta::days(days),
            files: days,
        };
        let reports = vec![report("Firewall logs", 20), report("Defender-managed endpoints", 28)];
        Self {
            rng,
            ranges,
            reports,
            pending: Vec::new(),
            uploaded: Vec::new(),
            feedback: Vec::new(),
            shape: StreamShape::default(),
            address: None,
        }
    }
}

impl World {
    /// In which of the documented forms the reports of a directory are listed.
    pub fn set_stream_shape(&mut self, directory: DirectoryId, shape: StreamShape) {
        if let Some(directory) = self.directories.get_mut(&directory) {
            directory.shelf.shape = shape;
        }
    }

    /// Says another address whenever a log is to be uploaded: url and provider. `None`: the right one again.
    pub fn set_upload_address(&mut self, directory: DirectoryId, address: Option<(&str, &str)>) {
        if let Some(directory) = self.directories.get_mut(&directory) {
            directory.shelf.address = address.map(|(url, provider)| (url.to_owned(), provider.to_owned()));
        }
    }

    /// The logs that arrived whole.
    pub fn uploaded(&self, directory: DirectoryId) -> Vec<Uploaded> {
        self.directories.get(&directory).map(|directory| directory.shelf.uploaded.clone()).unwrap_or_default()
    }

    /// The names and networks of a directory's ranges.
    pub fn ranges(&self, directory: DirectoryId) -> Vec<(String, Vec<String>)> {
        let found = self.directories.get(&directory);
        found.into_iter().flat_map(|found| &found.shelf.ranges).map(|range| (range.name.clone(), range.subnets.clone())).collect()
    }

    /// How many activities feedback was given on, counted each time.
    pub fn feedback(&self, directory: DirectoryId) -> usize {
        self.directories.get(&directory).map_or(0, |directory| directory.shelf.feedback.len())
    }

    /// The Cloud Apps alerts of a directory that are open, by id.
    pub fn open_cloud_alerts(&self, directory: DirectoryId) -> Vec<String> {
        let records = self.directories.get(&directory).map(|directory| &directory.records);
        let open = records.into_iter().flat_map(|records| records.cloud.values()).filter(|alert| alert.resolution == 0);
        open.map(|alert| alert.shown_id().to_owned()).collect()
    }
}
