//! `watchfloor demo --cloud`: the demo in each of Microsoft's clouds, as somebody with a browser meets it.

use crate::app::Reply;
use crate::demo::Demo;
use scraper::{Html, Selector};
use secrecy::SecretString;
use std::time::{Duration, Instant};
use url::Url;
use watchfloor::auth::form_tokens::{FIELD, FormKey};

/// What a cloud is called, and where its things are: sign-in, Defender XDR, portal, the end of a Cloud Apps portal.
type Hosts = (&'static str, &'static str, &'static str, &'static str, &'static str);

const CLOUDS: [Hosts; 4] = [
    (
        "commercial",
        "login.microsoftonline.com",
        "https://api.security.microsoft.com",
        "security.microsoft.com",
        ".portal.cloudappsecurity.com",
    ),
    (
        "gcc",
        "login.microsoftonline.com",
        "https://api-gcc.security.microsoft.us",
        "security.microsoft.com",
        ".portal.cloudappsecuritygov.com",
    ),
    (
        "gcc_high",
        "login.microsoftonline.us",
        "https://api-gov.security.microsoft.us",
        "security.microsoft.us",
        ".portal.cloudappsecurity.us",
    ),
    ("dod", "login.microsoftonline.us", "https://api-gov.security.microsoft.us", "security.apps.mil", ".portal.cloudappsecurity.us"),
];

/// A running demo and its administrator.
struct Visit {
    demo: Demo,
    http: reqwest::Client,
    session: String,
}

impl Visit {
    async fn start(cloud: &str, tenants: &str) -> Self {
        let demo = Demo::start(&["--cloud", cloud, "--tenants", tenants]).await;
        let http = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let mut visit = Self { demo, http, session: String::new() };
        let reply = visit.post("/login", &[("login", "admin"), ("password", "admin-of-the-demo")]).await;
        let cookie = reply.headers["set-cookie"].to_str().unwrap();
        cookie.strip_prefix("sid=").unwrap().split(';').next().unwrap().clone_into(&mut visit.session);
        visit
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Reply {
        let request = if self.session.is_empty() { request } else { request.header("cookie", format!("sid={}", self.session)) };
        let answer = request.header("sec-fetch-site", "same-origin").send().await.unwrap();
        let (status, headers) = (answer.status(), answer.headers().clone());
        Reply { status, headers, html: answer.text().await.unwrap() }
    }

    async fn get(&self, path: &str) -> Reply {
        self.send(self.http.get(format!("{}{path}", self.demo.address))).await.assert_success()
    }

    async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Reply {
        let token = FormKey::of_session(&SecretString::from(self.session.clone())).token(path);
        let token = (!self.session.is_empty()).then_some((FIELD, token.as_str()));
        let fields: Vec<(&str, &str)> = fields.iter().copied().chain(token).collect();
        self.send(self.http.post(format!("{}{path}", self.demo.address)).form(&fields)).await
    }

    /// Looks until so many things that a selector finds hold the text. A page may fail meanwhile: beside its readings the demo is slow on a
    /// busy machine.
    async fn until(&self, path: &str, selector: &str, text: &str, count: usize) -> Reply {
        let begun = Instant::now();
        loop {
            let reply = self.send(self.http.get(format!("{}{path}", self.demo.address))).await;
            if reply.status.is_success() && reply.texts(selector).iter().filter(|found| found.contains(text)).count() >= count {
                return reply;
            }
            assert!(begun.elapsed() < Duration::from_secs(120), "{path} does not come to {text:?}: {:?}", reply.texts(selector));
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// The id of a tenant.
    async fn tenant(&self, name: &str) -> String {
        let list = Html::parse_document(&self.get("/admin/tenants").await.html);
        let rows = Selector::parse("tbody a.name").unwrap();
        let row = list.select(&rows).find(|row| row.text().collect::<String>() == name).unwrap();
        row.value().attr("href").unwrap().rsplit('/').next().unwrap().to_owned()
    }

    /// Where the link at `selector` leads that stands on the first page linked at `first` of a list, once there is one.
    async fn leads_from(&self, list: &str, first: &str, selector: &str) -> Url {
        let page = self.until(list, first, "", 1).await.attribute(first, "href").unwrap();
        let reply = self.get(&page).await;
        Url::parse(&reply.attribute(selector, "href").unwrap_or_else(|| panic!("no link: {}", reply.html))).unwrap()
    }

    fn stop(self) {
        self.demo.stop();
    }
}

/// A customer is read whole, and its links lead to the portals of its cloud.
async fn is_read_and_links_lead_home(visit: &Visit, (_, _, _, portal, cloud_apps): Hosts) {
    let tenant = visit.tenant("Alderbrook Turbines").await;
    let path = format!("/tenants/{tenant}");
    let page = visit.until(&path, "section .chip", "Up to date", 3).await;
    let home = Url::parse(&page.attribute("a.button[rel=noreferrer]", "href").unwrap()).unwrap();
    let incidents = format!("/incidents?tenant={tenant}");
    let incident = visit.leads_from(&incidents, "tbody a[href^='/incidents/']", "a[data-key=l]").await;
    for link in [home, incident] {
        assert!(link.host_str() == Some(portal) && link.query().is_some_and(|query| query.starts_with("tid=")), "{link}");
    }
    let alerts = format!("/alerts?tenant={tenant}&product=cloud_apps&status=new&status=in_progress&status=resolved");
    let alert = visit.leads_from(&alerts, "tbody a[href^='/alerts/']", ".head .actions a[target=_blank]").await;
    assert!(alert.host_str().unwrap().ends_with(cloud_apps), "{alert}");
}

/// The customer's administrator is sent to the sign-in of the cloud, which takes the link.
async fn consent_is_asked_at_home(visit: &Visit, (_, login, audience, ..): Hosts) {
    let tenant = visit.tenant("Marrowfield Dairy").await;
    let made = visit.post(&format!("/admin/tenants/{tenant}/invites"), &[]).await.assert_success();
    let link = made.attribute("#link", "value").unwrap();
    let away = visit.send(visit.http.post(format!("{link}/consent/defender"))).await;
    let away = Url::parse(away.headers["location"].to_str().unwrap()).unwrap();
    assert_eq!(away.path(), format!("/{login}/organizations/v2.0/adminconsent"));
    let scope = away.query_pairs().find(|(name, _)| name == "scope").unwrap().1.into_owned();
    assert_eq!(scope, format!("{audience}/.default"));
    let page = visit.http.get(away).send().await.unwrap().text().await.unwrap();
    assert!(page.contains("Permissions requested") && page.contains("admin@marrowfield-dairy.example"), "{page}");
}

#[tokio::test]
async fn each_cloud_has_customers_that_are_read_and_links_of_its_own_hosts() {
    for cloud in CLOUDS {
        let visit = Visit::start(cloud.0, "3").await;
        is_read_and_links_lead_home(&visit, cloud).await;
        consent_is_asked_at_home(&visit, cloud).await;
        let form = visit.get("/admin/tenants/new").await;
        assert_eq!(form.attribute("select[name=cloud] option[selected]", "value").as_deref(), Some(cloud.0));
        visit.stop();
    }
}

#[tokio::test]
async fn the_demo_shows_a_reported_consent_an_outgrown_one_and_what_was_done_to_devices() {
    let visit = Visit::start("commercial", "11").await;
    let reported = visit.tenant("Harrowgate Optics").await;
    let page = visit.get(&format!("/admin/tenants/{reported}")).await;
    assert!(page.html.contains("The customer says it has accepted") && page.html.contains("directory/entry"), "{}", page.html);
    let outgrown = visit.tenant("Kestrel Hydro").await;
    visit.until(&format!("/tenants/{outgrown}"), ".notice", "hunt now asks for AdvancedQuery.Read.All", 1).await;
    let acted = visit.tenant("Alderbrook Turbines").await;
    let changes = visit.until(&format!("/tenants/{acted}/changes"), "tbody td:nth-child(4)", "lead", 3).await;
    assert_eq!(changes.texts("tbody .name"), ["Antivirus scan", "Isolate device", "Antivirus scan"]);
    visit.stop();
}

#[test]
fn a_cloud_that_is_none_is_refused_with_the_choices() {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_watchfloor"));
    let output = command.args(["demo", "--cloud", "china"]).output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(error.contains("'china'") && error.contains("commercial, gcc, gcc_high, dod"), "{error}");
}
