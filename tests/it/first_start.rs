//! What an operator meets first: `serve` on an empty directory, the link it prints, and the end.

use crate::browser::Browser;
use crate::program::{Program, portal};
use crate::second::code;
use rustix::process::Signal;
use thirtyfour::By;

#[tokio::test]
async fn serve_prints_a_link_that_makes_the_first_administrator_who_can_then_sign_in() {
    let (dir, address) = portal();
    let mut program = Program::start(&dir, &["serve"]);
    let said = program.line("/setup/");
    let link = said.split_whitespace().last().unwrap();
    assert!(link.starts_with(&address), "{link}");
    if let Some(browser) = Browser::start().await {
        browser.open(link).await;
        browser.screenshots("setup").await;
        browser.fill("Name or e-mail address", "ann@example.com").await;
        browser.fill("Your name", "Ann Example").await;
        browser.fill("Password", "a river of quiet machines").await;
        browser.fill("The same again", "a river of quiet machines").await;
        browser.click("Make the account").await;
        browser.open(&format!("{address}/login")).await;
        browser.screenshots("login").await;
        browser.fill("Name or e-mail address", "ann@example.com").await;
        browser.fill("Password", "a river of quiet machines").await;
        browser.click("Sign in").await;
        browser.sees("Set up a second factor").await;
        let key = browser.driver.find(By::Css(".key code")).await.unwrap().text().await.unwrap();
        browser.fill("Code", &code(&key, 0)).await;
        browser.click("Set up and sign in").await;
        browser.sees("Keep these recovery codes").await;
        browser.open(&format!("{address}/account")).await;
        browser.sees("Ann Example").await;
        browser.open(link).await; // it works once
        browser.sees("There is no such page").await;
    }
    assert!(program.stop(Signal::INT).success());
    assert!(!std::fs::read_to_string(dir.join("log")).unwrap().contains("quiet machines"));
    std::fs::remove_dir_all(dir).unwrap();
}
