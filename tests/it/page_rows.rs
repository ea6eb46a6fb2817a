//! Which pages there are to look at, and what is done on each first.

/// What is done on a page before it is looked at.
#[derive(Clone, Copy)]
pub enum First {
    Nothing,
    /// Everything that can be unfolded is.
    Unfold,
    /// A script that stays on the page, and what is then true.
    Do(&'static str, &'static str),
    /// A key on the first row, and what is then true.
    Press(&'static str, &'static str),
    /// A script that leads to another page.
    Leave(&'static str),
}
use First::{Do, Leave, Nothing, Press, Unfold};

/// The route of the page that is looked at, the address to begin at, and what is done there. Words in capitals are filled in.
pub type Row = (&'static str, &'static str, First);

const DIALOG: &str = "document.querySelector('dialog:modal') !== null";
const COLUMNS: &str = "/incidents?created=7d&cols=sla,status,owner,alerts,entities,products,tags,verdict,activity,age,opened,resolved,read";

/// Rows with more products than any has, and with texts that never break.
const WIDEST: &str = "document.querySelectorAll('tbody .chips').forEach((one) => one.append(...[1, 2, 3].flatMap(() => [...one.children].map((chip) => chip.cloneNode(true))))),
    document.querySelectorAll('tbody .clip, tbody .category a').forEach((one) => { one.textContent += 'W'.repeat(90); })";

const BULK: &str = "/incidents?status=new&severity=low";

/// Not pages: data, streams, files and parts that rows below open; and the pages at which `other_pages.rs` looks.
pub const ELSEWHERE: &[&str] = &[
    "/livez",
    "/readyz",
    "/static/{}",
    "/live",
    "/palette",
    "/colleagues",
    "/admin/audit/export.csv",
    "/incidents/{}/preview",
    "/incidents/news",
    "/incidents/views",
    "/incidents/{}/news",
    "/alerts/news",
    "/alerts/views",
    "/alerts/{}/news",
    "/incidents/export.csv",
    "/incidents/export.json",
    "/alerts/export.csv",
    "/alerts/export.json",
    "/hunting/{}/csv",
    "/tenants/{}/cloud-apps/discovery/script/{}",
    "/login",
    "/login/second",
    "/account/confirm",
    "/login/entra",
    "/login/entra/callback",
    "/setup/{}",
    "/onboard/{}",
    "/consent/callback",
    "/customer/login",
    "/customer/invite/{}",
    "/login/customer",
    "/login/customer/callback",
];

/// What an administrator of a customer sees.
pub const CUSTOMERS: &[Row] = &[
    ("/customer", "/customer", Nothing),
    ("/customer/incidents", "/customer/incidents", Nothing),
    ("/customer/incidents", "/customer/incidents?after=SHARED", Nothing),
    ("/customer/incidents/{}", "/customer/incidents/SHARED", Nothing),
    ("/customer/incidents/{}", "/customer/incidents/SHARED", Leave("hand.submit('.note-form', { text: 'Ask <them> first' })")),
    ("/customer/access", "/customer/access", Nothing),
    ("/customer/people", "/customer/people", Nothing),
    ("/customer/people", "/customer/people", Leave("hand.submit('main form.stack', { label: 'Eve' })")),
    ("/customer/incidents/{}", "/customer/incidents/none", Nothing),
];

pub const EVERYBODY: &[Row] = &[
    ("/", "/", Unfold),
    ("/shift", "/shift", Nothing),
    ("/shift", "/shift?since=24h", Unfold),
    ("/incidents", "/incidents", Nothing),
    ("/incidents", "/incidents?q=no-title-is-like-this", Nothing),
    ("/incidents", COLUMNS, Nothing),
    ("/incidents", "/incidents", Do("document.documentElement.dataset.density = 'compact'", "true")),
    ("/incidents", "/incidents", Do("document.querySelector('details.menu').open = true", "true")),
    ("/incidents", "/incidents", Do("document.querySelectorAll('.views details')[0].open = true", "true")),
    ("/incidents", "/incidents", Do("document.querySelectorAll('.views details')[1].open = true", "true")),
    ("/incidents", "/incidents", Do("document.querySelectorAll('.views details')[2].open = true", "true")),
    ("/incidents", "/incidents?created=7d&charts=yes", Unfold),
    ("/incidents", "/incidents?by=user", Nothing),
    ("/incidents", "/incidents", Do("document.querySelector('form.filters details').open = true", "true")),
    ("/incidents", "/incidents", Do("[...document.querySelectorAll('form.filters details')].at(-1).open = true", "true")),
    ("/incidents", "/incidents", Press("?", DIALOG)),
    ("/incidents", "/incidents", Press("\u{e009}k", "document.querySelector('#palette-list li') !== null")),
    ("/incidents", "/incidents", Press(" ", "document.querySelector('#preview h2') !== null")),
    ("/incidents/{}", "/incidents/INCIDENT", Nothing),
    ("/incidents/{}", "/incidents/INCIDENT", Unfold),
    ("/incidents", "/incidents", Do(WIDEST, "document.querySelectorAll('tbody .chips').length > 9")),
    ("/alerts", "/alerts", Nothing),
    ("/alerts", "/alerts", Do(WIDEST, "document.querySelectorAll('tbody .category a').length > 9")),
    ("/alerts", "/alerts?q=no-title-is-like-this", Nothing),
    ("/alerts/{}", "/alerts/ALERT", Unfold),
    ("/suppressions", "/suppressions", Nothing),
    ("/tenants", "/tenants", Nothing),
    ("/tenants", "/tenants?q=no-name-is-like-this", Nothing),
    ("/tenants/{}", "/tenants/TENANT", Unfold),
    ("/tenants/{}/changes", "/tenants/TENANT/changes", Nothing),
    ("/tenants/{}/endpoint", "/tenants/TENANT/endpoint", Unfold),
    ("/tenants/{}/consent", "/tenants/TENANT/consent", Unfold),
    ("/tenants/{}/cloud-apps", "/tenants/TENANT/cloud-apps", Unfold),
    ("/tenants/{}/cloud-apps/activities", "/tenants/TENANT/cloud-apps/activities", Unfold),
    ("/tenants/{}/cloud-apps/entities", "/tenants/TENANT/cloud-apps/entities", Unfold),
    ("/tenants/{}/cloud-apps/files", "/tenants/TENANT/cloud-apps/files", Unfold),
    ("/tenants/{}/cloud-apps/ranges", "/tenants/TENANT/cloud-apps/ranges", Unfold),
    ("/tenants/{}/cloud-apps/discovery", "/tenants/TENANT/cloud-apps/discovery", Unfold),
    ("/devices", "/devices", Unfold),
    ("/devices", "/devices?q=no-device-is-like-this", Nothing),
    ("/devices/{}", "/devices/DEVICE", Unfold),
    ("/account", "/account", Nothing),
    ("/account/password", "/account", Leave("hand.submit('form.stack')")),
    ("/nowhere", "/nowhere", Nothing),
];

pub const ANALYSTS: &[Row] = &[
    ("/incidents", "/incidents", Press("x", "!document.getElementById('batch').hidden")),
    ("/incidents", "/incidents", Press("a", DIALOG)),
    ("/incidents", "/incidents", Press("s", DIALOG)),
    ("/incidents", "/incidents", Press("c", DIALOG)),
    ("/incidents", "/incidents", Press("t", DIALOG)),
    ("/incidents/{}", "/incidents/INCIDENT", Leave("hand.submit('.stack:has([name=was_status])', { status: 'Resolved' })")),
    ("/hunting", "/hunting", Unfold),
    ("/hunting/queries/{}", "/hunting/queries/QUERY", Nothing),
    ("/tenants/{}/endpoint/alert", "/tenants/TENANT/endpoint/alert", Nothing),
];

/// Besides what analysts see; the forms change something and are sent once.
pub const ADMINS: &[Row] = &[
    ("/incidents/batch/{}", "/incidents", Leave("hand.choose('incident'); hand.submit('#batch', { status: 'InProgress' })")),
    (
        "/alerts/batch/{}",
        "/alerts?product=defender_endpoint",
        Leave("hand.choose('alert'); hand.submit('#batch', { status: 'InProgress' })"),
    ),
    ("/incidents/bulk/{}", BULK, Leave("hand.submit('#bulk')")),
    ("/incidents/bulk/{}", BULK, Leave("hand.steps([['#bulk', {}], ['form.desk-fields', { status: 'InProgress' }]])")),
    (
        "/incidents/bulk/{}/incidents",
        BULK,
        Leave("hand.steps([['#bulk', {}], ['form.desk-fields', { status: 'InProgress' }]], 'td a[href*=\"/incidents?\"]')"),
    ),
    ("/incidents/bulk", "/incidents/bulk", Nothing),
    ("/suppressions/new", "/suppressions/new", Nothing),
    ("/suppressions/new", "/suppressions/new?alert=ALERT", Nothing),
    ("/suppressions/preview", "/suppressions/new?alert=ALERT", Leave("hand.submit('form.stack', { reason: 'A scanner' })")),
    (
        "/suppressions/{}",
        "/suppressions/new?alert=ALERT",
        Leave("hand.steps([['form.stack', { reason: 'A scanner' }], ['form[action=\"/suppressions\"]', {}]])"),
    ),
    ("/suppressions", "/suppressions", Nothing),
    ("/hunting/{}", "/hunting", Leave("hand.submit('.hunt-form', { query: 'DeviceInfo | take 5' })")),
    ("/hunting", "/hunting", Nothing),
    ("/devices/{}/act", "/devices/DEVICE", Leave("hand.follow('a[href*=live_response]')")),
    ("/tenants/{}/cloud-apps/ranges/new", "/tenants/TENANT/cloud-apps/ranges/new", Nothing),
    ("/tenants/{}/cloud-apps/ranges/{}", "/tenants/TENANT/cloud-apps/ranges", Leave("hand.follow('td.act a')")),
    ("/tenants/{}/cloud-apps/ranges/{}/delete", "/tenants/TENANT/cloud-apps/ranges", Leave("hand.follow('td.act a.danger')")),
    ("/admin/tenants", "/admin/tenants", Nothing),
    ("/admin/tenants/new", "/admin/tenants/new", Nothing),
    ("/admin/tenants/new", "/admin/tenants/new", Leave("hand.submit('main form')")),
    ("/admin/tenants/import", "/admin/tenants/import", Nothing),
    ("/admin/tenants/import", "/admin/tenants/import", Leave("hand.submit('main form', { text: 'name\\nOne of many\\n,x' })")),
    ("/admin/tenants/reconsent", "/admin/tenants/reconsent", Nothing),
    ("/admin/tenants/{}", "/admin/tenants/TENANT", Unfold),
    ("/admin/tenants/{}/people", "/admin/tenants/TENANT/people", Nothing),
    ("/admin/tenants/{}/people", "/admin/tenants/TENANT/people", Leave("hand.submit('main form.stack', { label: 'Eve' })")),
    ("/admin/tenants/{}/offboard", "/admin/tenants/TENANT/offboard", Nothing),
    ("/admin/service-levels", "/admin/service-levels", Nothing),
    ("/admin/service-levels/new", "/admin/service-levels/new", Nothing),
    ("/admin/service-levels/{}", "/admin/service-levels/LEVEL", Nothing),
    ("/admin/users", "/admin/users", Nothing),
    ("/admin/users/{}", "/admin/users/USER", Unfold),
    ("/", "/admin/users/USER", Leave("document.querySelector('form[action$=view-as] button').click()")),
    ("/admin/users/{}", "/", Leave("document.querySelector('.looking button').click()")),
    ("/admin/apps", "/admin/apps", Unfold),
    ("/admin/audit", "/admin/audit", Unfold),
    ("/admin/health", "/admin/health", Unfold),
    ("/hunting/{}", "/hunting", Leave("hand.follow('#hunts a[data-row]')")),
];

/// What is asked for beforehand, so that the pages have something to show: where, and by what.
pub const ASKED: &[(&str, &str)] = &[
    ("/incidents/INCIDENT", "hand.submit('.note-form', { text: 'Ask <them> first' })"),
    ("/incidents/INCIDENT", "hand.submit('.note form')"),
    ("/incidents/INCIDENT", "hand.submit('.work form')"),
    ("/incidents/INCIDENT", "hand.submit('.stack:has([name=was_status])', { tags: 'looked at' })"),
    ("/devices/DEVICE/act?deed=scan_quick", "hand.submit('main form', { comment: 'What is on it?' })"),
    ("/tenants/TENANT/endpoint", "hand.submit('main .card form')"),
    ("/tenants/TENANT/cloud-apps", "hand.submit('main .card:last-of-type form')"),
    ("/tenants/TENANT/cloud-apps/activities", "hand.submit('.filters')"),
    ("/tenants/TENANT/cloud-apps/entities", "hand.submit('.filters')"),
    ("/tenants/TENANT/cloud-apps/files", "hand.submit('.filters')"),
    ("/tenants/TENANT/cloud-apps/ranges", "hand.submit('.filters form')"),
    ("/tenants/TENANT/cloud-apps/discovery", "hand.submit('.filters')"),
];
