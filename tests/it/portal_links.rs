//! Every link to Microsoft's portals, on pages and in the API: of the tenant's cloud, for its directory, and none where a record would send
//! the reader elsewhere. What is encoded how, `model::portal` tests.

use crate::api::Program;
use crate::app::TestApp;
use uuid::Uuid;
use watchfloor::model::{Cloud, Role};

#[tokio::test]
async fn each_page_and_record_links_to_its_clouds_portal_for_the_right_directory_or_not_at_all() {
    let app = TestApp::start().await;
    let (viewer, program) = (app.sign_in(Role::Viewer).await, Program::of(&app, Role::Viewer, None).await);
    for cloud in Cloud::ALL {
        let (tenant, directory) = (app.tenant(cloud.label()).await, Uuid::new_v4());
        let (incident, alert) = crate::pages::case(&app, tenant, cloud.as_str()).await;
        let mut tx = app.db.worker.tenant(tenant).await.unwrap();
        let text = "update tenants set directory_id = $2, cloud = $3 where tenant_id = $1";
        sqlx::query(text).bind(tenant).bind(directory).bind(cloud).execute(&mut *tx).await.unwrap();
        tx.commit().await.unwrap();
        let (host, tid) = (cloud.defender_portal(), format!("tid={directory}"));
        let own = format!("https://{host}/incidents/7?tid=somebody-elses");
        let built = format!("https://{host}/incidents/X{}?{tid}", cloud.as_str());
        for (sent, of_incident, of_alert) in [
            (Some(own.as_str()), Some(format!("https://{host}/incidents/7?{tid}")), Some(format!("https://{host}/incidents/7?{tid}"))),
            (Some("https://evil.example/incidents/7"), Some(built.clone()), None),
            (Some("javascript:alert(1)"), Some(built.clone()), None),
            (Some("https://user@security.microsoft.com/"), Some(built.clone()), None),
            (None, Some(built.clone()), None),
        ] {
            let mut tx = app.db.worker.tenant(tenant).await.unwrap();
            for sql in ["update incidents set url = $1", "update alerts set url = $1"] {
                sqlx::query(sql).bind(sent).execute(&mut *tx).await.unwrap();
            }
            tx.commit().await.unwrap();
            for (page, api, expected) in
                [(format!("/incidents/{incident}"), "incidents", of_incident), (format!("/alerts/{alert}"), "alerts", of_alert)]
            {
                let shown = viewer.get(&page).await.assert_success();
                assert_eq!(shown.attribute(".head a[target=_blank]", "href"), expected, "{cloud} {page} {sent:?}");
                assert!(sent.is_none_or(|sent| sent.contains(host) || !shown.html.contains(&format!("href=\"{sent}"))), "{cloud} {sent:?}");
                let (_, record) = program.get(&page).await;
                assert_eq!(record["url"].as_str(), expected.as_deref(), "{cloud} {api} {sent:?}");
            }
        }
        let page = viewer.get(&format!("/tenants/{tenant}")).await.assert_success();
        assert_eq!(page.attribute("a[href*='tid=']", "href"), Some(format!("https://{host}/incidents?{tid}")), "{cloud}");
    }
}
