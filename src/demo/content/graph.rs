//! Incidents and alerts as the Microsoft Graph security pages "incident resource type" and "alert resource type" show them.

use super::cast::Cast;
use super::{Evidence, Source, graph_evidence, stamp};
use crate::demo::content::incident::activity;
use crate::demo::records::{Alert, Comment, Incident};
use crate::demo::world::Directory;
use crate::model::Cloud;
use serde_json::{Value, json};

/// How Graph writes the words of enumerations to one caller.
#[derive(Clone, Copy)]
pub struct Words {
    /// As some of the documentation's samples do.
    pub pascal: bool,
    /// The caller takes members that were added later.
    pub new_members: bool,
}

impl Words {
    /// The word of an enumeration, from the Defender APIs' spelling of it.
    pub fn word(self, word: &str) -> String {
        let word = match word {
            "AwaitingAction" if !self.new_members => "unknownFutureValue",
            "UnSpecified" => "unknown",
            "Clean" => "notMalicious",
            "NoEnoughDataToValidate" => "insufficientData",
            word => word,
        };
        let (first, rest) = word.split_at(word.len().min(1));
        format!("{}{rest}", if self.pascal { first.to_ascii_uppercase() } else { first.to_ascii_lowercase() })
    }

    fn verdict(self, word: Option<&str>) -> String {
        self.word(word.unwrap_or("unknown"))
    }
}

/// The words for a service, after the enumeration `serviceSource`.
pub const fn service(source: Source) -> &'static str {
    match source {
        Source::Endpoint => "microsoftDefenderForEndpoint",
        Source::CloudApps => "microsoftDefenderForCloudApps",
        Source::Office => "microsoftDefenderForOffice365",
        Source::Identity => "microsoftDefenderForIdentity",
    }
}

pub fn incident(directory: &Directory, incident: &Incident, with_alerts: bool, words: Words) -> Value {
    let cast = Cast::choose(directory, incident.scenario, incident.seed);
    let worst = ["High", "Medium", "Low"].into_iter().find(|word| incident.alerts.iter().any(|alert| alert.plan.severity == *word));
    let mut body = json!({
        "@odata.type": "#microsoft.graph.security.incident",
        "id": incident.id.to_string(),
        "tenantId": directory.id,
        "status": words.word(incident.status),
        "incidentWebUrl": web_url(directory, "incidents", &incident.id.to_string()),
        "redirectIncidentId": incident.redirect.map(|id| id.to_string()),
        "displayName": incident.title.clone().unwrap_or_else(|| cast.fill(incident.scenario.title)),
        "createdDateTime": stamp(incident.created),
        "lastUpdateDateTime": stamp(incident.updated),
        "assignedTo": incident.assigned_to,
        "classification": words.verdict(incident.classification),
        "determination": words.verdict(incident.determination),
        "severity": words.word(worst.unwrap_or(incident.scenario.severity())),
        "customTags": incident.tags,
        "systemTags": [],
        "description": null,
        "summary": null,
        "resolvingComment": null,
        "lastModifiedBy": incident.assigned_to,
        "comments": comments(&incident.comments),
    });
    if with_alerts {
        body["alerts"] = incident.alerts.iter().map(|row| alert(directory, incident, row, words)).collect();
    }
    body
}

pub fn comments<'a>(comments: impl IntoIterator<Item = &'a Comment>) -> Vec<Value> {
    let comments = comments.into_iter();
    comments.map(|c| json!({"comment": c.text, "createdByDisplayName": c.by, "createdDateTime": stamp(c.at)})).collect()
}

pub fn alert(directory: &Directory, incident: &Incident, alert: &Alert, words: Words) -> Value {
    let cast = Cast::choose(directory, alert.scenario, alert.story);
    let (plan, (first, last)) = (alert.plan, activity(alert));
    let on_device = plan.source == Source::Endpoint;
    let mut evidence: Vec<Value> = Vec::new();
    if let Some(device) = cast.device.filter(|_| on_device) {
        evidence.push(graph_evidence::device(device, alert, words));
    }
    evidence.extend(plan.evidence.iter().map(|kind: &Evidence| graph_evidence::of(&cast, *kind, alert, words)));
    if plan.source == Source::CloudApps {
        evidence.push(graph_evidence::application(alert, words));
    }
    json!({
        "@odata.type": "#microsoft.graph.security.alert",
        "id": alert.id,
        "providerAlertId": alert.id,
        "incidentId": (!incident.hidden).then(|| incident.id.to_string()),
        "status": words.word(alert.status),
        "severity": words.word(plan.severity),
        "classification": words.verdict(alert.classification),
        "determination": words.verdict(alert.determination),
        "serviceSource": words.word(service(plan.source)),
        "detectionSource": words.word(service(plan.source)),
        "productName": "Microsoft Defender",
        "detectorId": crate::demo::rng::Rng::new(crate::demo::rng::seed_of(plan.title)).guid(),
        "tenantId": directory.id,
        "title": alert.title.clone().unwrap_or_else(|| cast.fill(plan.title)),
        "description": cast.fill(plan.text),
        "recommendedActions": "Validate the alert and scope the suspected breach.\nContain and remediate what you find.",
        "category": plan.category,
        "assignedTo": alert.assigned_to.as_ref().or(incident.assigned_to.as_ref()),
        "alertWebUrl": web_url(directory, "alerts", &alert.id),
        "incidentWebUrl": web_url(directory, "incidents", &incident.id.to_string()),
        "actorDisplayName": null,
        "threatDisplayName": plan.family.map(|family| format!("HackTool:Win32/{family}")),
        "threatFamilyName": plan.family,
        "mitreTechniques": plan.techniques,
        "createdDateTime": stamp(alert.created),
        "lastUpdateDateTime": stamp(alert.updated),
        "resolvedDateTime": alert.resolved.map(stamp),
        "firstActivityDateTime": stamp(first),
        "lastActivityDateTime": stamp(last),
        "investigationState": words.word(if on_device { "Queued" } else { "UnsupportedAlertType" }),
        "comments": comments(&alert.comments),
        "evidence": evidence,
        "systemTags": [],
        "additionalData": null,
        "customDetails": {},
        "alertPolicyId": null,
    })
}

fn web_url(directory: &Directory, page: &str, id: &str) -> String {
    let host = match directory.cloud {
        Cloud::Commercial | Cloud::Gcc => "security.microsoft.com",
        Cloud::GccHigh => "security.microsoft.us",
        Cloud::Dod => "security.apps.mil",
    };
    format!("https://{host}/{page}/{id}?tid={}", directory.id)
}
