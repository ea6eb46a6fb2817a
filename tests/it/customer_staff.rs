//! What staff do for a customer's people: they share incidents and notes, invite and shut out; and their looks are noted.

use crate::app::Visitor;
use crate::guests::{Bound, bound, incident, person, portal, rebind, share};
use crate::rig::Rig;
use crate::staff::ask;
use axum::http::StatusCode;
use sqlx::{ConnectOptions, Executor};
use watchfloor::model::{IncidentId, NoteId, Role};
use watchfloor::store::looks;
use watchfloor::sync::engine::{delete_gone, plan_due};

const SHARES: &str = "select count(*) from incident_shares";
const EVENTS: &str =
    "select string_agg(action, ', ' order by audit_id) from audit_log where action ~ '^(customer|incident|note)\\.' and result = 'ok'";

async fn write(visitor: &Visitor, id: IncidentId, text: &str, readers: Option<&str>) -> StatusCode {
    let note = NoteId::new().to_string();
    let mut form = vec![("note", note.as_str()), ("text", text)];
    form.extend(readers.map(|readers| ("readers", readers)));
    visitor.post_form(&format!("/incidents/{id}/notes"), &form).await.status
}

#[tokio::test]
async fn an_analyst_shares_an_incident_and_stops_and_a_viewer_may_do_neither() {
    let app = portal().await;
    let contoso = bound(&app, "Contoso").await;
    let id = incident(&app, contoso.tenant, "Phishing").await;
    let (analyst, viewer) = (app.sign_in(Role::Analyst).await, app.sign_in(Role::Viewer).await);
    let path = format!("/incidents/{id}/share");
    assert_eq!(viewer.post_form(&path, &[("shared", "true")]).await.status, StatusCode::FORBIDDEN);
    assert!(!viewer.get(&format!("/incidents/{id}")).await.html.contains("Share with"));
    let elsewhere = app.sign_in_for(Role::Analyst, &[]).await;
    assert_eq!(elsewhere.post_form(&path, &[("shared", "true")]).await.status, StatusCode::NOT_FOUND);
    assert_eq!(ask::<i64>(&app, SHARES).await, 0);

    let page = analyst.get(&format!("/incidents/{id}")).await.assert_success();
    assert!(page.html.contains("Share with Contoso") && !page.html.contains("name=\"readers\""), "notes are internal");
    for _ in 0..2 {
        analyst.post_form(&path, &[("shared", "true")]).await.assert_redirect(&format!("/incidents/{id}#share"));
    }
    let page = viewer.get(&format!("/incidents/{id}")).await.assert_success();
    assert_eq!(page.texts(".line .chip.shared"), ["Shared with the customer"]);
    assert!(analyst.get(&format!("/incidents/{id}")).await.html.contains("Stop sharing with Contoso"));
    analyst.post_form(&path, &[("shared", "false")]).await.assert_redirect(&format!("/incidents/{id}#share"));
    assert_eq!(ask::<i64>(&app, SHARES).await, 0);
    assert_eq!(ask::<String>(&app, EVENTS).await, "incident.share, incident.unshare");
}

#[tokio::test]
async fn a_note_is_internal_unless_it_is_said_to_be_shared_and_that_only_of_a_shared_incident() {
    let app = portal().await;
    let contoso = bound(&app, "Contoso").await;
    let id = incident(&app, contoso.tenant, "Phishing").await;
    let analyst = app.sign_in(Role::Analyst).await;
    let (_, customer) = person(&app, &contoso, "Ada", false).await;
    assert_eq!(write(&analyst, id, "too early", Some("shared")).await, StatusCode::UNPROCESSABLE_ENTITY);
    share(&app, contoso.tenant, id, true).await;
    for (text, readers) in [("by default", None), ("between us", Some("internal")), ("for everybody", Some("shared"))] {
        assert_eq!(write(&analyst, id, text, readers).await, StatusCode::SEE_OTHER);
    }
    assert_eq!(write(&analyst, id, "for whom?", Some("the world")).await, StatusCode::BAD_REQUEST);
    let page = analyst.get(&format!("/incidents/{id}")).await.assert_success();
    assert_eq!(page.texts(".note .chip"), ["Internal", "Internal", "Shared with the customer"]);
    assert_eq!(page.attribute("input[name=readers][checked]", "value").unwrap(), "internal");
    let theirs = customer.get(&format!("/customer/incidents/{id}")).await.assert_success();
    assert_eq!(theirs.texts(".note-text"), ["for everybody"]);
}

