//! Who of a customer's is there: what their pages ask for in their arguments.

use crate::app::AppState;
use crate::auth::customers;
use crate::auth::form_tokens::FormKey;
use crate::model::{CustomerId, TenantId};
use crate::store::audit::{Actor, By};
use crate::store::{Db, Scoped};
use crate::web::error::PageError;
use crate::web::extract::client_ip;
use crate::web::posted::Sender;
use crate::web::refusals::Caller;
use axum::extract::{FromRequestParts, OriginalUri};
use axum::http::request::Parts;
use axum_extra::extract::CookieJar;
use secrecy::SecretString;

/// A person of a customer's who is signed in, and the only way to data for their pages: that of their own tenant. Nobody signed in: on to
/// their sign-in page. Where there is no `[login.customers]`, there is no such page.
#[derive(Clone, Debug)]
pub struct Customer {
    pub id: CustomerId,
    pub tenant: TenantId,
    pub tenant_name: String,
    pub name: String,
    /// What they sign in as, for people to read.
    pub username: String,
    /// May invite and disable colleagues.
    pub is_admin: bool,
    pub ip: Option<String>,
    pub session_hash: Vec<u8>,
    here: String,
    forms: FormKey,
    db: Db,
}

/// One who administers their colleagues; anybody else who is signed in sees the 403 page.
#[derive(Clone, Debug)]
pub struct CustomerAdmin(pub Customer);

impl Customer {
    /// A transaction over the person's tenant.
    pub async fn begin(&self) -> sqlx::Result<Scoped> {
        self.db.tenant(self.tenant).await
    }

    /// The hidden field's value of a form posted to `path` (no query).
    pub fn form_token(&self, path: &str) -> String {
        self.forms.token(path)
    }

    /// For changes that write their own audit row.
    pub fn by(&self) -> By {
        By { actor: Actor::Member(self.id, self.username.clone()), ip: self.ip.clone() }
    }

    /// Whether this is the page at `path`, or one below it.
    pub fn is_at(&self, path: &str) -> bool {
        let here = self.here.split('?').next().unwrap_or_default();
        here == path || here.strip_prefix(path).is_some_and(|rest| rest.starts_with('/'))
    }
}

impl Sender for Customer {
    fn here(&self) -> &str {
        &self.here
    }

    fn accepts_form_token(&self, path: &str, token: &str) -> bool {
        self.forms.accepts(path, token)
    }
}

impl FromRequestParts<AppState> for Customer {
    type Rejection = PageError;
    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, PageError> {
        if let Some(customer) = parts.extensions.get::<Self>() {
            return Ok(customer.clone()); // asked for by several arguments, looked up once
        }
        if state.config.login.customers.is_none() {
            return Err(PageError::NotFound);
        }
        let jar = CookieJar::from_headers(&parts.headers);
        let cookie = jar.get(super::cookie_name(&state.config)).ok_or(PageError::CustomerSignIn)?;
        let secret = SecretString::from(cookie.value().to_owned());
        let (tenant, session_hash, who) = customers::find(&state.db, &secret).await?.ok_or(PageError::CustomerSignIn)?;
        let here = parts.extensions.get::<OriginalUri>().map_or(&parts.uri, |uri| &uri.0);
        let customer = Self {
            id: who.customer_id,
            tenant,
            tenant_name: who.tenant_name,
            name: who.display_name,
            username: who.username,
            is_admin: who.is_admin,
            ip: client_ip(parts, &state.config),
            session_hash,
            here: here.path_and_query().map_or("/", |here| here.as_str()).to_owned(),
            forms: FormKey::of_session(&secret),
            db: state.db.clone(),
        };
        Caller::note(parts, customer.by(), Some(tenant));
        parts.extensions.insert(customer.clone());
        Ok(customer)
    }
}

impl FromRequestParts<AppState> for CustomerAdmin {
    type Rejection = PageError;
    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, PageError> {
        let customer = Customer::from_request_parts(parts, state).await?;
        if customer.is_admin { Ok(Self(customer)) } else { Err(PageError::Forbidden) }
    }
}
