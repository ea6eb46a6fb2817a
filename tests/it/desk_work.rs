//! The desk's longer works, in a real browser on the demo: every filter, views, files, a conflict, a bulk change and its way back, and a rule that
//! hides.

use crate::browser::Browser;
use crate::hand::{Desk, Hand, filled};
use std::time::Duration;
use thirtyfour::prelude::*;
use watchfloor::model::clock;

const LOADED: &str = "document.readyState === 'complete'";

/// So long the worker may take.
const A_WHILE: Duration = Duration::from_secs(120);

/// What the page of a rule says that it takes.
const A_MINUTE: Duration = Duration::from_secs(60);

/// The rows of the list, or that it is empty.
async fn is_a_list(hand: &Hand<'_>, filter: &str) {
    hand.until(LOADED).await;
    let shown =
        "document.querySelector('h1') !== null && (document.querySelector('a[data-row]') ?? document.querySelector('.empty')) !== null";
    assert_eq!(hand.says(shown).await, "true", "{filter}");
}

async fn every_filter_is_chosen_and_cleared_with_the_mouse(hand: &mut Hand<'_>, address: &str) {
    for list in ["/incidents", "/alerts"] {
        hand.browser.open(&format!("{address}{list}")).await;
        let boxes = "[...document.querySelectorAll('form.filters details.pick')].filter(pick => pick.querySelector('input[type=checkbox]:not([name=not])'))";
        let picks: usize = hand.says(&format!("{boxes}.length")).await.parse().unwrap();
        assert!(picks >= 5, "{list} has {picks} filters");
        for n in 0..picks {
            // "None of these" is the same box on both lists.
            for not in [false, true].into_iter().take(if list == "/incidents" { 2 } else { 1 }) {
                hand.browser.open(&format!("{address}{list}")).await;
                let name = hand.says(&format!("{boxes}[{n}].querySelector('input[type=checkbox]:not([name=not])').name")).await;
                hand.says(&format!("{boxes}[{n}].id = 'picked'")).await;
                hand.click("#picked summary").await;
                if not {
                    hand.click("#picked input[name=not]").await;
                }
                hand.click("#picked input[type=checkbox]:not([name=not])").await;
                hand.click("#picked button").await;
                hand.until(&format!("new URLSearchParams(location.search).has('{name}')")).await;
                is_a_list(hand, &format!("{list} {name} {not}")).await;
                assert_eq!(hand.says(&format!("new URLSearchParams(location.search).get('not') === '{name}'")).await, not.to_string());
            }
        }
        let clear = hand.browser.driver.find(By::LinkText("Clear")).await.unwrap();
        clear.click().await.unwrap();
        hand.until("location.search === ''").await;
    }
    hand.browser.open(&format!("{address}/incidents")).await;
    hand.browser.driver.find(By::Name("q")).await.unwrap().send_keys("no title is like this").await.unwrap();
    hand.browser.click("Filter").await;
    hand.until("location.search.includes('q=')").await;
    is_a_list(hand, "text").await;
    hand.browser.screenshots("nothing-found").await;
}

async fn of_two_windows_the_second_one_is_told_what_the_first_one_did(hand: &mut Hand<'_>, address: &str) {
    // Of a customer whose directory answers; some of the demo's do not.
    let row = "tr:has(td.tenant a[title*=Alderbrook]) a[data-row]";
    filled(hand, &format!("{address}/incidents?status=new&owner=none"), row).await;
    let incident = hand.says(&format!("document.querySelector('{row}').getAttribute('href')")).await;
    let driver = &hand.browser.driver;
    filled(hand, &format!("{address}{incident}"), "[name=assigned_to]").await;
    let first = driver.window().await.unwrap();
    let second = driver.new_tab().await.unwrap();
    driver.switch_to_window(second.clone()).await.unwrap();
    filled(hand, &format!("{address}{incident}"), "button[name=take]").await;
    hand.click("button[name=take]").await;
    hand.until(&format!("location.pathname === '{incident}' && {LOADED}")).await;
    let taken = async {
        while hand.says("document.querySelector('input[name=was_owner]').value").await.is_empty() {
            tokio::time::sleep(Duration::from_millis(200)).await;
            hand.browser.open(&format!("{address}{incident}")).await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(30), taken).await.is_ok(), "it is taken at Microsoft");
    driver.close_window().await.unwrap();
    driver.switch_to_window(first).await.unwrap();
    driver.find(By::Name("assigned_to")).await.unwrap().send_keys("somebody@else.example").await.unwrap();
    let save = "form[action^='/incidents/'] button.primary";
    hand.says(&format!("[...document.querySelectorAll(\"{save}\")].find(button => button.textContent.startsWith('Save at')).id = 'save'"))
        .await;
    hand.click("#save").await;
    hand.browser.sees("Somebody has changed this since you opened the page: the owner is").await;
    assert_eq!(hand.says("document.querySelector('input[name=assigned_to]').value").await, "somebody@else.example", "what was typed stays");
    hand.browser.screenshots("conflict").await;
}

