//! What a customer's people do and see on their pages.

use crate::guests::{bound, enter, incident, person, portal, share};
use crate::staff::{Browser, ask};
use axum::http::StatusCode;
use watchfloor::model::{NoteId, Product, Role};

const EVENTS: &str = "select string_agg(concat_ws(' ', action, split_part(actor, ' (', 1)), ', ' order by audit_id) from audit_log
                      where action like 'customer.%'";

#[tokio::test]
async fn the_first_page_says_how_completely_a_customer_is_watched_over_and_nothing_internal() {
    let app = portal().await;
    let contoso = bound(&app, "Contoso").await;
    app.reading(contoso.tenant, Product::DefenderXdr, "ok", None).await;
    app.reading(contoso.tenant, Product::Graph, "no_permission", Some("Ask the lead about ticket 4711.")).await;
    let (_, ada) = person(&app, &contoso, "Ada", false).await;
    let page = ada.get("/customer").await.assert_success();
    assert_eq!(page.texts(".coverage span"), ["1 of 2 products are read as they should be."]);
    assert_eq!(page.texts(".list .chip"), ["✓ Read", "✕ Not read"]);
    assert!(page.html.contains("A permission that this needs is not granted") && !page.html.contains("4711"), "{}", page.html);
}

#[tokio::test]
async fn shared_incidents_are_walked_page_by_page_the_last_shared_first() {
    let app = portal().await;
    let contoso = bound(&app, "Contoso").await;
    for n in 0..51 {
        let id = incident(&app, contoso.tenant, &format!("Case {n:02}")).await;
        share(&app, contoso.tenant, id, true).await;
    }
    let (_, ada) = person(&app, &contoso, "Ada", false).await;
    let first = ada.get("/customer/incidents").await.assert_success();
    let titles = first.texts("tbody .title");
    assert_eq!((titles.len(), titles[0].as_str()), (50, "Case 50"));
    let second = ada.get(&first.attribute("a[rel=next]", "href").unwrap()).await.assert_success();
    assert_eq!(second.texts("tbody .title"), ["Case 00"]);
    assert_eq!(ada.get("/customer/incidents?after=x").await.status, StatusCode::BAD_REQUEST);
    let nowhere = ada.get(&format!("/customer/incidents?after={}", NoteId::new())).await.assert_success();
    assert!(nowhere.texts("tbody .title").is_empty() && nowhere.html.contains("There are no more"));
}

#[tokio::test]
async fn an_answer_of_the_customers_stands_among_the_notes_marked_as_theirs() {
    let app = portal().await;
    let contoso = bound(&app, "Contoso").await;
    let id = incident(&app, contoso.tenant, "Phishing").await;
    share(&app, contoso.tenant, id, true).await;
    let (_, ada) = person(&app, &contoso, "Ada", false).await;
    let path = format!("/customer/incidents/{id}/notes");
    let note = NoteId::new().to_string();
    let to = format!("/customer/incidents/{id}#note-{note}");
    for _ in 0..2 {
        ada.post_form(&path, &[("note", &note), ("text", "It was me. <b>Sorry</b>")]).await.assert_redirect(&to);
    }
    assert_eq!(ada.post_form(&path, &[("note", &note), ("text", "It was not me")]).await.status, StatusCode::CONFLICT);
    for (text, status) in [("", StatusCode::UNPROCESSABLE_ENTITY), (&*"x".repeat(10_001), StatusCode::UNPROCESSABLE_ENTITY)] {
        let fresh = NoteId::new().to_string();
        assert_eq!(ada.post_form(&path, &[("note", &fresh), ("text", text)]).await.status, status);
    }
    let page = ada.get(&format!("/customer/incidents/{id}")).await.assert_success();
    assert_eq!(page.texts(".note-text"), ["It was me. <b>Sorry</b>"]);
    let staffs = app.sign_in(Role::Viewer).await.get(&format!("/incidents/{id}")).await.assert_success();
    assert_eq!((staffs.texts(".note .chip"), staffs.texts(".note strong")), (vec!["The customer’s".to_owned()], vec!["Ada".to_owned()]));
    assert_eq!(ask::<String>(&app, EVENTS).await, "customer.note ada@example");
    assert_eq!(ask::<i64>(&app, "select count(*) from notes where user_id is null and customer_id is not null and shared").await, 1);
}

#[tokio::test]
async fn an_administrator_of_the_customers_invites_a_colleague_who_gets_in_and_is_shut_out_again() {
    let app = portal().await;
    let contoso = bound(&app, "Contoso").await;
    let admin = enter(&app, &contoso, &contoso.admin(), true).await.visitor();
    assert_eq!(admin.post_form("/customer/people", &[("label", "")]).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    let page = admin.post_form("/customer/people", &[("label", "Eve of accounting")]).await.assert_success();
    let link = page.attribute("#link", "value").unwrap();
    let invite = link.rsplit('/').next().unwrap().to_owned();
    assert!(!admin.get("/customer/people").await.assert_success().html.contains(&invite), "it is shown once");
    let mut eve = Browser::customer(&app);
    let url = eve.go(&format!("/login/customer?invite={invite}")).await;
    let answer = eve.pick_of(url, contoso.directory, &contoso.user(&app)).await.unwrap();
    eve.back(&answer).await.assert_redirect("/customer");
    assert_eq!(eve.get("/customer/people").await.status, StatusCode::FORBIDDEN);

    let id: uuid::Uuid = ask(&app, "select customer_id from customers where not is_admin").await;
    admin.post_form(&format!("/customer/people/{id}/disable"), &[]).await.assert_redirect("/customer/people");
    eve.get("/customer").await.assert_redirect("/customer/login");
}

#[tokio::test]
async fn the_last_administrator_of_a_customer_stays_one() {
    let app = portal().await;
    let contoso = bound(&app, "Contoso").await;
    let (ada_id, ada) = person(&app, &contoso, "Ada", true).await;
    let (bob_id, _) = person(&app, &contoso, "Bob", true).await;
    person(&app, &contoso, "Eve", false).await;
    let disable = |id| format!("/customer/people/{id}/disable");
    ada.post_form(&disable(bob_id), &[]).await.assert_redirect("/customer/people");
    assert_eq!(ada.post_form(&disable(ada_id), &[]).await.status, StatusCode::CONFLICT);
    ada.get("/customer/people").await.assert_success();
    // Of two who disable each other at once one stays.
    let (carl_id, carl) = person(&app, &contoso, "Carl", true).await;
    let (to_carl, to_ada) = (disable(carl_id), disable(ada_id));
    let (one, two) = tokio::join!(ada.post_form(&to_carl, &[]), carl.post_form(&to_ada, &[]));
    assert!(one.status == StatusCode::SEE_OTHER || two.status == StatusCode::SEE_OTHER);
    assert_eq!(ask::<i64>(&app, "select count(*) from customers where is_admin and disabled_at is null").await, 1);
}
