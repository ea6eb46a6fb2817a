//! An app that may change things, and customers who let it.

use crate::rig::{Customer, Rig, app};
use std::path::Path;
use uuid::Uuid;
use watchfloor::config;
use watchfloor::model::Product;

pub const RESPOND_ID: Uuid = Uuid::from_u128(0x1111_aaaa_2222_bbbb_3333_cccc_4444_0009);

/// The app for what changes something, which only some customers consent to.
pub fn respond(secret: &Path) -> config::App {
    let list = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
    let endpoint = [
        "Alert.ReadWrite.All",
        "Machine.ReadWrite.All",
        "Machine.Isolate",
        "Machine.Scan",
        "Machine.CollectForensics",
        "Machine.RestrictExecution",
        "Machine.StopAndQuarantine",
        "Machine.LiveResponse",
        "Machine.Offboard",
        "User.Read.All",
        "Ti.ReadWrite",
    ];
    let permissions = [(Product::DefenderXdr, list(&["Incident.ReadWrite.All"])), (Product::DefenderEndpoint, list(&endpoint))];
    config::App { name: "respond".to_owned(), client_id: RESPOND_ID, permissions: permissions.into(), ..app(secret) }
}

impl Rig {
    /// A tenant that lets us act, and that nothing has been read of.
    pub async fn acting_customer(&self, name: &str) -> Customer {
        let customer = self.customer(name).await;
        self.cloud.world().grant(customer.directory, RESPOND_ID);
        let mut tx = self.db.web.tenant(customer.tenant).await.unwrap();
        let text = "update tenants set apps = array['defender', 'respond'], state = 'active' where tenant_id = $1";
        sqlx::query(text).bind(customer.tenant).execute(&mut *tx).await.unwrap();
        tx.commit().await.unwrap();
        customer
    }
}
