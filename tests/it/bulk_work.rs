//! Bulk jobs at work, on a Microsoft that takes changes: what of them is sent, to whom not, and what is tried again or taken back.

use crate::app::{TestApp, Visitor};
use crate::bulk::{audited, frozen, run, sent};
use crate::customer::directory;
use axum::http::StatusCode;
use chrono::TimeDelta;
use std::collections::BTreeMap;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use watchfloor::app::bulk::work;
use watchfloor::config::{self, Sync};
use watchfloor::demo::{Api, Fault, Times};
use watchfloor::model::{BulkId, DirectoryId, Product, Role, TenantId, UserId, clock};
use watchfloor::store::reach::{self, Reach};
use watchfloor::store::users;
use watchfloor::sync::read::{self, Reader};
use watchfloor::sync::verify;

struct Scene {
    app: TestApp,
    reader: Reader,
}

#[derive(Clone, Copy)]
struct Customer {
    tenant: TenantId,
    directory: DirectoryId,
}

impl Scene {
    async fn start() -> Self {
        let app = TestApp::start_with(|apps| {
            let permissions = [(Product::DefenderXdr, vec!["Incident.ReadWrite.All".to_owned()])];
            *apps = vec![config::App { name: "respond".to_owned(), permissions: permissions.into(), ..crate::apps::app(Uuid::new_v4()) }];
        })
        .await;
        let reader = Reader::new(app.db.worker.clone(), app.state.microsoft.clone(), Sync::default(), CancellationToken::new());
        Self { app, reader }
    }

    /// A tenant with so many incidents, all of them read.
    async fn customer(&self, name: &str, incidents: usize) -> Customer {
        let (tenant, directory) = (self.app.tenant(name).await, directory(&self.app, name));
        self.app.stand_in.world().grant(directory, self.app.state.config.app[0].client_id);
        for n in 0..incidents {
            self.app.stand_in.world().add_incident(directory, &format!("{name} {n}")).unwrap();
        }
        let mut tx = self.app.db.web.tenant(tenant).await.unwrap();
        sqlx::query("update tenants set directory_id = $1, apps = '{respond}'").bind(directory).execute(&mut *tx).await.unwrap();
        tx.commit().await.unwrap();
        verify::verify(&self.reader, tenant, 0, clock::now()).await.unwrap();
        while read::read(&self.reader, tenant, Product::DefenderXdr, clock::now()).await.unwrap().is_some() {}
        Customer { tenant, directory }
    }

    /// Works a job off in these tenants, as the engine would.
    async fn worked(&self, path: &str, of: &[Customer]) {
        for customer in of {
            while self.piece(path, *customer).await.is_some() {}
        }
    }

    async fn piece(&self, path: &str, of: Customer) -> Option<TimeDelta> {
        let bulk: BulkId = path.rsplit('/').next().unwrap().parse().unwrap();
        work(self.reader.clone(), of.tenant, bulk, clock::now()).await.unwrap()
    }

    /// How often each incident of a customer was to be changed, by Microsoft's id.
    fn asked(&self, of: Customer) -> BTreeMap<String, usize> {
        let mut asked = BTreeMap::new();
        for call in self.app.stand_in.world().ledger.requests_of(of.directory, Api::DefenderXdr) {
            if call.method == "PATCH" {
                *asked.entry(call.path.rsplit('/').next().unwrap().to_owned()).or_default() += 1;
            }
        }
        asked
    }

    async fn count(&self, of: Customer, sql: &'static str) -> i64 {
        let mut tx = self.app.db.web.tenant(of.tenant).await.unwrap();
        sqlx::query_scalar(sql).fetch_one(&mut *tx).await.unwrap()
    }

    /// Somebody whose rights will change.
    async fn person(&self, role: Role, tenants: Option<&[TenantId]>) -> (Visitor, UserId) {
        let (login, user) = self.app.user(role, tenants).await;
        (self.app.enter(&login).await, user)
    }
}

const RESOLVED: &str = "select count(*) from incidents where status_raw = 'Resolved'";
const CLOSE: [(&str, &str); 3] = [("status", "Resolved"), ("verdict", "FalsePositive/Clean"), ("comment", "Tested")];

