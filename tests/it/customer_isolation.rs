//! A customer sees nothing of another one, nothing that is internal, and nothing of an incident that is not shared.

use crate::app::{Reply, TestApp, Visitor};
use crate::guests::{Bound, bound, incident, person, portal, share};
use axum::http::StatusCode;
use scraper::{Html, Selector};
use sqlx::AssertSqlSafe;
use std::collections::BTreeSet;
use watchfloor::app::notes::{self, Written};
use watchfloor::model::{IncidentId, NoteId, Role, TenantId, clock};
use watchfloor::store::audit::{Actor, By};

/// Planted wherever a customer must not look.
const CANARY: &str = "canary-7f3a";

/// A note of staff's.
pub async fn note(app: &TestApp, tenant: TenantId, incident: IncidentId, text: &str, shared: bool) {
    let mut tx = app.db.web.tenant(tenant).await.unwrap();
    let of = watchfloor::store::incidents::get(&mut tx, incident).await.unwrap().unwrap();
    let by = By { actor: Actor::System("test"), ip: None };
    notes::add(&mut tx, (&by, "Ari Analyst"), &of, Written { id: NoteId::new(), text, shared }, clock::now()).await.unwrap();
    tx.commit().await.unwrap();
}

/// Writes the canary into every text of a tenant that nothing is checked about, whatever the table.
async fn plant(app: &TestApp, tenant: TenantId) {
    let mut tx = app.db.web.all_tenants().await.unwrap();
    for change in [
        format!(
            "update tenants set contacts = '{CANARY}', notes = '{CANARY}', state_reason = '{CANARY}', domain = '{CANARY}.example' where tenant_id = $1"
        ),
        format!("update customers set display_name = '{CANARY}', username = '{CANARY}', invited_by = '{CANARY}' where tenant_id = $1"),
        format!(
            "insert into customer_invites (tenant_id, invite_id, ticket_hash, label, is_admin, made_by, expires_at)
                 values ($1, gen_random_uuid(), sha256('{CANARY}'), '{CANARY}', false, '{CANARY}', now() + interval '1 day')"
        ),
        format!(
            "insert into tenant_permissions (tenant_id, app, product, permission, granted) values ($1, '{CANARY}', 'graph', '{CANARY}', true)"
        ),
        format!(
            "insert into sync_state (tenant_id, product, state, reason, remedy) values ($1, 'graph', 'failing', '{CANARY}', '{CANARY}')"
        ),
        format!(
            "insert into changes (tenant_id, change_id, operation, args, subject, actor, comment)
                 values ($1, gen_random_uuid(), 'xdr.incidents.update', array['1'], '{CANARY}', '{CANARY}', '{CANARY}')"
        ),
    ] {
        sqlx::query(AssertSqlSafe(change)).bind(tenant).execute(&mut *tx).await.unwrap();
    }
    tx.commit().await.unwrap();
}

/// Every page that a person can reach from their first one by links of their own area.
async fn crawl(visitor: &Visitor) -> Vec<(String, Reply)> {
    let (mut seen, mut left, mut pages) = (BTreeSet::new(), vec!["/customer".to_owned()], Vec::new());
    while let Some(path) = left.pop() {
        if !seen.insert(path.clone()) {
            continue;
        }
        let page = visitor.get(&path).await.assert_success();
        let links = Selector::parse("a[href]").unwrap();
        let found = Html::parse_document(&page.html);
        let links = found.select(&links).filter_map(|link| link.value().attr("href")).filter(|to| to.starts_with("/customer"));
        left.extend(links.map(|to| to.split('#').next().unwrap().to_owned()));
        pages.push((path, page));
    }
    pages
}

/// An error's page without its reference, which is another one each time.
fn plain(reply: &Reply) -> String {
    let (before, rest) = reply.html.split_once("Reference <code>").unwrap();
    format!("{} {before}{}", reply.status, rest.split_once("</code>").unwrap().1)
}

/// Two customers. Each has an incident that is shared and one that is not; the second one's texts are all canaries.
async fn two(app: &TestApp) -> (Bound, Bound, [IncidentId; 2], [IncidentId; 2]) {
    let (ours, theirs) = (bound(app, "Contoso").await, bound(app, "Fabrikam").await);
    person(app, &theirs, "Somebody", true).await;
    plant(app, theirs.tenant).await;
    let shown = incident(app, ours.tenant, "Phishing").await;
    let unshared = incident(app, ours.tenant, &format!("{CANARY} unshared")).await;
    let foreign = [incident(app, theirs.tenant, CANARY).await, incident(app, theirs.tenant, &format!("{CANARY} too")).await];
    share(app, ours.tenant, shown, true).await;
    share(app, theirs.tenant, foreign[0], true).await;
    note(app, ours.tenant, shown, "Was this you?", true).await;
    note(app, ours.tenant, shown, CANARY, false).await;
    note(app, ours.tenant, unshared, CANARY, false).await;
    note(app, theirs.tenant, foreign[0], CANARY, true).await;
    app.sign_in(Role::Analyst).await.get(&format!("/incidents/{}", foreign[0])).await.assert_success();
    (ours, theirs, [shown, unshared], foreign)
}

