//! Which pages are asked for, and by whom.

use crate::data;
use crate::portal::{Person, Portal};
use reqwest::StatusCode;
use scraper::{Html, Selector};
use std::time::{Duration, Instant};
use watchfloor::model::Role;

#[derive(Clone, Copy)]
pub enum Who {
    /// Sees every tenant.
    Admin,
    /// An analyst with forty tenants of all sizes.
    Forty,
}

/// A page to ask for.
pub struct Visit {
    pub name: String,
    pub who: Who,
    pub path: String,
}

pub struct People {
    admin: Person,
    forty: Person,
}

/// The filters that are the hardest for the database: what is found is rare, or common but in another order than any index.
const HEAVY: [(&str, &str); 23] = [
    ("title, common words, any status", "/incidents?q=impossible+travel&status=all"),
    ("title, a word that nothing has", "/incidents?q=zzyzx&status=all"),
    ("title, two letters", "/incidents?q=zq&status=all"),
    ("an entity of an incident", "/incidents?entity=user:user123@customer.example&status=all"),
    ("verdict, any status", "/incidents?classification=falsepositive&status=all"),
    ("category, open", "/incidents?category=Ransomware"),
    (
        "not a tenant, not high, not mine",
        "/incidents?tenant=70000000-0000-7000-8000-000000000001&severity=high&owner=me&not=tenant&not=severity&not=owner",
    ),
    ("tag, any status", "/incidents?tag=vip&status=all"),
    ("by severity, any status", "/incidents?status=all"),
    ("by severity", "/incidents?sort=severity"),
    ("SLA breached", "/incidents?sla=breached"),
    ("SLA at risk", "/incidents?sla=at_risk"),
    ("by title", "/incidents?sort=title"),
    ("by status", "/incidents?sort=status,severity"),
    ("by owner", "/incidents?sort=owner,severity"),
    ("by opening", "/incidents?sort=created"),
    ("alerts: title, common words", "/alerts?q=rare+attachment&status=all"),
    ("alerts: an entity", "/alerts?entity=user:user123@customer.example&status=all"),
    ("alerts: by title", "/alerts?sort=title"),
    ("alerts: by status", "/alerts?sort=status,severity"),
    ("alerts: by owner", "/alerts?sort=owner,severity"),
    ("alerts: by opening", "/alerts?sort=created"),
    ("alerts: product and category, any status", "/alerts?product=cloud_apps&category=Exfiltration&status=all"),
];

impl People {
    pub async fn new(portal: &Portal) -> Self {
        let tenants: Vec<_> = (0..40).map(|n| data::tenant(1 + n * n)).collect();
        Self { admin: portal.person(Role::Admin, &[]).await, forty: portal.person(Role::Lead, &tenants).await }
    }

    pub fn person(&self, who: Who) -> &Person {
        match who {
            Who::Admin => &self.admin,
            Who::Forty => &self.forty,
        }
    }

    /// Every page that is measured. Of those of one row, the row that a list shows first.
    pub async fn visits(&self) -> Vec<Visit> {
        let largest = data::tenant(1);
        let incident = self.link("/incidents", "a[href^='/incidents/0']").await;
        let alert = self.link("/alerts", "a[href^='/alerts/0']").await;
        let device = self.link("/devices", "a[href^='/devices/0']").await;
        let next = self.link("/incidents", "a[rel=next]").await;
        let mut visits: Vec<Visit> = Vec::new();
        let mut add = |name: &str, who: Who, path: &str| visits.push(Visit { name: name.to_owned(), who, path: path.to_owned() });
        for (name, path) in
            [("overview", "/"), ("shift", "/shift"), ("incidents", "/incidents"), ("alerts", "/alerts"), ("tenants", "/tenants")]
        {
            add(name, Who::Admin, path);
            add(&format!("{name}, 40 tenants"), Who::Forty, path);
        }
        add("incidents, next page", Who::Admin, &next);
        add("incidents, counts of the views", Who::Admin, "/incidents/views");
        add("alerts, counts of the views", Who::Admin, "/alerts/views");
        add("incidents of nobody", Who::Admin, "/incidents?owner=none");
        add("incidents of an owner", Who::Admin, "/incidents?owner=analyst7@mssp.example");
        add("incidents of the largest tenant, all", Who::Admin, &format!("/incidents?tenant={}&status=all", largest.0));
        add("incidents, 40 tenants, any status", Who::Forty, "/incidents?status=all");
        add("alerts without an incident", Who::Admin, "/alerts?incident=none");
        add("incident", Who::Admin, &incident);
        add("incident, preview", Who::Admin, &format!("{incident}/preview"));
        add("alert", Who::Admin, &alert);
        add("devices", Who::Admin, "/devices");
        add("device", Who::Admin, &device);
        for part in ["", "/consent", "/changes", "/endpoint", "/cloud-apps"] {
            add(&format!("tenant{part}"), Who::Admin, &format!("/tenants/{}{part}", largest.0));
        }
        for path in [
            "/hunting",
            "/account",
            "/palette?q=customer",
            "/admin/tenants",
            "/admin/users",
            "/admin/apps",
            "/admin/audit",
            "/admin/health",
        ] {
            add(path.trim_start_matches('/'), Who::Admin, path);
        }
        for (name, path) in HEAVY {
            add(name, Who::Admin, path);
            // What is searched for is found among everybody's rows first, and then kept to the reader's tenants.
            if path.contains("?q=") || path.contains("?entity=") {
                add(&format!("{name}, 40 tenants"), Who::Forty, path);
            }
        }
        visits
    }

    /// Where the first such link of a page leads.
    async fn link(&self, path: &str, selector: &str) -> String {
        let html = Html::parse_document(&self.admin.text(path).await);
        let selector = Selector::parse(selector).unwrap();
        let link = html.select(&selector).next().and_then(|link| link.attr("href"));
        link.unwrap_or_else(|| panic!("{path} has no {selector:?}")).to_owned()
    }
}

impl Person {
    /// A page, whole: how long it took, and its text; or the error that it is.
    pub async fn get(&self, path: &str) -> Result<(Duration, String), StatusCode> {
        let begun = Instant::now();
        let request = self.client.get(format!("{}{path}", self.address)).header("cookie", &self.cookie);
        let answer = request.header("accept-encoding", "gzip, deflate, br, zstd").send().await.unwrap();
        let status = answer.status();
        let body = answer.bytes().await.unwrap();
        let took = begun.elapsed();
        if status.is_success() { Ok((took, String::from_utf8_lossy(&body).into_owned())) } else { Err(status) }
    }

    /// A page without compression, for reading links from it.
    pub async fn text(&self, path: &str) -> String {
        let request = self.client.get(format!("{}{path}", self.address)).header("cookie", &self.cookie);
        request.send().await.unwrap().text().await.unwrap()
    }
}
