//! Reading without pages: a database, the stand-in cloud, the production client, and a clock that both sides follow.

use crate::support::{TestDb, database};
use chrono::{DateTime, TimeDelta, Utc};
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Row};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use watchfloor::config;
use watchfloor::demo::{Api, App, Credential, Directory, Fault, StandIn, Times, World};
use watchfloor::microsoft::Client;
use watchfloor::model::{Cloud, DirectoryId, Product, SyncHealth, TenantId, TenantState};
use watchfloor::store::coverage::{self, Coverage};
use watchfloor::store::runs::Run;
use watchfloor::sync::read::{self, Reader};
use watchfloor::sync::verify;

/// The app that asks for Graph's permissions; a customer has it only if its test says so.
pub const GRAPH_ID: Uuid = Uuid::from_u128(0x1111_aaaa_2222_bbbb_3333_cccc_4444_0001);
pub const CLIENT_ID: Uuid = Uuid::from_u128(0x1111_aaaa_2222_bbbb_3333_cccc_4444_0000);
const SECRET: &str = "stand-in~Secret+value/1=";

pub struct Rig {
    pub db: TestDb,
    pub cloud: StandIn,
    pub reader: Reader,
    /// Where the app's secret lies.
    pub secret: PathBuf,
}

/// Each reading, also those that share a row.
pub const READINGS: &str = "sync_runs, generate_series(1, times)";

/// A tenant of ours and its directory.
#[derive(Clone, Copy)]
pub struct Customer {
    pub tenant: TenantId,
    pub directory: DirectoryId,
}

/// A file with the app's secret.
fn secret_file() -> PathBuf {
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("watchfloor-rig-secret-{}", Uuid::new_v4()));
    std::fs::write(&path, SECRET).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    path
}

/// The app of every rig.
pub fn app(secret: &Path) -> config::App {
    let list = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
    config::App {
        name: "defender".to_owned(),
        cloud: Cloud::Commercial,
        client_id: CLIENT_ID,
        credentials: vec![config::Credential::secret_file(secret)],
        consent: config::ConsentForm::V2,
        optional: false,
        permissions: [
            (Product::DefenderXdr, list(&["Incident.Read.All"])),
            (Product::DefenderEndpoint, list(&["Alert.Read.All"])),
            (Product::CloudApps, list(&["Investigation.Read"])),
        ]
        .into(),
    }
}

/// The app that reads through Microsoft Graph.
pub fn graph_app(secret: &Path) -> config::App {
    let names = ["SecurityIncident.ReadWrite.All", "SecurityAlert.ReadWrite.All"].map(str::to_owned).to_vec();
    config::App { name: "graph".to_owned(), client_id: GRAPH_ID, permissions: [(Product::Graph, names)].into(), ..app(secret) }
}

fn register(world: &mut World, app: &config::App) {
    let roles = app.permissions.iter().flat_map(|(product, names)| names.iter().map(|name| (*product, name.clone()))).collect();
    world.register_app(App {
        client_id: app.client_id,
        name: "Watchfloor".to_owned(),
        publisher: "Example MSSP".to_owned(),
        credentials: vec![Credential::Secret(SECRET.to_owned(), None)],
        redirect_uris: vec![],
        roles,
        home: None,
    });
}

impl Rig {
    pub async fn start() -> Self {
        Self::asking(&[]).await
    }

    /// The same, with an app that asks for these permissions besides.
    pub async fn asking(more: &[(Product, &[&str])]) -> Self {
        let db = database().await;
        let secret = secret_file();
        let mut app = app(&secret);
        for (product, names) in more {
            app.permissions.entry(*product).or_default().extend(names.iter().map(|&name| name.to_owned()));
        }
        let apps = [app, graph_app(&secret), crate::responding::respond(&secret)];
        let mut world = World::new(7);
        for app in &apps {
            register(&mut world, app);
        }
        let cloud = StandIn::start(world, 0).await.unwrap();
        let now = cloud.world().now();
        let microsoft = Client::stand_in(cloud.address(), &apps, now).unwrap().with_retry_delay(Duration::from_millis(1));
        let settings = config::Sync::default();
        let stop = CancellationToken::new();
        let reader = Reader::new(db.worker.clone(), microsoft, settings, stop);
        Self { db, cloud, reader, secret }
    }

