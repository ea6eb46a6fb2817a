//! A wrong credential is one alarm, however many tenants it hits.

use crate::app::TestApp;
use crate::rig::{CLIENT_ID, Customer, Rig};
use watchfloor::demo::Credential;
use watchfloor::model::{Product, Role, SyncHealth, TenantState};
use watchfloor::store::alarms::{self, Refusal};
use watchfloor::store::permissions;

impl Rig {
    fn register(&self, secret: &str) {
        let mut world = self.cloud.world();
        let mut app = world.app(CLIENT_ID).unwrap().clone();
        app.credentials = vec![Credential::Secret(secret.to_owned(), None)];
        world.register_app(app);
    }

    /// Every token is used up.
    fn end_tokens(&self, customers: &[Customer]) {
        self.pass(4000);
        for customer in customers {
            self.cloud.world().expire_tokens(customer.directory);
        }
    }

    async fn alarms(&self) -> Vec<alarms::Alarm> {
        let mut tx = self.db.web.no_tenant().await.unwrap();
        alarms::list(&mut tx).await.unwrap()
    }

    async fn audited_of_the_app(&self) -> Vec<String> {
        let mut tx = self.db.worker.all_tenants().await.unwrap();
        sqlx::query_scalar("select action from audit_log where action like 'app.%' order by audit_id").fetch_all(&mut *tx).await.unwrap()
    }
}

#[tokio::test]
async fn a_wrong_credential_is_one_alarm_with_one_event_at_its_beginning_and_one_at_its_end() {
    let rig = Rig::start().await;
    let mut customers = Vec::new();
    for name in ["Adatum", "Contoso", "Fabrikam"] {
        customers.push(rig.read_customer(name).await);
    }
    let mut events = Vec::new();
    for customer in &customers {
        events.push(rig.count(*customer, "audit_log").await);
    }
    rig.register("somebody-changed-it");
    rig.end_tokens(&customers);
    for _ in 0..3 {
        rig.interval(&customers).await;
    }
    let alarms = rig.alarms().await;
    assert_eq!(alarms.len(), 1);
    assert_eq!((alarms[0].app.as_str(), alarms[0].credential.as_str(), alarms[0].aadsts), ("defender", "", Some(7_000_215)));
    assert!(alarms[0].remedy.contains("secret's id"), "{}", alarms[0].remedy);
    assert_eq!(rig.audited_of_the_app().await, ["app.credential_refused"]);
    for (customer, before) in customers.iter().zip(events) {
        let row = rig.product(*customer, Product::DefenderXdr).await;
        assert_eq!(row.state, SyncHealth::OurCredential);
        assert!(row.remedy.as_ref().unwrap().contains("Apps"), "{row:?}");
        assert_eq!(rig.state(*customer).await, TenantState::Active, "nothing is wrong with the tenant");
        assert_eq!(rig.count(*customer, "audit_log").await, before, "no row of the tenant's own");
    }
    rig.verify(customers[0], 3).await;
    let mut tx = rig.db.web.tenant(customers[0].tenant).await.unwrap();
    let known = permissions::list(&mut tx, customers[0].tenant).await.unwrap();
    assert!(known.iter().all(|row| row.granted == Some(true) && row.expected), "what was granted stands: {known:?}");
    tx.commit().await.unwrap();

    std::fs::write(&rig.secret, "somebody-changed-it").unwrap();
    rig.pass(1000);
    rig.round(customers[0]).await;
    assert_eq!(rig.alarms().await, []);
    assert_eq!(rig.audited_of_the_app().await, ["app.credential_refused", "app.credential_accepted"]);
    for customer in &customers {
        rig.round(*customer).await;
        assert_eq!(rig.health(*customer, Product::DefenderXdr).await, SyncHealth::Ok, "all are due at once");
    }
    assert_eq!(rig.audited_of_the_app().await.len(), 2);
}

