//! Rules that hide alerts: who makes them, that they are seen first, and what they do to the lists.

use crate::app::TestApp;
use crate::suppressing::{alert, audited, confirm, confirmation, hits, incident, later, make, number, preview, read, titles};
use axum::http::StatusCode;
use chrono::TimeDelta;
use watchfloor::model::{Role, Status, SuppressionId, TenantId};

fn of(tenant: TenantId) -> String {
    format!("tenant:{tenant}")
}

#[tokio::test]
async fn viewers_and_analysts_make_and_end_no_rule_and_are_told_who_does() {
    let app = TestApp::start().await;
    let tenant = app.tenant("Own").await;
    read(&app, tenant, &[], &[alert("A", None, "Noise")]).await;
    let lead = app.sign_in(Role::Lead).await;
    let rule = make(&lead, &of(tenant), &[("title", "Noise")]).await;
    let sent = confirmation(&preview(&lead, &of(tenant), &[("title", "Other")]).await.assert_success());
    for role in [Role::Viewer, Role::Analyst] {
        let visitor = app.sign_in(role).await;
        assert_eq!(visitor.get("/suppressions/new").await.status, StatusCode::FORBIDDEN);
        assert_eq!(preview(&visitor, &of(tenant), &[("title", "Noise")]).await.status, StatusCode::FORBIDDEN);
        assert_eq!(confirm(&visitor, &sent).await.status, StatusCode::FORBIDDEN);
        for deed in ["end", "extend"] {
            assert_eq!(visitor.post_form(&format!("/suppressions/{rule}/{deed}"), &[]).await.status, StatusCode::FORBIDDEN);
        }
        let page = visitor.get(&format!("/suppressions/{rule}")).await.assert_success();
        assert!(page.html.contains("A lead can extend or end this rule") && page.texts("form.deed").is_empty());
        assert!(visitor.get("/suppressions").await.assert_success().html.contains("A lead makes and ends rules"));
    }
    assert_eq!(number(&app, "select count(*) from suppressions where ended_at is null").await, 1);
    assert_eq!((audited(&app, "suppression.create").await, audited(&app, "suppression.end").await), (1, 0));
}

#[tokio::test]
async fn nothing_is_saved_that_its_maker_has_not_seen_tried_out() {
    let app = TestApp::start().await;
    let tenant = app.tenant("Own").await;
    let (lead, other) = (app.sign_in(Role::Lead).await, app.sign_in(Role::Lead).await);
    let seen = confirmation(&preview(&lead, &of(tenant), &[("title", "Noise*")]).await.assert_success());
    let with = |name: &str, value: &str| {
        let mut sent = seen.clone();
        sent.iter_mut().filter(|(field, _)| field == name).for_each(|(_, old)| value.clone_into(old));
        sent
    };
    for (name, value) in [("title", "*oise*"), ("detector", "d"), ("entity", "user:a"), ("seal", ""), ("seal", "x")] {
        let reply = confirm(&lead, &with(name, value)).await;
        assert_eq!(reply.status, StatusCode::CONFLICT, "{name}: {}", reply.html);
        assert!(reply.html.contains("Look first at what this rule would have hidden"), "{name}");
    }
    assert_eq!(confirm(&other, &seen).await.status, StatusCode::CONFLICT, "somebody else has seen it");
    for (name, value) in [("reason", " "), ("days", "366"), ("days", "0"), ("days", "x")] {
        assert_eq!(confirm(&lead, &with(name, value)).await.status, StatusCode::UNPROCESSABLE_ENTITY, "{name}");
    }
    assert_eq!(number(&app, "select count(*) from suppressions").await, 0);

    for _ in 0..2 {
        assert_eq!(confirm(&lead, &seen).await.status, StatusCode::SEE_OTHER, "sent twice is sent once");
    }
    assert_eq!((number(&app, "select count(*) from suppressions").await, audited(&app, "suppression.create").await), (1, 1));
    let again = confirmation(&preview(&lead, &of(tenant), &[("title", "Else*")]).await.assert_success());
    let reused = again.into_iter().map(|(name, value)| if name == "suppression" { (name, seen[0].1.clone()) } else { (name, value) });
    assert_eq!(confirm(&lead, &reused.collect::<Vec<_>>()).await.status, StatusCode::CONFLICT, "the form's id is another rule's");
}

