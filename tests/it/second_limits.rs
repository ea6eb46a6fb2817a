//! Codes cannot be guessed, and of many who bring the right one at once one gets in.

use crate::app::PASSWORD;
use crate::second::{code, cookie, guarded, half, limits_pass, owner, time_passes};
use axum::http::StatusCode;
use futures_util::future::join_all;
use url::Url;
use watchfloor::auth::AuthError;
use watchfloor::auth::second::{self, Ground, Shown};
use watchfloor::model::{Role, clock};

fn ground(public_url: &Url) -> Ground<'_> {
    Ground { public_url, ip: None, now: clock::now() }
}

#[tokio::test]
async fn of_a_hundred_who_bring_the_right_code_at_once_one_gets_in() {
    let app = guarded().await;
    let owner = owner(&app, Role::Analyst).await;
    let mut halves = Vec::new();
    for _ in 0..100 {
        limits_pass(&app).await;
        halves.push(half(&app, &owner.login).await);
    }
    limits_pass(&app).await;
    let right = Shown::Code(code(&owner.key, 0).into());
    let tries = halves.iter().map(|half| {
        let (db, flow, right, url) = (app.db.web.clone(), half.cookie.clone(), right.clone(), app.state.config.public_url.clone());
        tokio::spawn(async move { second::finish(&db, &flow.into(), &right, ground(&url)).await })
    });
    let outcomes = join_all(tries.collect::<Vec<_>>()).await;
    let sessions = outcomes.into_iter().filter(|outcome| outcome.as_ref().unwrap().is_ok()).count();
    assert_eq!(sessions, 1);
}

#[tokio::test]
async fn the_same_half_twice_at_once_is_one_session() {
    let app = guarded().await;
    let owner = owner(&app, Role::Analyst).await;
    let half = half(&app, &owner.login).await;
    let one = |code: String| {
        let half = half.clone();
        async move { half.code(&code).await }
    };
    let (first, second) = tokio::join!(one(code(&owner.key, 0)), one(code(&owner.key, 1)));
    let got_in = [&first, &second].iter().filter(|reply| cookie(reply, "sid").is_some()).count();
    assert_eq!(got_in, 1, "{} {}", first.status, second.status);
}

#[tokio::test]
async fn whoever_knows_the_password_guesses_five_codes_and_then_waits_and_a_new_password_entry_does_not_help() {
    let app = guarded().await;
    let owner = owner(&app, Role::Analyst).await;
    let mut looked_at = 0;
    // Password, guess, password, guess: both count, and only a whole sign-in is forgiven.
    for n in 0..8 {
        let reply = app.stranger().post_raw("/login", &[("login", &owner.login), ("password", PASSWORD)]).await;
        let Some(cookie) = cookie(&reply, "half") else { continue };
        let flow = cookie.into();
        let wrong = Shown::Code(format!("{n:06}").into());
        assert!(matches!(second::finish(&app.db.web, &flow, &wrong, ground(&app.state.config.public_url)).await, Err(AuthError::Refused)));
        looked_at += 1;
    }
    assert!(looked_at <= 3, "{looked_at}");
    let reply = app.stranger().post_raw("/login", &[("login", &owner.login), ("password", PASSWORD)]).await;
    assert_eq!(reply.status, StatusCode::UNAUTHORIZED, "the name is locked");
    limits_pass(&app).await;
    let begun = half(&app, &owner.login).await;
    for n in 0..6 {
        begun.code(&format!("{n:06}")).await;
    }
    time_passes(&app, owner.id).await;
    assert_eq!(begun.code(&code(&owner.key, 0)).await.status, StatusCode::UNAUTHORIZED, "the lock holds for the right code, too");
    limits_pass(&app).await;
    assert!(cookie(&begun.code(&code(&owner.key, 0)).await, "sid").is_some());
}
