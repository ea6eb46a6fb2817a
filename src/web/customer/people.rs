//! The customer's own people, for those of them who administer that: who they are, who is invited, and who is not let in any more.

use super::{Customer, CustomerAdmin};
use crate::app::AppState;
use crate::auth::customers::{self as door, Wish};
use crate::config::Config;
use crate::model::{CustomerId, CustomerInviteId, TenantId, clock, visible};
use crate::store::Scoped;
use crate::store::audit::By;
use crate::store::customers::{self, Customer as Person, invites};
use crate::web::error::PageError;
use crate::web::extract::{Id, Nothing, Posted};
use crate::web::filters;
use crate::web::page::Page;
use crate::web::show::When;
use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use chrono::{DateTime, Utc};
use secrecy::ExposeSecret;
use serde::Deserialize;
use std::sync::Arc;

pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route("/customer/people", get(show).post(invite))
        .route("/customer/people/{person}/disable", post(disable))
        .route("/customer/people/{invite}/withdraw", post(withdraw))
}

#[derive(Template)]
#[template(path = "customer/people.html")]
struct PeoplePage {
    customer: Customer,
    people: Vec<Person>,
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

    /// The last administrator stays one.
    fn can_disable(&self, person: &Person) -> bool {
        let is_admin = |of: &Person| of.is_admin && of.disabled_at.is_none();
        let others = self.people.iter().filter(|other| is_admin(other) && other.customer_id != person.customer_id).count();
        person.disabled_at.is_none() && (!person.is_admin || others > 0)
    }

    /// Where the form that takes an invitation back goes, and its token.
    fn withdrawal(&self, invite: &invites::Invite) -> (String, String) {
        let path = format!("/customer/people/{}/withdraw", invite.invite_id);
        let token = self.customer.form_token(&path);
        (path, token)
    }

    fn disable(person: &Person) -> String {
        format!("/customer/people/{}/disable", person.customer_id)
    }
}

/// A link of an invitation, shown once.
pub struct Link {
    pub label: String,
    pub url: String,
    pub until: String,
}

/// The form that invites somebody.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Invited {
    label: String,
    #[serde(default)]
    is_admin: bool,
}

/// Makes the link that a form asks for, or says what is wrong with it. `by`: who invites, and their name.
pub async fn link(
    tx: &mut Scoped,
    config: &Config,
    (by, made_by): (&By, &str),
    tenant: TenantId,
    form: &Invited,
) -> Result<Result<Link, &'static str>, PageError> {
    let label = form.label.trim();
    if label.is_empty() || visible::line(label, 120).is_err() {
        return Ok(Err("Say for whom the link is, in at most 120 visible characters."));
    }
    let (secret, until) = door::invite(tx, by, tenant, Wish { label, is_admin: form.is_admin, made_by }).await?;
    let url = config.public_url.join(&format!("/customer/invite/{}", secret.expose_secret()))?.to_string();
    let until = until.format("%-d %B %Y, %H:%M UTC").to_string();
    Ok(Ok(Link { label: label.to_owned(), url, until }))
}

async fn page(
    mut tx: Scoped,
    customer: Customer,
    link: Option<Link>,
    problem: Option<&'static str>,
) -> Result<Page<PeoplePage>, PageError> {
    let people = customers::list(&mut tx, customer.tenant).await?;
    let invites = invites::open(&mut tx, customer.tenant).await?;
    tx.commit().await?;
    Ok(Page(PeoplePage { customer, people, invites, link, problem, now: clock::now() }))
}

async fn show(CustomerAdmin(customer): CustomerAdmin) -> Result<Page<impl Template>, PageError> {
    page(customer.begin().await?, customer, None, None).await
}

async fn invite(
    State(config): State<Arc<Config>>,
    CustomerAdmin(customer): CustomerAdmin,
    Posted(_, form): Posted<Invited, Customer>,
) -> Result<Response, PageError> {
    let mut tx = customer.begin().await?;
    let made = link(&mut tx, &config, (&customer.by(), &customer.name), customer.tenant, &form).await?;
    let status = if made.is_ok() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let problem = made.as_ref().err().copied();
    Ok((status, page(tx, customer, made.ok(), problem).await?).into_response())
}

/// Whoever is the last administrator stays one: without any, nobody of the customer could let anybody in.
async fn disable(
    CustomerAdmin(customer): CustomerAdmin,
    Id(person): Id<CustomerId>,
    Posted(_, Nothing {}): Posted<Nothing, Customer>,
) -> Result<Redirect, PageError> {
    let mut tx = customer.begin().await?;
    let of = customers::get(&mut tx, customer.tenant, person).await?.ok_or(PageError::NotFound)?;
    if of.is_admin && !customers::has_other_admin(&mut tx, &of).await? {
        return Err(PageError::Conflict("This is the last administrator. Invite another one first.".into()));
    }
    customers::set_disabled(&mut tx, &customer.by(), &of, true).await?;
    tx.commit().await?;
    Ok(Redirect::to("/customer/people"))
}

async fn withdraw(
    CustomerAdmin(customer): CustomerAdmin,
    Id(invite): Id<CustomerInviteId>,
    Posted(_, Nothing {}): Posted<Nothing, Customer>,
) -> Result<Redirect, PageError> {
    let mut tx = customer.begin().await?;
    if !invites::withdraw(&mut tx, &customer.by(), customer.tenant, invite).await? {
        return Err(PageError::NotFound);
    }
    tx.commit().await?;
    Ok(Redirect::to("/customer/people"))
}
