//! What the customer says on the page itself: that they accepted by a link which tells us nothing, or that they do without an optional app.

use super::{ENDED, cookie, flow, told};
use crate::app::AppState;
use crate::app::onboarding::{self, Desk, Told, Word};
use crate::model::{DirectoryId, clock};
use crate::store::audit::{Actor, By};
use crate::web::error::PageError;
use crate::web::extract::{ClientIp, Id};
use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::post;
use axum_extra::extract::{CookieJar, Form, FormRejection};
use serde::Deserialize;

pub(super) fn routes() -> Router<AppState> {
    Router::new().route("/onboard/{invite}/accepted/{app}", post(accepted)).route("/onboard/{invite}/skip/{app}", post(skip))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Accepted {
    /// As the customer copied it from Microsoft's pages; may be empty.
    #[serde(default)]
    directory: String,
}

/// A directory id that is none.
const NO_ID: Told = Told {
    status: 422,
    title: "That is not a directory id",
    text: "A directory (tenant) id has 36 characters, such as aaaabbbb-0000-cccc-1111-dddd2222eeee. Copy it from the overview of the Microsoft \
           Entra admin centre, or leave the field empty.",
};

async fn accepted(
    State(desk): State<Desk>,
    ClientIp(ip): ClientIp,
    Id((token, app)): Id<(String, String)>,
    jar: CookieJar,
    form: Result<Form<Accepted>, FormRejection>,
) -> Result<Response, PageError> {
    let Form(form) = form.map_err(|_| PageError::BadRequest("Send this with the form of the page.".into()))?;
    let directory = match form.directory.trim() {
        "" => None,
        text => match DirectoryId::parse(text) {
            Some(id) => Some(id),
            None => return Ok(told(NO_ID, Some(format!("/onboard/{token}")))),
        },
    };
    say(&desk, ip, (&token, &app), jar, Word::Accepted(directory)).await
}

async fn skip(
    State(desk): State<Desk>,
    ClientIp(ip): ClientIp,
    Id((token, app)): Id<(String, String)>,
    jar: CookieJar,
) -> Result<Response, PageError> {
    say(&desk, ip, (&token, &app), jar, Word::Skip).await
}

async fn say(desk: &Desk, ip: Option<String>, place: (&str, &str), jar: CookieJar, word: Word) -> Result<Response, PageError> {
    let by = By { actor: Actor::Customer, ip };
    let flow = flow(&jar, &desk.config);
    match onboarding::say(desk, &by, place, flow, word, clock::now()).await? {
        Some(flow) => Ok((jar.add(cookie(&desk.config, &flow)), Redirect::to(&format!("/onboard/{}", place.0))).into_response()),
        None => Ok(told(ENDED, None)),
    }
}
