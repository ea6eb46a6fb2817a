//! Every call of the API: what is promised, and how each is tried.

use axum::http::Method;
use serde_json::{Value, json};

/// A call's path about this object; whatever else it names does not exist.
pub fn filled(path: &str, id: &str) -> String {
    let rest = |part: &str| if part.starts_with('{') { "0193a1b2-0000-7000-8000-000000000000".to_owned() } else { part.to_owned() };
    let path = path.replace("{id}", id).split('/').map(rest).collect::<Vec<_>>().join("/");
    if path.ends_with("/uploads") { path + "?filename=a.log&source=SQUID&stream=a" } else { path }
}

/// A body that a call accepts, so that it is the id that is judged.
pub fn body_of(method: &Method, path: &str) -> Option<Value> {
    match (method.as_str(), path) {
        ("POST", "/tenants/{id}/lookups") => Some(json!({"operation": "xdr.incidents.list"})),
        ("POST", "/tenants/{id}/invites") => Some(json!({"apps": null})),
        ("POST", "/incidents/{id}/notes") => Some(json!({"text": "x"})),
        ("POST", "/incidents/bulk") => Some(json!({"filter": {"status": ["new"]}, "change": {"status": "InProgress"}})),
        ("POST", "/suppressions/preview") => Some(json!({"group": "None", "title": "Nothing"})),
        ("POST", "/hunts") => Some(json!({"query": "DeviceInfo", "all": true})),
        ("POST", "/devices/{id}/actions") => Some(json!({"action": "isolate", "comment": "x"})),
        ("POST", "/tenants/{id}/cloud-apps/alerts/close") => {
            Some(json!({"alerts": ["0193a1b2-0000-7000-8000-000000000000"], "verdict": "true_positive"}))
        }
        ("POST", "/tenants/{id}/cloud-apps/activities/{activity}/feedback") => Some(json!({"value": "0", "text": "x"})),
        (_, path) if path.contains("/cloud-apps/ranges") && *method != Method::DELETE => {
            Some(json!({"name": "Office", "category": 1, "subnets": ["192.0.2.0/24"]}))
        }
        ("POST", "/tenants/{id}/alerts/batch") => Some(json!({"alerts": [], "change": {"status": "Resolved"}})),
        ("POST", "/tenants/{id}/alerts") => Some(json!({
            "machine": "a", "event_time": "2026-01-01T00:00:00Z", "report_id": "1", "title": "a", "severity": "Low", "category": "Malware",
            "description": "a", "recommended_action": "a",
        })),
        ("POST", "/actions/{id}/link") | ("PATCH", _) => Some(json!({})),
        _ => None,
    }
}

/// What the description must name.
pub const PROMISED: &[&str] = &[
    "/actions/{id}",
    "/actions/{id}/cancel",
    "/actions/{id}/link",
    "/alerts",
    "/alerts/{id}",
    "/audit",
    "/changes/{id}",
    "/coverage",
    "/devices",
    "/devices/{id}",
    "/devices/{id}/actions",
    "/hunts",
    "/hunts/{id}",
    "/incidents",
    "/incidents/bulk",
    "/incidents/{id}",
    "/incidents/{id}/notes",
    "/jobs/{id}",
    "/lookups/{id}",
    "/me",
    "/saved-queries",
    "/suppressions",
    "/suppressions/preview",
    "/suppressions/{id}",
    "/tenants",
    "/tenants/{id}",
    "/tenants/{id}/alerts",
    "/tenants/{id}/alerts/batch",
    "/tenants/{id}/approve",
    "/tenants/{id}/changes",
    "/tenants/{id}/cloud-apps/activities/{activity}/feedback",
    "/tenants/{id}/cloud-apps/alerts/close",
    "/tenants/{id}/cloud-apps/alerts/{alert}/read",
    "/tenants/{id}/cloud-apps/alerts/{alert}/unread",
    "/tenants/{id}/cloud-apps/discovery/uploads",
    "/tenants/{id}/cloud-apps/ranges",
    "/tenants/{id}/cloud-apps/ranges/{range}",
    "/tenants/{id}/invites",
    "/tenants/{id}/lookups",
    "/tenants/{id}/permissions",
    "/tenants/{id}/sync",
    "/tenants/{id}/usage",
];
