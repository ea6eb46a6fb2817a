//! Several apps on one link: each with its own outcome, one sign-in for all, and none that breaks the others.

use crate::app::TestApp;
use crate::customer::{Customer, VERIFY_JOBS, count, directory, get, invite, waiting_for};
use axum::http::StatusCode;
use uuid::Uuid;
use watchfloor::config::App;
use watchfloor::model::{DirectoryId, Product, Role};

const ALL: [&str; 3] = ["defender", "hunt", "respond"];
const PURPOSES: [&str; 3] = [
    "Reading in Defender XDR, Defender for Endpoint and Defender for Cloud Apps",
    "Hunting in Defender XDR",
    "Acting in Defender for Endpoint",
];
const SIGN_INS: &str = "select count(*) from consent_attempts where step = 'sign_in'";
const USED: &str = "select count(*) from invites where used_at is not null";

/// An app beside `defender`.
fn another(like: &App, name: &str, product: Product, permission: &str, optional: bool) -> App {
    let permissions = [(product, vec![permission.to_owned()])].into();
    App { name: name.to_owned(), client_id: Uuid::new_v4(), optional, permissions, ..like.clone() }
}

/// The portal with an app to read, one to hunt, and an optional one to respond.
async fn start() -> TestApp {
    TestApp::start_with(|apps| {
        apps.push(another(&apps[0], "hunt", Product::DefenderXdr, "AdvancedHunting.Read.All", false));
        apps.push(another(&apps[0], "respond", Product::DefenderEndpoint, "Machine.Isolate", true));
    })
    .await
}

/// Consents to the first app, signs in and comes back.
async fn begin(customer: &mut Customer, link: &str, app: &str, directory: DirectoryId, domain: &str) {
    let answer = customer.decide(link, app, directory, "accept").await;
    let away = customer.back(&answer).await;
    let signed = customer.sign_in(&away, directory, domain).await;
    customer.back(&signed).await.assert_redirect(&format!("/onboard/{link}"));
}

#[tokio::test]
async fn apps_are_approved_one_after_the_other_with_one_sign_in_and_an_optional_one_may_be_skipped() {
    let app = start().await;
    let contoso = directory(&app, "Contoso");
    let tenant = waiting_for(&app, "Contoso", Some(contoso), &ALL).await;
    let link = invite(&app, tenant).await;
    let mut customer = Customer::new(&app);
    let page = customer.open(&link).await.assert_success();
    assert_eq!(page.texts(".steps li a"), PURPOSES, "what each is for, in words");
    assert_eq!(page.texts(".onboard section.ask .chip.plain").iter().filter(|text| text.as_str() == "Optional").count(), 1);
    assert!(page.html.contains("cut a device off the network"), "{}", page.html);

    begin(&mut customer, &link, "defender", contoso, "contoso.example").await;
    assert_eq!(get(&app, tenant).await.directory_id, Some(contoso), "one app is enough to prove the directory");
    let page = customer.open(&link).await.assert_success();
    assert!(page.html.contains("1 of 3 approved") && page.html.contains("Next: Hunting in "), "{}", page.html);
    assert!(page.html.contains("Your directory is proven"), "{}", page.html);
    let answer = customer.decide(&link, "hunt", contoso, "accept").await;
    customer.back(&answer).await.assert_redirect(&format!("/onboard/{link}"));
    assert_eq!((count(&app, SIGN_INS).await, count(&app, USED).await), (1, 0), "no second sign-in, and the link still works");
    assert!(customer.open(&link).await.assert_success().html.contains("what is left is optional"));
    let refused = customer.say(&format!("/onboard/{link}/skip/hunt"), "").await;
    assert_eq!(refused.status, StatusCode::GONE, "what is needed cannot be skipped");
    customer.say(&format!("/onboard/{link}/skip/respond"), "").await.assert_redirect(&format!("/onboard/{link}"));
    assert_eq!(count(&app, USED).await, 1, "nothing is left to do");
    assert_eq!(customer.open(&link).await.assert_success().texts("h1"), ["Thank you"]);
    assert_eq!(Customer::new(&app).open(&link).await.status, StatusCode::GONE);
    assert_eq!(count(&app, VERIFY_JOBS).await, 1);
    assert_eq!(count(&app, "select count(*) from audit_log where action = 'consent.skipped' and result = 'ok'").await, 1);
}

