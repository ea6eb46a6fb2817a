//! The customer's way through Microsoft: what binds a directory, what never does, and what each side is told.

use crate::app::{Reply, TestApp};
use crate::customer::{Answer, Customer, VERIFY_JOBS, count, directory, get, invite, waiting};
use axum::http::StatusCode;
use uuid::Uuid;
use watchfloor::demo::{Api, Fault, IdTokenLie, Times};
use watchfloor::model::{DirectoryId, Product, Role};

const REFUSED: &str = "select count(*) from audit_log where action like 'consent.%' and result = 'refused'";
const BOUND: &str = "select count(*) from tenants where directory_id is not null";

#[tokio::test]
async fn a_consent_and_a_sign_in_bind_the_preset_directory_and_ask_for_the_tests() {
    let app = TestApp::start().await;
    let contoso = directory(&app, "Contoso");
    let tenant = waiting(&app, "Contoso", Some(contoso)).await;
    let link = invite(&app, tenant).await;
    let mut customer = Customer::new(&app);
    let page = customer.open(&link).await.assert_success();
    assert!(page.html.contains("read security incidents") && page.html.contains("Incident.Read.All"), "{}", page.html);
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains(&format!("form-action 'self' http://{};", app.stand_in.address())), "{policy}");
    customer.go_through(&link, contoso, "contoso.example").await.assert_redirect(&format!("/onboard/{link}"));
    let row = get(&app, tenant).await;
    assert_eq!((row.directory_id, row.state.as_str(), row.needs_approval), (Some(contoso), "verifying", false));
    assert_eq!(count(&app, VERIFY_JOBS).await, 1);
    assert_eq!(customer.open(&link).await.assert_success().texts("h1"), ["Thank you"]);
    assert_eq!(Customer::new(&app).open(&link).await.status, StatusCode::GONE, "another browser may not follow");
}

const FORGERIES: [&str; 12] = [
    "another tenant's answer again",
    "another tenant's directory",
    "another attempt's state",
    "another browser",
    "a second time",
    "too late",
    "a token of another directory",
    "a foreign issuer",
    "an unsigned token",
    "another audience",
    "admin_consent=False",
    "an error with HTML",
];

/// Somebody who wants Birch's invite to bind what it should not.
struct Forger<'a> {
    app: &'a TestApp,
    alder: DirectoryId,
    birch: DirectoryId,
    cedar: DirectoryId,
    /// Alder's answer, taken already.
    used: Answer,
    /// Cedar's answer, which nobody has brought yet.
    waiting_for_another: Answer,
}

impl Forger<'_> {
    /// Brings a forged answer made from an honest one.
    async fn deliver(&self, case: &str, customer: &mut Customer, honest: &Answer) -> Reply {
        let with = |name: &str, value: &str| {
            let mut answer = honest.clone();
            answer.insert(name.to_owned(), value.to_owned());
            answer
        };
        match case {
            "another tenant's answer again" => customer.back(&self.used).await,
            "another tenant's directory" => customer.back(&with("tenant", &self.alder.to_string())).await,
            "another attempt's state" => customer.back(&with("state", &self.waiting_for_another["state"])).await,
            "another browser" => Customer::new(self.app).back(honest).await,
            "a second time" => {
                customer.back(honest).await;
                customer.back(honest).await
            }
            "too late" => {
                let mut tx = self.app.db.web.all_tenants().await.unwrap();
                sqlx::query("update consent_attempts set expires_at = now() where answered_at is null").execute(&mut *tx).await.unwrap();
                tx.commit().await.unwrap();
                customer.back(honest).await
            }
            "admin_consent=False" => customer.back(&with("admin_consent", "False")).await,
            "an error with HTML" => {
                let mut answer = with("error", "access_denied<script>alert(7)</script>");
                answer.insert("error_description".to_owned(), "<script>alert(7)</script>".to_owned());
                customer.back(&answer).await
            }
            "a token of another directory" => self.lie(customer, honest, IdTokenLie::Directory(self.cedar)).await,
            "a foreign issuer" => self.lie(customer, honest, IdTokenLie::WrongIssuer).await,
            "an unsigned token" => self.lie(customer, honest, IdTokenLie::Unsigned).await,
            "another audience" => self.lie(customer, honest, IdTokenLie::WrongAudience).await,
            _ => unreachable!("{case}"),
        }
    }

    async fn lie(&self, customer: &mut Customer, honest: &Answer, lie: IdTokenLie) -> Reply {
        let away = customer.back(honest).await;
        let signed = customer.sign_in(&away, self.birch, "birch.example").await;
        self.app.stand_in.world().fault(self.birch, Api::Token, Fault::IdToken(lie), Times::Calls(1));
        customer.back(&signed).await
    }
}