    /// A tenant whose directory has consented and which is about to be verified.
    pub async fn customer(&self, name: &str) -> Customer {
        let customer = Customer { tenant: TenantId::new(), directory: DirectoryId(Uuid::new_v4()) };
        {
            let mut world = self.cloud.world();
            let domain = format!("{}.example", name.to_lowercase());
            world.add_directory(Directory::new(customer.directory, name, &domain));
            world.grant(customer.directory, CLIENT_ID);
        }
        let mut tx = self.db.web.tenant(customer.tenant).await.unwrap();
        sqlx::query("insert into tenants (tenant_id, name, directory_id, state, apps) values ($1, $2, $3, 'verifying', array['defender'])")
            .bind(customer.tenant)
            .bind(name)
            .bind(customer.directory)
            .execute(&mut *tx)
            .await
            .unwrap();
        tx.commit().await.unwrap();
        customer
    }

    /// The same, verified and read once to the end.
    pub async fn read_customer(&self, name: &str) -> Customer {
        let customer = self.customer(name).await;
        self.verify(customer, 0).await;
        self.settle(customer).await;
        customer
    }

    /// Gives a customer these apps, with or without Graph's, and the consents that go with them.
    pub async fn give_apps(&self, customer: Customer, apps: &[&str]) {
        for (name, id) in [("defender", CLIENT_ID), ("graph", GRAPH_ID)] {
            let mut world = self.cloud.world();
            if apps.contains(&name) { world.grant(customer.directory, id) } else { world.revoke(customer.directory, id) }
        }
        let apps: Vec<String> = apps.iter().map(|&app| app.to_owned()).collect();
        let mut tx = self.db.web.tenant(customer.tenant).await.unwrap();
        sqlx::query("update tenants set apps = $1").bind(apps).execute(&mut *tx).await.unwrap();
        tx.commit().await.unwrap();
    }

    pub fn now(&self) -> DateTime<Utc> {
        self.cloud.world().now()
    }

    /// Both clocks go on.
    pub fn pass(&self, seconds: i64) {
        self.cloud.world().advance(TimeDelta::seconds(seconds));
    }

    pub fn fault(&self, customer: Customer, api: Api, fault: Fault, times: Times) {
        self.cloud.world().fault(customer.directory, api, fault, times);
    }

    pub async fn verify(&self, customer: Customer, round: u8) {
        verify::verify(&self.reader, customer.tenant, round, self.now()).await.unwrap();
    }

    /// One reading, if it is due.
    pub async fn read(&self, customer: Customer, product: Product) -> Option<Run> {
        read::read(&self.reader, customer.tenant, product, self.now()).await.unwrap()
    }

    /// A minute and a bit passes, and whatever is due is read.
    pub async fn interval(&self, customers: &[Customer]) {
        self.pass(70);
        for customer in customers {
            self.round(*customer).await;
        }
    }

    /// Whatever is due is read.
    pub async fn round(&self, customer: Customer) {
        for product in [Product::DefenderXdr, Product::DefenderEndpoint, Product::CloudApps] {
            self.read(customer, product).await;
        }
    }

    /// Reads until every first reading is through.
    pub async fn settle(&self, customer: Customer) {
        for _ in 0..20 {
            self.round(customer).await;
            if self.coverage(customer).await.iter().filter(|row| row.enabled).all(|row| row.backfill_done >= 1.0) {
                return;
            }
        }
        panic!("the first reading does not end");
    }

    pub async fn coverage(&self, customer: Customer) -> Vec<Coverage> {
        let mut tx = self.db.web.tenant(customer.tenant).await.unwrap();
        coverage::list(&mut tx, Some(customer.tenant)).await.unwrap()
    }

    pub async fn product(&self, customer: Customer, product: Product) -> Coverage {
        self.coverage(customer).await.into_iter().find(|row| row.product == product).unwrap()
    }

