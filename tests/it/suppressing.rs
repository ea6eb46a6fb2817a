//! What the tests of suppression rules have in common: alerts that are read, and a rule made through its pages.

use crate::app::{Reply, TestApp, Visitor};
use chrono::{DateTime, TimeDelta, Utc};
use scraper::{Html, Selector};
use sqlx::{AssertSqlSafe, Row};
use watchfloor::model::{Product, Severity, Status, SuppressionId, TenantId, clock};
use watchfloor::store::ingest::{self, Alert, Incident};

/// A new alert of Defender XDR with this id, of this incident, under this title.
pub fn alert(id: &str, incident: Option<&str>, title: &str) -> Alert {
    let at = clock::now() - TimeDelta::hours(1);
    Alert {
        product: Product::DefenderXdr,
        external_id: id.into(),
        incident_external_id: incident.map(str::to_owned),
        title: title.into(),
        severity: Severity::Medium,
        severity_raw: "Medium".into(),
        status: Status::New,
        status_raw: "New".into(),
        classification: None,
        determination: None,
        category: None,
        service_source: None,
        detection_source: None,
        detector_id: Some(format!("Detector-{id}")),
        assigned_to: None,
        device: None,
        account: None,
        mitre_techniques: Vec::new(),
        entities: vec![format!("user:{}@example.com", id.to_lowercase())],
        url: None,
        created_at: at,
        updated_at: at,
        resolved_at: None,
        inside: true,
        body: format!("{{\"id\": \"{id}\"}}"),
    }
}

/// A later version of it.
pub fn later(of: &Alert, edit: impl FnOnce(&mut Alert)) -> Alert {
    let mut alert = Alert { updated_at: of.updated_at + TimeDelta::minutes(1), body: format!("{} ", of.body), ..of.clone() };
    edit(&mut alert);
    alert
}

/// A new incident with this id.
pub fn incident(id: &str) -> Incident {
    let at = clock::now() - TimeDelta::hours(1);
    Incident {
        external_id: id.into(),
        title: format!("Case {id}"),
        severity: Severity::High,
        severity_raw: "High".into(),
        status: Status::New,
        status_raw: "Active".into(),
        classification: None,
        determination: None,
        assigned_to: None,
        tags: Vec::new(),
        redirect_to: None,
        entities: Vec::new(),
        products: Vec::new(),
        url: None,
        created_at: at,
        updated_at: at,
        body: format!("{{\"incident\": \"{id}\"}}"),
    }
}

/// Stores them as a reading does.
pub async fn read(app: &TestApp, tenant: TenantId, incidents: &[Incident], alerts: &[Alert]) {
    let mut tx = app.db.worker.tenant(tenant).await.unwrap();
    ingest::store(&mut tx, tenant, Product::DefenderXdr, incidents, alerts).await.unwrap();
    tx.commit().await.unwrap();
}

/// The fields of the form that a page offers for the confirmation.
pub fn confirmation(page: &Reply) -> Vec<(String, String)> {
    let inputs = Selector::parse("form[action='/suppressions'] input").unwrap();
    let value = |input: scraper::ElementRef<'_>| {
        let of = |name| input.value().attr(name).unwrap_or_default().to_owned();
        (of("name"), of("value"))
    };
    Html::parse_document(&page.html).select(&inputs).map(value).filter(|(name, _)| name != "form_token").collect()
}

/// Sends such fields.
pub async fn confirm(visitor: &Visitor, fields: &[(String, String)]) -> Reply {
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    visitor.post_form("/suppressions", &fields).await
}

/// The page that says what a rule would have hidden.
pub async fn preview(visitor: &Visitor, over: &str, fields: &[(&str, &str)]) -> Reply {
    let mut all = vec![("over", over), ("reason", "A scanner of ours"), ("days", "30")];
    all.retain(|(name, _)| !fields.iter().any(|(other, _)| other == name));
    all.extend(fields);
    visitor.post_form("/suppressions/preview", &all).await
}

/// A rule made through the pages.
pub async fn make(visitor: &Visitor, over: &str, fields: &[(&str, &str)]) -> SuppressionId {
    let page = preview(visitor, over, fields).await.assert_success();
    let fields = confirmation(&page);
    let id = fields.iter().find(|(name, _)| name == "suppression").unwrap().1.clone();
    confirm(visitor, &fields).await.assert_redirect(&format!("/suppressions/{id}"));
    id.parse().unwrap()
}

/// The titles in one of the lists.
pub async fn titles(visitor: &Visitor, path: &str) -> Vec<String> {
    let mut titles = visitor.get(path).await.assert_success().texts("table.queue tbody th a");
    titles.sort();
    titles
}

/// One number, over all tenants.
pub async fn number(app: &TestApp, sql: &str) -> i64 {
    let mut tx = app.db.web.all_tenants().await.unwrap();
    sqlx::query(AssertSqlSafe(format!("select ({sql})::bigint"))).fetch_one(&mut *tx).await.unwrap().get(0)
}

/// How many alerts a rule has hidden, as it says.
pub async fn hits(app: &TestApp, rule: SuppressionId) -> i64 {
    let counted = number(app, &format!("select sum(hits) from suppression_tenants where suppression_id = '{rule}'")).await;
    assert_eq!(number(app, &format!("select count(*) from suppression_hits where suppression_id = '{rule}'")).await, counted);
    counted
}

/// How many audit rows of this kind there are.
pub async fn audited(app: &TestApp, action: &str) -> i64 {
    number(app, &format!("select count(*) from audit_log where action = '{action}'")).await
}

/// What the worker does each minute, at this time.
pub async fn keep_up(app: &TestApp, now: DateTime<Utc>) {
    let settings = watchfloor::config::Sync::default();
    let stop = tokio_util::sync::CancellationToken::new();
    let reader = watchfloor::sync::read::Reader::new(app.db.worker.clone(), app.state.microsoft.clone(), settings, stop);
    watchfloor::sync::suppressions::keep_up(&reader, now).await.unwrap();
}
