//! A fresh proof before anything grave: which forms ask for it, what becomes of them, and what does not count as one.

use crate::access::example;
use crate::app::{Reply, TestApp, Visitor};
use crate::routes::{POST, Proof, ROUTES, Who};
use crate::second::{Owner, change, code, cookie, events, guarded, half, is_in, limits_pass, owner, proofs_age, signed_in, time_passes};
use axum::body::Body;
use axum::http::{Method, StatusCode, header};
use std::collections::BTreeSet;
use watchfloor::model::Role;
use watchfloor::web::step_up::GRAVE;

fn asks(reply: &Reply) -> bool {
    reply.html.contains("<h1>Confirm that it is you</h1>")
}

/// An administrator whose proof is eleven minutes old.
async fn stale(app: &TestApp) -> Owner {
    let admin = owner(app, Role::Admin).await;
    proofs_age(app, admin.id).await;
    admin
}

#[tokio::test]
async fn each_grave_form_asks_for_a_fresh_proof_and_holds_what_was_typed_and_no_other_does() {
    let app = guarded().await;
    let admin = stale(&app).await;
    let rows: BTreeSet<&str> = ROUTES.iter().filter(|row| row.3 == Proof::Fresh).map(|row| row.0).collect();
    assert_eq!(rows, GRAVE.iter().map(|(route, _)| *route).collect(), "the layer's routes are those of the table");
    for (route, _, least, proof) in ROUTES.iter().filter(|(_, method, ..)| *method == POST) {
        // The page itself asks, of course.
        if *least == Who::Anybody || ["/logout", "/account/confirm"].contains(route) {
            continue;
        }
        let typed = [("reason", "\"quoted\" <b>&amp; more"), ("tenants", "one"), ("tenants", "two")];
        let reply = admin.visitor.post_form(&example(route), &typed).await;
        assert_eq!(asks(&reply), *proof == Proof::Fresh, "{route}: {}", reply.status);
        if *proof == Proof::Fresh {
            assert_eq!(reply.status, StatusCode::FORBIDDEN, "{route}");
            assert_eq!(reply.attribute("main form.stack", "action").unwrap(), example(route));
            assert_eq!(reply.attribute("main form.stack input[name=reason]", "value").unwrap(), typed[0].1);
            assert!(reply.html.contains("value=\"one\"") && reply.html.contains("value=\"two\"") && !reply.html.contains("<b>"), "{route}");
        }
    }
    assert!(is_in(&admin.visitor).await);
    assert_eq!(events(&app, "^login.proof").await.len(), 0);
}

#[tokio::test]
async fn the_right_code_sends_the_form_on_in_a_session_with_a_new_id() {
    let app = guarded().await;
    let admin = stale(&app).await;
    let fields = [("login", "bob@example.com"), ("name", "Bob & Co"), ("role", "viewer")];
    let send = async |visitor: &Visitor, more: &[(&str, &str)]| visitor.post_form("/admin/users", &[&fields, more].concat()).await;
    for (more, status) in [
        (&[][..], StatusCode::FORBIDDEN),
        (&[("proof_code", "")], StatusCode::FORBIDDEN),
        (&[("proof_code", "000000")], StatusCode::UNPROCESSABLE_ENTITY),
        (&[("proof_recovery", "0000-0000-0000-0000")], StatusCode::UNPROCESSABLE_ENTITY),
    ] {
        let reply = send(&admin.visitor, more).await;
        assert!(asks(&reply) && reply.status == status && cookie(&reply, "sid").is_none(), "{more:?}: {}", reply.status);
    }
    assert!(!admin.visitor.get("/admin/users").await.html.contains("bob@example.com"), "nothing was done");
    limits_pass(&app).await;
    let reply = send(&admin.visitor, &[("proof_code", &code(&admin.key, 0))]).await;
    let renewed = signed_in(&app, &reply);
    let done = reply.assert_success();
    assert!(
        done.html.contains("Give this link to <strong>bob@example.com</strong>") && done.html.contains("Bob &#38; Co"),
        "{}",
        done.html
    );
    assert!(is_in(&renewed).await && !is_in(&admin.visitor).await, "the old id is nobody's");
    assert_eq!(events(&app, "^login.proof").await, ["login.proof refused", "login.proof refused", "login.proof ok {\"second\": \"totp\"}"]);
    // Fresh for ten minutes: nothing is asked, and a code that comes along all the same is no field of the form.
    time_passes(&app, admin.id).await;
    let path = "/admin/users";
    let again = [("login", "eve"), ("name", "Eve"), ("role", "viewer"), ("proof_code", "123456")];
    renewed.post_form(path, &again).await.assert_success();
    change(&app, admin.id, "update sessions set proven_at = now() - interval '9 minutes' where user_id = $1").await;
    assert!(!asks(&renewed.post_form(path, &fields).await));
    change(&app, admin.id, "update sessions set proven_at = null where user_id = $1").await;
    assert!(asks(&renewed.post_form(path, &fields).await), "a session that was never proven");
}