    pub async fn health(&self, customer: Customer, product: Product) -> SyncHealth {
        self.product(customer, product).await.state
    }

    pub async fn state(&self, customer: Customer) -> TenantState {
        let row = self.rows(customer, "select state from tenants").await;
        row[0].get(0)
    }

    /// Rows that one tenant's scope sees.
    pub async fn rows(&self, customer: Customer, sql: &str) -> Vec<PgRow> {
        let mut tx = self.db.worker.tenant(customer.tenant).await.unwrap();
        sqlx::query(AssertSqlSafe(sql.to_owned())).fetch_all(&mut *tx).await.unwrap()
    }

    pub async fn count(&self, customer: Customer, sql: &str) -> i64 {
        self.rows(customer, &format!("select count(*) from {sql}")).await[0].get(0)
    }

    /// One text of the first row.
    pub async fn text(&self, customer: Customer, sql: &str) -> Option<String> {
        self.rows(customer, sql).await.first().and_then(|row| row.get(0))
    }

    /// What changes whenever any row of incidents, alerts or their originals is written.
    pub async fn fingerprint(&self, customer: Customer) -> String {
        let sql = "select md5(string_agg(x, ' ' order by x)) from (
            select 'i' || incident_id || xmin || ctid as x from incidents union all select 'a' || alert_id || xmin || ctid from alerts
            union all select 'r' || alert_id || api || xmin from alert_raw union all select 's' || incident_id || api || xmin from incident_raw
            union all select 'e' || event_id from incident_events) as everything";
        self.text(customer, sql).await.unwrap_or_default()
    }

    pub async fn audited(&self, customer: Customer, action: &str) -> i64 {
        self.count(customer, &format!("audit_log where action = '{action}'")).await
    }

    /// Fails unless every record the stand-in has shown stands in the database once, in its latest version.
    pub async fn assert_ledger_equals_database(&self, customer: Customer) {
        for (api, sql) in [
            (
                Api::DefenderXdr,
                "select external_id, body ->> 'lastUpdateTime' from incidents join incident_raw using (tenant_id, incident_id) where api = 'defender_xdr'",
            ),
            (
                Api::DefenderEndpoint,
                "select external_id, body ->> 'lastUpdateTime' from alerts join alert_raw using (tenant_id, alert_id) where api = 'defender_endpoint'",
            ),
            (
                Api::CloudApps,
                "select external_id, concat_ws(' ', body ->> 'timestamp', body ->> 'statusValue', body ->> 'resolutionStatusValue')
                 from alerts join alert_raw using (tenant_id, alert_id) where api = 'cloud_apps'",
            ),
            (
                Api::Graph,
                "select external_id, body ->> 'lastUpdateDateTime' from incidents join incident_raw using (tenant_id, incident_id) where api = 'graph'
                 union all select external_id, body ->> 'lastUpdateDateTime' from alerts join alert_raw using (tenant_id, alert_id) where api = 'graph'",
            ),
        ] {
            let shown = self.cloud.world().ledger.shown(customer.directory, api);
            let mut latest = std::collections::BTreeMap::new();
            // The check of permissions looks at whichever alert of Graph's comes first; those of Endpoint alone are read by themselves.
            let is_read = |id: &str| api != Api::Graph || id.starts_with("da") || id.parse::<i64>().is_ok();
            for (shown, at) in shown.into_iter().filter(|(shown, _)| is_read(&shown.id)) {
                let entry = latest.entry(shown.id.clone()).or_insert((at, shown.version.clone()));
                if at >= entry.0 {
                    *entry = (at, shown.version);
                }
            }
            let stored = self.rows(customer, sql).await;
            let stored: Vec<(String, String)> = stored.iter().map(|row| (row.get(0), row.get(1))).collect();
            assert_eq!(stored.len(), latest.len(), "{api:?}: as many rows as records");
            for (id, version) in stored {
                assert_eq!(latest.get(&id).map(|latest| &latest.1), Some(&version), "{api:?} {id}");
            }
        }
    }
}