/// What the page of a job says in numbers, tenant by tenant.
async fn told(visitor: &Visitor, path: &str) -> Vec<String> {
    visitor.get(path).await.assert_success().texts("tbody td.num")
}

async fn act(visitor: &Visitor, path: &str, what: &str) -> String {
    let new = Uuid::now_v7().to_string();
    let there = format!("/incidents/bulk/{new}");
    for _ in 0..2 {
        visitor.post_form(&format!("{path}/{what}"), &[("new", &new)]).await.assert_redirect(&there);
    }
    there
}

#[tokio::test]
async fn a_tenant_that_fails_stands_beside_one_that_succeeds_and_only_its_incidents_are_tried_again_and_taken_back() {
    let scene = Scene::start().await;
    let (alder, birch) = (scene.customer("Alder", 3).await, scene.customer("Birch", 2).await);
    let analyst = scene.app.sign_in(Role::Analyst).await;
    let before = scene.count(alder, RESOLVED).await + scene.count(birch, RESOLVED).await;
    assert_eq!(before, 0, "what the customers begin with is open");
    scene.app.stand_in.world().fault(birch.directory, Api::DefenderXdr, Fault::Forbidden, Times::Forever);
    let path = frozen(&analyst, "").await;
    sent(&analyst, &path, &CLOSE).await.assert_redirect(&path);
    scene.worked(&path, &[alder, birch]).await;
    assert_eq!(told(&analyst, &path).await, ["3", "0", "3", "0", "2", "0", "0", "2"]);
    let page = analyst.get(&path).await.assert_success();
    assert!(page.attribute("[data-reload]", "data-reload").is_none() && page.html.contains("Nothing is under way any more"));
    let because = page.attribute(".lines-said a", "href").unwrap();
    assert_eq!(analyst.get(&because).await.assert_success().texts("tbody th a").len(), 2, "the reason leads to its incidents");
    assert_eq!(scene.count(alder, RESOLVED).await, 3);
    scene.app.stand_in.world().heal(birch.directory, Api::DefenderXdr);
    let again = act(&analyst, &path, "again").await;
    scene.worked(&again, &[alder, birch]).await;
    assert_eq!(told(&analyst, &again).await, ["2", "0", "2", "0"]);
    assert_eq!(scene.count(birch, RESOLVED).await, 2);
    assert!(scene.asked(alder).values().all(|n| *n == 1), "what had succeeded is not sent again");
    // One of them goes on meanwhile: that is left alone.
    run(&scene.app, alder.tenant, "update incidents set status = 'in_progress', status_raw = 'InProgress' where title = 'Alder 0'").await;
    let undo = act(&analyst, &path, "undo").await;
    scene.worked(&undo, &[alder, birch]).await;
    assert_eq!(told(&analyst, &undo).await, ["3", "0", "2", "1"]);
    let page = analyst.get(&undo).await.assert_success();
    assert!(page.html.contains("the status is InProgress now") && page.html.contains("Taken back: status open"), "{}", page.html);
    assert_eq!(scene.count(alder, RESOLVED).await, 0);
    assert_eq!(scene.count(birch, RESOLVED).await, 2, "the second job is taken back by itself");
    assert!(analyst.get(&path).await.html.contains("asked for it to be taken back"));
    assert_eq!(audited(&scene.app, "bulk.started").await, 3);
    // Whoever leaves a job's page finds it again, with what became of it.
    let list = analyst.get("/incidents/bulk").await.assert_success();
    assert_eq!(list.texts("tbody th a"), ["3 incidents of 1 tenant", "2 incidents of 1 tenant", "5 incidents of 2 tenants"]);
    assert_eq!(list.texts("tbody td:last-child"), ["✕ Partly failed 1 failed", "✓ Done", "○ Partly failed 2 failed; tried again"]);
    assert_eq!(list.attribute("tbody tr:nth-child(2) th a", "href"), Some(again));
}

