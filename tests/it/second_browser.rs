//! The second factor in a real browser: set up, sign out, sign in, confirm, recover.

use crate::app::{PASSWORD, TestApp};
use crate::browser::Browser;
use crate::eyes::{Eyes, serve};
use crate::second::{change, code, guarded, limits_pass, proofs_age, time_passes};
use thirtyfour::prelude::*;
use watchfloor::model::Role;

async fn enter(app: &TestApp, browser: &Browser, address: &str, login: &str) {
    limits_pass(app).await;
    browser.driver.delete_all_cookies().await.unwrap();
    browser.open(&format!("{address}/login?next=/account")).await;
    browser.fill("Name or e-mail address", login).await;
    browser.fill("Password", PASSWORD).await;
    browser.click("Sign in").await;
}

async fn text(browser: &Browser, css: &str) -> String {
    let found = browser.driver.find(By::Css(css)).await.unwrap();
    found.prop("value").await.unwrap().unwrap_or(found.text().await.unwrap())
}

async fn sign_out(browser: &Browser) {
    browser.driver.execute("document.querySelector('details.menu').open = true", Vec::new()).await.unwrap();
    browser.click("Sign out").await;
    browser.sees("Sign in").await;
}

#[tokio::test]
async fn a_factor_is_set_up_used_confirmed_with_and_recovered_from() {
    let Some(browser) = Browser::start().await else { return };
    let app = guarded().await;
    let (_, user) = app.user(Role::Admin, None).await;
    let login = "ada@example.com";
    change(&app, user, "update users set login = 'ada@example.com', display_name = 'Ada Example' where user_id = $1").await;
    let address = serve(watchfloor::web::router(app.state.clone())).await;

    enter(&app, &browser, &address, login).await;
    browser.sees("Set up a second factor").await;
    browser.screenshots("second-new").await;
    let key = text(&browser, ".key code").await;
    browser.fill("Code", &code(&key, 0)).await;
    browser.click("Set up and sign in").await;
    browser.sees("Keep these recovery codes").await;
    browser.screenshots("second-codes").await;
    let codes = text(&browser, "#codes").await;
    let first = codes.lines().next().unwrap();
    browser.click("I have kept them: go on").await;
    browser.sees("10 recovery codes are left").await;
    browser.screenshots("second-account").await;
    sign_out(&browser).await;

    time_passes(&app, user).await;
    enter(&app, &browser, &address, login).await;
    browser.sees("One more step").await;
    browser.screenshots("second-enter").await;
    browser.fill("Code", "000000").await;
    browser.driver.find(By::Css("form .button.primary")).await.unwrap().click().await.unwrap();
    browser.sees("That code or passkey is not right").await;
    browser.screenshots("second-wrong").await;
    browser.fill("Code", &code(&key, 0)).await;
    browser.click("Sign in").await;
    browser.sees("recovery codes are left").await;

    time_passes(&app, user).await;
    proofs_age(&app, user).await;
    browser.open(&format!("{address}/admin/users")).await;
    browser.fill("Signs in as", "bob@example.com").await;
    browser.fill("Name", "Bob <Builder>").await;
    browser.click("Add and show the link").await;
    browser.sees("Confirm that it is you").await;
    browser.screenshots("second-confirm").await;
    browser.fill("Code of your authenticator app", &code(&key, 0)).await;
    browser.click("Confirm and go on").await;
    browser.sees("Give this link to bob@example.com").await;
    browser.open(&format!("{address}/admin/users/{user}")).await;
    browser.screenshots("second-user").await;
    browser.open(&format!("{address}/account")).await;
    browser.click("Add an authenticator app").await;
    browser.sees("Scan this code").await;
    browser.screenshots("second-another").await;
    sign_out(&browser).await;

    enter(&app, &browser, &address, login).await;
    browser.sees("One more step").await;
    browser.click("Use a recovery code").await;
    browser.fill("Recovery code", first).await;
    browser.click("Sign in with it").await;
    browser.sees("9 recovery codes are left").await;
    browser.click("Make new recovery codes").await;
    browser.sees("Keep these recovery codes").await;
    assert!(!text(&browser, "#codes").await.contains(first));
}

#[tokio::test]
async fn no_page_of_the_second_factor_has_a_fault_that_axe_knows_or_scrolls_sideways() {
    let app = guarded().await;
    let (login, user) = app.user(Role::Admin, None).await;
    let address = serve(watchfloor::web::router(app.state.clone())).await;
    let mut eyes = Eyes::open(&address).await;
    enter(&app, &eyes.browser, &address, &login).await;
    eyes.browser.sees("Set up a second factor").await;
    let key = text(&eyes.browser, ".key code").await;
    eyes.look("the first factor").await;
    eyes.browser.fill("Code", &code(&key, 0)).await;
    eyes.browser.click("Set up and sign in").await;
    eyes.browser.sees("Keep these recovery codes").await;
    eyes.look("recovery codes after it").await;
    eyes.go("/account").await;
    eyes.says("document.querySelectorAll('main details').forEach((one) => { one.open = true; })").await;
    eyes.look("/account with a factor").await;
    eyes.go("/account").await;
    eyes.browser.click("Add an authenticator app").await;
    eyes.browser.sees("Scan this code").await;
    eyes.look("another factor").await;
    eyes.go("/account").await;
    eyes.browser.click("Make new recovery codes").await;
    eyes.browser.sees("Keep these recovery codes").await;
    eyes.look("new recovery codes").await;
    proofs_age(&app, user).await;
    eyes.go("/account/confirm?next=/incidents").await;
    eyes.browser.sees("Confirm that it is you").await;
    eyes.says("document.querySelectorAll('main details').forEach((one) => { one.open = true; })").await;
    eyes.look("/account/confirm").await;
    enter(&app, &eyes.browser, &address, &login).await;
    eyes.browser.sees("One more step").await;
    eyes.says("document.querySelectorAll('main details').forEach((one) => { one.open = true; })").await;
    eyes.look("/login/second").await;
    eyes.assert_nothing(21);
}
