//! Users: who may sign in, as what, and which tenants they see.

use crate::app::AppState;
use crate::auth::second::own;
use crate::auth::{links, secret};
use crate::model::{Role, TenantId, UserId, clock, visible};
use crate::store::audit;
use crate::store::overview::TenantName;
use crate::store::reach::{self, Reach};
use crate::store::users::{self, Account, NewUser};
use crate::store::{Db, Scoped, overview, suppressions};
use crate::web::error::PageError;
use crate::web::extract::{Admin, Id, Nothing, Posted, User};
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
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeSet;

pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route("/admin/users", get(list).post(add))
        .route("/admin/users/{user}", get(edit).post(change))
        .route("/admin/users/{user}/link", post(link))
        .route("/admin/users/{user}/factors", post(reset_factors))
        .route("/admin/users/{user}/disabled", post(set_disabled))
}

#[derive(Template)]
#[template(path = "admin/users.html")]
struct UsersPage {
    user: User,
    accounts: Vec<Account>,
    /// Whom a link was made for, and the link, shown once.
    link: Option<(String, String)>,
    problem: Option<&'static str>,
    now: DateTime<Utc>,
}

impl UsersPage {
    fn when(&self, at: &DateTime<Utc>) -> When {
        When::new(*at, self.now)
    }
}

async fn users_page(
    db: &Db,
    user: User,
    link: Option<(String, String)>,
    problem: Option<&'static str>,
) -> Result<Page<UsersPage>, PageError> {
    let accounts = users::list(&mut db.begin(&user.scope).await?).await?;
    Ok(Page(UsersPage { user, accounts, link, problem, now: clock::now() }))
}

