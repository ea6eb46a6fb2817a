//! Incidents and alerts of one directory. Kept small: their text is told anew from a seed whenever it is asked for.

use super::content::{AlertPlan, Scenario, Source, scenario, to_ticks};
use super::rng::Rng;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap};

pub(super) struct Comment {
    pub text: String,
    pub by: String,
    pub at: DateTime<Utc>,
}

pub(super) struct Incident {
    pub id: i64,
    pub seed: u64,
    pub scenario: &'static Scenario,
    pub title: Option<String>,
    pub created: DateTime<Utc>,
    pub updated: DateTime<Utc>,
    pub status: &'static str,
    pub assigned_to: Option<String>,
    pub classification: Option<&'static str>,
    pub determination: Option<&'static str>,
    pub redirect: Option<i64>,
    pub tags: Vec<String>,
    pub comments: Vec<Comment>,
    pub alerts: Vec<Alert>,
    /// Not an incident: it only holds an alert that belongs to none.
    pub hidden: bool,
    /// Sent as it is, instead of what the other members say.
    pub raw: Option<Value>,
}

pub(super) struct Alert {
    /// `da…` of Endpoint is the same in both Defender APIs.
    pub id: String,
    pub seed: u64,
    /// Seed of the incident it began in: its cast.
    pub story: u64,
    pub scenario: &'static Scenario,
    pub plan: &'static AlertPlan,
    pub title: Option<String>,
    pub created: DateTime<Utc>,
    pub updated: DateTime<Utc>,
    pub resolved: Option<DateTime<Utc>>,
    pub status: &'static str,
    pub classification: Option<&'static str>,
    pub determination: Option<&'static str>,
    /// Of the alert itself; else the incident's.
    pub assigned_to: Option<String>,
    pub comments: Vec<Comment>,
    pub raw: Option<Value>,
}

/// An alert of the Cloud Apps API. Its id is not the one that the same alert has in Defender XDR.
pub(super) struct CloudAlert {
    pub id: String,
    pub story: u64,
    pub scenario: &'static Scenario,
    pub plan: &'static AlertPlan,
    pub title: Option<String>,
    /// The incident of Defender XDR it is part of.
    pub incident: i64,
    pub at: DateTime<Utc>,
    /// 0 unread, 1 read, 2 archived.
    pub status: i64,
    /// 0 open, 3 false positive, 4 benign, 5 true positive.
    pub resolution: i64,
    pub resolved: Option<DateTime<Utc>>,
    pub comment: String,
    pub raw: Option<Value>,
}

/// All of one directory, findable by id and by time.
pub(super) struct Records {
    pub rng: Rng,
    next_id: i64,
    pub incidents: BTreeMap<i64, Incident>,
    pub incidents_by_update: BTreeSet<(DateTime<Utc>, i64)>,
    pub endpoint_by_update: BTreeSet<(DateTime<Utc>, String)>,
    /// Endpoint alert → the incident that holds it.
    pub home: HashMap<String, i64>,
    pub cloud: BTreeMap<String, CloudAlert>,
    pub cloud_by_time: BTreeSet<(DateTime<Utc>, String)>,
    /// Written by hand in Graph's shape, at these times.
    pub graph_incidents: Vec<(DateTime<Utc>, Value)>,
    pub graph_alerts: Vec<(DateTime<Utc>, Value)>,
}

impl Records {
    pub fn new(seed: u64) -> Self {
        Self {
            rng: Rng::new(seed),
            // Every directory counts from here: the same incident id occurs in many of them.
            next_id: 1001,
            incidents: BTreeMap::new(),
            incidents_by_update: BTreeSet::new(),
            endpoint_by_update: BTreeSet::new(),
            home: HashMap::new(),
            cloud: BTreeMap::new(),
            cloud_by_time: BTreeSet::new(),
            graph_incidents: Vec::new(),
            graph_alerts: Vec::new(),
        }
    }

