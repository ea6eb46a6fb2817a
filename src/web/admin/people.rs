//! The people of a customer, as staff see them: invited, let in, shut out.

use crate::app::AppState;
use crate::config::Config;
use crate::model::{CustomerId, CustomerInviteId, TenantId, TenantState, clock};
use crate::store::customers::{self, Customer, invites};
use crate::store::tenants::Tenant;
use crate::store::{self, Scoped};
use crate::web::customer::{Invited, Link, link};
use crate::web::error::PageError;
use crate::web::extract::{Id, Lead, Nothing, Posted, User};
use crate::web::filters;
use crate::web::page::Page;
use crate::web::scope::ScopedDb;
use crate::web::show::When;
use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use std::sync::Arc;

pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route("/admin/tenants/{tenant}/people", get(show).post(invite))
        .route("/admin/tenants/{tenant}/people/{person}", post(set_disabled))
        .route("/admin/tenants/{tenant}/people/{invite}/withdraw", post(withdraw))
}

#[derive(Template)]
#[template(path = "admin/people.html")]
struct PeoplePage {
    user: User,
    tenant: Tenant,
    people: Vec<Customer>,
    invites: Vec<invites::Invite>,
    /// A link that was made just now.
    link: Option<Link>,
    problem: Option<&'static str>,
    now: DateTime<Utc>,
}

impl PeoplePage {
    fn when(&self, at: &DateTime<Utc>) -> When {
        When::new(*at, self.now)
    }

    fn path(&self) -> String {
        format!("/admin/tenants/{}/people", self.tenant.tenant_id)
    }

    fn path_of(&self, person: &Customer) -> String {
        format!("{}/{}", self.path(), person.customer_id)
    }

    /// Where the form that takes an invitation back goes, and its token.
    fn withdrawal(&self, invite: &invites::Invite) -> (String, String) {
        let path = format!("{}/{}/withdraw", self.path(), invite.invite_id);
        let token = self.user.form_token(&path);
        (path, token)
    }

    /// Why nobody can be invited, if so.
    fn hindrance(&self) -> Option<&'static str> {
        hindrance(self.user.customers_sign_in, &self.tenant)
    }
}

/// Whoever is invited must be of the tenant's directory, which must be known for certain.
fn hindrance(customers_sign_in: bool, tenant: &Tenant) -> Option<&'static str> {
    if !customers_sign_in {
        Some("Customers do not sign in at this portal: [login.customers] is not configured.")
    } else if tenant.state == TenantState::Offboarded {
        Some("This tenant is offboarded.")
    } else if tenant.directory_id.is_none() || tenant.needs_approval {
        Some("No directory is connected yet. People can be invited once it is.")
    } else {
        None
    }
}

async fn page(
    mut tx: Scoped,
    user: User,
    tenant: Tenant,
    link: Option<Link>,
    problem: Option<&'static str>,
) -> Result<Page<PeoplePage>, PageError> {
    let people = customers::list(&mut tx, tenant.tenant_id).await?;
    let invites = invites::open(&mut tx, tenant.tenant_id).await?;
    tx.commit().await?;
    Ok(Page(PeoplePage { user, tenant, people, invites, link, problem, now: clock::now() }))
}

async fn show(Lead(user): Lead, db: ScopedDb, Id(tenant): Id<TenantId>) -> Result<Page<impl Template>, PageError> {
    let mut tx = db.begin().await?;
    let tenant = store::tenants::get(&mut tx, tenant).await?.ok_or(PageError::NotFound)?;
    page(tx, user, tenant, None, None).await
}

async fn invite(
    State(config): State<Arc<Config>>,
    Lead(user): Lead,
    db: ScopedDb,
    Id(tenant): Id<TenantId>,
    Posted(_, form): Posted<Invited>,
) -> Result<Response, PageError> {
    let mut tx = db.begin().await?;
    let tenant = store::tenants::get(&mut tx, tenant).await?.ok_or(PageError::NotFound)?;
    if let Some(why) = hindrance(user.customers_sign_in, &tenant) {
        return Err(PageError::Conflict(why.into()));
    }
    let made = link(&mut tx, &config, (&user.by(), &user.name), tenant.tenant_id, &form).await?;
    let status = if made.is_ok() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let problem = made.as_ref().err().copied();
    Ok((status, page(tx, user, tenant, made.ok(), problem).await?).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {
    disabled: bool,
}

/// Staff may shut out the last administrator of a customer, too: they can invite another one.
async fn set_disabled(
    Lead(user): Lead,
    db: ScopedDb,
    Id((tenant, person)): Id<(TenantId, CustomerId)>,
    Posted(_, Wish { disabled }): Posted<Wish>,
) -> Result<Redirect, PageError> {
    let mut tx = db.begin().await?;
    store::tenants::get(&mut tx, tenant).await?.ok_or(PageError::NotFound)?;
    let of = customers::get(&mut tx, tenant, person).await?.ok_or(PageError::NotFound)?;
    customers::set_disabled(&mut tx, &user.by(), &of, disabled).await?;
    tx.commit().await?;
    Ok(Redirect::to(&format!("/admin/tenants/{tenant}/people")))
}

async fn withdraw(
    Lead(user): Lead,
    db: ScopedDb,
    Id((tenant, invite)): Id<(TenantId, CustomerInviteId)>,
    Posted(_, Nothing {}): Posted<Nothing>,
) -> Result<Redirect, PageError> {
    let mut tx = db.begin().await?;
    if !invites::withdraw(&mut tx, &user.by(), tenant, invite).await? {
        return Err(PageError::NotFound);
    }
    tx.commit().await?;
    Ok(Redirect::to(&format!("/admin/tenants/{tenant}/people")))
}