/// Life goes on in the demo meanwhile: colleagues at the customer's change incidents too.
async fn nothing_failed_but_what_others_had_changed(hand: &Hand<'_>) {
    let failed = "[...document.querySelectorAll('td[data-label=Failed]')].reduce((sum, cell) => sum + Number(cell.textContent), 0)";
    let others = "[...document.querySelectorAll('.lines-said li')]
        .map(line => /^(\\d+) × Not sent: somebody has changed it (?:since it was shown to you|meanwhile)/.exec(line.textContent.trim()))
        .reduce((sum, found) => sum + Number(found?.[1] ?? 0), 0)";
    assert_eq!(hand.says(failed).await, hand.says(others).await, "{}", hand.says("document.querySelector('main').textContent").await);
}

async fn what_matches_is_changed_together_and_given_back(hand: &mut Hand<'_>, address: &str) {
    filled(hand, &format!("{address}/incidents?status=new&owner=none&size=200"), "td.tenant a[title*=Alderbrook]").await;
    hand.click("td.tenant a[title*=Alderbrook]").await;
    hand.until(&format!("location.search.includes('tenant=') && {LOADED}")).await;
    hand.click("#bulk button").await;
    hand.until(&format!("location.pathname.startsWith('/incidents/bulk/') && {LOADED}")).await;
    hand.click(".desk-fields select[name=status] option[value=InProgress]").await;
    hand.browser.driver.find(By::Css(".desk-fields input[name=tags]")).await.unwrap().send_keys("by the dozen").await.unwrap();
    hand.click(".bulk-go button").await;
    hand.until_within("document.body.textContent.includes('Nothing is under way any more')", A_WHILE).await;
    hand.browser.screenshots("bulk-done").await;
    nothing_failed_but_what_others_had_changed(hand).await;
    hand.says("[...document.querySelectorAll('.bulk-next button')].find(button => button.textContent.startsWith('Give back')).id = 'back'")
        .await;
    hand.click("#back").await;
    hand.until(&format!("document.body.textContent.includes('Taken back') && {LOADED}")).await;
    hand.until_within("document.body.textContent.includes('Nothing is under way any more')", A_WHILE).await;
    nothing_failed_but_what_others_had_changed(hand).await;
    hand.browser.screenshots("bulk-taken-back").await;
}

