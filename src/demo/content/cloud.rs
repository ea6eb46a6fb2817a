//! Alerts as the Defender for Cloud Apps page "Alerts API" shows them.

use super::cast::Cast;
use super::stamp;
use crate::demo::records::CloudAlert;
use crate::demo::rng::{Rng, seed_of};
use crate::demo::world::Directory;
use crate::model::Cloud;
use serde_json::{Value, json};

/// 0 low, 1 medium, 2 high, 3 informational.
pub fn severity(word: &str) -> i64 {
    match word {
        "High" => 2,
        "Medium" => 1,
        "Low" => 0,
        _ => 3,
    }
}

/// What follows a directory's name in the address of its own portal.
const fn portal(cloud: Cloud) -> &'static str {
    match cloud {
        Cloud::Commercial => "portal.cloudappsecurity.com",
        Cloud::Gcc => "us1.portal.cloudappsecuritygov.com",
        Cloud::GccHigh | Cloud::Dod => "us1.portal.cloudappsecurity.us",
    }
}

pub fn alert(directory: &Directory, alert: &CloudAlert) -> Value {
    if let Some(raw) = &alert.raw {
        return raw.clone();
    }
    let cast = Cast::choose(directory, alert.scenario, alert.story);
    let mut rng = Rng::new(alert.story);
    let title = alert.title.clone().unwrap_or_else(|| cast.fill(alert.plan.title));
    let label = directory.domain().split('.').next().unwrap_or_default();
    let mut body = json!({
        "_id": alert.id,
        "contextId": rng.guid(),
        "description": cast.fill(alert.plan.text),
        "entities": [
            {"entityRole": "Source", "entityType": 2, "id": cast.user.object_id, "inst": 0, "saas": 11161, "label": cast.user.name,
             "pa": cast.user.upn, "type": "account"},
            {"id": 20893, "label": "Microsoft Exchange Online", "type": "service"},
            {"id": cast.ip, "label": cast.ip, "type": "ip"},
            {"id": Rng::new(seed_of(alert.plan.title)).hex(24), "label": alert.plan.title, "policyType": "ANOMALY_DETECTION", "type": "policyRule"},
        ],
        "idValue": 15_794_945 + i64::try_from(seed_of(alert.plan.title) % 500).unwrap_or_default(),
        "isSystemAlert": false,
        "resolutionStatusValue": alert.resolution,
        "severityValue": severity(alert.plan.severity),
        "statusValue": alert.status,
        "stories": [0],
        "threatScore": 20 + rng.below(70),
        "timestamp": alert.at.timestamp_millis(),
        "title": title,
        "comment": alert.comment,
        "URL": format!("https://{label}.{}/#/alerts/{}", portal(directory.cloud), alert.id),
    });
    if let Some(resolved) = alert.resolved {
        body["resolveTime"] = json!(stamp(resolved));
        body["handledByUser"] = json!(format!("admin@{}", directory.domain()));
    }
    body
}
