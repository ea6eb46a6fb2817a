//! A pair of hands at the keyboard and the mouse of a demo's page.

use crate::browser::Browser;
use crate::demo::Demo;
use crate::journey::sign_in;
use std::time::{Duration, Instant};
use thirtyfour::prelude::*;

/// Somebody at a keyboard and a mouse, whose presses and clicks are counted.
pub struct Hand<'a> {
    pub browser: &'a Browser,
    pub presses: usize,
    pub clicks: usize,
}

impl Hand<'_> {
    pub async fn press(&mut self, key: impl Into<TypingData>) {
        self.presses += 1;
        let begun = Instant::now();
        // While a dialog closes the focus is on something hidden for a moment, and the driver refuses to press there.
        let mut focus = self.browser.driver.active_element().await.unwrap();
        while !focus.is_displayed().await.unwrap_or(false) {
            assert!(begun.elapsed() < Duration::from_secs(10), "the focus stays on something hidden");
            focus = self.browser.driver.active_element().await.unwrap();
        }
        focus.send_keys(key).await.unwrap();
    }

    /// There are two windows, and ours is in front again.
    pub async fn close_the_other_window(&self) {
        let driver = &self.browser.driver;
        let (ours, all) = (driver.window().await.unwrap(), driver.windows().await.unwrap());
        assert_eq!(all.len(), 2);
        for other in all.into_iter().filter(|window| *window != ours) {
            driver.switch_to_window(other).await.unwrap();
            driver.close_window().await.unwrap();
        }
        driver.switch_to_window(ours).await.unwrap();
    }

    pub async fn click(&mut self, css: &str) {
        self.clicks += 1;
        self.browser.driver.find(By::Css(css)).await.unwrap_or_else(|_| panic!("no {css}")).click().await.unwrap();
    }

    /// What a script of one expression says.
    pub async fn says(&self, expression: &str) -> String {
        let answer = self.browser.driver.execute(format!("return String({expression})"), Vec::new()).await.unwrap();
        answer.convert().unwrap()
    }

    /// Waits until an expression is true.
    pub async fn until(&self, expression: &str) {
        self.until_within(expression, Duration::from_secs(10)).await;
    }

    /// The same, for what takes longer; the page may load itself meanwhile.
    pub async fn until_within(&self, expression: &str, time: Duration) {
        let says = async || self.browser.driver.execute(format!("return Boolean({expression})"), Vec::new()).await?.convert::<bool>();
        let there = async {
            while says().await.ok() != Some(true) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        if tokio::time::timeout(time, there).await.is_err() {
            let page = "document.querySelector('dialog[open]')?.innerText ?? document.body.innerText";
            panic!("never true: {expression}\nthe page says: {}", self.says(page).await);
        }
    }
}

/// A demo under one pair of hands.
pub struct Desk<'a> {
    pub hand: Hand<'a>,
    pub address: String,
    demo: Demo,
}

impl<'a> Desk<'a> {
    /// Starts a demo and signs this person in.
    pub async fn of(browser: &'a Browser, login: &str) -> Self {
        let demo = Demo::start(&[]).await;
        let address = demo.address.clone();
        sign_in(browser, &address, login).await;
        let hand = Hand { browser, presses: 0, clicks: 0 };
        filled(&hand, &format!("{address}/incidents"), "a[rel=next]").await;
        Self { hand, address, demo }
    }

    pub fn leave(self) {
        self.demo.stop();
    }
}

/// Waits until the demo has read so much that a list shows this.
pub async fn filled(hand: &Hand<'_>, list: &str, css: &str) {
    let there = async {
        loop {
            hand.browser.open(list).await;
            if hand.says(&format!("document.querySelector('{css}') !== null")).await == "true" {
                return;
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(60), there).await.is_ok(), "the demo reads its customers' incidents");
}
