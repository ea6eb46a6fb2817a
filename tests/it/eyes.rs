//! Whoever looks at a page: axe-core, which knows what people who cannot see, point or read small print need, and the widths at which a page must
//! not scroll sideways. axe-core (MPL-2.0) is a tool of the tests, installed by `script/setup test`; nothing of it is shipped.

use crate::app::Visitor;
use crate::browser::Browser;
use axum::Router;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};
use thirtyfour::prelude::*;

/// All that axe-core has for WCAG 2.2 A and AA, and what it calls best practice. No rule is switched off.
const RULES: [&str; 6] = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];

/// The rules that a theme can change.
const COLOURS: [&str; 2] = ["color-contrast", "link-in-text-block"];

/// A row is like those before it, and long pages take long: eight of each list are looked at.
const FEWER: &str = "document.querySelectorAll('tbody > tr:nth-child(n+9), .list > li:nth-child(n+9), .timeline > li:nth-child(n+9)').forEach((one) => one.remove());";

/// A dialog is all that there is while it is open. What an open list lies over, or close to, is judged with the list closed: nobody can press both.
/// What a bar that stays while the page scrolls lies over, or close to, is judged with the bar at its own place: the page scrolls.
const LOOK: &str = "const [rules, done] = arguments;
    const lists = [...document.querySelectorAll('details.pick[open] > :not(summary), details.menu[open] > :not(summary)')];
    const bars = [...document.querySelectorAll('body *')].filter((one) => getComputedStyle(one).position === 'sticky');
    const isBehind = (node) => {
        const one = document.querySelector(node.target[0]), at = one.getBoundingClientRect();
        const isUnder = (over) => at.top < over.bottom + 12 && at.bottom > over.top - 12 && at.left < over.right + 12 && at.right > over.left - 12;
        return [...lists, ...bars].some((over) => !over.contains(one) && isUnder(over.getBoundingClientRect()));
    };
    const size = { type: 'rule', values: ['target-size'] };
    const stillSmall = async () => {
        const open = lists.map((list) => list.parentElement);
        open.forEach((one) => { one.open = false; });
        bars.forEach((one) => { one.style.position = 'static'; });
        const answer = await axe.run(document, { runOnly: size, resultTypes: ['violations'] });
        bars.forEach((one) => { one.style.position = ''; });
        open.forEach((one) => { one.open = true; });
        return answer.violations.flatMap((found) => found.nodes.map((node) => node.target[0]));
    };
    const told = (node) => `\\n    ${node.target.join(' ')}\\n    ${node.html.slice(0, 300)}\\n    ${node.failureSummary.replaceAll('\\n', '\\n    ')}`;
    axe.run(document.querySelector('dialog:modal') ?? document, { runOnly: rules, resultTypes: ['violations'] }).then(
        async (answer) => {
            const isDoubtful = (found, node) => found.id === 'target-size' && isBehind(node);
            const small = answer.violations.some((found) => found.nodes.some((node) => isDoubtful(found, node))) ? await stillSmall() : [];
            done(answer.violations.flatMap((found) => {
                const nodes = found.nodes.filter((node) => !isDoubtful(found, node) || small.includes(node.target[0]));
                return nodes.length === 0 ? [] : [`${found.id} (${found.impact}): ${found.help}` + nodes.map(told).join('')];
            }));
        },
        (error) => done([`axe-core failed: ${error}`]));";

/// What reaches beyond the page; what scrolls in a region of its own does not.
const BEYOND: &str = "const [done] = arguments;
    const page = document.scrollingElement;
    const told = () => {
        const [wide, seen] = [page.scrollWidth, page.clientWidth];
        if (wide <= seen) return '';
        const beyond = [...document.querySelectorAll('body *')].filter((one) => one.checkVisibility() && one.getBoundingClientRect().right > seen + 1);
        return `${wide} > ${seen}: ` + beyond.slice(0, 5).map((one) => `${one.tagName}.${one.className}`).join(', ');
    };
    requestAnimationFrame(() => requestAnimationFrame(() => done(told())));";

/// Before any page: it does not load itself again while it is looked at, and `hand` fills in its forms, whatever they ask for.
const BEFORE: &str = "window.setInterval = () => 0;
    window.hand = {
        follow: (css) => { location.href = document.querySelector(css).href; },
        choose: (name) => { document.querySelector(`input[type=checkbox][name=${name}]`).checked = true; },
        submit: (css, fields = {}) => {
            const form = document.querySelector(css);
            form.noValidate = true;
            for (const [name, value] of Object.entries(fields)) form.elements[name].value = value;
            form.querySelector('button:not([type=button])').click();
        },
        steps: (forms, link) => {
            const next = (page, at, left) => {
                if (left.length === 0) {
                    location.href = link ? page.querySelector(link).getAttribute('href') : at;
                    return;
                }
                const [form, asked] = [page.querySelector(left[0][0]), new XMLHttpRequest()];
                for (const [name, value] of Object.entries(left[0][1])) form.elements[name].value = value;
                asked.open('POST', form.getAttribute('action'));
                asked.responseType = 'document';
                asked.onload = () => next(asked.response, asked.responseURL, left.slice(1));
                asked.send(new URLSearchParams(new FormData(form)));
            };
            next(document, location.href, forms);
        },
    };";

/// Width, height, whether it is a phone: a desk, the same at 200 % zoom, a phone.
const SIZES: [(u32, u32, bool); 3] = [(1440, 900, false), (720, 450, false), (390, 844, true)];

/// Serves pages to a browser; gives the address.
pub async fn serve(router: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, service).await });
    address
}

/// A browser that looks at every page it is shown, and keeps what it found.
pub struct Eyes {
    pub browser: Browser,
    address: String,
    found: Vec<String>,
    looks: usize,
    since: Instant,
}

