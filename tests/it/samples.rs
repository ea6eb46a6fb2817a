//! The samples of Microsoft's pages on a round trip: what our pages send has their shape, and what they answer is stored and shown.

use crate::app::{TestApp, Visitor};
use crate::fake::{self, Fake, Reply, Seen};
use axum::http::Method;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use tokio_util::sync::CancellationToken;

use watchfloor::app::{acting, collected};
use watchfloor::config::{self, Sync};
use watchfloor::microsoft::{Client, operations};
use watchfloor::model::{ChangeId, ChangeState, DeviceId, DirectoryId, LookupId, Product, Role, TenantId, clock};
use watchfloor::store::audit::{Actor, By};
use watchfloor::store::changes::{self, Change};
use watchfloor::store::{devices, lookups};
use watchfloor::sync::lookup::look_up;
use watchfloor::sync::push::push;
use watchfloor::sync::read::Reader;

/// The device of Microsoft's samples.
pub const DEVICE: &str = "1e5bc9d7e413ddd7902c2932e418702b84d0cc07";

pub fn text(name: &str) -> String {
    std::fs::read_to_string(format!("{}/tests/fixtures/{name}.json", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

pub fn sample(name: &str) -> Value {
    serde_json::from_str(&text(name)).unwrap()
}

/// The portal and a worker whose Microsoft is a fake; a tenant that has granted everything; a lead.
pub struct Desk {
    pub app: TestApp,
    pub fake: Fake,
    pub reader: Reader,
    pub tenant: TenantId,
    pub lead: Visitor,
}

impl Desk {
    pub async fn start(answer: impl Fn(&Seen) -> Option<Reply> + Send + std::marker::Sync + 'static) -> Self {
        let (app, fake) = (TestApp::start().await, Fake::start(answer).await);
        let mut permissions: BTreeMap<Product, Vec<String>> = BTreeMap::new();
        for operation in operations::all() {
            permissions.entry(operation.product).or_default().extend(operation.permissions.iter().map(|name| (*name).to_owned()));
        }
        let everything = config::App { permissions, ..fake::app() };
        let client = Client::stand_in(fake.address, &[everything], clock::now()).unwrap();
        let reader = Reader::new(app.db.worker.clone(), client, Sync::default(), CancellationToken::new());
        let tenant = app.tenant("Documentation").await;
        let mut tx = app.db.web.tenant(tenant).await.unwrap();
        let update = sqlx::query("update tenants set directory_id = $2, apps = array['defender'], state = 'active' where tenant_id = $1");
        update.bind(tenant).bind(DirectoryId::parse(fake::DIRECTORY).unwrap()).execute(&mut *tx).await.unwrap();
        tx.commit().await.unwrap();
        let lead = app.sign_in(Role::Lead).await;
        Self { app, fake, reader, tenant, lead }
    }

    /// The tenant's devices as Microsoft lists them; the one of the samples.
    pub async fn device(&self) -> DeviceId {
        watchfloor::sync::devices::read(&self.reader, self.tenant, clock::now()).await.unwrap();
        let mut tx = self.app.db.web.tenant(self.tenant).await.unwrap();
        let found = devices::list(&mut tx, &devices::Filter::default(), None, 5).await.unwrap();
        found.into_iter().find(|device| device.external_id == DEVICE).unwrap().device_id
    }

    /// Asks as a page does, and has it answered.
    pub async fn asked(&self, new: &lookups::New<'_>) -> lookups::Lookup {
        let (lookup, by) = (LookupId::new(), By { actor: Actor::Operator, ip: None });
        let mut tx = self.app.db.web.tenant(self.tenant).await.unwrap();
        lookups::ask(&mut tx, &by, self.tenant, lookup, new, clock::now()).await.unwrap();
        tx.commit().await.unwrap();
        look_up(&self.reader, self.tenant, lookup, clock::now()).await.unwrap();
        let mut tx = self.app.db.web.tenant(self.tenant).await.unwrap();
        lookups::get(&mut tx, lookup).await.unwrap().unwrap()
    }

    pub async fn pushed(&self, change: ChangeId) -> Change {
        push(&self.reader, self.tenant, change, clock::now()).await.unwrap();
        let mut tx = self.app.db.web.tenant(self.tenant).await.unwrap();
        changes::get(&mut tx, change).await.unwrap().unwrap()
    }

    /// Every change that was asked for and not yet sent, the oldest first.
    pub async fn waiting(&self) -> Vec<ChangeId> {
        let mut tx = self.app.db.web.tenant(self.tenant).await.unwrap();
        sqlx::query_scalar("select change_id from changes where state = 'intended' order by created_at").fetch_all(&mut *tx).await.unwrap()
    }

    pub async fn page(&self, path: &str) -> crate::app::Reply {
        self.lead.get(&path.replace("{tenant}", &self.tenant.to_string())).await.assert_success()
    }
}

/// Answers these paths (their ends) with these samples.
pub fn serving(samples: &'static [(&'static str, &'static str)]) -> impl Fn(&Seen) -> Option<Reply> {
    move |seen| Some(Reply::json(text(samples.iter().find(|(path, _)| seen.path.ends_with(path))?.1)))
}

/// A device's page asks for what the samples ask for; Microsoft answers with its sample of an action, which is shown as done.
#[tokio::test]
async fn each_documented_request_about_a_device_is_what_our_form_sends() {
    let desk = Desk::start(|seen| {
        if seen.method == Method::GET {
            return serving(&[("/api/machines", "mde-machines-list")])(seen);
        }
        let mut action = sample("mde-machineaction-get");
        action["requestorComment"] = serde_json::from_str::<Value>(&seen.body).ok()?["Comment"].clone();
        Some(Reply::json(action.to_string()))
    })
    .await;
    let page = format!("/devices/{}", desk.device().await);
    for (name, call, deed, more) in [
        ("mde-isolate-request", "isolate", "isolate", None),
        ("mde-unisolate-request", "unisolate", "release", None),
        ("mde-run-av-scan-request", "runAntiVirusScan", "scan_full", None),
        (
            "mde-stop-and-quarantine-request",
            "StopAndQuarantineFile",
            "quarantine_file",
            Some(("sha1", "87662bc3d60e4200ceaf7aae249d1c343f4b83c9")),
        ),
    ] {
        let (mut expected, change) = (sample(name), acting::fresh());
        let (comment, id) = (expected["Comment"].take(), change.to_string());
        let fields = [("change", id.as_str()), ("deed", deed), ("comment", comment.as_str().unwrap())];
        let fields: Vec<_> = fields.into_iter().chain(more).collect();
        desk.lead.post_form(&format!("{page}/act"), &fields).await.assert_redirect(&format!("{page}#changes"));
        assert_eq!(desk.pushed(change).await.state, ChangeState::Done, "{name}");
        let call_made = desk.fake.calls().pop().unwrap();
        assert_eq!((call_made.method, call_made.path), (Method::POST, format!("/api/machines/{DEVICE}/{call}")));
        let mut sent: Value = serde_json::from_str(&call_made.body).unwrap();
        let told = sent["Comment"].take();
        assert!(told.as_str().unwrap().ends_with(comment.as_str().unwrap()), "{name}: {told}");
        assert_eq!(sent, expected, "{name}");
    }
    let shown = desk.page(&page).await.texts("#changes tbody tr");
    assert_eq!(shown.iter().filter(|row| row.starts_with("Done")).count(), 4, "{shown:#?}");
    assert!(shown.iter().any(|row| row.contains("Unisolate machine since it was clean and validated")), "{shown:#?}");
}

#[tokio::test]
async fn the_documented_live_response_is_sent_followed_and_its_result_fetched() {
    const ACTION: &str = "5382f7ea-7557-4ab7-9782-d50480024a4e";
    let desk = Desk::start(|seen| {
        let is_end = |end: &str| seen.path.ends_with(end);
        Some(Reply::json(match () {
            () if is_end("/api/machines") => text("mde-machines-list"),
            () if is_end("/runliveresponse") => {
                let comment = serde_json::from_str::<Value>(&seen.body).ok()?["Comment"].clone();
                let placed = text("mde-live-response-action").replace("{machine_action_id}", ACTION).replace("{machine_id}", DEVICE);
                let mut action: Value = serde_json::from_str(&placed).ok()?;
                action["requestorComment"] = comment;
                action.to_string()
            }
            () if is_end("(index=0)") => text("mde-live-response-result-link"),
            () if is_end(ACTION) => text("mde-machineaction-get"),
            () => return None,
        }))
    })
    .await;
    let page = format!("/devices/{}", desk.device().await);
    let documented = sample("mde-live-response-request");
    for command in documented["Commands"].as_array().unwrap() {
        let (change, param) = (acting::fresh(), |n: usize| command["params"][n]["value"].as_str().unwrap_or_default());
        let (id, comment) = (change.to_string(), documented["Comment"].as_str().unwrap());
        let fields = [
            ("change", id.as_str()),
            ("deed", "live_response"),
            ("comment", comment),
            ("command", command["type"].as_str().unwrap()),
            ("target", param(0)),
            ("arguments", param(1)),
        ];
        desk.lead.post_form(&format!("{page}/act"), &fields).await.assert_redirect(&format!("{page}#changes"));
        assert_eq!(desk.pushed(change).await.state, ChangeState::Running, "the sample is pending");
        assert!(desk.page(&page).await.texts("#changes tbody tr")[0].contains(comment));
        let mut sent: Value = serde_json::from_str(&desk.fake.calls().pop().unwrap().body).unwrap();
        assert!(sent["Comment"].take().as_str().unwrap().ends_with(comment));
        assert_eq!(sent, json!({"Commands": [command], "Comment": null}));
        let ended = desk.pushed(change).await;
        assert_eq!((ended.state, ended.external_id.as_deref()), (ChangeState::Done, Some(ACTION)), "the sample of an action has succeeded");
        let by = By { actor: Actor::Operator, ip: None };
        let link = collected::link(&desk.app.db.web, &desk.reader.microsoft, &by, &ended, Some(0)).await.unwrap().unwrap();
        assert_eq!(link.as_str(), sample("mde-live-response-result-link")["value"].as_str().unwrap());
    }
}
