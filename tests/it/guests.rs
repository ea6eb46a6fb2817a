//! Customers' people: the app they sign in with, tenants with directories at the stand-in, and invites.

use crate::app::{TestApp, Visitor};
use crate::apps::{APP_SECRET, secret_file};
use crate::customer;
use crate::staff::{self, Browser};
use url::Url;
use uuid::Uuid;
use watchfloor::auth::customers::{Wish, invite as make};
use watchfloor::auth::sessions;
use watchfloor::config::{Credential, CustomersLogin, Login, SecondFactor};
use watchfloor::demo::{self, StandIn};
use watchfloor::model::{Cloud, CustomerId, DirectoryId, IncidentId, TenantId};
use watchfloor::store::audit::{Actor, By};
use watchfloor::store::shares;

/// The app of `[login.customers]`.
pub const CLIENT: Uuid = Uuid::from_u128(0x9e57_0000_0000_4000_8000_0000_0000_0001);

/// A customer with a bound directory, whose administrator at Microsoft is `admin@NAME.example`.
#[derive(Clone, Debug)]
pub struct Bound {
    pub tenant: TenantId,
    pub directory: DirectoryId,
    pub domain: String,
}

impl Bound {
    /// What the first person of the directory signs in as.
    pub fn admin(&self) -> String {
        format!("admin@{}", self.domain)
    }

    /// What the second person signs in as.
    pub fn user(&self, app: &TestApp) -> String {
        app.stand_in.world().directory_mut(self.directory).unwrap().accounts[1].upn.clone()
    }
}

/// A portal at which staff and customers' people sign in with Microsoft.
pub async fn portal() -> TestApp {
    TestApp::start_as(|stand_in| Login {
        second_factor: SecondFactor::Optional,
        entra: Some(staff::register(stand_in)),
        customers: Some(register(stand_in)),
    })
    .await
}

/// How customers' sign-in is configured; Microsoft's side is set up.
pub fn register(stand_in: &StandIn) -> CustomersLogin {
    let app = demo::App {
        client_id: CLIENT,
        name: "Watchfloor customers".to_owned(),
        publisher: "Watchers Ltd".to_owned(),
        credentials: vec![demo::Credential::Secret(APP_SECRET.to_owned(), None)],
        redirect_uris: vec!["http://127.0.0.1:8080/login/customer/callback".to_owned()],
        roles: Vec::new(),
        home: None,
    };
    stand_in.world().register_app_in(Cloud::Commercial, app);
    let credential = Credential::secret_file(secret_file(Uuid::new_v4()));
    CustomersLogin { client_id: CLIENT, cloud: Cloud::Commercial, credential }
}

/// An active tenant that is bound to a directory of its own at the stand-in.
pub async fn bound(app: &TestApp, name: &str) -> Bound {
    let (tenant, directory) = (app.tenant(name).await, customer::directory(app, name));
    rebind(app, tenant, Some(directory)).await;
    Bound { tenant, directory, domain: format!("{}.example", name.to_lowercase()) }
}

/// Binds a tenant to another directory, or to none.
pub async fn rebind(app: &TestApp, tenant: TenantId, directory: Option<DirectoryId>) {
    let mut tx = app.db.web.all_tenants().await.unwrap();
    sqlx::query("update tenants set directory_id = $2 where tenant_id = $1").bind(tenant).bind(directory).execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
}

/// An invite of staff's: the secret of its link.
pub async fn invite(app: &TestApp, tenant: TenantId, is_admin: bool) -> String {
    let mut tx = app.db.web.tenant(tenant).await.unwrap();
    let by = By { actor: Actor::Operator, ip: None };
    let (secret, _) = make(&mut tx, &by, tenant, Wish { label: "Somebody", is_admin, made_by: "Lena Lead" }).await.unwrap();
    tx.commit().await.unwrap();
    secrecy::ExposeSecret::expose_secret(&secret).to_owned()
}

/// Where a browser is sent, with an invite or without.
pub async fn go(browser: &mut Browser, invite: Option<&str>) -> Url {
    let path = invite.map_or_else(|| "/login/customer".to_owned(), |invite| format!("/login/customer?invite={invite}"));
    browser.go(&path).await
}

/// Somebody of a tenant's who has signed in by an invite, as the person of the directory with this name.
pub async fn enter(app: &TestApp, of: &Bound, upn: &str, is_admin: bool) -> Browser {
    let secret = invite(app, of.tenant, is_admin).await;
    let mut browser = Browser::customer(app);
    let url = go(&mut browser, Some(&secret)).await;
    let answer = browser.pick_of(url, of.directory, upn).await.unwrap();
    browser.back(&answer).await.assert_redirect("/customer");
    browser
}

/// A person of a tenant's with a session, made without Microsoft.
pub async fn person(app: &TestApp, of: &Bound, name: &str, is_admin: bool) -> (CustomerId, Visitor) {
    let id = CustomerId::new();
    let mut tx = app.db.web.tenant(of.tenant).await.unwrap();
    sqlx::query(
        "insert into customers (tenant_id, customer_id, issuer, directory_id, object_id, display_name, username, is_admin, invited_by)
         values ($1, $2, 'issuer', $3, gen_random_uuid(), $4, lower($4) || '@example', $5, 'Lena Lead')",
    )
    .bind(of.tenant)
    .bind(id)
    .bind(of.directory)
    .bind(name)
    .bind(is_admin)
    .execute(&mut *tx)
    .await
    .unwrap();
    let session = sessions::start_customer(&mut tx, of.tenant, id, None).await.unwrap();
    tx.commit().await.unwrap();
    let session = secrecy::ExposeSecret::expose_secret(&session).to_owned();
    (id, app.stranger().with("cid", Some(session)))
}

/// An incident of a tenant's.
pub async fn incident(app: &TestApp, tenant: TenantId, title: &str) -> IncidentId {
    let id = IncidentId::new();
    let mut tx = app.db.worker.tenant(tenant).await.unwrap();
    sqlx::query(
        "insert into incidents (tenant_id, incident_id, product, external_id, title, severity, severity_raw, status, status_raw, assigned_to,
                                tags, entities, created_at, updated_at)
         values ($1, $2, 'defender_xdr', $2::text, $3, 4, 'high', 'new', 'active', 'owner-' || $3, array['tag-' || $3], array['user:entity-' || $3],
                 now(), now())",
    )
    .bind(tenant)
    .bind(id)
    .bind(title)
    .execute(&mut *tx)
    .await
    .unwrap();
    sqlx::query(
        "insert into alerts (tenant_id, alert_id, product, external_id, incident_id, title, severity, severity_raw, status, status_raw, created_at,
                             updated_at)
         values ($1, gen_random_uuid(), 'defender_xdr', $2::text, $2, 'alert-' || $3, 4, 'high', 'new', 'new', now(), now())",
    )
    .bind(tenant)
    .bind(id)
    .bind(title)
    .execute(&mut *tx)
    .await
    .unwrap();
    tx.commit().await.unwrap();
    id
}

/// Shares it with its customer, or ends that.
pub async fn share(app: &TestApp, tenant: TenantId, incident: IncidentId, shared: bool) {
    let mut tx = app.db.web.tenant(tenant).await.unwrap();
    let of = watchfloor::store::incidents::get(&mut tx, incident).await.unwrap().unwrap();
    shares::set(&mut tx, (&By { actor: Actor::Operator, ip: None }, "Ari Analyst"), &of, shared).await.unwrap();
    tx.commit().await.unwrap();
}