#[tokio::test]
async fn twelve_forged_answers_bind_nothing_and_each_leaves_its_trace() {
    let app = TestApp::start().await;
    let (alder, birch, cedar) = (directory(&app, "Alder"), directory(&app, "Birch"), directory(&app, "Cedar"));
    let (a, b) = (waiting(&app, "Alder", None).await, waiting(&app, "Birch", None).await);
    let link = invite(&app, a).await;
    let mut first = Customer::new(&app);
    let used = first.accept(&link, alder).await;
    let away = first.back(&used).await;
    let signed = first.sign_in(&away, alder, "alder.example").await;
    first.back(&signed).await.assert_redirect(&format!("/onboard/{link}"));
    assert_eq!(count(&app, BOUND).await, 1);

    let waiting_for_another = {
        let tenant = waiting(&app, "Cedar", None).await;
        let link = invite(&app, tenant).await;
        Customer::new(&app).accept(&link, cedar).await
    };
    let world = Forger { app: &app, alder, birch, cedar, used, waiting_for_another };
    for (n, case) in FORGERIES.into_iter().enumerate() {
        let link = invite(&app, b).await;
        let mut customer = Customer::new(&app);
        let honest = customer.accept(&link, birch).await;
        let reply = world.deliver(case, &mut customer, &honest).await;
        assert!(reply.status.is_client_error(), "{case}: {} {}", reply.status, reply.html);
        for text in ["alert(7)", "access_denied", "Alder", "Cedar", &alder.to_string(), &honest["state"]] {
            assert!(!reply.html.contains(text), "{case} shows {text}: {}", reply.html);
        }
        assert_eq!(count(&app, BOUND).await, 1, "{case}");
        assert_eq!(count(&app, REFUSED).await, i64::try_from(n).unwrap() + 1, "{case}");
    }
    assert_eq!(get(&app, b).await.directory_id, None);
    // The door is not shut for the honest.
    let link = invite(&app, b).await;
    Customer::new(&app).go_through(&link, birch, "birch.example").await.assert_redirect(&format!("/onboard/{link}"));
}

#[tokio::test]
async fn a_declined_consent_is_told_to_both_sides_and_can_be_tried_again() {
    let app = TestApp::start().await;
    let contoso = directory(&app, "Contoso");
    let tenant = waiting(&app, "Contoso", Some(contoso)).await;
    let link = invite(&app, tenant).await;
    let mut customer = Customer::new(&app);
    let url = customer.press(&link).await;
    let answer = customer.at_microsoft(url, &[("directory", &contoso.to_string()), ("decision", "cancel")]).await.unwrap();
    let reply = customer.back(&answer).await;
    assert_eq!((reply.status, reply.texts("h1")), (StatusCode::FORBIDDEN, vec!["You declined".to_owned()]));
    assert_eq!(reply.attribute("main a.button", "href"), Some(format!("/onboard/{link}")));
    let staff = app.sign_in(Role::Lead).await;
    let page = staff.get(&format!("/admin/tenants/{tenant}")).await.assert_success();
    assert!(page.html.contains("AADSTS65004") && page.html.contains("Explain what is asked for"), "{}", page.html);
    assert_eq!(get(&app, tenant).await.state.as_str(), "consent_pending");
    customer.go_through(&link, contoso, "contoso.example").await.assert_redirect(&format!("/onboard/{link}"));
}

#[tokio::test]
async fn a_consent_from_another_directory_than_the_preset_one_is_refused() {
    let app = TestApp::start().await;
    let (contoso, other) = (directory(&app, "Contoso"), directory(&app, "Other"));
    let tenant = waiting(&app, "Contoso", Some(contoso)).await;
    let link = invite(&app, tenant).await;
    let mut customer = Customer::new(&app);
    let mut answer = customer.accept(&link, contoso).await;
    answer.insert("tenant".to_owned(), other.to_string());
    let reply = customer.back(&answer).await;
    assert_eq!((reply.status, reply.texts("h1")), (StatusCode::FORBIDDEN, vec!["That was another directory".to_owned()]));
    assert_eq!(get(&app, tenant).await.directory_id, None);
}

#[tokio::test]
async fn a_directory_of_another_tenant_is_refused_without_saying_whose_it_is() {
    let app = TestApp::start().await;
    let contoso = directory(&app, "Contoso");
    waiting(&app, "Contoso", Some(contoso)).await;
    let second = waiting(&app, "Second", None).await;
    let link = invite(&app, second).await;
    let mut customer = Customer::new(&app);
    let answer = customer.accept(&link, contoso).await;
    let reply = customer.back(&answer).await;
    assert_eq!(reply.status, StatusCode::FORBIDDEN);
    let text = reply.texts("main").concat();
    assert!(!text.contains("Contoso") && !text.contains("tenant") && !reply.html.contains(&contoso.to_string()), "{text}");
    let reason = get(&app, second).await.state_reason.unwrap();
    assert!(reason.contains("belongs to another tenant"), "{reason}");
}

