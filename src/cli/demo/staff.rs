//! The provider's own directory at the stand-in: a few of its staff, and the app with which they sign in.

use crate::config::{Credential, EntraLogin};
use crate::demo::{self, Account, App, Directory, StandIn};
use crate::model::{Cloud, DirectoryId, Product, Role};
use std::path::Path;
use url::Url;
use uuid::Uuid;

const DOMAIN: &str = "watchers.example";
/// The role of those who have none of the directory's app roles comes with this group.
const ANALYSTS: Uuid = Uuid::from_u128(0x5ca1_ab1e_0000_4000_8000_0000_0000_0a17);

/// First name, name, app role. The first can do everything; the analyst is one by a group; the last has no business here.
const PEOPLE: [(&str, &str, Option<&str>); 4] = [
    ("nora", "Nora Night", Some("Watchfloor.Admin")),
    ("liam", "Liam Late", Some("Watchfloor.Lead")),
    ("ana", "Ana Early", None),
    ("otto", "Otto Outside", None),
];

/// Sets Microsoft's side up, and says how the portal is configured for it. `secret` is what `file` holds.
pub fn register(microsoft: &StandIn, cloud: Cloud, (secret, file): (&str, &Path), callback: &Url) -> EntraLogin {
    let directory_id = DirectoryId(Uuid::new_v4());
    let client_id = Uuid::new_v4();
    let mut directory = Directory::new(directory_id, "Watchers, the provider itself", DOMAIN);
    directory.cloud = cloud;
    directory.accounts = PEOPLE.iter().map(account).collect();
    let graph = |permission: &str| (Product::Graph, permission.to_owned());
    let app = App {
        client_id,
        name: "Watchfloor (staff sign-in)".to_owned(),
        publisher: "Watchfloor demo".to_owned(),
        credentials: vec![demo::Credential::Secret(secret.to_owned(), None)],
        redirect_uris: vec![callback.to_string()],
        roles: vec![graph("User.Read.All"), graph("GroupMember.Read.All"), graph("Directory.Read.All")],
        home: Some(directory_id),
    };
    let mut world = microsoft.world();
    world.add_directory(directory);
    world.register_app_in(cloud, app);
    world.grant(directory_id, client_id);
    EntraLogin {
        directory_id,
        client_id,
        cloud,
        credential: Credential::secret_file(file),
        roles: [("Watchfloor.Admin".to_owned(), Role::Admin), ("Watchfloor.Lead".to_owned(), Role::Lead)].into(),
        groups: [(ANALYSTS, Role::Analyst)].into(),
    }
}

fn account((first, name, role): &(&str, &str, Option<&str>)) -> Account {
    Account {
        object_id: Uuid::new_v4(),
        name: (*name).to_owned(),
        upn: format!("{first}@{DOMAIN}"),
        admin: *role == Some("Watchfloor.Admin"),
        roles: role.iter().map(|&role| role.to_owned()).collect(),
        groups: if *first == "ana" { vec![ANALYSTS] } else { Vec::new() },
        enabled: true,
    }
}
