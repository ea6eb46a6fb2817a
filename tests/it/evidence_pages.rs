//! Evidence, time line and originals on the pages of an incident and an alert.

use crate::app::{Reply, TestApp};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use uuid::Uuid;
use watchfloor::model::{AlertId, IncidentId, Role, TenantId};

/// A case whose alert has this original.
async fn with_alert(app: &TestApp, tenant: TenantId, body: &Value) -> (IncidentId, AlertId) {
    let (incident, alert) = crate::pages::case(app, tenant, "mark").await;
    let mut tx = app.db.worker.tenant(tenant).await.unwrap();
    sqlx::query("update alert_raw set body = $1::json").bind(body.to_string()).execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
    (incident, alert)
}

fn process(name: &str, id: i64, parent: i64) -> Value {
    json!({"@odata.type": "#microsoft.graph.security.processEvidence", "mdeDeviceId": "d1", "processId": id, "parentProcessId": parent,
        "processCreationDateTime": format!("2026-01-01T00:00:0{id}.1234567Z"), "processCommandLine": format!("{name} --run <{id}>"),
        "processIntegrityLevel": "High", "userAccount": {"accountName": "ada", "userPrincipalName": "ada@contoso.com"},
        "imageFile": {"fileName": name, "sha1": "1".repeat(40), "sha256": "2".repeat(64), "md5": "3".repeat(32)},
        "parentProcessImageFile": {"fileName": "explorer.exe"}})
}

/// What both pages show.
async fn both(app: &TestApp, incident: IncidentId, alert: AlertId) -> [Reply; 2] {
    let viewer = app.sign_in(Role::Viewer).await;
    [viewer.get(&format!("/incidents/{incident}")).await.assert_success(), viewer.get(&format!("/alerts/{alert}")).await.assert_success()]
}