#[tokio::test]
async fn a_preview_counts_its_own_tenants_last_ninety_days_and_hides_nothing() {
    let app = TestApp::start().await;
    let (own, foreign) = (app.tenant("Own").await, app.tenant("Foreign").await);
    let judged = crate::suppressing::incident("7");
    let mut old = alert("OLD", None, "Noise on A");
    (old.created_at, old.updated_at) = (old.created_at - TimeDelta::days(91), old.updated_at - TimeDelta::days(91));
    let closed = later(&alert("CLOSED", None, "noise ON B"), |alert| {
        (alert.status, alert.classification) = (Status::Resolved, Some("TruePositive".into()));
    });
    let of_case = alert("CASE", Some("7"), "Noise on C");
    let judged = watchfloor::store::ingest::Incident { classification: Some("truePositive".into()), ..judged };
    read(&app, own, &[judged], &[old, closed, of_case, alert("PLAIN", None, "Noise on D"), alert("X", None, "Not noise on E")]).await;
    read(&app, foreign, &[], &[alert("F", None, "Noise on FOREIGN")]).await;
    let lead = app.sign_in_for(Role::Lead, &[own]).await;
    let page = preview(&lead, &of(own), &[("title", "noise on *")]).await.assert_success();
    assert_eq!(
        page.texts(".notice"),
        [
            "“noise on *” would have hidden 3 alerts in 90 days, 2 of them confirmed true positives. 2 of them are open and will leave the queue at once."
        ]
    );
    assert_eq!(page.texts("table.queue tbody th").len(), 3);
    assert!(!page.html.contains("FOREIGN") && !page.html.contains("Not noise"));
    assert_eq!(number(&app, "select count(*) from alerts where hidden").await, 0);
    let one = preview(&lead, &of(own), &[("detector", "DETECTOR-closed")]).await.assert_success();
    assert!(
        one.texts(".notice")[0].contains("hidden 1 alert in 90 days, 1 of them a confirmed true positive."),
        "{:?}",
        one.texts(".notice")
    );
    let none = preview(&lead, &of(own), &[("title", "noise on *"), ("entity", "user:nobody@example.com")]).await.assert_success();
    assert!(none.texts(".notice")[0].contains("would have hidden no alert in 90 days"));
    let unknown = preview(&lead, &of(TenantId::new()), &[("title", "noise on *")]).await;
    let theirs = preview(&lead, &of(foreign), &[("title", "noise on *")]).await;
    assert_eq!([unknown.status, theirs.status], [StatusCode::UNPROCESSABLE_ENTITY; 2]);
    assert_eq!(unknown.texts(".notice"), theirs.texts(".notice"));
}