#[tokio::test]
async fn what_a_colleague_changed_after_it_was_shown_is_left_alone_and_what_is_so_already_is_not_sent() {
    let scene = Scene::start().await;
    let alder = scene.customer("Alder", 4).await;
    let analyst = scene.app.sign_in(Role::Analyst).await;
    run(&scene.app, alder.tenant, "update incidents set status = 'in_progress', status_raw = 'InProgress' where title = 'Alder 0'").await;
    let path = frozen(&analyst, "").await;
    sent(&analyst, &path, &[("status", "InProgress")]).await.assert_redirect(&path);
    run(&scene.app, alder.tenant, "update incidents set status = 'resolved', status_raw = 'Resolved' where title = 'Alder 1'").await;
    run(&scene.app, alder.tenant, "update incidents set status = 'redirected' where title = 'Alder 2'").await;
    scene.worked(&path, &[alder]).await;
    assert_eq!(told(&analyst, &path).await, ["4", "0", "2", "2"]);
    let page = analyst.get(&path).await.assert_success();
    for said in ["It was so already", "the status is Resolved now", "was merged into another incident"] {
        assert!(page.html.contains(said), "{said}: {}", page.html);
    }
    assert_eq!(scene.asked(alder).len(), 1);
}

#[tokio::test]
async fn a_job_acts_with_the_rights_that_its_person_has_when_it_acts() {
    let scene = Scene::start().await;
    let (alder, birch) = (scene.customer("Alder", 2).await, scene.customer("Birch", 1).await);
    for (n, why) in ["is disabled", "may not change incidents any more", "may not see this tenant any more"].into_iter().enumerate() {
        let (analyst, user) = scene.person(Role::Analyst, Some(&[alder.tenant, birch.tenant])).await;
        let path = frozen(&analyst, "").await;
        sent(&analyst, &path, &[("tags", "bulk")]).await.assert_redirect(&path);
        let mut tx = scene.app.db.web.all_tenants().await.unwrap();
        match n {
            0 => assert!(users::set_disabled(&mut tx, user, true).await.unwrap()),
            1 => assert!(users::change(&mut tx, user, "Ann", Role::Viewer, false).await.unwrap()),
            _ => reach::set(&mut tx, user, &Reach { tenants: vec![birch.tenant], ..Reach::default() }).await.unwrap(),
        }
        tx.commit().await.unwrap();
        scene.worked(&path, &[alder, birch]).await;
        let admin = scene.app.sign_in(Role::Admin).await;
        let page = admin.get(&path).await.assert_success();
        assert!(page.html.contains(why), "{why}: {}", page.html);
        let kept = if n == 2 { ["1", "0", "1", "0"] } else { ["1", "0", "0", "1"] };
        assert_eq!(told(&admin, &path).await, [["2", "0", "0", "2"], kept].concat(), "{why}");
        assert!(scene.asked(alder).is_empty(), "{why}");
    }
    assert_eq!(scene.asked(birch).len(), 1);
}

#[tokio::test]
async fn the_rest_is_called_off_and_a_tenant_that_asks_to_wait_is_waited_for() {
    let scene = Scene::start().await;
    let (alder, birch) = (scene.customer("Alder", 3).await, scene.customer("Birch", 2).await);
    let analyst = scene.app.sign_in(Role::Analyst).await;
    let path = frozen(&analyst, "").await;
    sent(&analyst, &path, &[("tags", "bulk")]).await.assert_redirect(&path);
    scene.app.stand_in.world().fault(alder.directory, Api::DefenderXdr, Fault::Throttle(Some("30".to_owned())), Times::Calls(1));
    let wait = scene.piece(&path, alder).await.unwrap();
    assert!(wait > TimeDelta::seconds(20), "{wait}");
    assert_eq!(told(&analyst, &path).await[..4], ["3", "3", "0", "0"], "its first one waits, and the others behind it");
    scene.worked(&path, &[birch]).await;
    assert_eq!(told(&analyst, &path).await[4..], ["2", "0", "2", "0"], "the other tenant does not wait");
    analyst.post_form(&format!("{path}/stop"), &[]).await.assert_redirect(&path);
    let asked = scene.asked(alder);
    scene.worked(&path, &[alder, birch]).await;
    assert_eq!(scene.asked(alder), asked, "nothing is sent any more");
    assert_eq!(told(&analyst, &path).await, ["3", "0", "0", "0", "3", "2", "0", "2", "0", "0"]);
    assert_eq!((audited(&scene.app, "bulk.stopped").await, audited(&scene.app, "change.cancelled").await), (1, 1));
    let none = analyst.post_form(&format!("{path}/again"), &[("new", &Uuid::now_v7().to_string())]).await;
    assert!(none.status == StatusCode::BAD_REQUEST && none.html.contains("Nothing of it has failed"), "{}", none.html);
    run(&scene.app, alder.tenant, "update tenants set state = 'paused'").await;
    let path = frozen(&analyst, &format!("tenant={}", alder.tenant)).await;
    assert!(analyst.get(&path).await.html.contains("not read at the moment"));
    sent(&analyst, &path, &[("tags", "more")]).await.assert_redirect(&path);
    scene.worked(&path, &[alder]).await;
    assert_eq!(told(&analyst, &path).await, ["3", "0", "0", "3"]);
}

