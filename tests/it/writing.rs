//! What is being written is not lost, and a field for an owner knows the colleagues: in a browser.

use crate::app::TestApp;
use crate::eyes::{Eyes, serve};
use crate::guests::incident;
use crate::live::Process;
use crate::staff::ask;
use watchfloor::model::Role;

const TEXT: &str = "document.querySelector('textarea[data-note]').value";
const WRITE: &str =
    "((text) => { text.value = 'Asked Ada'; text.dispatchEvent(new Event('input')); })(document.querySelector('textarea[data-note]'))";

#[tokio::test]
async fn a_note_that_is_being_written_outlives_a_fresh_page_and_the_session_and_ends_when_it_is_added() {
    let app = TestApp::start().await;
    let contoso = app.tenant("Contoso").await;
    let (id, other) = (incident(&app, contoso, "Phishing").await, incident(&app, contoso, "Malware").await);
    let (analyst, lead) = (app.sign_in(Role::Analyst).await, app.sign_in(Role::Lead).await);
    let process = Process::start(&app, 9).await;
    let eyes = Eyes::open(&serve(process.router.clone()).await).await;
    let page = format!("/incidents/{id}");
    eyes.become_one(&analyst).await;
    eyes.go(&page).await;
    eyes.says(WRITE).await;
    eyes.leave("location.reload()").await;
    assert_eq!(eyes.says(TEXT).await, "Asked Ada");
    eyes.go(&format!("/incidents/{other}")).await;
    assert_eq!(eyes.says(TEXT).await, "", "it belongs to its incident");
    eyes.become_one(&lead).await;
    eyes.go(&page).await;
    assert_eq!(eyes.says(TEXT).await, "", "and to its writer");

    eyes.become_one(&analyst).await;
    eyes.go(&page).await;
    assert_eq!(eyes.says(TEXT).await, "", "it does not wait beside somebody else");
    eyes.says(WRITE).await;
    eyes.browser.driver.delete_all_cookies().await.unwrap();
    eyes.leave("document.querySelector('.note-form').requestSubmit()").await;
    assert_eq!(ask::<i64>(&app, "select count(*) from notes").await, 0, "the session was over");
    eyes.become_one(&analyst).await;
    eyes.go(&page).await;
    assert_eq!(eyes.says(TEXT).await, "Asked Ada");
    eyes.leave("document.querySelector('.note-form').requestSubmit()").await;
    eyes.until("document.querySelector('.note-text')?.innerText === 'Asked Ada'").await;
    assert_eq!(eyes.says(TEXT).await, "");
    eyes.leave("location.reload()").await;
    assert_eq!((eyes.says(TEXT).await, ask::<i64>(&app, "select count(*) from notes").await), (String::new(), 1));
}

#[tokio::test]
async fn a_field_for_an_owner_offers_those_who_may_be_given_work_and_a_phone_can_sort() {
    let app = TestApp::start().await;
    let contoso = app.tenant("Contoso").await;
    incident(&app, contoso, "Phishing").await;
    let (analyst, viewer) = (app.sign_in(Role::Analyst).await, app.sign_in(Role::Viewer).await);
    let process = Process::start(&app, 9).await;
    let eyes = Eyes::open(&serve(process.router.clone()).await).await;
    eyes.become_one(&viewer).await;
    eyes.go("/incidents").await;
    assert_eq!(eyes.says("document.querySelectorAll('[data-owner]').length").await, "0", "who only looks is told of nobody");
    eyes.become_one(&analyst).await;
    eyes.go("/incidents").await;
    eyes.says("document.querySelector('.filters details:has(#owner)').open = true, document.getElementById('owner').focus()").await;
    eyes.until("document.querySelectorAll('#colleagues option').length > 0").await;
    let offered = eyes.says("[...document.querySelectorAll('#colleagues option')].map((one) => one.value).join()").await;
    assert!(offered.contains("analyst") && !offered.contains("viewer"), "{offered}");
    assert_eq!(eyes.says("getComputedStyle(document.querySelector('details.sorts')).display").await, "none", "heads of columns sort here");
    eyes.leave("[...document.querySelectorAll('details.sorts a')].find((one) => one.innerText.includes('Age')).click()").await;
    assert!(eyes.says("location.search").await.starts_with("?sort=created"));
}