#[tokio::test]
async fn a_decline_and_a_missing_product_keep_their_remedy_and_the_others_go_on() {
    let app = start().await;
    let contoso = directory(&app, "Contoso");
    app.stand_in.world().set_licences(contoso, &[Product::DefenderXdr]);
    let tenant = waiting_for(&app, "Contoso", Some(contoso), &ALL).await;
    let link = invite(&app, tenant).await;
    let mut customer = Customer::new(&app);
    let missing = customer.decide(&link, "defender", contoso, "accept").await;
    assert_eq!(customer.back(&missing).await.status, StatusCode::CONFLICT);
    let declined = customer.decide(&link, "respond", contoso, "cancel").await;
    assert_eq!(customer.back(&declined).await.status, StatusCode::FORBIDDEN);
    assert_eq!(get(&app, tenant).await.state.as_str(), "consent_pending");

    begin(&mut customer, &link, "hunt", contoso, "contoso.example").await;
    let row = get(&app, tenant).await;
    assert_eq!((row.directory_id, row.state.as_str()), (Some(contoso), "verifying"), "one granted app proves the directory");
    assert_eq!((count(&app, VERIFY_JOBS).await, count(&app, USED).await), (1, 0));
    let page = customer.open(&link).await.assert_success();
    assert_eq!(page.texts(".notice.warn strong"), ["A product is not set up in your directory.", "You declined."]);
    let staff = app.sign_in(Role::Lead).await;
    let html = staff.get(&format!("/admin/tenants/{tenant}")).await.assert_success().html;
    assert!(
        html.contains("not approved: defender, respond") && html.contains("New-MgServicePrincipal") && html.contains("AADSTS650052"),
        "{html}"
    );

    // Days later, in another browser, with the product enabled: the same link, and one more sign-in.
    app.stand_in.world().set_licences(contoso, &[Product::DefenderXdr, Product::DefenderEndpoint, Product::CloudApps]);
    let mut customer = Customer::new(&app);
    customer.open(&link).await.assert_success();
    begin(&mut customer, &link, "defender", contoso, "contoso.example").await;
    let answer = customer.decide(&link, "respond", contoso, "accept").await;
    customer.back(&answer).await.assert_redirect(&format!("/onboard/{link}"));
    assert_eq!(count(&app, USED).await, 1);
    let html = staff.get(&format!("/admin/tenants/{tenant}")).await.assert_success().html;
    assert!(!html.contains("not approved:"), "{html}");
}

#[tokio::test]
async fn a_link_that_has_proven_a_directory_takes_no_other_one_and_no_claim_without_a_sign_in() {
    let app = start().await;
    let (contoso, other) = (directory(&app, "Contoso"), directory(&app, "Other"));
    let tenant = waiting_for(&app, "Contoso", None, &["defender", "hunt"]).await;
    let link = invite(&app, tenant).await;
    let mut customer = Customer::new(&app);
    begin(&mut customer, &link, "defender", contoso, "contoso.example").await;
    assert!(get(&app, tenant).await.needs_approval);

    // The link was passed on: somebody else's directory, and a claim of the right one by a browser that has proven nothing.
    let mut stranger = Customer::new(&app);
    let mut forged = stranger.decide(&link, "hunt", contoso, "accept").await;
    forged.insert("tenant".to_owned(), other.to_string());
    assert_eq!(stranger.back(&forged).await.status, StatusCode::FORBIDDEN);
    let claim = stranger.decide(&link, "hunt", contoso, "accept").await;
    let away = stranger.back(&claim).await;
    assert!(away.headers["location"].to_str().unwrap().contains("/oauth2/v2.0/authorize"), "a sign-in is asked for");
    assert_eq!(count(&app, USED).await, 0, "a claim alone uses nothing up");
    let signed = stranger.sign_in(&away, contoso, "contoso.example").await;
    let stolen = customer.back(&signed).await;
    assert_eq!(stolen.status, StatusCode::FORBIDDEN, "another browser's sign-in");
    assert_eq!((get(&app, tenant).await.directory_id, count(&app, USED).await), (Some(contoso), 0));
}

#[tokio::test]
async fn an_optional_app_that_nobody_approved_darkens_nothing() {
    let app = TestApp::start_with(|apps| {
        apps.push(another(&apps[0], "hunt", Product::DefenderXdr, "AdvancedHunting.Read.All", true));
        apps.push(another(&apps[0], "cloud", Product::CloudApps, "Investigation.Read", true));
        apps[0].permissions.remove(&Product::CloudApps);
    })
    .await;
    let contoso = directory(&app, "Contoso");
    let tenant = waiting_for(&app, "Contoso", Some(contoso), &["defender", "hunt", "cloud"]).await;
    let link = invite(&app, tenant).await;
    begin(&mut Customer::new(&app), &link, "defender", contoso, "contoso.example").await;
    app.verify(tenant).await;
    assert_eq!(get(&app, tenant).await.state.as_str(), "active");
    assert_eq!(count(&app, "select count(*) from tenant_permissions where state = 'asked' and reason like 'Optional%'").await, 2);
    assert_eq!(count(&app, "select count(*) from sync_state where product = 'cloud_apps' and enabled").await, 0);
    let staff = app.sign_in(Role::Lead).await;
    let page = staff.get(&format!("/admin/tenants/{tenant}")).await.assert_success();
    assert!(page.html.contains("All 2 permissions work"), "{}", page.html);
}
