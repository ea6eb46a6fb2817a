//! Which tenants a list is of: those that its address names, or those of a group.

use crate::acting_pages::device;
use crate::app::TestApp;
use crate::eyes::{Eyes, serve};
use crate::live::Process;
use crate::pages::case;
use axum::http::StatusCode;
use thirtyfour::Key;
use watchfloor::model::Role;
use watchfloor::store::overview;

#[tokio::test]
async fn a_tenant_that_is_asked_for_twice_is_listed_once() {
    let app = TestApp::start().await;
    let (alder, birch) = (app.tenant("Alder").await, app.tenant("Birch").await);
    case(&app, alder, "Ann").await;
    case(&app, birch, "Bob").await;
    for viewer in [app.sign_in(Role::Viewer).await, app.sign_in_for(Role::Viewer, &[alder, birch]).await] {
        for list in ["incidents", "alerts"] {
            let page = viewer.get(&format!("/{list}?tenant={alder}&tenant={birch}&tenant={alder}")).await.assert_success();
            assert_eq!(page.texts("table.queue tbody tr").len(), 2, "{list}");
        }
    }
}

#[tokio::test]
async fn devices_of_several_tenants_are_one_list_and_an_empty_choice_is_none() {
    let app = TestApp::start().await;
    let (alder, birch, cedar) = (app.tenant("Alder").await, app.tenant("Birch").await, app.tenant("Cedar").await);
    for (tenant, name) in [(alder, "one"), (birch, "two"), (cedar, "three")] {
        device(&app, tenant, name).await;
    }
    let viewer = app.sign_in_for(Role::Viewer, &[alder, birch]).await;
    let names = async |query: &str| viewer.get(&format!("/devices{query}")).await.assert_success().texts("table.queue th.title a");
    assert_eq!(names(&format!("?tenant={alder}&tenant={birch}")).await, ["one", "two"]);
    assert_eq!(names(&format!("?tenant={birch}")).await, ["two"]);
    assert_eq!(names("?q=&tenant=&risk=").await, ["one", "two"], "as a form without scripts sends it");
    assert_eq!(names(&format!("?tenant={cedar}")).await.len(), 0, "another's");
    assert_eq!(viewer.get("/devices?tenant=x").await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_group_has_all_of_its_tenants_however_many_there_are() {
    let app = TestApp::start().await;
    let mut tx = app.db.web.all_tenants().await.unwrap();
    sqlx::query(
        "insert into tenants (tenant_id, name, state) select gen_random_uuid(), 'A' || n, 'active' from generate_series(1, 2001) as n",
    )
    .execute(&mut *tx)
    .await
    .unwrap();
    tx.commit().await.unwrap();
    let (last, other, gone) = (app.tenant("Zest").await, app.tenant("Zinc").await, app.tenant("Zone").await);
    for (tenant, mark) in [(last, "Ann"), (other, "Bob"), (gone, "Cyd")] {
        case(&app, tenant, mark).await;
    }
    let mut tx = app.db.web.all_tenants().await.unwrap();
    for (tenant, sets) in
        [(last, "tags = array['gold']"), (other, "tags = array['gold', 'trial']"), (gone, "tags = array['gold'], state = 'offboarded'")]
    {
        let text = format!("update tenants set {sets} where tenant_id = $1");
        sqlx::query(sqlx::AssertSqlSafe(text)).bind(tenant).execute(&mut *tx).await.unwrap();
    }
    let (gold, trial) = (["gold".to_owned()], ["trial".to_owned()]);
    let mut both = vec![last, other];
    both.sort_unstable();
    assert_eq!(overview::of_groups(&mut tx, &gold, &[]).await.unwrap(), both);
    assert_eq!(overview::of_groups(&mut tx, &gold, &trial).await.unwrap(), [last]);
    assert_eq!(overview::of_groups(&mut tx, &[], &trial).await.unwrap().len(), 2_002, "all but one, and what is offboarded");
    tx.commit().await.unwrap();
    let viewer = app.sign_in(Role::Viewer).await;
    for (query, titles) in
        [("group=gold", vec!["Title Ann", "Title Bob"]), ("group=trial", vec!["Title Bob"]), ("group=trial&not=group", vec!["Title Ann"])]
    {
        let page = viewer.get(&format!("/incidents?{query}")).await.assert_success();
        let mut shown = page.texts("table.queue tbody th a");
        shown.sort_unstable();
        assert_eq!(shown, titles, "{query}");
    }
    let groups = viewer.get("/incidents?by=tenant").await.assert_success();
    assert!(groups.texts("tbody th").contains(&"Zest".to_owned()), "a tenant beyond those of the filter has its name");
}

#[tokio::test]
async fn the_filter_offers_a_hundred_tenants_and_finds_the_others_by_name() {
    let app = TestApp::start().await;
    for n in 0..100 {
        app.tenant(&format!("Alder {n:03}")).await;
    }
    let (zulu, hidden) = (app.tenant("Zulu").await, app.tenant("Zumba").await);
    case(&app, zulu, "Ann").await;
    case(&app, hidden, "Bob").await;
    let viewer = app.sign_in(Role::Viewer).await;
    let page = viewer.get("/incidents").await.assert_success();
    assert_eq!((page.texts("input[name=tenant]").len(), page.html.contains("The first hundred by name")), (100, true));
    let page = viewer.get(&format!("/incidents?tenant={zulu}&by=tenant")).await.assert_success();
    assert_eq!(page.texts("input[name=tenant][checked]").len(), 1);
    assert!(page.texts("details.pick summary").contains(&"Tenant Zulu".to_owned()), "{:?}", page.texts("details.pick summary"));
    assert_eq!(page.texts("tbody th"), ["Zulu"], "the groups have names, too");
    let process = Process::start(&app, 9).await;
    let mut eyes = Eyes::open(&serve(process.router.clone()).await).await;
    eyes.become_one(&viewer).await;
    eyes.go("/incidents").await;
    eyes.says("document.querySelector('input[data-find]').closest('details').querySelector('summary').click()").await;
    eyes.says("document.querySelector('input[data-find]').focus()").await;
    eyes.press("zul").await;
    eyes.until("[...document.querySelectorAll('label.choice:not([hidden])')].some((one) => one.textContent === 'Zulu')").await;
    eyes.look("a filter that finds tenants").await;
    eyes.press(Key::Enter).await;
    eyes.leave("document.querySelector('input[data-find]').closest('details').querySelector('summary').click()").await;
    assert_eq!(eyes.says("location.search").await, format!("?tenant={zulu}"));
    assert_eq!(eyes.says("document.querySelectorAll('table.queue tbody tr').length").await, "1");
    eyes.assert_nothing(3);
}
