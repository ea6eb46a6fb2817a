//! The production client understands the stand-in cloud, which shares no type with it.

use super::cloud::{Cloud, FORM_REDIRECT};
use chrono::TimeDelta;
use secrecy::SecretString;
use std::collections::HashMap;
use url::Url;
use watchfloor::demo::{Api, Fault, IdTokenLie, Times};
use watchfloor::microsoft::{CallError, Client, CloudAppsQuery, Target, cloud_apps, endpoint, xdr};
use watchfloor::model::{Cloud as National, Product, TenantId, clock};

fn client(cloud: &Cloud) -> (Client, Target) {
    let client = Client::stand_in(cloud.stand_in.address(), &[cloud.app_config()], clock::now()).unwrap();
    (client, Target::new(TenantId::new(), cloud.directory, National::Commercial))
}

#[tokio::test]
async fn every_record_of_every_product_is_read() {
    let cloud = Cloud::start().await;
    let now = clock::now();
    cloud.stand_in.world().seed_history(cloud.directory, 5, 150, now);
    let (client, target) = client(&cloud);
    let since = now - TimeDelta::days(30);
    let (mut incidents, mut more) = (0, true);
    while more {
        let page = client.xdr_incidents(&target, "defender", since, incidents, now).await.unwrap();
        for record in &page.records {
            serde_json::from_str::<xdr::Incident>(record.get()).unwrap();
        }
        incidents += u32::try_from(page.records.len()).unwrap();
        more = page.more;
    }
    assert_eq!(incidents, 150);
    let page = client.endpoint_alerts(&target, "defender", since, 0, now).await.unwrap();
    assert!(page.records.len() > 50 && page.records.iter().all(|record| serde_json::from_str::<endpoint::Alert>(record.get()).is_ok()));
    let query = CloudAppsQuery::CreatedSince(since);
    let page = client.cloud_apps_alerts(&target, "defender", query, 0, now).await.unwrap();
    assert!(page.records.len() > 50 && page.records.iter().all(|record| serde_json::from_str::<cloud_apps::Alert>(record.get()).is_ok()));
    assert_eq!(
        client.find_directory(National::Commercial, "northwind-mills.example", now).await.ok().map(|found| found.directory),
        Some(cloud.directory)
    );
}

#[tokio::test]
async fn a_client_whose_consent_is_revoked_learns_it_at_its_next_call() {
    let cloud = Cloud::start().await;
    let (client, target) = client(&cloud);
    client.probe(&target, "defender", Product::DefenderXdr, clock::now()).await.unwrap();
    cloud.stand_in.world().revoke(cloud.directory, cloud.app);
    let error = client.probe(&target, "defender", Product::DefenderXdr, clock::now()).await.unwrap_err();
    assert_eq!(error, CallError::ConsentLost { aadsts: Some(700_016) });
}

#[tokio::test]
async fn a_sign_in_ends_with_the_directory_and_every_lie_is_refused() {
    let cloud = Cloud::start().await;
    let (client, target) = client(&cloud);
    let redirect = Url::parse(FORM_REDIRECT).unwrap();
    let lies = [
        None,
        Some(IdTokenLie::Unsigned),
        Some(IdTokenLie::Forged),
        Some(IdTokenLie::WrongNonce),
        Some(IdTokenLie::WrongAudience),
        Some(IdTokenLie::WrongIssuer),
        Some(IdTokenLie::Expired),
        Some(IdTokenLie::Directory(watchfloor::model::DirectoryId(uuid::Uuid::new_v4()))),
    ];
    for lie in lies {
        let trip = client.sign_in_url("defender", target.directory, &redirect, "the state", "the nonce").unwrap();
        let back: HashMap<String, String> = cloud.pick_account(trip.url).await;
        assert_eq!(back["state"], "the state");
        if let Some(lie) = lie {
            cloud.stand_in.world().fault(cloud.directory, Api::Token, Fault::IdToken(lie), Times::Calls(1));
        }
        let code = SecretString::from(back["code"].clone());
        let signed = client.redeem("defender", target.directory, &redirect, &code, &trip.verifier, "the nonce", clock::now()).await;
        assert_eq!(signed.is_ok(), lie.is_none(), "{lie:?}");
    }
}
