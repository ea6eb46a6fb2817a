//! Activities, after "Activities API". Each alert of the directory has a few that led to it.

use super::filters::{Fields, filtered};
use super::{Asked, asked, bad, not_found, only, page, parameters};
use crate::demo::call::{Answer, Call};
use crate::demo::content::cast::Cast;
use crate::demo::rng::Rng;
use crate::demo::world::{Directory, World};
use crate::model::DirectoryId;
use serde_json::{Value, json};

const FIELDS: Fields = &[
    ("service", &["eq", "neq"]),
    ("instance", &["eq", "neq"]),
    ("user.orgUnit", &["eq", "neq", "isset", "isnotset"]),
    ("user.username", &["eq", "neq", "isset", "isnotset", "startswith"]),
    ("user.tags", &["eq", "neq", "isset", "isnotset", "startswith"]),
    ("user.domain", &["eq", "neq", "isset", "isnotset"]),
    ("entity", &["eq", "neq", "isset", "isnotset", "startswith"]),
    ("actionType", &["contains", "eq", "neq", "isset", "isnotset"]),
    ("activity.eventActionType", &["eq", "neq"]),
    ("activity.id", &["eq"]),
    ("activity.impersonated", &["eq"]),
    ("activity.type", &["eq"]),
    ("activity.takenAction", &["eq", "neq"]),
    ("activity.alertId", &["eq"]),
    ("activityObject", &["eq", "neq"]),
    ("device.type", &["eq", "neq"]),
    ("device.tags", &["eq", "neq"]),
    ("userAgent.tags", &["eq", "neq"]),
    ("userAgent.userAgent", &["contains", "ncontains"]),
    ("location.country", &["eq", "neq", "isset", "isnotset"]),
    ("location.organizations", &["eq", "neq", "isset", "isnotset", "contains"]),
    ("ip.address", &["eq", "neq", "startswith", "doesnotstartwith", "isset", "isnotset"]),
    ("ip.category", &["eq", "neq"]),
    ("ip.tags", &["eq", "neq"]),
    ("fileSelector", &["eq", "neq"]),
    ("fileId", &["eq"]),
    ("office365url", &["startswith", "eq", "endswith"]),
    ("text", &["eq", "startswithsingle", "text"]),
    ("date", &["lte", "gte", "range", "lte_ndays", "gte_ndays"]),
    ("created", &["lte", "gte", "range", "gt", "lt", "eq"]),
    ("policy", &["eq", "neq", "isset", "isnotset"]),
    ("source", &["eq", "neq"]),
];

const DEEDS: [(&str, &str, &str); 6] = [
    ("EVENT_CATEGORY_LOGIN", "Log on", "log_on"),
    ("EVENT_CATEGORY_FAILED_LOGIN", "Failed log on", "failed_log_on"),
    ("EVENT_CATEGORY_CREATE_RULE", "Create inbox rule", "create_rule"),
    ("EVENT_CATEGORY_DOWNLOAD_FILE", "Download file", "download_file"),
    ("EVENT_CATEGORY_SHARE_FILE", "Share file", "share_file"),
    ("EVENT_CATEGORY_CONSENT", "Consent to application", "consent"),
];

/// An activity, and the alert it led to.
struct Row {
    body: Value,
    alert: String,
}

fn rows(directory: &Directory) -> Vec<Row> {
    let mut rows = Vec::new();
    for alert in directory.records.cloud.values() {
        let cast = Cast::choose(directory, alert.scenario, alert.story);
        for n in 0..3_u64 {
            let mut rng = Rng::new(alert.story ^ (n + 1));
            let (event, what, word) = *rng.pick(&DEEDS);
            let at = alert.at.timestamp_millis() - 1000 * i64::try_from(n * 97 + 11).unwrap_or_default();
            let id = format!("20893_{at}_{}", rng.hex(12));
            let body = json!({
                "_id": id, "uid": id, "tenantId": 113_348_336, "aadTenantId": directory.id, "appId": 20893, "saasId": 20893, "instantiation": at,
                "timestamp": at, "created": at + 1400, "eventType": 2_293_777 + n, "eventTypeValue": event, "description": what,
                "actionType": word, "appName": "Microsoft Exchange Online", "severity": "INFO", "confidenceLevel": 20 + rng.below(20),
                "source": 2, "classifications": ["access"],
                "user": {"userName": cast.user.upn, "userTags": []},
                "device": {"clientIP": cast.ip, "userAgent": "Mozilla/5.0 (Windows NT 10.0; Win64; x64)", "countryCode": cast.country_code()},
                "location": {"city": cast.city(), "countryCode": cast.country_code(), "category": 0, "anonymousProxy": false},
                "userAgent": {"family": "CHROME", "browser": "Chrome", "deviceType": "DESKTOP", "type": "Browser", "operatingSystem": {"name": "Windows 10", "family": "Windows"}},
                "mainInfo": {"type": word, "rawOperationName": what},
                "entity": {"id": cast.user.object_id, "inst": 0, "saas": 11161},
            });
            rows.push(Row { body, alert: alert.shown_id().to_owned() });
        }
    }
    rows.sort_by_key(|row| std::cmp::Reverse(row.body["timestamp"].as_i64()));
    rows
}