#[tokio::test]
async fn a_lead_invites_and_shuts_out_and_lets_in_again_and_nobody_below_does() {
    let app = portal().await;
    let contoso = bound(&app, "Contoso").await;
    let (id, customer) = person(&app, &contoso, "Ada", true).await;
    let (lead, analyst) = (app.sign_in(Role::Lead).await, app.sign_in(Role::Analyst).await);
    let path = format!("/admin/tenants/{}/people", contoso.tenant);
    assert_eq!(analyst.get(&path).await.status, StatusCode::FORBIDDEN);
    assert_eq!(analyst.post_form(&path, &[("label", "Eve")]).await.status, StatusCode::FORBIDDEN);
    assert_eq!(lead.post_form(&path, &[("label", " ")]).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    let page = lead.post_form(&path, &[("label", "Eve"), ("is_admin", "true")]).await.assert_success();
    let link = page.attribute("#link", "value").unwrap();
    let path_of_link = link.strip_prefix("http://127.0.0.1:8080").unwrap();
    app.stranger().get(path_of_link).await.assert_success();
    let page = lead.get(&path).await.assert_success();
    assert!(page.html.contains("Eve") && !page.html.contains(path_of_link), "it is shown once");
    assert_eq!(ask::<i64>(&app, "select count(*) from customer_invites where position(ticket_hash in $$x$$::bytea) > 0").await, 0);

    let one = format!("{path}/{id}");
    lead.post_form(&one, &[("disabled", "true")]).await.assert_redirect(&path);
    customer.get("/customer").await.assert_redirect("/customer/login");
    lead.post_form(&one, &[("disabled", "false")]).await.assert_redirect(&path);
    customer.get("/customer").await.assert_redirect("/customer/login"); // the old session stays ended
    assert_eq!(ask::<String>(&app, EVENTS).await, "customer.invite, customer.disable, customer.enable");
    rebind(&app, contoso.tenant, None).await;
    assert_eq!(lead.post_form(&path, &[("label", "Eve")]).await.status, StatusCode::CONFLICT, "nobody knows whose directory");
}

#[tokio::test]
async fn an_invitation_is_taken_back_by_those_who_make_them_once_and_of_their_own_customer_only() {
    let app = portal().await;
    let (contoso, fabrikam) = (bound(&app, "Contoso").await, bound(&app, "Fabrikam").await);
    let (_, theirs) = person(&app, &contoso, "Ada", true).await;
    let (_, foreign) = person(&app, &fabrikam, "Bob", true).await;
    let lead = app.sign_in(Role::Lead).await;
    let path = format!("/admin/tenants/{}/people", contoso.tenant);
    for (visitor, page, others) in [(&lead, path.as_str(), &foreign), (&theirs, "/customer/people", &foreign)] {
        let made = visitor.post_form(page, &[("label", "Eve")]).await.assert_success();
        let link = made.attribute("#link", "value").unwrap();
        let link = link.strip_prefix("http://127.0.0.1:8080").unwrap();
        app.stranger().get(link).await.assert_success();
        let take_back = visitor.get(page).await.assert_success().attribute("form[action$='/withdraw']", "action").unwrap();
        let invite = take_back.split('/').nth_back(1).unwrap().to_owned();
        assert_eq!(others.post_form(&format!("/customer/people/{invite}/withdraw"), &[]).await.status, StatusCode::NOT_FOUND);
        let elsewhere = format!("/admin/tenants/{}/people/{invite}/withdraw", fabrikam.tenant);
        assert_eq!(lead.post_form(&elsewhere, &[]).await.status, StatusCode::NOT_FOUND);
        app.stranger().get(link).await.assert_success();
        visitor.post_form(&take_back, &[]).await.assert_redirect(page);
        assert_eq!(visitor.post_form(&take_back, &[]).await.status, StatusCode::NOT_FOUND, "it is gone");
        assert!(!app.stranger().get(link).await.status.is_success(), "the link leads nowhere");
    }
    let events = "customer.invite, customer.invite_withdrawn, customer.invite, customer.invite_withdrawn";
    assert_eq!(ask::<String>(&app, EVENTS).await, events);
}

#[tokio::test]
async fn who_opens_an_incident_is_noted_once_a_day_and_told_to_the_customer() {
    let app = portal().await;
    let contoso: Bound = bound(&app, "Contoso").await;
    let (seen, unseen) = (incident(&app, contoso.tenant, "Phishing").await, incident(&app, contoso.tenant, "Quiet").await);
    let viewer = app.sign_in(Role::Viewer).await;
    for _ in 0..2 {
        viewer.get(&format!("/incidents/{seen}")).await.assert_success();
    }
    let (_, customer) = person(&app, &contoso, "Ada", false).await;
    let page = customer.get("/customer/access").await.assert_success();
    let looks = page.texts("section[aria-labelledby=looks-head] tbody tr");
    assert!(looks.len() == 1 && looks[0].contains("Test Person") && looks[0].contains("Phishing"), "{looks:?}");
    assert!(
        !page.html.contains(&unseen.to_string()) && !page.html.contains(&format!("/customer/incidents/{seen}")),
        "no link to what is not shared"
    );
    // The page comes although it cannot be noted.
    let mut owner = app.db.owner.connect().await.unwrap();
    owner.execute("revoke insert on staff_looks from watchfloor_web").await.unwrap();
    viewer.get(&format!("/incidents/{unseen}")).await.assert_success();
    assert_eq!(ask::<i64>(&app, "select count(*) from staff_looks").await, 1);
    let later = watchfloor::model::clock::now() + chrono::TimeDelta::days(401);
    let mut tx = app.db.worker.all_tenants().await.unwrap();
    looks::forget(&mut tx, later).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(ask::<i64>(&app, "select count(*) from staff_looks").await, 0);
}

#[tokio::test]
async fn what_has_ended_is_thrown_away_and_an_offboarded_tenant_leaves_nobody_behind() {
    let rig = Rig::start().await;
    let leaving = rig.customer("Leaving").await;
    rig.cloud.world().add_incident(leaving.directory, "A case");
    rig.verify(leaving, 0).await;
    rig.settle(leaving).await;
    let mut tx = rig.db.web.all_tenants().await.unwrap();
    for insert in [
        "insert into customers (tenant_id, customer_id, issuer, directory_id, object_id, display_name, username, is_admin, invited_by)
         select tenant_id, tenant_id, 'i', tenant_id, tenant_id, 'Eve', 'eve', true, 'Ann' from tenants where tenant_id = $1",
        "insert into customer_sessions (tenant_id, session_hash, customer_id, expires_at)
         select $1, sha256(n::text::bytea), $1, now() + (n - 1.5) * interval '1 hour' from generate_series(1, 2) as n",
        "insert into customer_invites (tenant_id, invite_id, ticket_hash, label, is_admin, made_by, expires_at)
         select $1, gen_random_uuid(), sha256(n::text::bytea), 'Eve', true, 'Ann', now() - n * interval '20 days' from generate_series(1, 2) as n",
        "insert into incident_shares (tenant_id, incident_id, shared_by) select tenant_id, incident_id, 'Ann' from incidents where tenant_id = $1",
        "insert into staff_looks (tenant_id, day, incident_id, user_id, name) select tenant_id, '2000-01-01', incident_id, $1, 'Ann' from incidents
         where tenant_id = $1",
    ] {
        sqlx::query(insert).bind(leaving.tenant).execute(&mut *tx).await.unwrap();
    }
    tx.commit().await.unwrap();
    plan_due(&rig.reader, rig.now()).await.unwrap();
    for (table, left) in [("customers", 1), ("customer_sessions", 1), ("customer_invites", 1), ("incident_shares", 1), ("staff_looks", 0)] {
        assert_eq!(rig.count(leaving, table).await, left, "{table}");
    }
    let mut tx = rig.db.worker.all_tenants().await.unwrap();
    sqlx::query("update tenants set state = 'offboarded', purge_after = now() where tenant_id = $1")
        .bind(leaving.tenant)
        .execute(&mut *tx)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    delete_gone(&rig.reader, watchfloor::model::clock::now()).await.unwrap();
    for table in ["customers", "customer_sessions", "customer_invites", "incident_shares", "staff_looks", "notes"] {
        assert_eq!(rig.count(leaving, table).await, 0, "{table}");
    }
}