/// Loads the page of an alert until it says that a rule hides it, or no more.
async fn becomes(hand: &Hand<'_>, alert: &str, hidden: bool) {
    let there = async {
        loop {
            hand.browser.open(alert).await;
            let told = hand.says("document.body.textContent.includes('This alert is hidden from the queue by')").await;
            if told == hidden.to_string() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    };
    assert!(tokio::time::timeout(A_MINUTE, there).await.is_ok(), "{alert} never becomes hidden: {hidden}");
}

async fn alerts_are_hidden_by_a_rule_and_come_back_with_its_end(hand: &mut Hand<'_>, address: &str) {
    filled(hand, &format!("{address}/alerts"), "a[data-row]").await;
    hand.click("a[data-row]").await;
    hand.until(&format!("/^.alerts.[0-9a-f-]+$/.test(location.pathname) && {LOADED}")).await;
    let alert = hand.says("location.pathname").await;
    hand.browser.click("Hide alerts like this…").await;
    hand.until(&format!("location.pathname === '/suppressions/new' && {LOADED}")).await;
    hand.browser.driver.find(By::Name("reason")).await.unwrap().send_keys("A known tool of theirs").await.unwrap();
    hand.browser.screenshots("rule-new").await;
    hand.browser.click("See what it would have hidden").await;
    hand.browser.sees("would have hidden").await;
    hand.browser.screenshots("rule-preview").await;
    hand.click("form[action='/suppressions'] button.primary").await;
    hand.until(&format!("/^.suppressions.[0-9a-f-]+$/.test(location.pathname) && {LOADED}")).await;
    let rule = hand.says("location.pathname").await;
    hand.browser.screenshots("rule").await;
    hand.click("form[action$='/extend'] select[name=days] option[value='180']").await;
    hand.browser.driver.find(By::Css("form[action$='/extend'] input[name=reason]")).await.unwrap().send_keys("They keep it").await.unwrap();
    hand.click("form[action$='/extend'] button").await;
    hand.browser.sees("Extended by").await;
    hand.browser.sees("They keep it").await;
    // What is stored already is hidden, and brought back, by the worker.
    becomes(hand, &format!("{address}{alert}"), true).await;
    hand.browser.open(&format!("{address}{rule}")).await;
    hand.click("form[action$='/end'] button").await;
    hand.browser.sees("Ended by").await;
    becomes(hand, &format!("{address}{alert}"), false).await;
}

/// The numbers come after the page; the list has its own.
async fn view_and_list_agree(hand: &mut Hand<'_>, address: &str, view: &str) -> bool {
    hand.browser.open(&format!("{address}/incidents")).await;
    hand.until("[...document.querySelectorAll('.views > span > a .count')].every(count => /^[0-9,]+[+]?$/.test(count.textContent))").await;
    let count = hand.says(&format!("{view}.querySelector('.count').textContent")).await;
    hand.says(&format!("{view}.id = 'kept'")).await;
    hand.click("#kept").await;
    hand.until(&format!("location.search === '?severity=high&severity=medium' && {LOADED}")).await;
    hand.says("document.querySelector('.page-head .count').textContent.split(' ')[0]").await == count
}

async fn a_view_is_kept_for_the_team_found_again_and_thrown_away(hand: &mut Hand<'_>, address: &str) {
    hand.browser.open(&format!("{address}/incidents?severity=high&severity=medium")).await;
    hand.browser.click("Keep this view").await;
    hand.browser.driver.find(By::Css("form[action='/views'] input[name=name]")).await.unwrap().send_keys("Worth a look").await.unwrap();
    hand.click("form[action='/views'] input[name=team]").await;
    hand.click("form[action='/views'] button").await;
    hand.until(&format!("document.querySelector('.views a[aria-current=page]')?.textContent.startsWith('Worth a look') && {LOADED}")).await;
    let view = "[...document.querySelectorAll('.views > span > a')].find(link => link.textContent.startsWith('Worth a look'))";
    let agree = async {
        while !view_and_list_agree(hand, address, view).await {
            tokio::time::sleep(Duration::from_millis(500)).await; // more was read in between
        }
    };
    assert!(tokio::time::timeout(A_MINUTE, agree).await.is_ok(), "the number of a view is what its list finds");
    hand.browser.screenshots("view-kept").await;
    hand.browser.click("Keep this view").await;
    hand.browser.click("Throw “Worth a look” away").await;
    hand.until(&format!("location.search === '' && {view} === undefined && {LOADED}")).await;
}

/// The number of rows of a list; a machine that is busy may need another look.
async fn counted(hand: &Hand<'_>, list: &str) -> usize {
    let there = async {
        loop {
            hand.browser.open(list).await;
            let number = hand.says("/^[0-9,]+(?= in)/.exec(document.querySelector('.pager [role=status]').textContent)?.[0]").await;
            if let Ok(number) = number.replace(',', "").parse() {
                return number;
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    };
    if let Ok(number) = tokio::time::timeout(A_MINUTE, there).await {
        return number;
    }
    panic!("{list} is never counted: {}", hand.says("document.querySelector('main').textContent").await)
}

async fn the_list_is_saved_as_a_file_with_every_row(hand: &mut Hand<'_>, address: &str) {
    let dir = std::env::temp_dir().join(format!("watchfloor-files-{}", uuid::Uuid::new_v4().simple()));
    std::fs::create_dir(&dir).unwrap();
    let allow = serde_json::json!({ "behavior": "allow", "downloadPath": dir });
    hand.browser.driver.cdp().send_raw("Page.setDownloadBehavior", allow).await.unwrap();
    // Days long past of a customer whose history has been read: nothing comes any more.
    let its = "td.tenant a[title*=Alderbrook]";
    filled(hand, &format!("{address}/incidents?status=all&size=200"), its).await;
    let tenant = hand.says(&format!("new URL(document.querySelector('{its}').href).searchParams.get('tenant')")).await;
    for list in ["incidents", "alerts"] {
        let day = |back| (clock::now() - chrono::TimeDelta::days(back)).date_naive();
        let days = format!("{address}/{list}?status=all&tenant={tenant}&from={}&to={}&size=50", day(28), day(8));
        let total = counted(hand, &days).await;
        for (format, rows) in [("csv", total + 1), ("json", total)] {
            hand.click(&format!(".pager a[href*='.{format}']")).await;
            let saved = async {
                loop {
                    let files: Vec<_> = std::fs::read_dir(&dir).unwrap().map(|file| file.unwrap().path()).collect();
                    if let Some(file) = files.iter().find(|file| file.extension().is_some_and(|extension| extension == format)) {
                        return file.clone();
                    }
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            };
            let file = tokio::time::timeout(Duration::from_secs(30), saved).await.expect("a file within 30 seconds");
            let text = std::fs::read_to_string(&file).unwrap();
            let found = if format == "csv" {
                csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes()).records().count()
            } else {
                serde_json::from_str::<Vec<serde_json::Value>>(&text).unwrap().len()
            };
            assert_eq!(found, rows, "{list}.{format} of {total}");
            std::fs::remove_file(file).unwrap();
        }
    }
    std::fs::remove_dir_all(dir).unwrap();
}

#[tokio::test]
async fn filters_views_files_conflicts_bulk_changes_and_rules_work_under_a_mouse() {
    let Some(browser) = Browser::start().await else { return };
    let mut desk = Desk::of(&browser, "lead").await;
    let (hand, address) = (&mut desk.hand, &desk.address);
    of_two_windows_the_second_one_is_told_what_the_first_one_did(hand, address).await;
    what_matches_is_changed_together_and_given_back(hand, address).await;
    alerts_are_hidden_by_a_rule_and_come_back_with_its_end(hand, address).await;
    a_view_is_kept_for_the_team_found_again_and_thrown_away(hand, address).await;
    the_list_is_saved_as_a_file_with_every_row(hand, address).await;
    every_filter_is_chosen_and_cleared_with_the_mouse(hand, address).await;
    desk.leave();
}
