//! The queue under an analyst's hands, in a real browser on the demo: every key, and how few of them close an incident.

use crate::browser::Browser;
use crate::hand::{Desk, Hand, filled};
use std::time::Duration;
use thirtyfour::prelude::*;

/// Unassigned incidents of high severity, of a tenant that lets them be changed.
async fn queue(hand: &Hand<'_>, address: &str) {
    let its = "tbody td.tenant a[title*=Alderbrook]";
    filled(hand, &format!("{address}/incidents?owner=none&severity=high&size=200"), its).await;
    let tenant = hand.browser.driver.find(By::Css(its)).await.unwrap().attr("href").await.unwrap().unwrap();
    hand.browser.open(&format!("{address}{}", tenant.trim_start_matches(address))).await;
    hand.until("document.querySelectorAll('a[data-row]').length > 0").await;
}

/// Whether the row says that it is being closed. Not so where one of the customer's own people has just changed it: the demo has some.
async fn is_being_closed(hand: &Hand<'_>) -> bool {
    hand.until("document.querySelector('tr .row-note') !== null").await;
    let told = hand.says("document.querySelector('tr .row-note').textContent").await;
    let is_closed = told.starts_with("Being closed");
    assert!(is_closed || told.starts_with("Not done: somebody has changed it since it was shown to you"), "{told}");
    assert_eq!(hand.says("document.querySelector('tr.gone') !== null").await, is_closed.to_string());
    is_closed
}

/// Closes one incident, and another one where somebody was faster; that happens rarely.
async fn closes_one(mut close: impl AsyncFnMut() -> bool) {
    for _ in 0..3 {
        if close().await {
            return;
        }
    }
    panic!("three times somebody else was faster");
}

async fn six_presses_close(hand: &mut Hand<'_>, address: &str) -> bool {
    queue(hand, address).await;
    hand.presses = 0;
    hand.press("j").await;
    hand.press("c").await;
    hand.press("f").await;
    assert_eq!(hand.says("document.activeElement.value").await, "FalsePositive/Clean");
    hand.press(Key::Tab).await;
    hand.browser.driver.active_element().await.unwrap().send_keys("A test of ours").await.unwrap();
    hand.press(Key::Enter).await;
    assert!(hand.presses <= 6, "{} presses", hand.presses);
    is_being_closed(hand).await
}

async fn six_presses_close_a_false_positive_and_undo_takes_it_back(hand: &mut Hand<'_>, address: &str) {
    closes_one(async || six_presses_close(hand, address).await).await;
    assert_eq!(hand.says("document.activeElement.closest('tr').classList.contains('gone')").await, "true", "the focus is kept");
    assert_eq!(hand.says("document.querySelector('dialog[open]')").await, "null");
    hand.browser.screenshots("closed").await;
    let undone = async {
        // What Microsoft is just being told cannot be undone at that moment.
        while hand.says("document.querySelector('.row-note').textContent.startsWith('Closing undone')").await != "true" {
            if let Ok(undo) = hand.browser.driver.find(By::Css(".row-note button")).await {
                let _ = undo.click().await;
            }
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(20), undone).await.is_ok(), "closing is undone");
    assert_eq!(hand.says("document.querySelector('tr.gone')").await, "null");
}

/// A customer who has not granted the permission to change incidents.
async fn what_a_customer_does_not_allow_is_told_with_its_reason(hand: &mut Hand<'_>, address: &str) {
    let its = "tbody td.tenant a[title*=Saltmarsh]";
    filled(hand, &format!("{address}/incidents?owner=none&size=200"), its).await;
    hand.click(its).await;
    hand.until("location.search.includes('tenant=') && document.readyState === 'complete'").await;
    hand.press("j").await;
    hand.press("a").await;
    hand.click("dialog[open] [data-word]").await;
    let row = "document.querySelector('tr .row-note').textContent";
    hand.until(&format!("{row} !== ''")).await;
    let told = hand.says(row).await;
    if told.starts_with("Being taken") {
        // The answer came before the worker's: what becomes of it tells the reason.
        hand.browser.click("what becomes of it").await;
        hand.browser.sees("No app of this tenant asks for the permission this needs.").await;
    } else {
        assert!(told.starts_with("Not done: No app of this tenant asks for the permission this needs · "), "{told}");
    }
}

async fn five_clicks_close(hand: &mut Hand<'_>, address: &str) -> bool {
    queue(hand, address).await;
    hand.clicks = 0;
    hand.click("tbody tr input[name=incident]").await;
    hand.click("#batch [data-do=c]").await;
    hand.click("dialog[open] option[value='FalsePositive/Other']").await;
    hand.click("dialog[open] input[name=comment]").await;
    hand.browser.driver.active_element().await.unwrap().send_keys("A test of ours").await.unwrap();
    hand.click("dialog[open] [data-word]").await;
    assert!(hand.clicks <= 5, "{} clicks", hand.clicks);
    is_being_closed(hand).await
}

