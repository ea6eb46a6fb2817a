//! Nothing but a keyboard; colours of the reader's own; no motion.

use crate::app::TestApp;
use crate::eyes::{Eyes, serve};
use crate::live::Process;
use crate::pages::case;
use thirtyfour::prelude::*;
use watchfloor::model::{IncidentId, Role};

/// What is wrong with where the focus is; empty if nothing is, "end" if it has been everywhere. Marks where it was.
const STOP: &str = "(() => {
    const at = document.activeElement;
    if (!at || at === document.body || at.dataset.reached) return 'end';
    at.dataset.reached = 'yes';
    const style = getComputedStyle(at), box = at.getClientRects()[0] ?? at.getBoundingClientRect(), wrong = [];
    if (style.outlineStyle === 'none' || parseFloat(style.outlineWidth) < 2) wrong.push('has no ring');
    const over = document.elementFromPoint(box.x + box.width / 2, box.y + Math.min(box.height / 2, 30));
    if (!over || !(at.contains(over) || over.contains(at))) wrong.push(`is under ${over?.outerHTML.slice(0, 80)}`);
    if (window.last && !(window.last.compareDocumentPosition(at) & Node.DOCUMENT_POSITION_FOLLOWING)) wrong.push('comes before the one before');
    if (at.tabIndex > 0) wrong.push('jumps the queue');
    window.last = at;
    return wrong.length === 0 ? '' : `${at.outerHTML.slice(0, 120)} ${wrong.join(', ')}`;
})()";

/// What Tab never came to, though it can be seen and used.
const MISSED: &str = "[...document.querySelectorAll('a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex=\"0\"]')]
    .filter((one) => !one.dataset.reached && one.tabIndex >= 0 && !(one.type === 'radio' && !one.checked) && one.checkVisibility({ visibilityProperty: true }))
    .map((one) => one.outerHTML.slice(0, 100)).join('\\n')";

const AT: &str = "document.activeElement.textContent";

/// Some incidents and an analyst's or administrator's browser.
async fn desk(role: Role) -> (TestApp, Process, Eyes, IncidentId) {
    let app = TestApp::start().await;
    let tenant = app.tenant("Alder").await;
    let mut last = None;
    for n in 0..12 {
        last = Some(case(&app, tenant, &format!("N{n}")).await.0);
    }
    let process = Process::start(&app, 9).await;
    let eyes = Eyes::open(&serve(process.router.clone()).await).await;
    eyes.become_one(&app.sign_in(role).await).await;
    (app, process, eyes, last.unwrap())
}

/// Goes through the page by Tab, from its beginning to its end.
async fn tab_through(eyes: &Eyes, least: usize) {
    let mut stops = 0;
    loop {
        eyes.press(Key::Tab).await;
        match eyes.says(STOP).await.as_str() {
            "end" => break,
            "" => stops += 1,
            wrong => panic!("stop {stops}: {wrong}"),
        }
        assert!(stops < 500, "there is no end");
    }
    assert_eq!(eyes.says(MISSED).await, "", "Tab never comes there");
    assert!(stops >= least, "only {stops} stops");
}

#[tokio::test]
async fn tab_comes_everywhere_in_order_and_is_always_seen() {
    let (_app, _process, eyes, incident) = desk(Role::Analyst).await;
    for path in ["/incidents".to_owned(), format!("/incidents/{incident}"), "/alerts".to_owned(), "/hunting".to_owned()] {
        eyes.go(&path).await;
        eyes.says("document.querySelectorAll('main details.alert-item, main details.original').forEach((one) => { one.open = true; })")
            .await;
        tab_through(&eyes, if path == "/hunting" { 20 } else { 30 }).await;
    }
    eyes.go("/incidents").await;
    eyes.says("document.documentElement.dataset.density = 'compact'").await;
    tab_through(&eyes, 30).await;
    eyes.go("/incidents").await;
    eyes.press(Key::Tab).await;
    assert_eq!(eyes.says(AT).await, "Skip to the page");
    assert_eq!(eyes.says("document.activeElement.getBoundingClientRect().top >= 0").await, "true");
    eyes.press(Key::Enter).await;
    eyes.press(Key::Tab).await;
    assert_eq!(eyes.says("document.activeElement.closest('main') !== null").await, "true", "past the bar");
}

#[tokio::test]
async fn what_opens_over_the_page_gives_the_focus_back_to_where_it_was() {
    let (_app, _process, eyes, _) = desk(Role::Analyst).await;
    eyes.go("/incidents").await;
    let escape = || Key::Escape + "";
    for (key, css) in [("?", "#help"), ("\u{e009}k", "#palette"), ("a", "[data-key=a]"), ("c", "[data-key=c]")] {
        eyes.press("j").await;
        let row = eyes.says(AT).await;
        assert!(row.starts_with("Title"), "{row}");
        eyes.press(key).await;
        eyes.until(&format!("document.querySelector('dialog:modal')?.matches('{css}')")).await;
        assert_eq!(eyes.says("document.activeElement.closest('dialog') !== null").await, "true", "{css}");
        eyes.press(escape()).await;
        assert_eq!(eyes.says("document.querySelector('dialog:modal')").await, "null", "{css}");
        assert_eq!(eyes.says(AT).await, row, "{css}");
    }
    let row = eyes.says(AT).await;
    eyes.press("c").await;
    eyes.says("document.querySelector('dialog:modal [data-close]').focus()").await;
    eyes.press(Key::Enter).await;
    assert_eq!(eyes.says(AT).await, row, "cancelled");
    eyes.press(" ").await;
    eyes.until("document.querySelector('[data-close-preview]') !== null").await;
    eyes.says("document.querySelector('[data-close-preview]').focus()").await;
    eyes.press(Key::Enter).await;
    assert_eq!(eyes.says("document.getElementById('preview').hidden").await, "true");
    assert_eq!(eyes.says(AT).await, row, "the preview is closed");
    for css in ["details.menu > summary", "form.filters details > summary", ".views details > summary"] {
        eyes.says(&format!("document.querySelector('{css}').focus()")).await;
        eyes.press(Key::Enter).await;
        eyes.until(&format!("document.querySelector('{css}').parentElement.open")).await;
        eyes.press(Key::Tab).await;
        assert_eq!(eyes.says(&format!("document.querySelector('{css}').parentElement.contains(document.activeElement)")).await, "true");
        eyes.press(escape()).await;
        assert_eq!(eyes.says(&format!("document.activeElement === document.querySelector('{css}')")).await, "true", "{css}");
    }
    eyes.press(Key::Enter).await;
    eyes.says("document.querySelector('a[data-row]').focus()").await;
    assert_eq!(eyes.says("document.querySelector('.views details').open").await, "false", "the focus left it");
}

