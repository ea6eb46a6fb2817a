//! The pages that `every_page.rs` does not look at: those of strangers and customers, and the pages of a portal that has nothing to show yet.

use crate::app::TestApp;
use crate::every_page::enter;
use crate::eyes::{Eyes, serve};
use crate::journey::{decide, go_without_the_rest, newcomer, register};
use crate::live::Process;
use watchfloor::auth::links;
use watchfloor::model::Role;

/// A customer's way in, from the lead's link to the progress of what was accepted.
pub async fn onboarding(eyes: &mut Eyes, address: &str) {
    enter(eyes, address, "lead").await;
    eyes.look("overview as lead").await;
    let (name, domain) = newcomer(&eyes.browser).await;
    let (_, link) = register(&eyes.browser, &name, &domain).await;
    eyes.look("registry with a link").await;
    eyes.browser.driver.delete_all_cookies().await.unwrap();
    eyes.browser.open(&link).await;
    eyes.look("invite").await;
    decide(&eyes.browser, "Review and approve at Microsoft", "Cancel").await;
    eyes.browser.sees("You declined").await;
    eyes.look("declined").await;
    eyes.browser.click("Back to the link").await;
    eyes.browser.sees("Try again at Microsoft").await;
    eyes.look("invite, declined").await;
    decide(&eyes.browser, "Try again at Microsoft", "Accept").await;
    eyes.browser.sees("Your directory is proven").await;
    eyes.look("invite, one part accepted").await;
    go_without_the_rest(&eyes.browser).await;
    eyes.browser.sees("proved which directory").await;
    eyes.look("progress").await;
}

/// The demo's customer, from the link on staff's page to their first own one.
pub async fn customer_sign_in(eyes: &mut Eyes) {
    eyes.browser.driver.delete_all_cookies().await.unwrap();
    eyes.go("/login").await;
    eyes.leave("document.querySelector('a[href=\"/customer/login\"]').click()").await;
    eyes.look("sign-in of customers").await;
    let name = eyes.says("document.querySelector('.demo code').innerText").await;
    eyes.leave("document.querySelector('a.button.primary').click()").await;
    let pick = format!("document.querySelector('input[value$=\"/{name}\"]').checked = true; document.querySelector('form').submit()");
    eyes.leave(&pick).await;
    eyes.browser.sees("How completely you are watched over").await;
    eyes.go("/customer/invite/unknown").await;
    eyes.look("an invitation that has ended").await;
}

#[tokio::test]
async fn nor_has_a_page_for_strangers_or_one_with_nothing_to_show_yet() {
    let app = TestApp::start().await;
    let process = Process::start(&app, 9).await;
    let address = serve(process.router.clone()).await;
    let mut eyes = Eyes::open(&address).await;
    let setup = links::first_admin(&app.db.web, &address.parse().unwrap()).await.unwrap().unwrap();
    eyes.go(setup.path()).await;
    eyes.look("setup").await;
    eyes.leave("hand.submit('form', { login: 'ann@example.com', name: 'Ann', password: 'x', again: 'y' })").await;
    eyes.look("setup refused").await;
    for path in [
        "/login?next=/incidents",
        "/setup/unknown",
        "/onboard/unknown",
        "/consent/callback",
        "/consent/callback?error=access_denied&state=x",
    ] {
        eyes.go(path).await;
        eyes.look(path).await;
    }
    eyes.go("/login").await;
    eyes.leave("hand.submit('form', { login: 'nobody', password: 'a wrong one' })").await;
    eyes.look("login refused").await;

    let (admin, viewer) = (app.sign_in(Role::Admin).await, app.sign_in(Role::Viewer).await);
    let lists = ["/", "/incidents", "/alerts", "/tenants", "/devices"];
    eyes.become_one(&viewer).await;
    for path in lists.into_iter().chain(["/admin/users"]) {
        eyes.go(path).await;
        eyes.look(&format!("{path}, empty, as viewer")).await;
    }
    eyes.become_one(&admin).await;
    for path in lists.into_iter().chain(["/hunting", "/admin/tenants", "/admin/tenants/reconsent", "/admin/audit", "/admin/health"]) {
        eyes.go(path).await;
        eyes.look(&format!("{path}, empty")).await;
    }
    let tenant = app.tenant("Alder").await;
    for page in ["", "/changes", "/endpoint", "/consent", "/cloud-apps", "/cloud-apps/activities"] {
        eyes.go(&format!("/tenants/{tenant}{page}")).await;
        eyes.look(&format!("a tenant's{page}, empty")).await;
    }
    eyes.go(&format!("/admin/tenants/{tenant}")).await;
    eyes.look("the registry of a tenant without anything").await;
    eyes.assert_nothing(80);
}