#[tokio::test]
async fn processes_are_a_nested_list_and_each_hash_can_be_copied() {
    let app = TestApp::start().await;
    let tenant = app.tenant("Own").await;
    let body = json!({"evidence": [process("evil.exe", 3, 2), process("cmd.exe", 2, 1),
        {"@odata.type": "#microsoft.graph.security.fileEvidence", "fileDetails": {"fileName": "a.dll", "sha1": "4".repeat(40), "md5": "5".repeat(32)}},
        {"@odata.type": "#microsoft.graph.security.quantumEvidence", "spin": "<up>"}]});
    let (incident, alert) = with_alert(&app, tenant, &body).await;
    for page in both(&app, incident, alert).await {
        let titles = |selector: &str| page.texts(&format!("{selector} > .proof > h3 > span:first-of-type"));
        assert_eq!(titles(".processes > ul > li"), ["explorer.exe"]);
        assert_eq!(titles(".processes > ul > li > ul > li"), ["cmd.exe"]);
        assert_eq!(titles(".processes > ul > li > ul > li > ul > li"), ["evil.exe"]);
        assert_eq!(page.texts(".processes > ul > li > .named").len(), 1);
        let evil = page.texts(".processes ul ul ul .proof").remove(0);
        for told in ["evil.exe --run <3>", "As ada@contoso.com", "Integrity High", "Started 2026-01-01 00:00:03 UTC", "Process id 3"] {
            assert!(evil.contains(told), "{told}: {evil}");
        }
        assert_eq!(page.html.matches("data-copy=").count(), 8, "three of each process, two of the file");
        let ids: BTreeSet<&str> = page.html.split("<data class=\"mono\" id=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        assert_eq!(ids.len(), 8, "each by its own id");
        for button in page.html.split("data-copy=\"").skip(1).filter_map(|rest| rest.split('"').next()) {
            assert!(ids.contains(button), "{button}");
        }
        assert_eq!(page.attribute(&format!("data[id$='-2-{}']", 1), "value").as_deref(), Some("4".repeat(40).as_str()));
        assert!(page.texts(".evidence details pre")[0].contains("\"spin\": \"<up>\""), "unknown kinds are whole, and closed");
        assert!(page.attribute(".evidence details", "open").is_none());
        assert!(!page.html.contains("<up>"));
    }
}

/// What was done from here in the last hours to an incident and its alert `da7`, and much that was done elsewhere.
async fn done(app: &TestApp, tenant: TenantId) {
    let mut tx = app.db.worker.tenant(tenant).await.unwrap();
    sqlx::query("update changes set created_at = now() - interval '3 h'").execute(&mut *tx).await.unwrap();
    let add = "insert into changes (tenant_id, change_id, operation, args, subject, request, actor, state, created_at)
               values ($1, gen_random_uuid(), $2, $3, 'x', $4, 'bob', $5, now() - make_interval(hours => $6))";
    for (operation, arg, request, state, hours) in [
        ("endpoint.alerts.update", "da7", json!({"status": "InProgress"}), "failed", 2),
        ("endpoint.alerts.batch", "batch", json!({"alertIds": ["x", "da7"], "status": "Resolved"}), "done", 1),
        ("endpoint.alerts.batch", "batch", json!({"alertIds": ["x"], "status": "ELSEWHERE"}), "done", 1),
        ("endpoint.alerts.update", "Xmark", json!({"status": "ELSEWHERE"}), "done", 1),
        ("xdr.incidents.update", "da7", json!({"status": "ELSEWHERE"}), "done", 1),
    ] {
        let insert = sqlx::query(add).bind(tenant).bind(operation).bind(vec![arg]).bind(request).bind(state).bind(hours);
        insert.execute(&mut *tx).await.unwrap();
    }
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn one_time_line_holds_alerts_microsofts_changes_ours_and_notes_the_latest_first() {
    let app = TestApp::start().await;
    let tenant = app.tenant("Own").await;
    let (incident, alert) = crate::pages::case(&app, tenant, "mark").await;
    let (other, _) = crate::pages::case(&app, tenant, "other").await;
    let mut tx = app.db.worker.tenant(tenant).await.unwrap();
    for sql in [
        "update alerts set created_at = now() - interval '5 h', external_id = 'da7' where external_id = 'Xmark'",
        "insert into incident_events (tenant_id, event_id, incident_id, at, kind, before, after)
         select tenant_id, gen_random_uuid(), incident_id, now() - interval '4 h', 'status', 'new', 'in_progress' from incidents
         where external_id = 'Xmark'",
    ] {
        sqlx::query(sql).execute(&mut *tx).await.unwrap();
    }
    tx.commit().await.unwrap();
    let analyst = app.sign_in(Role::Analyst).await;
    let path = format!("/incidents/{incident}");
    let change = Uuid::now_v7().to_string();
    let fields =
        [("change", change.as_str()), ("status", "InProgress"), ("assigned_to", "owner-mark"), ("verdict", ""), ("comment", "On it")];
    analyst.post_form(&path, &fields).await.assert_redirect(&path);
    let second = Uuid::now_v7().to_string();
    let elsewhere = fields.map(|(name, value)| match name {
        "change" => (name, second.as_str()),
        "comment" => (name, "ELSEWHERE"),
        _ => (name, value),
    });
    let there = format!("/incidents/{other}");
    analyst.post_form(&there, &elsewhere).await.assert_redirect(&there);
    done(&app, tenant).await;
    analyst.post_form(&format!("{path}/notes"), &[("note", &Uuid::now_v7().to_string()), ("text", "Noted\nmore")]).await;

    let page = analyst.get(&path).await.assert_success();
    let line = page.texts(".timeline li");
    let begins = [
        "Note Noted … ",
        "At Microsoft Owner: mark → mark",
        "From here Update alerts: status Resolved Done",
        "From here Update alert: status In progress Failed",
        "From here Update incident: status In progress “On it” Waiting",
        "At Microsoft Status: New → In progress",
        "Alert Alert mark",
    ];
    assert_eq!(line.len(), begins.len(), "{line:#?}");
    for (line, begin) in line.iter().zip(begins) {
        assert!(line.starts_with(begin.trim_end()), "{line} does not begin with {begin}");
        let relative = line.split_once(" UTC · ").unwrap_or_else(|| panic!("exact and relative: {line}")).1;
        let since = relative.trim_start_matches(char::is_numeric);
        assert!(relative.starts_with("just now") || [" s ago", " min ago", " h ago"].iter().any(|ago| since.starts_with(ago)), "{line}");
    }
    assert!(line[0].contains("Test Person") && line[2].contains("bob"), "{line:#?}");
    assert_eq!(page.attribute(".timeline li.alert a", "href"), Some(format!("/alerts/{alert}")));
    for (kind, word) in [("note", "Note"), ("ours", "From here"), ("change", "At Microsoft"), ("alert", "Alert")] {
        assert_eq!(page.texts(&format!(".timeline li.{kind} .what"))[0], word);
    }
}

#[tokio::test]
async fn the_script_of_a_case_is_loaded_on_its_pages_alone() {
    let app = TestApp::start().await;
    let tenant = app.tenant("Own").await;
    let (incident, alert) = crate::pages::case(&app, tenant, "mark").await;
    let [incident, alert] = both(&app, incident, alert).await;
    let viewer = app.sign_in(Role::Viewer).await;
    let script = incident.attribute("script[src*='/static/case.']", "src").unwrap();
    assert_eq!(alert.attribute("script[src*='/static/case.']", "src").as_deref(), Some(script.as_str()));
    assert!(viewer.get(&script).await.assert_success().headers["content-type"].to_str().unwrap().starts_with("text/javascript"));
    for other in ["/", "/incidents", "/alerts"] {
        assert!(!viewer.get(other).await.assert_success().html.contains("/static/case."), "{other}");
    }
    assert!(incident.texts("details.original pre").iter().any(|text| text.contains("mark")), "the text is there without it");
}
