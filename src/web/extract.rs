//! What a handler asks for in its arguments, and what happens when it is missing.

use super::cookies::session_of;
use super::error::PageError;
use super::posted::Sender;
pub use super::posted::{Nothing, Posted};
use super::refusals::Caller;
use crate::app::AppState;
use crate::app::notices::Notice;
use crate::auth::form_tokens::FormKey;
use crate::auth::{Person, secret, sessions};
use crate::config::Config;
use crate::model::{Role, Scope, UserId, clock};
use crate::store::audit::{Actor, By};
use axum::extract::{ConnectInfo, FromRequestParts, OriginalUri};
use axum::http::Method;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;
use std::net::{IpAddr, SocketAddr};
use std::ops::Deref;
use std::sync::Arc;

/// Somebody signed in, of any role. Nobody signed in: on to the sign-in page.
#[derive(Clone, Debug)]
pub struct User {
    person: Person,
    /// The client's address.
    pub ip: Option<String>,
    /// Path and query of this page, for forms that come back to it.
    pub here: String,
    /// Which of the user's sessions this is.
    pub session_hash: Vec<u8>,
    /// Another site's page sent the browser here.
    pub is_sent_elsewhere: bool,
    /// Whether customers' people sign in at this portal.
    pub customers_sign_in: bool,
    forms: FormKey,
    notices: Arc<Vec<Notice>>,
}

impl Deref for User {
    type Target = Person;
    fn deref(&self) -> &Person {
        &self.person
    }
}

impl User {
    /// The hidden field's value of a form posted to `path` (no query).
    pub fn form_token(&self, path: &str) -> String {
        self.forms.token(path)
    }

    /// Whether a form's token is good. [`super::posted::Posted`] does this; only forms of another encoding call it.
    pub fn accepts_form_token(&self, path: &str, token: &str) -> bool {
        self.forms.accepts(path, token)
    }

    /// Who acts, for audit rows: whoever looks at the portal as somebody else stays who they are.
    pub fn actor(&self) -> Actor {
        let (id, login) = self.behind.as_ref().map_or((self.id, &self.login), |behind| (behind.user_id, &behind.login));
        Actor::User(id, login.clone())
    }

    /// The person who sits there, by id and name.
    pub fn who(&self) -> (UserId, String) {
        let (id, name) = self.behind.as_ref().map_or((self.id, &self.name), |behind| (behind.user_id, &behind.name));
        (id, name.clone())
    }

    /// For changes that write their own audit row.
    pub fn by(&self) -> By {
        By { actor: self.actor(), ip: self.ip.clone() }
    }

    /// What this user is told on every page.
    pub fn notices(&self) -> impl Iterator<Item = &Notice> {
        self.notices.iter().filter(|notice| self.role.allows(notice.role))
    }

    /// "Ada Lovelace" is "AL".
    pub fn initials(&self) -> String {
        self.name.split_whitespace().filter_map(|word| word.chars().next()).take(2).flat_map(char::to_uppercase).collect()
    }

    /// Whether no tenant has been opened to this user.
    pub fn sees_nothing(&self) -> bool {
        matches!(&self.scope, Scope::Tenants(tenants) if tenants.is_empty())
    }

    /// Whether the user's role allows what `role` may; for showing and hiding links.
    pub fn is_admin(&self) -> bool {
        self.role.allows(Role::Admin)
    }

    /// See [`User::is_admin`].
    pub fn is_lead(&self) -> bool {
        self.role.allows(Role::Lead)
    }

    /// See [`User::is_admin`].
    pub fn is_responder(&self) -> bool {
        self.role.allows(Role::Responder)
    }

    /// See [`User::is_admin`].
    pub fn is_analyst(&self) -> bool {
        self.role.allows(Role::Analyst)
    }
}

impl Sender for User {
    fn here(&self) -> &str {
        &self.here
    }

    fn accepts_form_token(&self, path: &str, token: &str) -> bool {
        Self::accepts_form_token(self, path, token)
    }
}

/// Somebody signed in whose page asks by itself: that does not keep the session alive. Stands before whatever else needs the user.
#[derive(Clone, Debug)]
pub struct Watcher(pub User);

impl FromRequestParts<AppState> for User {
    type Rejection = PageError;
    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, PageError> {
        Self::find(parts, state, true).await
    }
}

impl FromRequestParts<AppState> for Watcher {
    type Rejection = PageError;
    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, PageError> {
        User::find(parts, state, false).await.map(Self)
    }
}

impl User {
    /// Who sent the request; `acts`: somebody did something, and the session's idle time starts anew.
    async fn find(parts: &mut Parts, state: &AppState, acts: bool) -> Result<Self, PageError> {
        if let Some(user) = parts.extensions.get::<Self>() {
            return Ok(user.clone()); // asked for by several arguments, looked up once
        }
        let here = parts.extensions.get::<OriginalUri>().map_or(&parts.uri, |uri| &uri.0);
        let here = here.path_and_query().map_or("/", |here| here.as_str()).to_owned();
        let asked = || PageError::SignIn((parts.method == Method::GET).then(|| here.clone()));
        let secret = session_of(&parts.headers, &state.config).ok_or_else(asked)?;
        let session_hash = secret::hash(&secret);
        let person = if acts { sessions::identify(&state.db, &secret).await? } else { sessions::look(&state.db, &session_hash).await? };
        let person = person.ok_or_else(asked)?;
        let notices = if person.role.allows(Role::Lead) {
            state.notices.current(&state.db, &state.microsoft, clock::now()).await
        } else {
            Arc::default()
        };
        let forms = FormKey::of_session(&secret);
        let customers_sign_in = state.config.login.customers.is_some();
        let ip = client_ip(parts, &state.config);
        let is_sent_elsewhere = parts.headers.get("sec-fetch-site").is_some_and(|site| site == "cross-site" || site == "same-site");
        let user = Self { person, ip, here, session_hash, is_sent_elsewhere, customers_sign_in, forms, notices };
        let is_refused = user.behind.is_some() && !is_only_looking(&parts.method, &user.here);
        Caller::note(parts, user.by(), None);
        if is_refused {
            return Err(PageError::OnlyLooking(user.person.name));
        }
        parts.extensions.insert(user.clone());
        Ok(user)
    }
}

