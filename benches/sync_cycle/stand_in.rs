//! The stand-in for Microsoft as a process of its own, and the client that reaches it.

use crate::{PRODUCTS, Size, directory};
use chrono::TimeDelta;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};
use uuid::Uuid;
use watchfloor::config::{self, ConsentForm};
use watchfloor::demo::{Api, App, Credential, Directory, Fault, StandIn, Times, World};
use watchfloor::microsoft::Client;
use watchfloor::model::{Cloud, clock};

const CLIENT_ID: Uuid = Uuid::from_u128(7);
/// The variable that tells the other process the app's secret, and that it is the other one.
pub const SECRET: &str = "WATCHFLOOR_BENCH_SECRET";

/// The other process: Microsoft, until the pipe closes.
pub async fn play(size: Size, secret: &str) {
    let mut world = World::new(1);
    world.register_app(App {
        client_id: CLIENT_ID,
        name: "Watchfloor".to_owned(),
        publisher: "Bench".to_owned(),
        credentials: vec![Credential::Secret(secret.to_owned(), None)],
        redirect_uris: Vec::new(),
        roles: PRODUCTS.iter().map(|(product, role)| (*product, (*role).to_owned())).collect(),
        home: None,
    });
    for n in 0..size.tenants {
        let id = directory(n);
        world.add_directory(Directory::new(id, &format!("Customer {n}"), &format!("customer{n}.example")));
        world.grant(id, CLIENT_ID);
        if n % 100 < size.recent {
            world.add_incident_at(id, "Something recent", clock::now() - TimeDelta::minutes(5));
        }
        for api in [Api::DefenderXdr, Api::DefenderEndpoint, Api::CloudApps] {
            world.fault(id, api, Fault::Slow(size.latency), Times::Forever);
        }
    }
    let cloud = StandIn::start(world, 0).await.unwrap();
    println!("{}", cloud.address());
    std::io::stdout().flush().unwrap();
    tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await.unwrap().unwrap();
}

/// Starts it, and tells where it listens.
pub fn start(secret: &str) -> (Child, SocketAddr) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(std::env::args().skip(1)).env(SECRET, secret);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    (child, line.trim().parse().unwrap())
}

/// The production client for it.
pub fn client(address: SocketAddr, secret: &str, size: Size) -> Client {
    let file = std::env::temp_dir().join(format!("watchfloor-bench-{}", Uuid::new_v4()));
    std::fs::write(&file, secret).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let permissions: BTreeMap<_, _> = PRODUCTS.iter().map(|(product, role)| (*product, vec![(*role).to_owned()])).collect();
    let app = config::App {
        name: "defender".to_owned(),
        cloud: Cloud::Commercial,
        client_id: CLIENT_ID,
        credentials: vec![config::Credential::secret_file(file.clone())],
        consent: ConsentForm::V2,
        optional: false,
        permissions,
    };
    let client = Client::stand_in(address, &[app], clock::now()).unwrap().with_concurrency(size.concurrency);
    std::fs::remove_file(file).unwrap();
    client
}
