//! Where browsers report what the content security policy has kept from a page: a fault of ours, or somebody's try.

use super::error::PageError;
use super::extract::ClientIp;
use super::refusals;
use crate::app::AppState;
use crate::auth::limits::household;
use crate::store::Db;
use crate::store::audit::{Actor, Event};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use serde::Deserialize;
use serde_json::json;
use url::Url;

/// The policy names this path.
pub const PATH: &str = "/csp-reports";

pub fn routes() -> Router<AppState> {
    Router::new().route("/csp-reports", post(take))
}

#[derive(Deserialize)]
struct Sent {
    #[serde(rename = "csp-report")]
    report: Report,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Report {
    #[serde(default)]
    effective_directive: String,
    /// What older browsers send instead, and newer ones as well.
    #[serde(default)]
    violated_directive: String,
    #[serde(default)]
    blocked_uri: String,
}

/// What was kept away: an origin, or a word such as "inline". The rest of an address is a stranger's text, and of our own pages it may be secret.
fn origin(blocked: &str) -> String {
    match Url::parse(blocked) {
        Ok(url) if url.origin().is_tuple() => url.origin().ascii_serialization().chars().take(260).collect(),
        Ok(url) => url.scheme().chars().take(20).collect(),
        Err(_) => blocked.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').take(40).collect(),
    }
}

async fn take(State(db): State<Db>, ClientIp(ip): ClientIp, body: Bytes) -> Result<StatusCode, PageError> {
    let Ok(Sent { report }) = serde_json::from_slice(&body) else {
        return Err(PageError::BadRequest("This is no report of a browser’s.".into()));
    };
    let named = [&report.effective_directive, &report.violated_directive]
        .into_iter()
        .find_map(|named| named.split(' ').next().filter(|name| !name.is_empty()));
    let Some(named) = named else { return Err(PageError::BadRequest("This is no report of a browser’s.".into())) };
    let directive: String = named.chars().filter(|c| c.is_ascii_lowercase() || *c == '-').take(40).collect();
    let event = Event::new(Actor::Stranger, "security.csp").ip(ip.clone()).object(directive).refused();
    let who = format!("csp {}", household(ip.as_deref().unwrap_or_default()));
    refusals::now_and_then(&db, &who, Some("csp"), event, json!({ "kept_away": origin(&report.blocked_uri) })).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_an_address_only_the_origin_is_kept() {
        let kept = [
            ("https://evil.example/setup/secret?x=1", "https://evil.example"),
            ("inline", "inline"),
            ("data:text/html,secret", "data"),
            ("trusted-types-sink", "trusted-types-sink"),
            ("<script>secret</script>", "scriptsecretscript"),
            ("", ""),
        ];
        for (blocked, expected) in kept {
            assert_eq!(origin(blocked), expected, "{blocked}");
        }
    }
}