#[tokio::test]
async fn a_code_that_signed_in_proves_nothing_more_and_a_recovery_code_ends_the_other_sessions() {
    let app = guarded().await;
    let admin = owner(&app, Role::Admin).await;
    let here = admin.enter(&app).await;
    time_passes(&app, admin.id).await;
    let used = code(&admin.key, 0);
    let there = signed_in(&app, &half(&app, &admin.login).await.code(&used).await);
    proofs_age(&app, admin.id).await;
    let reply = here.post_form("/account/factors/codes", &[("proof_code", &used)]).await;
    assert!(asks(&reply) && reply.status == StatusCode::UNPROCESSABLE_ENTITY, "the code of the sign-in was used up");
    let reply = here.post_form("/account/factors/new", &[("proof_recovery", &admin.codes[0])]).await;
    let renewed = signed_in(&app, &reply);
    assert!(reply.html.contains("Add an authenticator app") && is_in(&renewed).await);
    assert!(!is_in(&there).await && !is_in(&admin.visitor).await && !is_in(&here).await);
    proofs_age(&app, admin.id).await;
    limits_pass(&app).await;
    let reply = renewed.post_form("/account/factors/new", &[("proof_recovery", &admin.codes[0])]).await;
    assert_eq!(reply.status, StatusCode::UNPROCESSABLE_ENTITY, "it works once");
}

#[tokio::test]
async fn somebody_elses_code_a_foreign_form_and_a_stranger_get_nowhere() {
    let app = guarded().await;
    let (admin, other) = (stale(&app).await, owner(&app, Role::Admin).await);
    let own = code(&other.key, 0);
    assert!(asks(&admin.visitor.post_form("/admin/users", &[("proof_code", &own)]).await));
    let good = code(&admin.key, 0);
    for token in ["", "x", &other.visitor.form_token("/admin/users"), &admin.visitor.form_token("/elsewhere")] {
        let reply = admin.visitor.post_raw("/admin/users", &[("form_token", token), ("proof_code", &good)]).await;
        assert!(reply.status == StatusCode::FORBIDDEN && !asks(&reply), "{token}");
    }
    let token = admin.visitor.form_token("/admin/users");
    let reply = admin.visitor.post_from("cross-site", "/admin/users", &[("form_token", &token), ("proof_code", &good)]).await;
    assert!(reply.status == StatusCode::FORBIDDEN && !asks(&reply));
    assert_eq!(app.stranger().post_raw("/admin/users", &[("proof_code", &good)]).await.status, StatusCode::SEE_OTHER);
    assert!(is_in(&admin.visitor).await, "nothing was proven, and no id has changed");
}

#[tokio::test]
async fn codes_of_a_stolen_session_cannot_be_guessed_either() {
    let app = guarded().await;
    let admin = stale(&app).await;
    for n in 0..6 {
        admin.visitor.post_form("/admin/users", &[("proof_code", &format!("{n:06}"))]).await;
    }
    let reply = admin.visitor.post_form("/admin/users", &[("proof_code", &code(&admin.key, 0))]).await;
    assert!(asks(&reply) && reply.status == StatusCode::UNPROCESSABLE_ENTITY, "the lock holds for the right code, too");
}