/// What somebody may ask for who sees the portal as a colleague does: its pages, but not the colleague's account, and the way back.
fn is_only_looking(method: &Method, here: &str) -> bool {
    if method.is_safe() { !here.starts_with("/account") } else { ["/view-as/end", "/logout"].contains(&here) }
}

/// An administrator; anybody else signed in sees the 403 page.
#[derive(Clone, Debug)]
pub struct Admin(pub User);

/// A lead or better.
#[derive(Clone, Debug)]
pub struct Lead(pub User);

/// A responder or better.
#[derive(Clone, Debug)]
pub struct Responder(pub User);

/// An analyst or better.
#[derive(Clone, Debug)]
pub struct Analyst(pub User);

macro_rules! needs_role {
    ($($name:ident),+) => {$(
        impl FromRequestParts<AppState> for $name {
            type Rejection = PageError;
            async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, PageError> {
                let user = User::from_request_parts(parts, state).await?;
                if user.role.allows(Role::$name) { Ok(Self(user)) } else { Err(PageError::Forbidden) }
            }
        }
    )+};
}
needs_role!(Admin, Lead, Responder, Analyst);

/// An id (or several, as a tuple) from the path; anything else there is the 404 page.
#[derive(Clone, Copy, Debug)]
pub struct Id<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Id<T> {
    type Rejection = PageError;
    #[expect(clippy::disallowed_types, reason = "this is the type to use instead")]
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, PageError> {
        let path = axum::extract::Path::from_request_parts(parts, state).await;
        path.map(|axum::extract::Path(id)| Self(id)).map_err(|_| PageError::NotFound)
    }
}

/// A query string that may name a parameter several times; what cannot be read is the 400 page.
#[derive(Clone, Debug)]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = PageError;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, PageError> {
        let query = axum_extra::extract::Query::from_request_parts(parts, state).await;
        query.map(|query| Self(query.0)).map_err(|_| PageError::BadRequest("The address of this list cannot be read.".into()))
    }
}

/// The client's address: the peer, or, if the peer is a trusted proxy, the rightmost address it vouches for that is not one.
pub fn client_ip(parts: &Parts, config: &Config) -> Option<String> {
    let trusted = |ip: IpAddr| config.trusted_proxies.iter().any(|range| range.contains(ip));
    let mut ip = parts.extensions.get::<ConnectInfo<SocketAddr>>()?.0.ip().to_canonical();
    let forwarded: Vec<&str> = parts.headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok()).collect();
    for hop in forwarded.join(",").rsplit(',') {
        if !trusted(ip) {
            break;
        }
        let Ok(hop) = hop.trim().parse::<IpAddr>() else { break };
        ip = hop.to_canonical();
    }
    Some(ip.to_string())
}

/// The client's address, for pages without a user.
#[derive(Clone, Debug)]
pub struct ClientIp(pub Option<String>);

impl FromRequestParts<AppState> for ClientIp {
    type Rejection = PageError;
    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, PageError> {
        Ok(Self(client_ip(parts, &state.config)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::extract::Request;

    #[test]
    fn an_address_is_believed_as_far_as_proxies_of_ours_vouch_for_it_and_no_further() {
        let mut config = Config::plain("http://localhost:1".parse().unwrap(), SocketAddr::from(([127, 0, 0, 1], 1)), Vec::new());
        config.trusted_proxies = vec!["10.0.0.0/8".to_owned().try_into().unwrap(), "::1/128".to_owned().try_into().unwrap()];
        let seen = |peer: &str, forwarded: &[&str]| {
            let mut request = Request::new(());
            for value in forwarded {
                request.headers_mut().append("x-forwarded-for", value.parse().unwrap());
            }
            request.extensions_mut().insert(ConnectInfo(SocketAddr::new(peer.parse().unwrap(), 1)));
            client_ip(&request.into_parts().0, &config).unwrap()
        };
        assert_eq!(seen("203.0.113.7", &["198.51.100.1"]), "203.0.113.7", "a stranger says what it likes");
        assert_eq!(seen("10.0.0.1", &["6.6.6.6, 198.51.100.1"]), "198.51.100.1", "what stands further left the stranger wrote");
        assert_eq!(seen("10.0.0.1", &["6.6.6.6", "198.51.100.1, 10.0.0.2"]), "198.51.100.1", "through two proxies, in two headers");
        assert_eq!(seen("::1", &["2001:db8::7"]), "2001:db8::7");
        assert_eq!(seen("::ffff:10.0.0.1", &["::ffff:198.51.100.1"]), "198.51.100.1", "the same addresses, written otherwise");
        assert_eq!(seen("10.0.0.1", &["198.51.100.1, rubbish"]), "10.0.0.1", "rubbish ends the walk");
        assert_eq!(seen("10.0.0.1", &[]), "10.0.0.1");
        assert_eq!(seen("10.0.0.1", &[&["10.0.0.3"; 1_000].join(",")]), "10.0.0.3");
    }
}
