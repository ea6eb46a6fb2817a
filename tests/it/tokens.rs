//! What tokens say of themselves, and which endpoint they come from.

use crate::fake::CLIENT_ID;
use crate::microsoft::{NAME, Scene};
use serde_json::json;
use watchfloor::demo::{Api, Fault, Times};
use watchfloor::microsoft::{FindError, Problem};
use watchfloor::model::{Cloud, DirectoryId, Product};

#[tokio::test]
async fn a_token_is_described_without_being_shown() {
    let scene = Scene::start().await;
    let describe = || scene.client.claims(&scene.target, NAME, Product::DefenderXdr, scene.now());
    let claims = describe().await.unwrap();
    assert_eq!(claims.problems, []);
    assert_eq!(claims.all["roles"], json!(["Incident.Read.All"]));
    assert!(claims.all.get("signature").is_none() && !claims.all.to_string().contains("eyJ"), "{}", claims.all);

    scene.cloud.world().drop_role(scene.target.directory, CLIENT_ID, "Incident.Read.All");
    assert_eq!(describe().await.unwrap().problems, [], "it is the token in use");
    scene.client.roles(&scene.target, NAME, Product::DefenderXdr, scene.now()).await.unwrap();
    assert_eq!(describe().await.unwrap().problems, [Problem::NoRoles]);

    let other = DirectoryId::parse("11112222-0000-cccc-1111-dddd2222eeee").unwrap();
    let scene = Scene::start().await;
    scene.cloud.world().fault(scene.target.directory, Api::Token, Fault::TokenOf(other), Times::Calls(1));
    let claims = scene.client.claims(&scene.target, NAME, Product::DefenderXdr, scene.now()).await.unwrap();
    assert_eq!(claims.problems, [Problem::WrongDirectory]);
    scene.probe(Product::DefenderXdr).await.unwrap();
    assert!(scene.cloud.world().ledger.requests().all(|request| request.status < 400), "the foreign token was not used");
}

#[tokio::test]
async fn a_domain_is_looked_up_without_a_credential() {
    let scene = Scene::start().await;
    let find =
        async |domain: &'static str| scene.client.find_directory(Cloud::Commercial, domain, scene.now()).await.map(|found| found.directory);
    assert_eq!(find("contoso.onmicrosoft.com").await, Ok(scene.target.directory));
    assert_eq!(find("fabrikam.com").await, Err(FindError::NotFound));
}