async fn five_clicks_do_the_same(hand: &mut Hand<'_>, address: &str) {
    closes_one(async || five_clicks_close(hand, address).await).await;
    hand.browser.click("what becomes of it").await;
    hand.browser.sees("1 incident of 1 tenant").await;
    hand.browser.screenshots("asked").await;
}

async fn a_whole_page_and_a_range_are_chosen_with_the_mouse(hand: &mut Hand<'_>) {
    let chosen = "document.getElementById('said').textContent";
    hand.click("input[data-all]").await;
    assert_eq!(hand.says(chosen).await, "50 chosen");
    hand.click("tbody input[name=incident]").await;
    assert_eq!(hand.says("document.querySelector('[data-all]').indeterminate").await, "true", "all but one");
    hand.click("input[data-all]").await;
    hand.click("input[data-all]").await;
    assert_eq!(hand.says(chosen).await, "0 chosen");
    let with_shift = "document.querySelectorAll('tbody input[name=incident]')[3].dispatchEvent(new MouseEvent('click', { shiftKey: true, bubbles: true }))";
    hand.click("tbody input[name=incident]").await;
    hand.says(with_shift).await;
    assert_eq!(hand.says(chosen).await, "4 chosen", "from the first to the fourth");
    hand.says("document.querySelector('[data-none]').click()").await;
    hand.says("document.querySelector('a[data-row]').focus()").await;
}

async fn rows_are_moved_through_chosen_and_looked_at(hand: &mut Hand<'_>, address: &str) {
    // None of those that are being closed just now.
    filled(hand, &format!("{address}/incidents?severity=medium"), "a[rel=next]").await;
    for key in ["j", "x", "j", "j", "k", "x"] {
        hand.press(key).await;
    }
    assert_eq!(hand.says("document.getElementById('said').textContent").await, "2 chosen");
    assert_eq!(
        hand.says("[...document.querySelectorAll('input[name=incident]')].slice(0, 3).map((box) => box.checked)").await,
        "true,true,false"
    );
    hand.browser.screenshots("chosen").await;
    hand.press("t").await;
    assert_eq!(hand.says("document.activeElement.name").await, "tags");
    hand.browser.driver.active_element().await.unwrap().send_keys("x j").await.unwrap();
    assert_eq!(hand.says("document.activeElement.value").await, "x j", "keys are off in fields");
    hand.press(Key::Escape).await;
    hand.press("X").await;
    assert_eq!(hand.says("document.getElementById('said').textContent").await, "50 chosen", "all of the page");
    hand.press("X").await;
    assert_eq!(hand.says("document.getElementById('batch').hidden").await, "true");
    a_whole_page_and_a_range_are_chosen_with_the_mouse(hand).await;
    let at = "document.activeElement.textContent";
    let title = hand.says(at).await;
    hand.press(" ").await;
    hand.until("document.querySelector('#preview h2') !== null").await;
    assert_eq!(hand.says(at).await, title, "the focus stays on the row");
    assert_eq!(hand.says("document.querySelector('#preview h2').textContent").await, title);
    hand.browser.screenshots("preview").await;
    // What the server refuses is said in its own words.
    hand.says("(() => { const form = document.querySelector('#preview form'); form.querySelector('[name=status]').value = 'Resolved'; form.requestSubmit(); return '' })()").await;
    hand.until("document.querySelector('#preview .notice.bad') !== null").await;
    let refused = hand.says("document.querySelector('#preview .notice.bad').textContent").await;
    assert!(refused.contains("what it was") || refused.contains("verdict"), "{refused}");
    hand.says("document.querySelector('tr[aria-current] a[data-row]').focus()").await;
    hand.press("j").await;
    hand.until("document.querySelector('#preview h2').textContent === document.activeElement.textContent").await;
    hand.press(Key::Escape).await;
    assert_eq!(hand.says("document.getElementById('preview').hidden").await, "true");
    for (key, field) in [("a", "BUTTON"), ("s", "SELECT")] {
        hand.press(key).await;
        assert_eq!(hand.says("document.activeElement.tagName").await, field);
        hand.press(Key::Escape).await;
    }
    hand.press("f").await;
    assert_eq!(hand.says("document.activeElement.name").await, "q");
    hand.press(Key::Escape).await;
    assert_eq!(hand.says("document.activeElement.name ?? document.activeElement.tagName").await, "BODY", "keys work again");
    hand.browser.open(&format!("{address}/incidents")).await;
    hand.press("v").await;
    assert_eq!(hand.says("document.activeElement.closest('nav.views') !== null").await, "true");
    hand.press("]").await;
    hand.until("location.search.includes('after=')").await;
    hand.until("document.readyState === 'complete'").await;
    hand.press("[").await;
    hand.until("!location.search.includes('after=')").await;
}

