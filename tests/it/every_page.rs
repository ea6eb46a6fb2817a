//! Every page of the demo, as everybody to whom it shows something else, before the eyes of axe-core. A page without a row fails.

use crate::access;
use crate::demo::Demo;
use crate::eyes::Eyes;
use crate::journey::sign_in;
use crate::other_pages;
use crate::page_rows::{ADMINS, ANALYSTS, ASKED, CUSTOMERS, ELSEWHERE, EVERYBODY, First, Row};
use std::collections::BTreeSet;
use std::time::Duration;

/// The words in capitals of the rows, and what stands for them.
type Places = Vec<(&'static str, String)>;

fn filled(text: &str, places: &Places) -> String {
    places.iter().fold(text.to_owned(), |text, (word, id)| text.replace(word, id))
}

/// The last part of the first link that a list has, as soon as it has one.
async fn first(eyes: &Eyes, list: &str, css: &str) -> String {
    let there = async {
        loop {
            eyes.go(list).await;
            let id = eyes.says(&format!("document.querySelector(\"{css}\")?.getAttribute('href').split(/[/=]/).pop()")).await;
            if id != "undefined" {
                return id;
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(90), there).await.unwrap_or_else(|_| panic!("{list} never shows {css}"))
}

/// What the viewer sees: a tenant with devices, and what else it has.
async fn places_of_the_viewer(eyes: &Eyes) -> Places {
    let device = first(eyes, "/devices", "a[data-row]").await;
    let tenant = first(eyes, &format!("/devices/{device}"), ".crumbs a:last-child").await;
    let incident = first(eyes, &format!("/incidents?tenant={tenant}"), "a[data-row]").await;
    let alert = first(eyes, &format!("/alerts?tenant={tenant}&product=defender_xdr"), "a[data-row]").await;
    vec![("DEVICE", device), ("TENANT", tenant), ("INCIDENT", incident), ("ALERT", alert)]
}

/// Signs in as one of the demo's people.
pub async fn enter(eyes: &Eyes, address: &str, login: &str) {
    eyes.browser.driver.delete_all_cookies().await.unwrap();
    sign_in(&eyes.browser, address, login).await;
}

/// Opens a page and does there what comes first; says what that was. While the demo fills, its database may be too busy: then once more.
async fn arrive<'a>(eyes: &Eyes, start: &str, first: &'a First) -> &'a str {
    for _ in 0..5 {
        eyes.go(start).await;
        let done = if eyes.status().await < 500 { act(eyes, first).await } else { "" };
        if eyes.status().await < 500 {
            return done;
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    panic!("{start}: {}", eyes.says("document.querySelector('main').innerText").await);
}

async fn act<'a>(eyes: &Eyes, first: &'a First) -> &'a str {
    match first {
        First::Nothing => "",
        First::Unfold => {
            eyes.says("document.querySelectorAll('main details').forEach((one) => { one.open = true; })").await;
            "unfolded"
        }
        First::Do(script, then) => {
            eyes.says(script).await;
            eyes.until(then).await;
            script
        }
        First::Press(key, then) => {
            eyes.says("document.querySelector('a[data-row]').focus()").await;
            eyes.press(*key).await;
            eyes.until(then).await;
            key
        }
        First::Leave(script) => {
            eyes.leave(script).await;
            script
        }
    }
}

async fn look_at(eyes: &mut Eyes, who: &str, rows: &[Row], places: &Places) {
    // What opens over a page is the same for everybody who has it.
    let others = |(_, _, first): &&Row| ["admin", "customer"].contains(&who) || !matches!(first, First::Do(..) | First::Press(..));
    for (route, start, first) in rows.iter().filter(others) {
        let done = arrive(eyes, &filled(start, places), first).await;
        assert!(eyes.is_at(route).await, "{start} {done} leads to {}, not to {route}", eyes.says("location.pathname").await);
        let name = format!("{start} {done} as {who}");
        if ["admin", "customer"].contains(&who) { eyes.look(&name).await } else { eyes.glance(&name).await }
    }
}

#[test]
fn every_page_has_a_row() {
    let rows: BTreeSet<String> = [EVERYBODY, ANALYSTS, ADMINS, CUSTOMERS].concat().iter().map(|(route, ..)| (*route).to_owned()).collect();
    let elsewhere: BTreeSet<String> = ELSEWHERE.iter().map(|route| (*route).to_owned()).collect();
    let pages = access::pages();
    let missing: Vec<_> = pages.iter().filter(|page| !rows.contains(*page) && !elsewhere.contains(*page)).collect();
    assert!(missing.is_empty(), "pages at which nobody looks: {missing:?}");
    let gone: Vec<_> = elsewhere.iter().filter(|page| !pages.contains(*page) || rows.contains(*page)).collect();
    assert!(gone.is_empty(), "no pages, or looked at here: {gone:?}");
}

#[tokio::test]
async fn no_page_of_the_demo_has_a_fault_that_axe_knows_in_either_theme_or_scrolls_sideways() {
    let demo = Demo::start(&[]).await;
    let address = &demo.address;
    let mut eyes = Eyes::open(address).await;

    enter(&eyes, address, "viewer").await;
    let mut places = places_of_the_viewer(&eyes).await;
    enter(&eyes, address, "admin").await;
    places.push(("LEVEL", first(&eyes, "/admin/service-levels", "tbody a").await));
    places.push(("USER", first(&eyes, "/admin/users", "tbody tr:last-child a").await));
    places.push(("QUERY", first(&eyes, "/hunting", "a[href^='/hunting/queries/']").await));
    for (start, doing) in ASKED {
        arrive(&eyes, &filled(start, &places), &First::Leave(doing)).await;
        assert_eq!(eyes.status().await, 200, "{start} {doing}: {}", eyes.says("document.querySelector('main').innerText").await);
    }
    look_at(&mut eyes, "admin", &[EVERYBODY, ANALYSTS, ADMINS].concat(), &places).await;
    enter(&eyes, address, "analyst").await;
    look_at(&mut eyes, "analyst", &[EVERYBODY, ANALYSTS].concat(), &places).await;
    enter(&eyes, address, "viewer").await;
    look_at(&mut eyes, "viewer", EVERYBODY, &places).await;
    other_pages::customer_sign_in(&mut eyes).await;
    let shared = first(&eyes, "/customer/incidents", "tbody .title a").await;
    look_at(&mut eyes, "customer", CUSTOMERS, &vec![("SHARED", shared)]).await;
    other_pages::onboarding(&mut eyes, address).await;
    enter(&eyes, address, "admin").await;
    eyes.go("/admin/audit?action=security.csp").await;
    assert_eq!(eyes.says("document.querySelectorAll('main tbody tr').length").await, "0", "what the policy kept from these pages");
    eyes.says("new Image().src = 'https://evil.example/x.png'").await;
    let reported = async {
        while !eyes.says("document.querySelector('main tbody')?.innerText").await.contains("img-src") {
            tokio::time::sleep(Duration::from_millis(200)).await;
            eyes.go("/admin/audit?action=security.csp").await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(20), reported).await.is_ok(), "the browser reports what was kept away");
    eyes.assert_nothing(200);
    demo.stop();
}
