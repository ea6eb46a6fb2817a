//! Bodies of questions: lists with filters, and where they go on.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use std::net::IpAddr;

const PAGE: u32 = 100;
/// The least that scan mode gives at once; Microsoft allows up to 5,000.
const SCAN: u32 = 500;

/// Which activities.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ActivityQuery {
    pub user: String,
    pub ip: String,
    pub action: String,
    pub alert: String,
    pub since: Option<DateTime<Utc>>,
    pub until: Option<DateTime<Utc>>,
    /// Five hundred at once, in no promised order.
    pub scan: bool,
}

impl ActivityQuery {
    /// As it is asked.
    ///
    /// # Errors
    /// One sentence.
    pub fn body(&self) -> Result<Value, &'static str> {
        let mut filters = serde_json::Map::new();
        let texts = [&self.user, &self.ip, &self.action, &self.alert];
        if texts.iter().any(|text| text.len() > 200 || text.contains('\0')) {
            return Err("A filter is longer than 200 characters.");
        }
        let ip = self.ip.trim();
        if !ip.is_empty() {
            let address: IpAddr = ip.parse().map_err(|_| "That is no IP address.")?;
            filters.insert("ip.address".to_owned(), json!({"eq": [address.to_string()]}));
        }
        for (field, operator, text) in [
            ("user.username", "eq", self.user.trim()),
            ("actionType", "contains", self.action.trim()),
            ("activity.alertId", "eq", self.alert.trim()),
        ] {
            if !text.is_empty() {
                filters.insert(field.to_owned(), json!({operator: [text]}));
            }
        }
        let time = match (self.since, self.until) {
            (Some(since), Some(until)) if since > until => return Err("The time ends before it begins."),
            (Some(since), Some(until)) => Some(json!({"range": [{"start": since.timestamp_millis(), "end": until.timestamp_millis()}]})),
            (Some(since), None) => Some(json!({"gte": since.timestamp_millis()})),
            (None, Some(until)) => Some(json!({"lte": until.timestamp_millis()})),
            (None, None) => None,
        };
        if let Some(time) = time {
            filters.insert("date".to_owned(), time);
        }
        if self.scan {
            return Ok(json!({"filters": filters, "isScan": true, "limit": SCAN}));
        }
        Ok(json!({"filters": filters, "skip": 0, "limit": PAGE, "sortField": "date", "sortDirection": "desc"}))
    }
}

/// The activities an alert is about.
pub fn alert_activities(alert: &str) -> Value {
    json!({"filters": {"activity.alertId": {"eq": [alert]}}, "skip": 0, "limit": PAGE, "sortField": "date", "sortDirection": "desc"})
}

/// The accounts an alert is about, as Cloud Apps knows them. `keys`: id and instance of each. `None`: there is none.
pub fn alert_entities(keys: &[(String, i64)]) -> Option<Value> {
    let keys: Vec<Value> = keys.iter().take(100).map(|(id, inst)| json!({"id": id, "inst": inst})).collect();
    (!keys.is_empty()).then(|| json!({"filters": {"entity": {"eq": keys}}, "skip": 0, "limit": PAGE}))
}

/// Id and instance of every account in an alert's original.
pub fn entity_keys(alert: &Value) -> Vec<(String, i64)> {
    let mut keys = Vec::new();
    for entity in alert["entities"].as_array().into_iter().flatten().filter(|entity| entity["type"] == "account") {
        let id = entity["id"].as_str().map(str::to_owned).or_else(|| entity["id"].as_i64().map(|id| id.to_string()));
        if let Some(id) = id.filter(|id| !id.is_empty()) {
            keys.push((id, entity["inst"].as_i64().unwrap_or(0)));
        }
    }
    keys.dedup();
    keys
}

/// The key of an entity in addresses: base64 of its id, app and instance. Source: Microsoft's page "Fetch entity".
pub fn entity_key(id: &str, saas: i64, inst: i64) -> String {
    // In this order, as Microsoft's sample has it.
    BASE64_STANDARD.encode(format!(r#"{{"id":{},"saas":{saas},"inst":{inst}}}"#, json!(id)))
}

/// Everything of a list, in pages.
pub fn everything() -> Value {
    json!({"filters": {}, "skip": 0, "limit": PAGE})
}

/// The open alerts, for the address of a GET.
pub fn open_alerts() -> [(&'static str, &'static str); 4] {
    [("filters", r#"{"alertOpen":{"eq":true}}"#), ("limit", "100"), ("sortField", "date"), ("sortDirection", "desc")]
}

/// The question for the page after an answer. `None`: the answer says that it was the last one, or is no list.
pub fn next_page(request: &Value, answer: &Value) -> Option<Value> {
    let rows = answer["data"].as_array()?.len();
    if rows == 0 || answer["hasNext"] != json!(true) {
        return None;
    }
    let mut next = request.clone();
    if request["isScan"] == json!(true) {
        *next.get_mut("filters")? = answer.get("nextQueryFilters").filter(|filters| filters.is_object())?.clone();
    } else {
        next["skip"] = json!(request["skip"].as_u64().unwrap_or(0) + rows as u64);
    }
    Some(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_the_documented_ones_and_two_times_are_one_range() {
        let at = |seconds| DateTime::from_timestamp(seconds, 0);
        let query =
            ActivityQuery { user: " ann ".to_owned(), ip: "192.0.2.1".to_owned(), since: at(1), until: at(2), ..Default::default() };
        let filters = json!({"user.username": {"eq": ["ann"]}, "ip.address": {"eq": ["192.0.2.1"]}, "date": {"range": [{"start": 1000, "end": 2000}]}});
        assert_eq!(query.body().unwrap()["filters"], filters);
        assert!(ActivityQuery { ip: "x".to_owned(), ..Default::default() }.body().is_err());
        assert!(ActivityQuery { since: at(2), until: at(1), ..Default::default() }.body().is_err());
    }

    #[test]
    fn a_list_goes_on_by_rows_and_a_scan_by_the_filters_it_names() {
        let list = json!({"filters": {"a": 1}, "skip": 100, "limit": 100});
        let answer = json!({"data": [1, 2], "hasNext": true});
        assert_eq!(next_page(&list, &answer).unwrap()["skip"], 102);
        let scan = json!({"filters": {"a": 1}, "isScan": true, "limit": 500});
        assert_eq!(next_page(&scan, &answer), None);
        let answer = json!({"data": [1], "hasNext": true, "nextQueryFilters": {"b": 2}});
        assert_eq!(next_page(&scan, &answer).unwrap(), json!({"filters": {"b": 2}, "isScan": true, "limit": 500}));
        assert_eq!(next_page(&list, &json!({"data": [], "hasNext": true})), None);
        assert_eq!(next_page(&list, &json!({"data": [1], "hasNext": false})), None);
    }

    #[test]
    fn an_entitys_key_is_the_documented_text_in_base64() {
        let key = entity_key("00aa00aa-bb11-cc22-dd33-44ee44ee44ee", 11161, 0);
        let plain = String::from_utf8(BASE64_STANDARD.decode(key).unwrap()).unwrap();
        assert_eq!(plain, r#"{"id":"00aa00aa-bb11-cc22-dd33-44ee44ee44ee","saas":11161,"inst":0}"#);
    }
}
