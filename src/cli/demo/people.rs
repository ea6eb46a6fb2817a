//! The demo's accounts: one for each role. Their passwords are public.

use crate::app::DemoLogin;
use crate::auth::passwords::Hasher;
use crate::model::Role;
use crate::store::reach::{self, Reach};
use crate::store::users::{self, NewUser};
use crate::store::{Db, tenant_lists};
use anyhow::{Context, Result};

/// Login, name, role, what the person can do. The viewer sees the first three tenants only.
const PEOPLE: [(&str, &str, Role, &str); 5] = [
    ("admin", "Ada Admin", Role::Admin, "Administrator: everything, also users and the audit log."),
    ("lead", "Lena Lead", Role::Lead, "Lead: adds and invites customers, works the queue."),
    ("responder", "Rey Responder", Role::Responder, "Responder: works the queue, and isolates and releases devices."),
    ("analyst", "Ari Analyst", Role::Analyst, "Analyst: works the queue of every customer."),
    ("viewer", "Vic Viewer", Role::Viewer, "Viewer: looks at three customers and no others."),
];

const VIEWED: usize = 3;

/// Adds them.
pub async fn add(db: &Db) -> Result<Vec<DemoLogin>> {
    let hasher = Hasher::default();
    let mut logins = Vec::new();
    let mut tx = db.all_tenants().await?;
    let tenants: Vec<_> = tenant_lists::full(&mut tx).await?.into_iter().map(|tenant| tenant.tenant_id).take(VIEWED).collect();
    for (login, display_name, role, about) in PEOPLE {
        let password = format!("{login}-of-the-demo");
        let password_hash = hasher.hash(&password.clone().into()).await?;
        let new = NewUser { login, display_name, role, all_tenants: role != Role::Viewer, password_hash: &password_hash };
        let user = users::insert(&mut tx, &new).await?.context("the demo's accounts are added once")?;
        if role == Role::Viewer {
            reach::set(&mut tx, user, &Reach { tenants: tenants.clone(), ..Reach::default() }).await?;
        }
        logins.push(DemoLogin { login: login.to_owned(), password, about: about.to_owned() });
    }
    tx.commit().await?;
    Ok(logins)
}