fn values(row: &Row, field: &str) -> Vec<Value> {
    let body = &row.body;
    let one = |pointer: &str| body.pointer(pointer).cloned().into_iter().collect();
    match field {
        "service" => one("/saasId"),
        "instance" => vec![json!(0)],
        "user.username" => one("/user/userName"),
        "user.domain" => {
            body["user"]["userName"].as_str().and_then(|name| name.split_once('@')).map(|(_, domain)| json!(domain)).into_iter().collect()
        }
        "entity" => vec![json!({"id": body["entity"]["id"], "inst": 0}), body["entity"].clone()],
        "actionType" => one("/actionType"),
        "activity.eventActionType" => one("/eventTypeValue"),
        "activity.id" => one("/_id"),
        "activity.impersonated" | "activity.type" => vec![json!(false)],
        "activity.alertId" => vec![json!(row.alert)],
        "device.type" => one("/userAgent/deviceType"),
        "userAgent.userAgent" => one("/device/userAgent"),
        "location.country" => one("/location/countryCode"),
        "ip.address" => one("/device/clientIP"),
        "ip.category" => vec![json!(6)],
        "text" => one("/description"),
        "date" => one("/timestamp"),
        "created" => one("/created"),
        "source" => one("/source"),
        _ => Vec::new(),
    }
}

pub(super) fn list(world: &mut World, call: &Call, id: DirectoryId, _: &str) -> Answer {
    let now = world.now();
    let Some(directory) = world.directories.get(&id) else { return not_found() };
    let found = asked(call, &["date", "created"], true)
        .and_then(|asked| filtered(rows(directory), &asked.filters, FIELDS, now, values).map(|rows| (asked, rows)));
    let (asked, mut rows) = match found {
        Ok(found) => found,
        Err(message) => return bad(&message),
    };
    if asked.scan {
        return scan(&asked, &rows);
    }
    if asked.ascending {
        rows.reverse();
    }
    page(&asked, &rows.into_iter().map(|row| row.body).collect::<Vec<_>>())
}

/// Scan mode names the filters of its next page, until there is none.
fn scan(asked: &Asked, rows: &[Row]) -> Answer {
    let at = |row: &Row| row.body["timestamp"].as_i64().unwrap_or_default();
    let mut shown = asked.limit.min(rows.len());
    // Activities of one moment stay together, so that the next page can begin before it.
    while shown > 0 && shown < rows.len() && at(&rows[shown]) == at(&rows[shown - 1]) {
        shown += 1;
    }
    let data: Vec<&Value> = rows[..shown].iter().map(|row| &row.body).collect();
    let mut answer = json!({"data": data, "hasNext": shown < rows.len(), "total": rows.len()});
    if shown < rows.len() {
        let mut filters = Value::Object(asked.filters.clone());
        filters["date"]["lte"] = json!(at(&rows[shown - 1]) - 1);
        answer["nextQueryFilters"] = filters;
    }
    Answer::json(200, &answer)
}

pub(super) fn get(world: &mut World, _: &Call, id: DirectoryId, activity: &str) -> Answer {
    let rows = world.directories.get(&id).map(rows).unwrap_or_default();
    rows.iter().find(|row| row.body["_id"] == activity).map_or_else(not_found, |row| Answer::json(200, &row.body))
}

/// The table of the page names one parameter and its sample others: the sample's are taken. The sample's answer is a list.
pub(super) fn feedback(world: &mut World, call: &Call, id: DirectoryId, activity: &str) -> Answer {
    let known =
        parameters(call).and_then(|body| only(&body, &["feedbackValue", "feedbackText", "allowContact", "contactEmail"]).map(|()| body));
    let body = match known {
        Ok(body) => body,
        Err(message) => return bad(&message),
    };
    if !body.get("feedbackValue").is_some_and(Value::is_string) || body.get("allowContact").is_some_and(|allow| !allow.is_boolean()) {
        return bad("feedbackValue must be a string.");
    }
    let Some(directory) = world.directories.get_mut(&id) else { return not_found() };
    if !rows(directory).iter().any(|row| row.body["_id"] == activity) {
        return not_found();
    }
    directory.shelf.feedback.push((activity.to_owned(), Value::Object(body)));
    Answer::json(200, &json!({"total": 0, "hasNext": false, "data": []}))
}