impl Eyes {
    /// At the portal at `address`.
    pub async fn open(address: &str) -> Self {
        let browser = Browser::start().await.expect("chromedriver is missing: run script/setup test");
        let place = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("peers/node_modules/axe-core/axe.min.js");
        let axe = std::fs::read_to_string(&place).unwrap_or_else(|_| panic!("{} is missing: run script/setup test", place.display()));
        let source = format!("{BEFORE}\n{axe}");
        browser.driver.cdp().send_raw("Page.addScriptToEvaluateOnNewDocument", json!({ "source": source })).await.unwrap();
        browser.driver.set_script_timeout(Duration::from_secs(60)).await.unwrap();
        Self { browser, address: address.to_owned(), found: Vec::new(), looks: 0, since: Instant::now() }
    }

    pub async fn go(&self, path: &str) {
        self.browser.open(&format!("{}{path}", self.address)).await;
    }

    /// The browser of somebody who is signed in.
    pub async fn become_one(&self, visitor: &Visitor) {
        self.go("/login").await;
        self.browser.driver.delete_all_cookies().await.unwrap();
        self.browser.driver.add_cookie(Cookie::new("sid", visitor.session.clone().unwrap())).await.unwrap();
    }

    /// Presses a key where the focus is.
    pub async fn press(&self, key: impl Into<TypingData>) {
        self.browser.driver.active_element().await.unwrap().send_keys(key).await.unwrap();
    }

    /// Runs a script on the page; what its last expression is, as a text.
    pub async fn says(&self, expression: &str) -> String {
        let script = format!("return String({expression})");
        self.browser.driver.execute(script, Vec::new()).await.unwrap_or_else(|error| panic!("{expression}: {error}")).convert().unwrap()
    }

    /// Waits until an expression is true.
    pub async fn until(&self, expression: &str) {
        let there = async {
            while self.says(expression).await != "true" {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let path = self.says("location.pathname").await;
        assert!(tokio::time::timeout(Duration::from_secs(15), there).await.is_ok(), "never true on {path}: {expression}");
    }

    /// Does what leads to another page, and waits for that.
    pub async fn leave(&self, doing: &str) {
        self.says("window.isOld = true").await;
        self.browser.driver.execute(doing, Vec::new()).await.unwrap_or_else(|error| panic!("{doing}: {error}"));
        self.until("!window.isOld && document.readyState === 'complete'").await;
    }

    /// With which status the page came.
    pub async fn status(&self) -> u16 {
        self.says("performance.getEntriesByType('navigation')[0].responseStatus").await.parse().unwrap()
    }

    /// Whether the page is one of this route, in which `{}` stands for any part.
    pub async fn is_at(&self, route: &str) -> bool {
        let path = self.says("location.pathname").await;
        let (parts, wanted): (Vec<&str>, Vec<&str>) = (path.split('/').collect(), route.split('/').collect());
        parts.len() == wanted.len() && parts.iter().zip(&wanted).all(|(part, want)| part == want || *want == "{}")
    }

    /// These features of the reader's medium.
    pub async fn media(&self, features: &[(&str, &str)]) {
        let features: Vec<Value> = features.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect();
        self.browser.driver.cdp().send_raw("Emulation.setEmulatedMedia", json!({ "features": features })).await.unwrap();
    }

    async fn size(&self, (width, height, mobile): (u32, u32, bool)) {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile });
        self.browser.driver.cdp().send_raw("Emulation.setDeviceMetricsOverride", size).await.unwrap();
    }

    async fn ask_axe(&mut self, rules: Value, theme: &str, name: &str) {
        self.media(&[("prefers-color-scheme", theme)]).await;
        let answer = self.browser.driver.execute_async(LOOK, vec![rules]).await.unwrap();
        let found: Vec<String> = answer.convert().unwrap();
        self.found.extend(found.into_iter().map(|found| format!("{name}, {theme}: {found}")));
        self.looks += 1;
        eprintln!("{:?} {name}, {theme}", self.since.elapsed());
    }

    async fn look_beyond(&mut self, name: &str) {
        let beyond: String = self.browser.driver.execute_async(BEYOND, Vec::new()).await.unwrap().convert().unwrap();
        if !beyond.is_empty() {
            self.found.push(format!("{name} scrolls sideways: {beyond}"));
        }
    }

    /// Looks at the page as it stands: every rule in both themes, and no width at which it scrolls sideways.
    pub async fn look(&mut self, name: &str) {
        let colours = json!({ "type": "rule", "values": COLOURS });
        self.glance(name).await;
        self.size(SIZES[0]).await;
        self.ask_axe(colours, "dark", name).await;
        self.size(SIZES[2]).await;
        self.ask_axe(json!(RULES), "dark", &format!("{name} on a phone")).await;
        self.browser.driver.cdp().send_raw("Emulation.clearDeviceMetricsOverride", json!({})).await.unwrap();
    }

    /// The same in one theme, of a page whose other theme was looked at with more on it.
    pub async fn glance(&mut self, name: &str) {
        for size in SIZES.into_iter().rev() {
            self.size(size).await;
            self.look_beyond(&format!("{name} at {} pixels", size.0)).await;
        }
        self.browser.driver.execute(FEWER, Vec::new()).await.unwrap();
        self.ask_axe(json!(RULES), "light", name).await;
        self.browser.driver.cdp().send_raw("Emulation.clearDeviceMetricsOverride", json!({})).await.unwrap();
    }

    /// Nothing was found, in many looks.
    pub fn assert_nothing(&self, least: usize) {
        assert!(self.found.is_empty(), "{} things were found:\n\n{}", self.found.len(), self.found.join("\n\n"));
        assert!(self.looks >= least, "only {} looks", self.looks);
    }
}
