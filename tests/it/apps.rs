//! The app registrations of the portal under test, on both sides.

use std::os::unix::fs::PermissionsExt;
use uuid::Uuid;
use watchfloor::config;
use watchfloor::demo::{self, Credential};
use watchfloor::model::{Cloud, Product};

/// Of every app.
pub const APP_SECRET: &str = "stand-in-app-secret";

/// An app as it is registered at Microsoft. The partner documents' link ends at a reply URL that is not ours.
pub fn registration(app: &config::App) -> demo::App {
    let reply = if app.consent.comes_back() { "http://127.0.0.1:8080/consent/callback" } else { "https://portal.azure.com" };
    demo::App {
        client_id: app.client_id,
        name: format!("Watchfloor {}", app.name),
        publisher: "Watchers Ltd".to_owned(),
        credentials: vec![Credential::Secret(APP_SECRET.to_owned(), None)],
        redirect_uris: vec![reply.to_owned()],
        roles: app.permissions.iter().flat_map(|(product, roles)| roles.iter().map(|role| (*product, role.clone()))).collect(),
        home: None,
    }
}

/// A file of an app's own with [`APP_SECRET`].
pub fn secret_file(of: Uuid) -> std::path::PathBuf {
    let file = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("watchfloor-test-{of}.secret"));
    std::fs::write(&file, APP_SECRET).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    file
}

/// The app registration of the configuration, with its secret in a file of its own.
pub fn app(client_id: Uuid) -> config::App {
    let file = secret_file(client_id);
    let permissions = [
        (Product::DefenderXdr, vec!["Incident.Read.All".to_owned()]),
        (Product::DefenderEndpoint, vec!["Alert.Read.All".to_owned()]),
        (Product::CloudApps, vec!["Investigation.read".to_owned()]),
    ];
    config::App {
        name: "defender".to_owned(),
        cloud: Cloud::Commercial,
        client_id,
        credentials: vec![config::Credential::secret_file(file)],
        consent: config::ConsentForm::default(),
        optional: false,
        permissions: permissions.into(),
    }
}
