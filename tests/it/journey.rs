//! The whole way in the demo, with two people in two browsers: a lead adds a customer and makes its link; the customer's
//! administrator declines, thinks again and accepts; its incidents and alerts are there within a minute.

use crate::browser::Browser;
use crate::demo::Demo;
use std::time::{Duration, Instant};
use thirtyfour::prelude::*;
use url::Url;

/// Name and domain of the demo's newcomer, from the notice on the overview.
pub async fn newcomer(browser: &Browser) -> (String, String) {
    let notice = browser.driver.find(By::Css(".notice")).await.unwrap().text().await.unwrap();
    let domain = browser.driver.find(By::Css(".notice code")).await.unwrap().text().await.unwrap();
    let (_, rest) = notice.split_once("add a customer: ").unwrap();
    (rest.split_once(", domain").unwrap().0.to_owned(), domain)
}

/// Signs one of the demo's people in.
pub async fn sign_in(browser: &Browser, address: &str, login: &str) {
    browser.open(&format!("{address}/login")).await;
    browser.fill("Name or e-mail address", login).await;
    browser.fill("Password", &format!("{login}-of-the-demo")).await;
    browser.click("Sign in").await;
    browser.sees("This is a demo").await;
}

/// The lead registers a customer, of whom everything is asked, and makes a link: the registry's page, and the link.
pub async fn register(staff: &Browser, name: &str, domain: &str) -> (Url, String) {
    staff.click("add a customer").await;
    staff.fill("Name", name).await;
    staff.fill("or a domain", domain).await;
    for optional in staff.driver.find_all(By::Css("input[name=apps]:not(:checked, [value*=gcc])")).await.unwrap() {
        optional.click().await.unwrap();
    }
    staff.click("Add the tenant").await;
    staff.sees(name).await;
    let registry = staff.driver.current_url().await.unwrap();
    staff.click("Make the link").await;
    staff.sees("The link is shown here once").await;
    let link = staff.driver.find(By::Id("link")).await.unwrap().value().await.unwrap().unwrap();
    staff.screenshots("link").await;
    (registry, link)
}

/// The customer goes to Microsoft for one app and decides.
pub async fn decide(customer: &Browser, approve: &str, decision: &str) {
    customer.click(approve).await;
    customer.sees("Stand-in for Microsoft").await;
    customer.click(decision).await;
}

/// Skips every optional part that is left.
pub async fn go_without_the_rest(customer: &Browser) {
    let without = By::XPath("//button[contains(., 'Do without this')]");
    let left = customer.driver.find_all(without.clone()).await.unwrap().len();
    for more in (0..left).rev() {
        customer.click("Do without this").await;
        let fewer = async {
            while customer.driver.find_all(without.clone()).await.unwrap_or_default().len() != more {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        assert!(tokio::time::timeout(Duration::from_secs(10), fewer).await.is_ok(), "{more} parts are left");
    }
}

#[tokio::test]
async fn a_customer_declines_then_consents_and_its_incidents_and_alerts_are_on_the_dashboard() {
    let demo = Demo::start(&[]).await;
    let address = &demo.address;
    let (Some(staff), Some(customer)) = (Browser::start().await, Browser::start().await) else { return };

    sign_in(&staff, address, "lead").await;
    let (name, domain) = newcomer(&staff).await;
    let (registry, link) = register(&staff, &name, &domain).await;

    customer.open(&link).await;
    customer.screenshots("onboard").await;
    decide(&customer, "Review and approve at Microsoft", "Cancel").await;
    customer.sees("You declined").await;
    customer.screenshots("declined").await;
    staff.open(registry.as_str()).await;
    staff.sees("declined").await;
    staff.screenshots("tenant-declined").await;

    customer.click("Back to the link").await;
    let accepted = Instant::now();
    decide(&customer, "Try again at Microsoft", "Accept").await;
    customer.sees("Your directory is proven").await; // by one sign-in, after the first part
    customer.sees("what is left is optional").await;
    customer.screenshots("parts").await;
    decide(&customer, "Review and approve at Microsoft", "Accept").await;
    customer.sees("2 of ").await;
    go_without_the_rest(&customer).await;
    customer.sees("proved which directory").await;
    customer.screenshots("progress").await;
    customer.sees_within("Everything is set up", Duration::from_secs(60)).await;

    let tenant = registry.path_segments().unwrap().next_back().unwrap();
    staff.open(&format!("{address}/tenants/{tenant}")).await;
    for product in ["Defender XDR", "Defender for Endpoint", "Defender for Cloud Apps"] {
        staff.sees(product).await;
    }
    let fresh = By::XPath("//section[h2='Coverage']//*[contains(@class, 'chip')][contains(., 'Up to date')]");
    assert_eq!(staff.driver.find_all(fresh).await.unwrap().len(), 3);
    for product in ["defender_xdr", "defender_endpoint", "cloud_apps"] {
        staff.open(&format!("{address}/alerts?tenant={tenant}&product={product}&status=new&status=in_progress&status=resolved")).await;
        let rows = staff.driver.find_all(By::Css("tbody tr a[href^='/alerts/']")).await.unwrap();
        assert!(!rows.is_empty(), "no alert of {product}");
    }
    staff.open(&format!("{address}/incidents?tenant={tenant}")).await;
    staff.driver.find(By::Css("tbody tr a[href^='/incidents/']")).await.unwrap().click().await.unwrap();
    staff.sees("Alerts and evidence").await;
    staff.sees(&name).await;
    assert!(accepted.elapsed() < Duration::from_secs(60), "it took {:?}", accepted.elapsed());
    staff.screenshots("incident").await;
    for (page, name) in [("tenants/", "tenant"), ("alerts?tenant=", "alerts"), ("incidents?tenant=", "incidents")] {
        staff.open(&format!("{address}/{page}{tenant}")).await;
        staff.screenshots(name).await;
    }

    customer.open(&link).await; // used up, but this browser used it
    customer.sees("Everything is set up").await;
    demo.stop();
}