async fn list(State(db): State<Db>, Admin(user): Admin) -> Result<Page<UsersPage>, PageError> {
    users_page(&db, user, None, None).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Added {
    login: String,
    name: String,
    role: Role,
    #[serde(default)]
    all_tenants: bool,
}

async fn add(State(state): State<AppState>, Admin(user): Admin, Posted(_, form): Posted<Added>) -> Result<Response, PageError> {
    let (login, name) = (form.login.trim().to_lowercase(), form.name.trim());
    let plain = (1..=254).contains(&login.len()) && login.chars().all(|c| c.is_ascii_graphic());
    let problem = if !plain {
        Some("A sign-in name has 1 to 254 plain letters, digits and signs, and no spaces; an e-mail address is fine.")
    } else if name.is_empty() || visible::line(name, 120).is_err() {
        Some("Give a name of at most 120 visible characters.")
    } else if !user.role.allows(form.role) {
        return Err(PageError::Forbidden);
    } else {
        None
    };
    if problem.is_some() {
        return Ok((StatusCode::UNPROCESSABLE_ENTITY, users_page(&state.db, user, None, problem).await?).into_response());
    }
    // Nobody knows this password: the link is the only way in.
    let Ok(password_hash) = state.hasher.hash(&secret::random()?).await else { return Err(PageError::Busy) };
    let mut tx = state.db.no_tenant().await?;
    let new = NewUser { login: &login, display_name: name, role: form.role, all_tenants: form.all_tenants, password_hash: &password_hash };
    let Some(id) = users::insert(&mut tx, &new).await? else {
        drop(tx);
        let taken = Some("Somebody has this sign-in name.");
        return Ok((StatusCode::UNPROCESSABLE_ENTITY, users_page(&state.db, user, None, taken).await?).into_response());
    };
    let url = links::reset(&mut tx, &state.config.public_url, id).await?;
    let facts = json!({ "name": name, "role": form.role, "all_tenants": form.all_tenants });
    audit::record(&mut tx, user.by().event("user.create").object(login.as_str()).after(facts)).await?;
    tx.commit().await?;
    Ok(users_page(&state.db, user, Some((login, url.to_string())), None).await?.into_response())
}

#[derive(Template)]
#[template(path = "admin/user.html")]
struct UserPage {
    user: User,
    account: Account,
    tenants: Vec<TenantName>,
    groups: Vec<String>,
    reach: Reach,
}

/// So many tenants can be chosen one by one, the first by name; of more, groups.
const TENANTS: i64 = 2_000;

impl UserPage {
    fn are_cut(&self) -> bool {
        i64::try_from(self.tenants.len()).is_ok_and(|listed| listed >= TENANTS)
    }

    fn is_granted(&self, tenant: &TenantName) -> bool {
        self.reach.tenants.contains(&tenant.tenant_id)
    }

    fn is_denied(&self, tenant: &TenantName) -> bool {
        self.reach.denied.contains(&tenant.tenant_id)
    }

    fn at(&self, action: &str) -> String {
        format!("/admin/users/{}{action}", self.account.user_id)
    }
}

async fn edit(State(db): State<Db>, Admin(user): Admin, Id(id): Id<UserId>) -> Result<Page<UserPage>, PageError> {
    let mut tx = db.begin(&user.scope).await?;
    let account = users::find(&mut tx, id).await?.ok_or(PageError::NotFound)?;
    let reach = reach::find(&mut tx, id).await?;
    // What is not listed would be taken away by saving.
    let chosen = [&*reach.tenants, &*reach.denied].concat();
    let tenants = overview::first_names(&mut tx, TENANTS, &chosen).await?;
    let known = suppressions::groups(&mut tx).await?.into_iter().map(|group| group.name);
    // One that no tenant has any more can still be taken away.
    let groups: BTreeSet<String> = known.chain(reach.groups.iter().cloned()).collect();
    Ok(Page(UserPage { user, account, tenants, groups: groups.into_iter().collect(), reach }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Changed {
    name: String,
    role: Role,
    #[serde(default)]
    all_tenants: bool,
    #[serde(default)]
    tenants: Vec<TenantId>,
    #[serde(default)]
    groups: Vec<String>,
    #[serde(default)]
    denied: Vec<TenantId>,
}

const LAST_ADMIN: &str = "This is the last administrator who can sign in. Make another one first.";

async fn last_admin(tx: &mut Scoped, account: &Account) -> Result<(), PageError> {
    let is_admin = account.role == Role::Admin && account.disabled_at.is_none();
    if is_admin && !users::has_other_admin(tx, account.user_id).await? {
        return Err(PageError::Conflict(LAST_ADMIN.into()));
    }
    Ok(())
}

async fn change(
    State(db): State<Db>,
    Admin(user): Admin,
    Id(id): Id<UserId>,
    Posted(_, form): Posted<Changed>,
) -> Result<Redirect, PageError> {
    let name = form.name.trim();
    if name.is_empty() || visible::line(name, 120).is_err() {
        return Err(PageError::BadRequest("Give a name of at most 120 visible characters.".into()));
    }
    if !user.role.allows(form.role) {
        return Err(PageError::Forbidden);
    }
    let mut tx = db.begin(&user.scope).await?;
    let account = users::find(&mut tx, id).await?.ok_or(PageError::NotFound)?;
    if account.is_of_entra() && (form.role != account.role || name != account.display_name) {
        return Err(PageError::Conflict("Name and role of this account come from Entra at each sign-in: change them there.".into()));
    }
    if form.role != Role::Admin {
        last_admin(&mut tx, &account).await?;
    }
    let before = json!({ "name": account.display_name, "role": account.role, "all_tenants": account.all_tenants, "reach": reach::find(&mut tx, id).await? });
    users::change(&mut tx, id, name, form.role, form.all_tenants).await?;
    let reach = Reach { tenants: form.tenants, groups: form.groups, denied: form.denied };
    reach::set(&mut tx, id, &reach).await?;
    let after = json!({ "name": name, "role": form.role, "all_tenants": form.all_tenants, "reach": reach });
    audit::record(&mut tx, user.by().event("user.update").object(account.login).before(before).after(after)).await?;
    tx.commit().await?;
    Ok(Redirect::to("/admin/users"))
}

async fn link(
    State(state): State<AppState>,
    Admin(user): Admin,
    Id(id): Id<UserId>,
    Posted(_, Nothing {}): Posted<Nothing>,
) -> Result<Page<UsersPage>, PageError> {
    let mut tx = state.db.no_tenant().await?;
    let account = users::find(&mut tx, id).await?.ok_or(PageError::NotFound)?;
    if account.is_of_entra() {
        return Err(PageError::Conflict("This account signs in with Microsoft and has no password here.".into()));
    }
    let url = links::reset(&mut tx, &state.config.public_url, id).await?;
    audit::record(&mut tx, user.by().event("user.reset_link").object(account.login.as_str())).await?;
    tx.commit().await?;
    users_page(&state.db, user, Some((account.login, url.to_string())), None).await
}

/// Removes a colleague's second factors; one's own are on one's account page.
async fn reset_factors(
    State(db): State<Db>,
    Admin(user): Admin,
    Id(id): Id<UserId>,
    Posted(_, Nothing {}): Posted<Nothing>,
) -> Result<Redirect, PageError> {
    let mut tx = db.no_tenant().await?;
    let account = users::find(&mut tx, id).await?.ok_or(PageError::NotFound)?;
    if id == user.id {
        return Err(PageError::Conflict("Your own second factors are on your account page.".into()));
    }
    if !own::reset(&mut tx, &user.by(), id, &account.login).await? {
        return Err(PageError::Conflict("This account has no second factor.".into()));
    }
    tx.commit().await?;
    Ok(Redirect::to(&format!("/admin/users/{id}")))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Disabled {
    disabled: bool,
}

async fn set_disabled(
    State(db): State<Db>,
    Admin(user): Admin,
    Id(id): Id<UserId>,
    Posted(_, form): Posted<Disabled>,
) -> Result<Redirect, PageError> {
    let mut tx = db.no_tenant().await?;
    let account = users::find(&mut tx, id).await?.ok_or(PageError::NotFound)?;
    if form.disabled {
        last_admin(&mut tx, &account).await?;
    }
    users::set_disabled(&mut tx, id, form.disabled).await?;
    let action = if form.disabled { "user.disable" } else { "user.enable" };
    audit::record(&mut tx, user.by().event(action).object(account.login)).await?;
    tx.commit().await?;
    Ok(Redirect::to("/admin/users"))
}
