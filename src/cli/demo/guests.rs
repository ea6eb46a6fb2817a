//! A customer's own person in the demo: the app they sign in with, their account, and what the demo's analyst shares with them.

use crate::app::DemoCustomer;
use crate::app::notes::{self, Written};
use crate::cli::listen::Stop;
use crate::config::{Credential, CustomersLogin};
use crate::demo::{self, App, Example, StandIn, examples};
use crate::microsoft::clouds::issuer;
use crate::model::clock::now;
use crate::model::{Cloud, NoteId, Status, TenantId};
use crate::store::audit::{Actor, By};
use crate::store::customers::invites::{self, New};
use crate::store::incidents::Incident;
use crate::store::lists::{Choice, Filter, Order};
use crate::store::staff::Person;
use crate::store::{Db, Scoped, customers, incidents, looks, shares, tenants, tickets, users};
use anyhow::{Context, Result};
use std::path::Path;
use std::time::Duration;
use url::Url;
use uuid::Uuid;

const ANALYST: (&str, &str) = ("analyst", "Ari Analyst");
/// Between two looks at whether there is something to share yet.
const PAUSE: Duration = Duration::from_secs(2);
const QUESTION: &str = "Somebody signed in from an unusual place and opened a document that asks for a password.\nWas this you, or one of your colleagues? \
                        Please answer here, and change the password if it was not.";
const ASIDE: &str = "The same sender wrote to two other customers last week. Nothing to do there.";

/// Sets Microsoft's side up, and says how the portal is configured for it. `secret` is what `file` holds.
pub fn register(microsoft: &StandIn, cloud: Cloud, (secret, file): (&str, &Path), callback: &Url) -> CustomersLogin {
    let client_id = Uuid::new_v4();
    let app = App {
        client_id,
        name: "Watchfloor (customers’ sign-in)".to_owned(),
        publisher: "Watchfloor demo".to_owned(),
        credentials: vec![demo::Credential::Secret(secret.to_owned(), None)],
        redirect_uris: vec![callback.to_string()],
        roles: Vec::new(),
        home: None,
    };
    microsoft.world().register_app_in(cloud, app);
    CustomersLogin { client_id, cloud, credential: Credential::secret_file(file) }
}

/// What is still to be shared, and with whom.
pub struct Sharing {
    db: Db,
    tenant: TenantId,
}

/// Makes the first customer's administrator one here, too, as an invite would.
pub async fn add(db: &Db, microsoft: &StandIn, cloud: Cloud) -> Result<(DemoCustomer, Sharing)> {
    let customer = examples(cloud, 1).pop().context("there is a first example")?;
    let mut tx = db.all_tenants().await?;
    let tenant = tenants::holder(&mut tx, customer.directory_id, None).await?.context("the first example is a customer")?.tenant_id;
    let username = admit(&mut tx, microsoft, &customer, tenant).await?;
    tx.commit().await?;
    let about = format!("administrator of {}, with whom two incidents are shared once they have been read.", customer.name);
    Ok((DemoCustomer { username, about }, Sharing { db: db.clone(), tenant }))
}

async fn admit(tx: &mut Scoped, microsoft: &StandIn, of: &Example, tenant: TenantId) -> Result<String> {
    let account = microsoft.world().directory(of.directory_id).and_then(|directory| directory.accounts.first().cloned());
    let account = account.context("a directory has an administrator")?;
    let ticket = tickets::mint(tenant)?;
    let by = By { actor: Actor::System("demo"), ip: None };
    let new = New { ticket_hash: &ticket.hash, label: &account.name, is_admin: true, made_by: "Lena Lead" };
    invites::create(tx, &by, tenant, new).await?;
    let used = invites::use_up(tx, tenant, &ticket.hash).await?.context("an invite that was just made")?;
    let issuer = issuer(of.cloud, of.directory_id);
    let person = Person { issuer: &issuer, directory: of.directory_id, object: account.object_id };
    let upn = account.upn.to_lowercase();
    customers::insert(tx, tenant, &person, (&account.name, &upn), &used).await?.context("the demo's people are added once")?;
    Ok(upn)
}

impl Sharing {
    /// Shares the two worst open incidents as soon as there are two.
    pub async fn carry_out(self, stop: &Stop) {
        let mut due = tokio::time::interval(PAUSE);
        while stop.asked.run_until_cancelled(due.tick()).await.is_some() {
            match stop.asked.run_until_cancelled(self.go_on()).await {
                Some(Ok(true)) | None => return,
                Some(Ok(false)) => {}
                Some(Err(error)) => tracing::warn!(error = format!("{error:#}"), "what is to be shared in the demo has to wait"),
            }
        }
    }

    async fn go_on(&self) -> Result<bool> {
        let mut tx = self.db.tenant(self.tenant).await?;
        let statuses = Choice { any: vec![Status::New, Status::InProgress], ..Choice::default() };
        let open = Filter { statuses, ..Filter::default() };
        let found: Vec<Incident> = incidents::list(&mut tx, &open, &Order::default(), None, 2).await?.rows;
        let [first, second] = found.as_slice() else { return Ok(false) };
        let (login, name) = ANALYST;
        let analyst = users::find_by_login(&mut tx, login).await?.context("the analyst has an account")?;
        let by = By { actor: Actor::User(analyst, login.to_owned()), ip: None };
        for incident in [second, first] {
            looks::note(&mut tx, incident, (analyst, name), now()).await?;
            shares::set(&mut tx, (&by, name), incident, true).await?;
        }
        for (text, shared) in [(QUESTION, true), (ASIDE, false)] {
            notes::add(&mut tx, (&by, name), first, Written { id: NoteId::new(), text, shared }, now()).await?;
        }
        tx.commit().await?;
        Ok(true)
    }
}
