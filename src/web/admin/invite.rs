//! Making a link for a customer, for all of its apps or some, and the page from which it is sent. The link is shown once.

use crate::app::AppState;
use crate::app::onboarding::{self, Desk};
use crate::model::{InviteId, TenantId, TenantState, clock};
use crate::store::audit::By;
use crate::store::invites::Invite;
use crate::store::tenants::Tenant;
use crate::store::{self, Scoped, tickets};
use crate::web::error::PageError;
use crate::web::extract::{Id, Lead, Nothing, Posted, User};
use crate::web::page::Page;
use crate::web::qr::Code;
use crate::web::scope::ScopedDb;
use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::Redirect;
use axum::routing::post;
use chrono::{DateTime, Utc};
use serde::Deserialize;

pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route("/admin/tenants/{tenant}/invites", post(create))
        .route("/admin/tenants/{tenant}/invites/{invite}/revoke", post(revoke))
}

#[derive(Template)]
#[template(path = "admin/invite.html")]
struct InvitePage {
    user: User,
    tenant: Tenant,
    invite: Invite,
    link: String,
    mail: Mail,
    code: Option<Code>,
}

/// A mail that is ready to be sent.
pub(super) struct Mail {
    to: String,
    pub(super) subject: String,
    pub(super) body: String,
}

impl Mail {
    pub(super) fn new(tenant: &Tenant, invite: &Invite, link: &str, host: &str) -> Self {
        let plain = |word: &&str| word.contains('@') && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"@._+-".contains(&byte));
        let to = tenant.contacts.split(|c: char| c.is_whitespace() || ",;<>()".contains(c)).find(plain).unwrap_or_default().to_owned();
        let (name, again) = (&tenant.name, tenant.directory_id.is_some() && invite.apps.is_some());
        let why = if again {
            format!(
                "we watch over the security of {name} for you. For that we now need something more than you approved before, and Microsoft wants \
                 an administrator's approval for it."
            )
        } else {
            format!("to watch over the security of {name} for you, we need your approval to read your Microsoft security data.")
        };
        let body = format!(
            "Hello,\n\n{why} Please open this link with an administrator account of your organisation (Global Administrator or Privileged Role \
             Administrator). It says in plain words what is asked for, what is not, and how to take it back:\n\n{link}\n\nThe link is for you \
             alone. It works until {until}, and ends once everything on it is approved. Please do not forward it outside your organisation. It \
             begins with {host}; do not trust another address.\n\nKind regards",
            until = invite.expires_at.format("%-d %B %Y, %H:%M UTC"),
        );
        let subject = if again { "Please approve again" } else { "Please approve" };
        Self { to, subject: format!("{subject}: security monitoring of {name}"), body }
    }

    /// For `mailto:`, where a space is `%20`.
    fn href(&self) -> String {
        let encode = |text: &str| {
            let text = text.replace('\n', "\r\n");
            url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20")
        };
        format!("mailto:{}?subject={}&body={}", self.to, encode(&self.subject), encode(&self.body))
    }
}

/// What the link is to ask for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// Some of the tenant's apps.
    #[serde(default)]
    apps: Vec<String>,
    /// The form asks for the ticked apps: none of them is not all of them.
    #[serde(default)]
    some: Option<String>,
}

async fn create(
    State(desk): State<Desk>,
    Lead(user): Lead,
    db: ScopedDb,
    Id(tenant): Id<TenantId>,
    Posted(_, wanted): Posted<Wanted>,
) -> Result<Page<InvitePage>, PageError> {
    let now = clock::now();
    let mut tx = db.begin().await?;
    let tenant = store::tenants::get(&mut tx, tenant).await?.ok_or(PageError::NotFound)?;
    if tenant.state == TenantState::Offboarded {
        return Err(PageError::Conflict("This tenant is offboarded.".into()));
    }
    if tenant.apps.is_empty() {
        return Err(PageError::Conflict("Choose first what the customer is asked for.".into()));
    }
    let apps = onboarding::chosen(&tenant, Some(wanted.apps).filter(|apps| wanted.some.is_some() || !apps.is_empty()));
    let apps = apps.map_err(|why| PageError::BadRequest(why.into()))?;
    let (invite, link, mail) = make(&desk, &mut tx, &user.by(), &tenant, apps.as_deref(), now).await?;
    tx.commit().await?;
    Ok(Page(InvitePage { user, code: Code::new(&link), mail, tenant, invite, link }))
}

/// A new link, and the mail that carries it.
pub(super) async fn make(
    desk: &Desk,
    tx: &mut Scoped,
    by: &By,
    tenant: &Tenant,
    apps: Option<&[String]>,
    now: DateTime<Utc>,
) -> Result<(Invite, String, Mail), PageError> {
    let ticket = tickets::mint(tenant.tenant_id)?;
    let invite = store::invites::create(tx, by, tenant.tenant_id, &ticket, apps, now).await?;
    let link = desk.config.public_url.join(&format!("/onboard/{}", ticket.text))?.to_string();
    let mail = Mail::new(tenant, &invite, &link, &desk.config.public_url.origin().ascii_serialization());
    Ok((invite, link, mail))
}

async fn revoke(
    Lead(user): Lead,
    db: ScopedDb,
    Id((tenant, invite)): Id<(TenantId, InviteId)>,
    Posted(_, Nothing {}): Posted<Nothing>,
) -> Result<Redirect, PageError> {
    let mut tx = db.begin().await?;
    store::tenants::get(&mut tx, tenant).await?.ok_or(PageError::NotFound)?;
    if !store::invites::revoke(&mut tx, &user.by(), tenant, invite, clock::now()).await? {
        return Err(PageError::Conflict("The link has been used or revoked already.".into()));
    }
    tx.commit().await?;
    Ok(Redirect::to(&format!("/admin/tenants/{tenant}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_is_one_path_with_a_quiet_border() {
        let code = Code::new("https://portal.example.com/onboard/x").unwrap();
        assert!(code.path.starts_with("M4 4h1v1h-1z"), "{}", code.path);
        assert_eq!(code.size, 29 + 8);
    }
}