#[tokio::test]
async fn nobody_of_a_customer_finds_a_planted_word_on_any_page_they_can_reach() {
    let app = portal().await;
    let (ours, theirs, [shown, _], _) = two(&app).await;
    let (_, admin) = person(&app, &ours, "Ada", true).await;
    let (_, user) = person(&app, &ours, "Eve", false).await;
    for (visitor, count) in [(&admin, 5), (&user, 4)] {
        let pages = crawl(visitor).await;
        assert_eq!(pages.len(), count, "{:?}", pages.iter().map(|(path, _)| path).collect::<Vec<_>>());
        for (path, page) in &pages {
            assert!(!page.html.contains(CANARY), "{path}: {}", page.html);
            assert!(!page.html.contains("Fabrikam") && !page.html.contains("owner-") && !page.html.contains("entity-"), "{path}");
            assert!(page.html.contains("· Watchfloor</title>") && page.html.contains("Contoso"), "{path} names its tenant");
        }
        let page = visitor.get(&format!("/customer/incidents/{shown}")).await.assert_success();
        assert!(page.html.contains("Was this you?") && page.html.contains("alert-Phishing"), "{}", page.html);
    }
    // The words are there, for those whose they are.
    let (_, other) = person(&app, &theirs, "Olga", true).await;
    for path in ["/customer", "/customer/incidents", "/customer/access", "/customer/people"] {
        assert!(other.get(path).await.assert_success().html.contains(CANARY), "{path}");
    }
}

#[tokio::test]
async fn an_incident_that_is_foreign_unknown_or_not_shared_is_the_same_404() {
    let app = portal().await;
    let (ours, _, [shown, unshared], foreign) = two(&app).await;
    let (_, visitor) = person(&app, &ours, "Ada", true).await;
    let ids = [foreign[0], foreign[1], unshared, IncidentId::new()].map(|id| id.to_string());
    let mut pages = BTreeSet::new();
    for id in ids.iter().map(String::as_str).chain(["not-an-id"]) {
        let page = visitor.get(&format!("/customer/incidents/{id}")).await;
        assert_eq!(page.status, StatusCode::NOT_FOUND);
        assert!(!page.html.contains("href=\"/incidents\""), "no link to staff's pages");
        pages.insert(plain(&page));
        let form = [("note", NoteId::new().to_string()), ("text", "x".to_owned())].map(|(name, value)| (name, value));
        let form: Vec<(&str, &str)> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
        pages.insert(plain(&visitor.post_form(&format!("/customer/incidents/{id}/notes"), &form).await));
    }
    assert_eq!(pages.len(), 1, "{pages:#?}");
    visitor.get(&format!("/customer/incidents/{shown}")).await.assert_success();
    // What is shared no more is gone at once, with its notes.
    share(&app, ours.tenant, shown, false).await;
    pages.insert(plain(&visitor.get(&format!("/customer/incidents/{shown}")).await));
    assert_eq!(pages.len(), 1);
    assert!(!visitor.get("/customer/incidents").await.assert_success().html.contains("Phishing"));
}

#[tokio::test]
async fn a_ticket_that_names_another_tenant_opens_nothing() {
    let app = portal().await;
    let (ours, theirs) = (bound(&app, "Contoso").await, bound(&app, "Fabrikam").await);
    let (id, visitor) = person(&app, &ours, "Ada", true).await;
    let (other, _) = person(&app, &theirs, "Olga", true).await;
    let secret = visitor.session.clone().unwrap();
    let theirs = watchfloor::store::tickets::mint(theirs.tenant).unwrap().text;
    // The tenant of the one and the random bytes of the other.
    let forged = format!("{}{}", &theirs[..21], &secret[21..]);
    app.stranger().with("cid", Some(forged)).get("/customer").await.assert_redirect("/customer/login");
    for foreign in [other.to_string(), watchfloor::model::CustomerId::new().to_string()] {
        assert_eq!(visitor.post_form(&format!("/customer/people/{foreign}/disable"), &[]).await.status, StatusCode::NOT_FOUND);
    }
    assert_eq!(visitor.post_form(&format!("/customer/people/{id}/disable"), &[]).await.status, StatusCode::CONFLICT);
}
