//! The audit log: newest first, by tenant and action.

use crate::app::AppState;
use crate::model::{TenantId, clock};
use crate::store::audit::{self, Entry, Filter};
use crate::web::error::PageError;
use crate::web::extract::{Admin, Query, User};
use crate::web::filters;
use crate::web::page::Page;
use crate::web::scope::ScopedDb;
use crate::web::show::When;
use askama::Template;
use axum::Router;
use axum::routing::get;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::Value;

pub(super) fn routes() -> Router<AppState> {
    Router::new().route("/admin/audit", get(show))
}

const PAGE: i64 = 100;

#[derive(Template)]
#[template(path = "admin/audit.html")]
struct AuditPage {
    user: User,
    entries: Vec<Entry>,
    tenant: Option<TenantId>,
    action: String,
    first: bool,
    more: bool,
    now: DateTime<Utc>,
}

impl AuditPage {
    fn when(&self, at: &DateTime<Utc>) -> When {
        When::new(*at, self.now)
    }

    fn changes(entry: &Entry) -> Vec<(&'static str, String)> {
        let side = |name, value: &Option<Value>| value.as_ref().map(|value| (name, value.to_string()));
        side("before", &entry.before).into_iter().chain(side("after", &entry.after)).collect()
    }

    fn older(&self) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        if let Some(tenant) = self.tenant {
            query.append_pair("tenant", &tenant.to_string());
        }
        if !self.action.is_empty() {
            query.append_pair("action", &self.action);
        }
        if let Some(last) = self.entries.last() {
            query.append_pair("before", &last.audit_id.to_string());
        }
        format!("/admin/audit?{}", query.finish())
    }
}

/// What is offered to filter by: the beginnings of actions. Every event of the audit log begins with one of them.
const ACTIONS: [(&str, &str); 20] = [
    ("tenant.", "Tenants"),
    ("invite.", "Links"),
    ("consent.", "Consents"),
    ("change.", "Changes at Microsoft"),
    ("bulk.", "Bulk jobs"),
    ("action.", "Device actions"),
    ("hunt.", "Hunting"),
    ("incident.", "Incidents"),
    ("alert.", "Alerts"),
    ("note.", "Notes"),
    ("suppression.", "Suppression rules"),
    ("lease.", "Who works on what"),
    ("view.", "Views"),
    ("sync.", "Reading"),
    ("app.", "Our credentials"),
    ("security.", "Forged answers"),
    ("user.", "Users"),
    ("login", "Sign-in"),
    ("session.", "Sign-out"),
    ("api_token.", "API tokens"),
];

#[derive(Deserialize)]
struct Asked {
    #[serde(default)]
    tenant: String,
    #[serde(default)]
    action: String,
    #[serde(default)]
    before: String,
}

async fn show(Admin(user): Admin, db: ScopedDb, Query(asked): Query<Asked>) -> Result<Page<AuditPage>, PageError> {
    let unreadable = || PageError::BadRequest("The address of this list cannot be read.".into());
    let tenant = match asked.tenant.as_str() {
        "" => None,
        text => Some(text.parse::<TenantId>().map_err(|_| unreadable())?),
    };
    let before = match asked.before.as_str() {
        "" => None,
        text => Some(text.parse::<i64>().map_err(|_| unreadable())?),
    };
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte == b'.' || byte == b'_';
    if asked.action.len() > 60 || !asked.action.bytes().all(plain) {
        return Err(unreadable());
    }
    let filter = Filter { tenant, action: (!asked.action.is_empty()).then(|| asked.action.clone()), before };
    let mut tx = db.begin().await?;
    let mut entries = audit::list(&mut tx, &filter, PAGE + 1).await?;
    let more = entries.len() > 100;
    entries.truncate(100);
    Ok(Page(AuditPage { user, entries, tenant, action: asked.action, first: before.is_none(), more, now: clock::now() }))
}