#[tokio::test]
async fn a_directory_without_a_product_is_told_what_is_missing() {
    let app = TestApp::start().await;
    let contoso = directory(&app, "Contoso");
    app.stand_in.world().set_licences(contoso, &[Product::DefenderXdr]);
    let tenant = waiting(&app, "Contoso", Some(contoso)).await;
    let link = invite(&app, tenant).await;
    let mut customer = Customer::new(&app);
    let answer = customer.accept(&link, contoso).await;
    let reply = customer.back(&answer).await;
    assert_eq!((reply.status, reply.texts("h1")), (StatusCode::CONFLICT, vec!["A product is not set up in your directory".to_owned()]));
    let reason = get(&app, tenant).await.state_reason.unwrap();
    assert!(reason.contains("New-MgServicePrincipal"), "{reason}");
}

#[tokio::test]
async fn a_directory_learnt_at_consent_waits_for_staff() {
    let app = TestApp::start().await;
    let contoso = directory(&app, "Contoso");
    let tenant = waiting(&app, "Contoso", None).await;
    let link = invite(&app, tenant).await;
    let mut customer = Customer::new(&app);
    customer.go_through(&link, contoso, "contoso.example").await.assert_redirect(&format!("/onboard/{link}"));
    assert!(get(&app, tenant).await.needs_approval);
    assert_eq!(count(&app, VERIFY_JOBS).await, 0, "nothing is read before staff agree");
    assert!(customer.open(&link).await.assert_success().html.contains("Your provider confirms"));
    let staff = app.sign_in(Role::Lead).await;
    let (path, id) = (format!("/admin/tenants/{tenant}/directory"), contoso.to_string());
    let other = Uuid::new_v4().to_string();
    let wrong = staff.post_form(&path, &[("directory", &other), ("decision", "approve")]).await;
    assert_eq!(wrong.status, StatusCode::CONFLICT, "another directory than the one on the page");
    staff.post_form(&path, &[("directory", &id), ("decision", "approve")]).await.assert_redirect(&format!("/admin/tenants/{tenant}"));
    let row = get(&app, tenant).await;
    assert_eq!((row.needs_approval, row.expected_directory_id), (false, Some(contoso)));
    assert_eq!(count(&app, VERIFY_JOBS).await, 1);
}

#[tokio::test]
async fn a_bound_directory_changes_only_by_the_word_of_two() {
    let app = TestApp::start().await;
    let (old, new) = (directory(&app, "Old"), directory(&app, "New"));
    let tenant = waiting(&app, "Contoso", Some(old)).await;
    let link = invite(&app, tenant).await;
    Customer::new(&app).go_through(&link, old, "old.example").await.assert_redirect(&format!("/onboard/{link}"));
    let (one, two) = (app.sign_in(Role::Lead).await, app.sign_in(Role::Lead).await);
    let path = format!("/admin/tenants/{tenant}/rebind");
    one.post_form(&path, &[("directory", &new.to_string()), ("reason", "They merged.")])
        .await
        .assert_redirect(&format!("/admin/tenants/{tenant}"));
    let page = two.get(&format!("/admin/tenants/{tenant}")).await.assert_success();
    let request = page.attribute("input[name=request]", "value").unwrap();
    let decision = [("request", request.as_str()), ("decision", "approve")];
    let path = format!("{path}/decision");
    assert_eq!(one.post_form(&path, &decision).await.status, StatusCode::CONFLICT, "one's own request");
    assert_eq!(count(&app, "select count(*) from audit_log where action = 'tenant.rebind_approve' and result = 'refused'").await, 1);
    assert_eq!(get(&app, tenant).await.directory_id, Some(old));
    two.post_form(&path, &decision).await.assert_redirect(&format!("/admin/tenants/{tenant}"));
    let row = get(&app, tenant).await;
    assert_eq!((row.directory_id, row.expected_directory_id), (None, Some(new)));
    let link = invite(&app, tenant).await;
    Customer::new(&app).go_through(&link, new, "new.example").await.assert_redirect(&format!("/onboard/{link}"));
    assert_eq!(get(&app, tenant).await.directory_id, Some(new));
}

#[tokio::test]
async fn links_that_are_unknown_used_revoked_or_old_open_nothing() {
    let app = TestApp::start().await;
    let contoso = directory(&app, "Contoso");
    let tenant = waiting(&app, "Contoso", Some(contoso)).await;
    let replaced = invite(&app, tenant).await;
    let link = invite(&app, tenant).await;
    let mut customer = Customer::new(&app);
    let unknown = watchfloor::store::tickets::mint(tenant).unwrap().text;
    for (link, status) in [("x", 404), (unknown.as_str(), 404), (&"A".repeat(64), 404), (&replaced, 410)] {
        let reply = customer.open(link).await;
        assert_eq!(reply.status.as_u16(), status, "{link}");
        assert!(!reply.html.contains("Contoso"), "{}", reply.html);
    }
    customer.open(&link).await.assert_success();
    let mut tx = app.db.web.all_tenants().await.unwrap();
    sqlx::query("update invites set expires_at = now() where used_at is null").execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(customer.open(&link).await.status, StatusCode::GONE);
}
