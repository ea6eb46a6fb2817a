//! Twenty customers with a directory at the stand-in, whose incidents can be changed.

use crate::data;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::{Duration, Instant};
use uuid::Uuid;
use watchfloor::config::{self, ConsentForm};
use watchfloor::demo::{App, Credential, Directory, StandIn, World};
use watchfloor::microsoft::Client;
use watchfloor::model::{Cloud, DirectoryId, Product, TenantId, clock};
use watchfloor::store::Db;

const CLIENT_ID: Uuid = Uuid::from_u128(8);
const PERMISSION: &str = "Incident.ReadWrite.All";
const CUSTOMERS: u32 = 20;
/// Incidents of each at the beginning.
const INCIDENTS: usize = 200;

pub fn directory(n: u32) -> DirectoryId {
    DirectoryId(Uuid::from_u128(0x5000_0000_0000_4000_8000_0000_0000_0000 + u128::from(n)))
}

/// Beyond those of the data set.
pub fn tenant(n: u32) -> TenantId {
    data::tenant(0x0010_0000 + n)
}

pub fn all() -> impl Iterator<Item = u32> {
    0..CUSTOMERS
}

/// The stand-in with its incidents, and the app that the portal reaches it with.
pub async fn start() -> (Arc<StandIn>, Vec<config::App>, Client) {
    let secret = Uuid::new_v4().to_string();
    let file = std::env::temp_dir().join(format!("watchfloor-bench-{}", Uuid::new_v4()));
    std::fs::write(&file, &secret).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let mut world = World::new(1);
    world.register_app(App {
        client_id: CLIENT_ID,
        name: "Watchfloor".to_owned(),
        publisher: "Bench".to_owned(),
        credentials: vec![Credential::Secret(secret, None)],
        redirect_uris: Vec::new(),
        roles: vec![(Product::DefenderXdr, PERMISSION.to_owned())],
        home: None,
    });
    for n in all() {
        world.add_directory(Directory::new(directory(n), &format!("Worked on {n}"), &format!("worked{n}.example")));
        world.grant(directory(n), CLIENT_ID);
        for incident in 0..INCIDENTS {
            world.add_incident(directory(n), &format!("To work on {incident}")).unwrap();
        }
    }
    let cloud = StandIn::start(world, 0).await.unwrap();
    let apps = vec![config::App {
        name: "defender".to_owned(),
        cloud: Cloud::Commercial,
        client_id: CLIENT_ID,
        credentials: vec![config::Credential::secret_file(file.clone())],
        consent: ConsentForm::V2,
        optional: false,
        permissions: [(Product::DefenderXdr, vec![PERMISSION.to_owned()])].into(),
    }];
    let client = Client::stand_in(cloud.address(), &apps, clock::now()).unwrap();
    std::fs::remove_file(file).unwrap();
    (Arc::new(cloud), apps, client)
}

/// Enters the tenants as they stand after a consent; what an earlier run left of them goes first.
pub async fn register(db: &Db) {
    for n in all() {
        let mut tx = db.tenant(tenant(n)).await.unwrap();
        for text in [
            "delete from tenants where tenant_id = $1 and $2 is not null and $3 is not null",
            "insert into tenants (tenant_id, name, directory_id, state, apps, checked_at) values ($1, $2, $3, 'active', array['defender'], now())",
            "insert into tenant_permissions (tenant_id, app, product, permission, granted, licensed, working, state, checked_at)
             select $1, 'defender', 'defender_xdr', 'Incident.ReadWrite.All', true, true, true, 'granted', now() where $2 <> '' and $3 is not null",
            "insert into sync_state (tenant_id, product, backfill_from)
             select $1, 'defender_xdr', now() - interval '1 day' where $2 <> '' and $3 is not null",
        ] {
            let query = sqlx::query(text).bind(tenant(n)).bind(format!("Worked on {n}")).bind(directory(n));
            query.execute(&mut *tx).await.unwrap();
        }
        tx.commit().await.unwrap();
    }
}

pub async fn wait_until_read(db: &Db) {
    let begun = Instant::now();
    let expected = i64::from(CUSTOMERS) * i64::try_from(INCIDENTS).unwrap();
    loop {
        let mut read = 0;
        for n in all() {
            let mut tx = db.tenant(tenant(n)).await.unwrap();
            let query = sqlx::query_scalar::<_, i64>("select count(*) from incidents where tenant_id = $1").bind(tenant(n));
            read += query.fetch_one(&mut *tx).await.unwrap();
        }
        if read >= expected {
            return;
        }
        assert!(begun.elapsed() < Duration::from_secs(120), "only {read} of {expected} incidents were read");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// New incidents, so many a day, until it is over; returns how many.
pub async fn arrive(cloud: Arc<StandIn>, a_day: u32, until: Instant) -> usize {
    let mut ticks = tokio::time::interval(Duration::from_secs(86_400) / a_day.max(1));
    let mut arrived = 0;
    while Instant::now() < until {
        ticks.tick().await;
        let n = u32::try_from(arrived).unwrap() % CUSTOMERS;
        cloud.world().add_incident(directory(n), &format!("Arrived {arrived}")).unwrap();
        arrived += 1;
    }
    arrived
}