#[tokio::test]
async fn the_preview_names_the_tenants_that_have_not_granted_the_permission_to_change() {
    let scene = Scene::start().await;
    scene.customer("Alder", 1).await;
    let analyst = scene.app.sign_in(Role::Analyst).await;
    let granted = analyst.get(&frozen(&analyst, "").await).await.assert_success();
    assert!(!granted.html.contains("may not be changed") && !granted.html.contains("nothing will be sent"));
    let birch = scene.app.tenant("Birch").await;
    crate::pages::case(&scene.app, birch, "two").await;
    run(&scene.app, birch, "update tenants set apps = '{respond}'").await;
    let declined = "insert into tenant_permissions (tenant_id, app, product, permission, granted)
                    select tenant_id, 'respond', 'defender_xdr', 'Incident.ReadWrite.All', false from tenants";
    run(&scene.app, birch, declined).await;
    let one_lacks_it = analyst.get(&frozen(&analyst, "").await).await.assert_success();
    assert_eq!(one_lacks_it.attribute("tbody a.chip.warn", "href"), Some(format!("/tenants/{birch}/consent")));
    assert!(one_lacks_it.html.contains("One tenant has not granted the permission to change incidents"));
}

#[tokio::test]
async fn where_microsoft_leaves_three_without_an_answer_no_other_one_is_begun() {
    let scene = Scene::start().await;
    let alder = scene.customer("Alder", 6).await;
    let analyst = scene.app.sign_in(Role::Analyst).await;
    let path = frozen(&analyst, "").await;
    sent(&analyst, &path, &CLOSE).await.assert_redirect(&path);
    scene.app.stand_in.world().fault(alder.directory, Api::DefenderXdr, Fault::Cut, Times::Forever);
    assert_eq!(scene.piece(&path, alder).await, Some(TimeDelta::minutes(1)));
    assert_eq!((scene.asked(alder).len(), told(&analyst, &path).await), (3, ["6", "6", "0", "0"].map(str::to_owned).to_vec()));
    // Somebody has found out what became of them.
    scene.app.stand_in.world().heal(alder.directory, Api::DefenderXdr);
    run(&scene.app, alder.tenant, "update changes set state = 'lost', finished_at = now() where state = 'unknown'").await;
    scene.worked(&path, &[alder]).await;
    assert_eq!(told(&analyst, &path).await, ["6", "0", "3", "3"]);
}

#[tokio::test]
async fn when_one_change_was_tried_for_an_hour_in_vain_the_rest_is_given_up_whoever_notices() {
    let scene = Scene::start().await;
    let alder = scene.customer("Alder", 4).await;
    let analyst = scene.app.sign_in(Role::Analyst).await;
    let path = frozen(&analyst, "").await;
    sent(&analyst, &path, &CLOSE).await.assert_redirect(&path);
    scene.app.stand_in.world().fault(alder.directory, Api::DefenderXdr, Fault::Throttle(Some("0".to_owned())), Times::Forever);
    assert!(scene.piece(&path, alder).await.is_some());
    let in_vain = "update changes set state = 'failed', reason = 'Busy.', created_at = now() - interval '61 minutes', finished_at = now()";
    run(&scene.app, alder.tenant, in_vain).await;
    assert_eq!(scene.piece(&path, alder).await, None);
    assert_eq!(told(&analyst, &path).await, ["4", "0", "0", "4"]);
    let page = analyst.get(&path).await.assert_success();
    assert!(page.html.contains("Given up, after an hour was spent on another incident. Busy."), "{}", page.html);
}