    /// A new incident of a story, with the alerts of every product that tells it.
    pub fn invent(&mut self, story: &'static Scenario, title: Option<String>, at: DateTime<Utc>) -> i64 {
        let at = to_ticks(at);
        let mut incident = self.blank(story, at);
        incident.title = title;
        let (id, seed) = (incident.id, incident.seed);
        for (n, plan) in story.alerts.iter().enumerate() {
            let created = at + TimeDelta::seconds(i64::try_from(n).unwrap_or_default() * 47) - TimeDelta::seconds(190);
            let mut alert = self.alert(story, plan, seed, created);
            alert.title = incident.title.clone().filter(|_| n == 0);
            if plan.source == Source::CloudApps {
                self.add_cloud(story, plan, alert.title.clone(), id, seed, created);
            }
            incident.alerts.push(alert);
        }
        self.insert(incident);
        id
    }

    /// An incident without alerts.
    pub fn blank(&mut self, story: &'static Scenario, at: DateTime<Utc>) -> Incident {
        let id = self.next_id;
        self.next_id += 1;
        Incident {
            id,
            seed: self.rng.next(),
            scenario: story,
            title: None,
            created: at,
            updated: at,
            status: "Active",
            assigned_to: None,
            classification: None,
            determination: None,
            redirect: None,
            tags: Vec::new(),
            comments: Vec::new(),
            alerts: Vec::new(),
            hidden: false,
            raw: None,
        }
    }

    pub fn alert(&mut self, story: &'static Scenario, plan: &'static AlertPlan, seed: u64, at: DateTime<Utc>) -> Alert {
        let at = to_ticks(at);
        let id = match plan.source {
            Source::Endpoint => {
                // Ticks of the time and a signed number, as Defender for Endpoint makes them.
                let ticks = at.timestamp_nanos_opt().unwrap_or_default() / 100 + 621_355_968_000_000_000;
                format!("da{ticks}_{}", i64::from(self.rng.below(u32::MAX)) - 2_147_483_648)
            }
            Source::CloudApps => format!("ca{}", self.rng.guid().to_string().to_uppercase()),
            Source::Office => format!("fa{}", self.rng.guid()),
            Source::Identity => format!("aa{}", self.rng.guid()),
        };
        Alert {
            id,
            seed: self.rng.next(),
            story: seed,
            scenario: story,
            plan,
            title: None,
            created: at,
            updated: at,
            resolved: None,
            status: "New",
            classification: None,
            determination: None,
            assigned_to: None,
            comments: Vec::new(),
            raw: None,
        }
    }

    /// A Cloud Apps alert; returns its id.
    pub fn add_cloud(
        &mut self,
        story: &'static Scenario,
        plan: &'static AlertPlan,
        title: Option<String>,
        incident: i64,
        seed: u64,
        at: DateTime<Utc>,
    ) -> String {
        let id = self.rng.hex(24);
        let alert = CloudAlert {
            id: id.clone(),
            story: seed,
            scenario: story,
            plan,
            title,
            incident,
            at,
            status: 0,
            resolution: 0,
            resolved: None,
            comment: String::new(),
            raw: None,
        };
        self.cloud_by_time.insert((at, id.clone()));
        self.cloud.insert(id.clone(), alert);
        id
    }

    pub fn insert(&mut self, incident: Incident) {
        self.index(&incident, true);
        self.incidents.insert(incident.id, incident);
    }

    /// Changes an incident and keeps the order by time right.
    pub fn change(&mut self, id: i64, change: impl FnOnce(&mut Incident)) {
        let Some(mut incident) = self.incidents.remove(&id) else { return };
        self.index(&incident, false);
        change(&mut incident);
        self.insert(incident);
    }

    fn index(&mut self, incident: &Incident, add: bool) {
        if !incident.hidden {
            let key = (incident.updated, incident.id);
            if add {
                self.incidents_by_update.insert(key)
            } else {
                self.incidents_by_update.remove(&key)
            };
        }
        for alert in incident.alerts.iter().filter(|alert| alert.plan.source == Source::Endpoint) {
            let key = (alert.updated, alert.id.clone());
            if add {
                self.endpoint_by_update.insert(key);
                self.home.insert(alert.id.clone(), incident.id);
            } else {
                self.endpoint_by_update.remove(&key);
            }
        }
    }

    /// A story picked at random.
    pub fn any_story(&mut self) -> &'static Scenario {
        scenario(self.rng.next())
    }
}