/// The first differs from the second in one of these properties.
async fn differ(eyes: &Eyes, one: &str, other: &str, properties: &str) {
    let script = format!(
        "(() => {{ const of = (css) => {{ const [element, pseudo] = css.split('::'); return getComputedStyle(document.querySelector(element), pseudo && `::${{pseudo}}`); }};
         return '{properties}'.split(' ').some((name) => of('{one}')[name] !== of('{other}')[name]); }})()"
    );
    assert_eq!(eyes.says(&script).await, "true", "{one} looks like {other}");
}

#[tokio::test]
async fn with_colours_of_the_readers_own_every_state_is_told_by_a_line_or_a_word() {
    let (app, _process, eyes, _) = desk(Role::Admin).await;
    for theme in ["dark", "light"] {
        eyes.media(&[("forced-colors", "active"), ("prefers-color-scheme", theme)]).await;
        eyes.go("/incidents?created=7d").await;
        differ(&eyes, ".pick.on > summary", ".pick:not(.on) > summary", "borderTopStyle").await;
        eyes.go("/incidents").await;
        assert_eq!(eyes.says("matchMedia('(forced-colors: active)').matches").await, "true");
        eyes.press("j").await;
        assert_eq!(eyes.says("getComputedStyle(document.activeElement).outlineStyle").await, "solid");
        differ(&eyes, ".nav a[aria-current]", ".nav a:not([aria-current])", "borderBottomWidth").await;
        differ(&eyes, ".views a[aria-current]", ".views > span > a:not([aria-current])", "borderBottomWidth").await;
        differ(&eyes, "tbody tr[aria-current]", "tbody tr:not([aria-current])", "outlineStyle").await;
        let bare = "[...document.querySelectorAll('.chip, .sev')].filter((one) => !/\\w{2}/.test(one.textContent)).length";
        assert_eq!(eyes.says(bare).await, "0", "a sign without a word");
        eyes.says("document.querySelector('details.menu').open = true").await;
        differ(&eyes, "[aria-pressed=true]", "[aria-pressed=false]", "backgroundColor").await;
        eyes.press(Key::Control + "k").await;
        eyes.until("document.querySelectorAll('#palette-list li').length > 1").await;
        differ(&eyes, "#palette-list [aria-selected=true]", "#palette-list [aria-selected=false]", "outlineStyle").await;
        let tenant = app.tenant(&format!("Birch {theme}")).await;
        eyes.go(&format!("/admin/tenants/{tenant}")).await;
        differ(&eyes, ".steps > .done::before", ".steps > .next::before", "content").await;
    }
}

#[tokio::test]
async fn who_wants_no_motion_gets_none() {
    let (_app, _process, eyes, incident) = desk(Role::Viewer).await;
    let moving = "[...document.querySelectorAll('*')].filter((one) => {
        const style = getComputedStyle(one);
        return style.animationName !== 'none' || style.transitionDuration.split(', ').some((time) => time !== '0s') || style.scrollBehavior === 'smooth';
    }).length";
    eyes.go(&format!("/incidents/{incident}")).await;
    assert_ne!(eyes.says(moving).await, "0", "otherwise there is some");
    for path in ["/".to_owned(), "/incidents".to_owned(), format!("/incidents/{incident}")] {
        eyes.media(&[("prefers-reduced-motion", "reduce")]).await;
        eyes.go(&path).await;
        assert_eq!(eyes.says(moving).await, "0", "{path}");
    }
}

#[tokio::test]
async fn a_table_that_is_wider_than_its_place_and_holds_nothing_to_press_is_a_stop_for_as_long_as_it_is() {
    let (app, _process, eyes, incident) = desk(Role::Viewer).await;
    let mut tx = app.db.worker.all_tenants().await.unwrap();
    let taken = "update incidents set acknowledged_at = now() where incident_id = $1";
    sqlx::query(taken).bind(incident).execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
    eyes.go("/shift").await;
    let place = "document.querySelector('[aria-labelledby=times-head] .table-wrap')";
    assert_eq!(eyes.says(&format!("{place}.tabIndex")).await, "-1");
    eyes.says(&format!("{place}.querySelector('th').style.minWidth = '3000px'")).await;
    eyes.until(&format!("{place}.tabIndex === 0")).await;
    eyes.says(&format!("{place}.querySelector('th').style.minWidth = ''")).await;
    eyes.until(&format!("{place}.tabIndex === -1")).await;
}
