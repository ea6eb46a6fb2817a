//! A real browser: Debian's Chromium, driven through chromedriver, without a window.

use crate::program::wait_for_end;
use rustix::process::{Pid, Signal};
use serde_json::json;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use thirtyfour::prelude::*;

/// One browser with a profile of its own; it ends with its value, also when a test fails.
pub struct Browser {
    pub driver: WebDriver,
    chromedriver: Child,
    profile: PathBuf,
}

impl Browser {
    /// `None`, said loudly, where there is no chromedriver; in CI that is a failure.
    pub async fn start() -> Option<Self> {
        Self::start_with(&[]).await
    }

    /// The same, with more switches of Chromium's.
    pub async fn start_with(switches: &[&str]) -> Option<Self> {
        let started = Command::new("chromedriver").arg("--port=0").stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let Ok(mut chromedriver) = started else {
            assert!(std::env::var_os("CI").is_none(), "chromedriver is not installed: run script/setup test");
            eprintln!("SKIPPED: chromedriver is not installed; run script/setup test");
            return None;
        };
        let port = port(&mut chromedriver);
        let profile = std::env::temp_dir().join(format!("watchfloor-browser-{}", uuid::Uuid::new_v4().simple()));
        let mut chrome = DesiredCapabilities::chrome();
        for flag in [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--window-size=1440,900",
        ] {
            chrome.add_arg(flag).unwrap();
        }
        for switch in switches {
            chrome.add_arg(switch).unwrap();
        }
        chrome.add_arg(&format!("--user-data-dir={}", profile.display())).unwrap();
        let driver = WebDriver::new(format!("http://127.0.0.1:{port}"), chrome).await.unwrap();
        Some(Self { driver, chromedriver, profile })
    }

    pub async fn open(&self, url: &str) {
        self.driver.goto(url).await.unwrap();
    }

    /// Waits until a reader sees `text` somewhere on the page; a click may still be loading the next one.
    pub async fn sees(&self, text: &str) {
        self.sees_within(text, Duration::from_secs(10)).await;
    }

    /// The same, for what takes longer.
    pub async fn sees_within(&self, text: &str, time: Duration) {
        let there = async {
            while !self.text().await.contains(text) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let seen = tokio::time::timeout(time, there).await.is_ok();
        assert!(seen, "{text:?} is not on the page: {}", self.text().await);
    }

    async fn text(&self) -> String {
        match self.driver.find(By::Tag("body")).await {
            Ok(body) => body.text().await.unwrap_or_default(),
            Err(_) => String::new(),
        }
    }

    /// Clicks the link or button that says `text`.
    pub async fn click(&self, text: &str) {
        let is_it = format!("//*[self::a or self::button or self::summary][normalize-space()={}]", quoted(text));
        self.driver.find(By::XPath(is_it)).await.unwrap_or_else(|_| panic!("nothing to click says {text:?}")).click().await.unwrap();
    }

    /// Types into the field whose label begins with `label`.
    pub async fn fill(&self, label: &str, value: &str) {
        let is_it = format!("//label[starts-with(normalize-space(), {})]//*[self::input or self::textarea]", quoted(label));
        let field = self.driver.find(By::XPath(is_it)).await.unwrap_or_else(|_| panic!("no field is labelled {label:?}"));
        field.clear().await.unwrap();
        field.send_keys(value).await.unwrap();
    }

    /// The whole page at 1440 and 390 pixels, light and dark, as target/screenshots/NAME-WIDTH-THEME.png; for people to look at.
    pub async fn screenshots(&self, name: &str) {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/screenshots");
        std::fs::create_dir_all(&dir).unwrap();
        let tools = self.driver.cdp();
        for (width, height, mobile) in [(1440, 900, false), (390, 844, true)] {
            let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile });
            tools.send_raw("Emulation.setDeviceMetricsOverride", size).await.unwrap();
            for theme in ["light", "dark"] {
                let media = json!({ "features": [{ "name": "prefers-color-scheme", "value": theme }] });
                tools.send_raw("Emulation.setEmulatedMedia", media).await.unwrap();
                let whole = json!({ "format": "png", "captureBeyondViewport": true });
                let shot = tools.send_raw("Page.captureScreenshot", whole).await.unwrap();
                let png = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, shot["data"].as_str().unwrap()).unwrap();
                std::fs::write(dir.join(format!("{name}-{width}-{theme}.png")), png).unwrap();
            }
            assert!(!self.scrolls_sideways().await, "{name} scrolls sideways at {width} pixels");
        }
        tools.send_raw("Emulation.clearDeviceMetricsOverride", json!({})).await.unwrap();
    }

    async fn scrolls_sideways(&self) -> bool {
        let script = "return document.documentElement.scrollWidth > document.documentElement.clientWidth";
        self.driver.execute(script, Vec::new()).await.unwrap().convert().unwrap()
    }
}

impl Drop for Browser {
    /// Ends the driver and then the browser, whose process id its profile names (SingletonLock points to "host-pid").
    fn drop(&mut self) {
        let _ = self.driver.clone().leak(); // or its own end would wait for an answer of the driver
        let _ = self.chromedriver.kill();
        let _ = self.chromedriver.wait();
        let lock = std::fs::read_link(self.profile.join("SingletonLock")).unwrap_or_default();
        let pid = lock.to_string_lossy().rsplit('-').next().and_then(|pid| pid.parse().ok()).and_then(Pid::from_raw);
        if let Some(pid) = pid {
            let _ = rustix::process::kill_process(pid, Signal::KILL);
        }
        wait_for_end(&self.profile.display().to_string()); // its helpers write into the profile until they are gone, too
        let _ = std::fs::remove_dir_all(&self.profile);
    }
}

/// chromedriver takes a free port and says which.
fn port(chromedriver: &mut Child) -> u16 {
    let mut said = BufReader::new(chromedriver.stdout.take().unwrap()).lines().map_while(Result::ok);
    let port = said.find_map(|line| line.split_once("successfully on port ")?.1.trim_end_matches('.').parse().ok());
    port.expect("chromedriver says on which port it listens")
}

fn quoted(text: &str) -> String {
    assert!(!text.contains('"'), "no quotes in what is looked for");
    format!("\"{text}\"")
}
