//! What the customer's page says will not be done is true of what is asked for.

use crate::app::TestApp;
use crate::customer::{Customer, invite, waiting};
use watchfloor::model::Product::{self, CloudApps, DefenderEndpoint, DefenderXdr};

const NO_FILES: &str = "No passwords, mail, chats or files are read.";
const NO_MAIL: &str = "No passwords, mail or chats are read.";
const NO_CONTROL: &str = "No device is cut off or controlled.";
const READING: &str = "every permission is for reading";

/// What the page promises when just this is asked for.
async fn promises(asked: &[(Product, &str)]) -> Vec<String> {
    let app = TestApp::start_with(|apps| {
        apps[0].permissions.clear();
        for (product, name) in asked {
            apps[0].permissions.entry(*product).or_default().push((*name).to_owned());
        }
    })
    .await;
    let link = invite(&app, waiting(&app, "Contoso", None).await).await;
    Customer::new(&app).open(&link).await.assert_success().texts(".plain-list li")
}

#[tokio::test]
async fn the_page_promises_only_what_holds_for_the_permissions_that_are_asked_for() {
    for (asked, files, control, reading) in [
        (&[(DefenderXdr, "Incident.Read.All"), (DefenderEndpoint, "Machine.Read.All")][..], NO_FILES, true, true),
        (&[(DefenderEndpoint, "Machine.ReadWrite.All")], NO_FILES, true, false),
        (&[(DefenderEndpoint, "Machine.Isolate")], NO_FILES, false, false),
        (&[(DefenderEndpoint, "Machine.Scan")], NO_FILES, false, false),
        (&[(DefenderEndpoint, "Machine.Offboard")], NO_FILES, false, false),
        (&[(DefenderEndpoint, "Machine.LiveResponse")], NO_MAIL, false, false),
        (&[(DefenderEndpoint, "Machine.CollectForensics")], NO_MAIL, false, false),
        (&[(CloudApps, "Investigation.read")], NO_MAIL, true, true),
        (&[(CloudApps, "Investigation.Manage")], NO_MAIL, true, false),
    ] {
        let promised = promises(asked).await;
        assert_eq!(promised[0], files, "{asked:?}");
        assert_eq!(promised.iter().any(|line| line == NO_CONTROL), control, "{asked:?}: {promised:?}");
        assert_eq!(promised.iter().any(|line| line.contains(READING)), reading, "{asked:?}: {promised:?}");
    }
}