#[tokio::test]
async fn what_is_hidden_leaves_the_lists_and_counts_until_the_rule_ends() {
    let app = TestApp::start().await;
    let tenant = app.tenant("Own").await;
    let alerts = [
        alert("A1", Some("1"), "Noise one"),
        alert("A2", Some("1"), "Noise two"),
        alert("B1", Some("2"), "Noise three"),
        alert("B2", Some("2"), "Real one"),
    ];
    read(&app, tenant, &[incident("1"), incident("2"), incident("3")], &alerts).await;
    let (lead, viewer) = (app.sign_in(Role::Lead).await, app.sign_in(Role::Viewer).await);
    let open = "select sum(incidents_high) from tenant_counts";
    assert_eq!(number(&app, open).await, 3);
    let rule = make(&lead, &of(tenant), &[("title", "NOISE *")]).await;

    assert_eq!(titles(&viewer, "/alerts").await, ["Real one"]);
    assert_eq!(titles(&viewer, "/incidents").await, ["Case 2", "Case 3"], "one with an alert that is not hidden, and one without alerts");
    for (list, told) in [("/alerts", "3 hidden by rules · show"), ("/incidents", "1 hidden by rules · show")] {
        let page = viewer.get(list).await.assert_success();
        assert_eq!(page.texts(".page-head .actions span"), [told]);
        assert_eq!(page.texts(".page-head .count"), [if list == "/alerts" { "1" } else { "2" }]);
    }
    assert_eq!(titles(&viewer, "/alerts?suppressed=only").await, ["Noise one", "Noise three", "Noise two"]);
    assert_eq!(titles(&viewer, "/alerts?suppressed=yes").await.len(), 4);
    assert_eq!(titles(&viewer, &format!("/alerts?suppressed=yes&tenant={tenant}")).await.len(), 4);
    assert_eq!(titles(&viewer, "/alerts?suppressed=yes&status=all").await.len(), 4);
    assert_eq!(titles(&viewer, "/incidents?suppressed=only").await, ["Case 1"]);
    assert_eq!(titles(&viewer, "/incidents?suppressed=yes").await.len(), 3);
    assert_eq!(viewer.get("/alerts?suppressed=maybe").await.status, StatusCode::BAD_REQUEST);
    assert_eq!((number(&app, open).await, number(&app, "select sum(alerts_medium) from tenant_counts").await), (2, 1));
    assert_eq!(number(&app, "select sum(opened) from daily_counts").await, 3, "the days count all");
    assert_eq!(viewer.get("/").await.texts(".tile .value")[0], "2");

    let case = titles_link(&viewer, "/incidents?suppressed=only").await;
    let page = viewer.get(&case).await.assert_success();
    assert_eq!(page.texts(".alert-item.hushed .name .chip"), ["Hidden by a rule"; 2]);
    assert_eq!(page.texts(".alert-body p a[href^='/suppressions/']"), ["“NOISE *”"; 2]);
    let shown = titles_link(&viewer, "/alerts?suppressed=only").await;
    assert!(viewer.get(&shown).await.assert_success().texts(".notice")[0].contains("hidden from the queue by the rule “NOISE *”"));
    let page = viewer.get(&format!("/suppressions/{rule}")).await.assert_success();
    assert!(page.texts(".line")[0].contains("Hides 3 now"), "{:?}", page.texts(".line"));
    assert_eq!((page.texts("table.queue tbody th").len(), hits(&app, rule).await), (3, 3));

    for _ in 0..2 {
        lead.post_form(&format!("/suppressions/{rule}/end"), &[]).await.assert_redirect(&format!("/suppressions/{rule}"));
    }
    assert_eq!((titles(&viewer, "/alerts").await.len(), titles(&viewer, "/incidents").await.len()), (4, 3));
    assert_eq!((number(&app, open).await, hits(&app, rule).await, audited(&app, "suppression.end").await), (3, 3, 1));
    assert!(viewer.get("/alerts").await.assert_success().texts(".page-head .actions span").is_empty());
    let list = viewer.get("/suppressions").await.assert_success();
    assert_eq!((list.texts("tbody .chip"), list.texts("tbody td.num")), (vec!["○ Ended".into()], vec!["3".into()]));
}

/// Where the first row of a list leads.
async fn titles_link(visitor: &crate::app::Visitor, path: &str) -> String {
    visitor.get(path).await.assert_success().attribute("table.queue tbody th a", "href").unwrap()
}

#[tokio::test]
async fn wildcards_of_the_database_are_plain_characters_and_every_part_of_a_rule_must_match() {
    let app = TestApp::start().await;
    let tenant = app.tenant("Own").await;
    let named = ["100%_done now", "100X_done now", r"100%Xdone now", r"C:\dir\x", "C:dirx", "ends here", "it ends here", "Title Z"];
    let alerts: Vec<_> = named.iter().enumerate().map(|(n, title)| alert(&n.to_string(), None, title)).collect();
    read(&app, tenant, &[], &alerts).await;
    let lead = app.sign_in(Role::Lead).await;
    for (fields, expected) in [
        (vec![("title", "100%_done*")], vec!["100%_done now"]),
        (vec![("title", r"c:\dir\*")], vec![r"C:\dir\x"]),
        (vec![("title", "ends here")], vec!["ends here"]),
        (vec![("title", "*ends here")], vec!["ends here", "it ends here"]),
        (vec![("detector", "detector-7")], vec!["Title Z"]),
        (vec![("entity", "User:7@example.com"), ("title", "title*")], vec!["Title Z"]),
        (vec![("entity", "user:6@example.com"), ("title", "title*")], vec![]),
        (vec![("detector", "detector-")], vec![]),
    ] {
        let page = preview(&lead, &of(tenant), &fields).await.assert_success();
        let mut found = page.texts("table.queue tbody th");
        found.sort();
        assert_eq!(found, expected, "a preview of {fields:?}");
        let rule = make(&lead, &of(tenant), &fields).await;
        assert_eq!(titles(&lead, "/alerts?suppressed=only").await, expected, "{fields:?}");
        lead.post_form(&format!("/suppressions/{rule}/end"), &[]).await;
    }
}