#[tokio::test]
async fn a_customer_who_took_the_consent_back_still_has_done_so_while_our_credential_is_wrong() {
    let rig = Rig::start().await;
    let customer = rig.read_customer("Adatum").await;
    rig.cloud.world().revoke(customer.directory, CLIENT_ID);
    rig.end_tokens(&[customer]);
    rig.round(customer).await;
    assert_eq!(rig.health(customer, Product::DefenderXdr).await, SyncHealth::ConsentLost);
    rig.cloud.world().grant(customer.directory, CLIENT_ID);
    rig.register("somebody-changed-it");
    rig.pass(1000);
    rig.round(customer).await;
    assert_eq!(rig.health(customer, Product::DefenderXdr).await, SyncHealth::ConsentLost, "nothing else is known");
    assert_eq!(rig.audited(customer, "consent.regained").await, 0);
    assert_eq!(rig.alarms().await.len(), 1);
}

#[tokio::test]
async fn leads_and_administrators_see_the_alarm_on_every_page_and_nobody_else() {
    let app = TestApp::start().await;
    let refuse = |credential: &'static str, at| Refusal {
        app: "defender",
        credential,
        at,
        aadsts: Some(7_000_222),
        reason: "Microsoft does not accept our app's credential (AADSTS7000222).",
        remedy: "The client secret has expired.",
    };
    let now = watchfloor::model::clock::now();
    let admin = app.sign_in(Role::Admin).await;
    let quiet = admin.get("/").await.assert_success();
    assert!(!quiet.html.contains("notice bad"));
    let mut tx = app.db.worker.no_tenant().await.unwrap();
    assert!(alarms::raise(&mut tx, &refuse("", now)).await.unwrap());
    assert!(!alarms::raise(&mut tx, &refuse("", now)).await.unwrap(), "once only");
    tx.commit().await.unwrap();
    app.state.notices.forget();
    let told = "Nothing is read with the app defender since";
    for path in ["/", "/incidents", "/admin/tenants", "/admin/health"] {
        let page = admin.get(path).await.assert_success();
        assert!(page.texts("main > .notice.bad").iter().any(|text| text.starts_with(told) && text.ends_with("See Apps")), "{path}");
    }
    assert!(admin.get("/admin/health").await.texts("dd").iter().any(|text| text.contains("1 to look at")));
    let lead = app.sign_in(Role::Lead).await.get("/").await.assert_success();
    assert!(lead.html.contains(told) && !lead.html.contains("/admin/apps"), "a lead may not open Apps");
    for role in [Role::Analyst, Role::Viewer] {
        assert!(!app.sign_in(role).await.get("/").await.assert_success().html.contains(told), "{role}");
    }
    let apps = admin.get("/admin/apps").await.assert_success();
    assert!(apps.texts(".card .notice.bad")[0].contains("for any tenant"), "{:?}", apps.texts(".card .notice.bad"));

    let place = app.state.microsoft.app("defender").unwrap().credentials(now)[0].place.clone();
    let mut tx = app.db.worker.no_tenant().await.unwrap();
    assert!(alarms::clear(&mut tx, "defender", "", now - chrono::TimeDelta::seconds(1)).await.unwrap().is_none(), "accepted before");
    assert!(alarms::clear(&mut tx, "defender", "", now).await.unwrap().is_some());
    alarms::raise(&mut tx, &Refusal { credential: &place, ..refuse("", now) }).await.unwrap();
    tx.commit().await.unwrap();
    app.state.notices.forget();
    let page = admin.get("/").await.assert_success();
    assert!(page.texts("main > .notice.warn")[0].contains("the other one stands in"), "{}", page.html);
    let apps = admin.get("/admin/apps").await.assert_success();
    assert!(apps.html.contains("refused by Microsoft"));
    assert!(!app.sign_in(Role::Lead).await.get("/").await.assert_success().html.contains("stands in"));
}