async fn all_that_match_are_one_key_away_and_changed_together(hand: &mut Hand<'_>, address: &str) {
    hand.browser.open(&format!("{address}/incidents?severity=high&owner=none")).await;
    hand.press("j").await;
    hand.press("*").await;
    hand.until("location.pathname.startsWith('/incidents/bulk/') && document.readyState === 'complete'").await;
    hand.browser.sees("status open · severity high · owner nobody").await;
    let rows = "[...document.querySelectorAll('tbody td.num')].reduce((sum, cell) => sum + Number(cell.textContent), 0)";
    let found = hand.says(rows).await;
    // Some of the demo's customers do not let their incidents be changed.
    let open = rows.replace("'tbody td.num'", "'tbody tr:not(:has(.chip.warn)) td.num'");
    let sendable = hand.says(&open).await;
    let told = if sendable == found { format!("Change {found} incident") } else { format!("Change {sendable} of {found} incident") };
    assert!(hand.says("document.querySelector('.bulk-go button').textContent").await.starts_with(&told), "{told}");
    hand.browser.screenshots("bulk-preview").await;
    let choose = |word: &str| {
        format!(
            "(() => {{ const status = document.querySelector('select[name=status]'); status.value = '{word}'; status.dispatchEvent(new Event('change', {{ bubbles: true }})); return status.form.elements.comment.required; }})()"
        )
    };
    assert_eq!(hand.says(&choose("Resolved")).await, "true", "closing asks for a comment before anything is sent");
    assert_eq!(hand.says(&choose("")).await, "false");
    hand.click("input[name=take]").await;
    hand.click(".bulk-go button").await;
    hand.until("document.querySelector('.bulk-progress progress')?.value > 0").await;
    hand.browser.screenshots("bulk").await;
}

async fn pages_are_gone_to(hand: &mut Hand<'_>, address: &str) {
    hand.browser.open(&format!("{address}/incidents")).await;
    hand.until("document.querySelectorAll('a[data-row]').length > 2").await;
    let second = hand.says("document.querySelectorAll('a[data-row]')[1].getAttribute('href')").await;
    hand.press("j").await;
    hand.press(Key::Enter).await;
    hand.browser.sees("Alerts and evidence").await;
    hand.press("]").await;
    hand.until(&format!("location.pathname === '{second}' && document.readyState === 'complete'")).await;
    hand.press("c").await;
    assert_eq!(hand.says("document.activeElement.name").await, "verdict", "on its own page an incident is meant itself");
    hand.press(Key::Escape).await;
    hand.says("document.querySelector('a[data-key=l]').href = '/livez'").await; // not to Microsoft
    hand.press("l").await;
    hand.close_the_other_window().await;
    for (key, path) in [("o", "/"), ("s", "/shift"), ("q", "/incidents"), ("a", "/alerts"), ("t", "/tenants"), ("h", "/hunting")] {
        hand.press(format!("g{key}")).await; // as one, for the second follows within a second
        hand.until(&format!("location.pathname === '{path}' && document.readyState === 'complete'")).await;
        hand.says("document.activeElement.blur()").await; // the query of a hunt is a field
    }
    hand.press(Key::Control + "k").await;
    hand.browser.driver.active_element().await.unwrap().send_keys("Alderbrook").await.unwrap();
    hand.until("document.querySelectorAll('#palette-list li').length === 2").await;
    hand.browser.screenshots("palette").await;
    hand.press(Key::Down).await;
    assert_eq!(hand.says("document.querySelectorAll('#palette-list li')[1].getAttribute('aria-selected')").await, "true");
    hand.press(Key::Enter).await;
    hand.until("location.pathname.startsWith('/tenants/') && document.readyState === 'complete'").await;
}

async fn keys_are_listed_and_switched_off(hand: &mut Hand<'_>, address: &str) {
    hand.browser.open(&format!("{address}/incidents")).await;
    hand.press("j").await;
    let at = "document.activeElement.textContent";
    let title = hand.says(at).await;
    hand.press("?").await;
    hand.browser.sees("classify and close").await;
    hand.browser.screenshots("help").await;
    hand.press(Key::Escape).await;
    assert_eq!(hand.says(at).await, title, "the focus comes back");
    hand.press("?").await;
    hand.browser.click("Switch single keys off").await;
    hand.until("document.documentElement.dataset.keys === 'off' && document.readyState === 'complete'").await;
    for key in ["j", "n", "c", " "] {
        hand.press(key).await;
        assert_eq!(hand.says("document.activeElement.tagName").await, "BODY", "{key}");
    }
    hand.browser.open(&format!("{address}/account")).await;
    hand.browser.click("Switch single keys on").await;
    hand.until("document.documentElement.dataset.keys === undefined").await;
}

#[tokio::test]
async fn an_analyst_works_the_queue_without_a_mouse_and_closes_in_six_presses_or_five_clicks() {
    let Some(browser) = Browser::start().await else { return };
    let mut desk = Desk::of(&browser, "analyst").await;
    let (hand, address) = (&mut desk.hand, &desk.address);
    six_presses_close_a_false_positive_and_undo_takes_it_back(hand, address).await;
    five_clicks_do_the_same(hand, address).await;
    what_a_customer_does_not_allow_is_told_with_its_reason(hand, address).await;
    rows_are_moved_through_chosen_and_looked_at(hand, address).await;
    all_that_match_are_one_key_away_and_changed_together(hand, address).await;
    pages_are_gone_to(hand, address).await;
    keys_are_listed_and_switched_off(hand, address).await;
    desk.leave();
}