#[tokio::test]
async fn a_foreign_rule_and_an_unknown_one_are_the_same_and_stay_as_they_are() {
    let app = TestApp::start().await;
    let (own, foreign) = (app.tenant("Own").await, app.tenant("Foreign").await);
    let (all, lead) = (app.sign_in(Role::Lead).await, app.sign_in_for(Role::Lead, &[own]).await);
    let rule = make(&all, &of(foreign), &[("title", "FOREIGN words"), ("entity", "user:FOREIGN@example.com")]).await;
    let mine = make(&lead, &of(own), &[("title", "My words")]).await;
    let body = |reply: &crate::app::Reply| reply.html.replace(&reply.texts("code").pop().unwrap(), "");
    let form = [("until", "2026-11-22T10:00:00Z"), ("days", "7"), ("reason", "x")];
    let mut pages = Vec::new();
    for id in [rule, SuppressionId::new()] {
        let page = lead.get(&format!("/suppressions/{id}")).await;
        assert_eq!(lead.post_form(&format!("/suppressions/{id}/end"), &[]).await.status, StatusCode::NOT_FOUND);
        assert_eq!(lead.post_form(&format!("/suppressions/{id}/extend"), &form).await.status, StatusCode::NOT_FOUND);
        assert_eq!(page.status, StatusCode::NOT_FOUND);
        pages.push(body(&page));
    }
    assert_eq!(pages[0], pages[1]);
    assert_eq!(lead.get("/suppressions").await.assert_success().texts("tbody th a"), ["“My words”"]);
    assert_eq!(all.get("/suppressions").await.assert_success().texts("tbody th").len(), 2);
    assert_eq!(number(&app, "select count(*) from suppressions where ended_at is null").await, 2);
    lead.post_form(&format!("/suppressions/{mine}/end"), &[]).await.assert_redirect(&format!("/suppressions/{mine}"));
}

#[tokio::test]
async fn more_time_needs_a_reason_and_the_end_that_was_seen() {
    let app = TestApp::start().await;
    let tenant = app.tenant("Own").await;
    let lead = app.sign_in(Role::Lead).await;
    let rule = make(&lead, &of(tenant), &[("title", "Noise*"), ("days", "7")]).await;
    let (path, list) = (format!("/suppressions/{rule}"), "/suppressions");
    assert_eq!(lead.get(list).await.assert_success().texts("tbody .chip"), ["▲ Ends soon"]);
    let until = lead.get(&path).await.assert_success().attribute("input[name=until]", "value").unwrap();
    let extend = format!("{path}/extend");
    for (days, reason) in [("30", " "), ("0", "x"), ("366", "x"), ("x", "x")] {
        let reply = lead.post_form(&extend, &[("until", &until), ("days", days), ("reason", reason)]).await;
        assert_eq!((reply.status, reply.texts("#extend-problem").len()), (StatusCode::UNPROCESSABLE_ENTITY, 1), "{days} {reason:?}");
    }
    let form = [("until", until.as_str()), ("days", "90"), ("reason", "The scanner stays")];
    lead.post_form(&extend, &form).await.assert_redirect(&path);
    assert_eq!(lead.post_form(&extend, &form).await.status, StatusCode::CONFLICT, "sent twice");
    assert_eq!(audited(&app, "suppression.extend").await, 1);
    let page = lead.get(&path).await.assert_success();
    assert!(page.texts(".list li")[1].contains("The scanner stays") && page.texts(".line")[0].contains("In force"));
    let until = page.attribute("input[name=until]", "value").unwrap();
    lead.post_form(&format!("{path}/end"), &[]).await.assert_redirect(&path);
    assert_eq!(lead.post_form(&extend, &[("until", &until), ("days", "7"), ("reason", "x")]).await.status, StatusCode::CONFLICT);
    assert_eq!(audited(&app, "suppression.extend").await, 1, "what has ended stays ended");
}