#[tokio::test]
async fn a_file_that_was_chosen_is_not_lost() {
    let app = guarded().await;
    let admin = stale(&app).await;
    let csv = "name,domain\r\nCont\"oso,contoso.example\r\nFabrikam,";
    let send = async |visitor: &Visitor, fields: &[(&str, &str)]| {
        let token = visitor.form_token("/admin/tenants/import");
        let part = |(name, value): &(&str, &str)| format!("--cut\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
        let body: String = fields.iter().chain(&[("form_token", token.as_str())]).map(part).collect();
        let request = visitor.request(Method::POST, "/admin/tenants/import").header("sec-fetch-site", "same-origin");
        let request = request.header(header::CONTENT_TYPE, "multipart/form-data; boundary=cut");
        visitor.send(request.body(Body::from(body + "--cut--\r\n")).unwrap()).await
    };
    let asked = send(&admin.visitor, &[("file", csv)]).await;
    assert!(asks(&asked));
    assert_eq!(asked.attribute("main form", "enctype").unwrap(), "multipart/form-data");
    let kept = asked.attribute("main form input[name=file]", "value").unwrap();
    let reply = send(&admin.visitor, &[("file", &kept), ("proof_code", &code(&admin.key, 0))]).await.assert_success();
    assert!(reply.html.contains("Fabrikam") && reply.html.contains("Cont"), "{}", reply.html);
    assert_eq!(reply.texts("tbody tr").len(), 2, "{:?}", reply.texts("tbody tr"));
}

#[tokio::test]
async fn more_than_ten_thousand_rows_leave_only_after_a_fresh_proof() {
    let app = guarded().await;
    let admin = stale(&app).await;
    let tenant = app.tenant("Contoso").await;
    let fill = async |from: i32, to: i32| {
        let mut tx = app.db.worker.tenant(tenant).await.unwrap();
        sqlx::query(
            "insert into incidents (tenant_id, incident_id, product, external_id, title, severity, severity_raw, status, status_raw, created_at, updated_at)
             select $1, gen_random_uuid(), 'defender_xdr', n::text, 'Many', 2, 'low', 'new', 'New', now(), now() from generate_series($2, $3) as n",
        )
        .bind(tenant)
        .bind(from)
        .bind(to)
        .execute(&mut *tx)
        .await
        .unwrap();
        tx.commit().await.unwrap();
    };
    fill(1, 10_000).await;
    admin.visitor.get("/incidents/export.csv?q=Many").await.assert_success();
    fill(10_001, 10_001).await;
    let asked = admin.visitor.get("/incidents/export.csv?q=Many").await;
    let to = asked.headers[header::LOCATION].to_str().unwrap().to_owned();
    assert_eq!(to, "/account/confirm?next=%2Fincidents%3Fq%3DMany");
    assert_eq!(events(&app, "^incident.exported").await.len(), 1);
    let page = admin.visitor.get(&to).await.assert_success();
    assert!(asks(&page) && page.attribute("main form input[name=next]", "value").unwrap() == "/incidents?q=Many");
    let send =
        async |proof: &str| admin.visitor.post_form("/account/confirm", &[("next", "/incidents?q=Many"), ("proof_code", proof)]).await;
    assert_eq!(send("000000").await.status, StatusCode::UNPROCESSABLE_ENTITY);
    let reply = send(&code(&admin.key, 0)).await;
    let renewed = signed_in(&app, &reply);
    reply.assert_redirect("/incidents?q=Many");
    renewed.get("/incidents/export.csv?q=Many").await.assert_success();
    renewed.get("/account/confirm?next=//evil.example").await.assert_redirect("/");
    renewed.get("/admin/audit/export.csv?action=login").await.assert_success();
    proofs_age(&app, admin.id).await;
    let log = renewed.get("/admin/audit/export.csv?action=login").await;
    log.assert_redirect("/account/confirm?next=%2Fadmin%2Faudit%3Faction%3Dlogin");
}
