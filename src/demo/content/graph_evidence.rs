//! Evidence as the Microsoft Graph security page "alertEvidence resource type" and its derived types show it: nested, each with its
//! `@odata.type`.

use super::cast::Cast;
use super::graph::Words;
use super::names::{Device, Person};
use super::{Evidence, Source, stamp};
use crate::demo::records::Alert;
use chrono::TimeDelta;
use serde_json::{Map, Value, json};

/// What every kind carries, with what is its own.
fn evidence(kind: &str, alert: &Alert, words: Words, own: Value) -> Value {
    let resolved = alert.status == "Resolved" && alert.classification == Some("TruePositive");
    let mut body = Map::new();
    body.insert("@odata.type".to_owned(), json!(format!("#microsoft.graph.security.{kind}Evidence")));
    body.insert("createdDateTime".to_owned(), json!(stamp(alert.created)));
    body.insert("verdict".to_owned(), json!(words.word(if alert.plan.severity == "High" { "suspicious" } else { "unknown" })));
    body.insert("remediationStatus".to_owned(), json!(words.word(if resolved { "remediated" } else { "none" })));
    body.insert("remediationStatusDetails".to_owned(), Value::Null);
    for list in ["roles", "detailedRoles", "tags"] {
        body.insert(list.to_owned(), json!([]));
    }
    if let Value::Object(own) = own {
        body.extend(own);
    }
    Value::Object(body)
}

fn account(person: &Person, domain: &str) -> Value {
    json!({
        "accountName": person.account, "domainName": domain, "userSid": person.sid, "azureAdUserId": person.object_id,
        "userPrincipalName": person.upn, "displayName": person.name,
    })
}

pub fn device(device: &Device, alert: &Alert, words: Words) -> Value {
    let own = json!({
        "firstSeenDateTime": "2025-02-06T14:16:01.9330135Z", "mdeDeviceId": device.id, "azureAdDeviceId": device.aad_id,
        "deviceDnsName": device.dns_name, "hostName": device.dns_name.split('.').next(), "osPlatform": device.os,
        "osBuild": device.build, "version": device.version, "healthStatus": words.word("Active"), "riskScore": words.word(device.risk),
        "rbacGroupId": 9, "rbacGroupName": device.group, "onboardingStatus": words.word("onboarded"),
        "defenderAvStatus": words.word("updated"), "ipInterfaces": [device.ip], "loggedOnUsers": [], "vmMetadata": null,
    });
    evidence("device", alert, words, own)
}

/// The application whose use an alert of Cloud Apps is about.
pub fn application(alert: &Alert, words: Words) -> Value {
    let own = json!({
        "appId": 20893, "displayName": "Microsoft Exchange Online", "instanceId": 0, "instanceName": "Microsoft Exchange Online",
        "saasAppId": 20893, "stream": null,
    });
    evidence("cloudApplication", alert, words, own)
}

/// A piece of evidence of one kind.
pub fn of(cast: &Cast<'_>, kind: Evidence, alert: &Alert, words: Words) -> Value {
    let domain = cast.directory.domain();
    let device = cast.device.filter(|_| alert.plan.source == Source::Endpoint).map(|device| &device.id);
    let file = |name: &str, path: &str, hashed: bool| {
        json!({
            "sha1": hashed.then_some(&cast.sha1), "sha256": hashed.then_some(&cast.sha256), "fileName": name, "filePath": path,
            "fileSize": 731_744, "filePublisher": null, "signer": null, "issuer": null,
        })
    };
    let folder = format!("C:\\Users\\{}\\AppData\\Local\\Temp", cast.user.account);
    let begun = super::incident::activity(alert).0;
    let started = stamp(begun);
    let (name, own) = match kind {
        Evidence::User => ("user", json!({"userAccount": account(cast.user, domain), "stream": null})),
        Evidence::Colleague => ("user", json!({"userAccount": account(cast.colleague, domain), "stream": null})),
        Evidence::Ip => ("ip", json!({"ipAddress": cast.ip, "countryLetterCode": null, "location": null, "stream": null})),
        Evidence::Url => ("url", json!({"url": cast.url})),
        Evidence::File => (
            "file",
            json!({"detectionStatus": words.word("detected"), "mdeDeviceId": device, "fileDetails": file(cast.scenario.file, &folder, true)}),
        ),
        Evidence::Process => (
            "process",
            json!({
                "processId": cast.process_id, "parentProcessId": cast.process_id / 3, "processCommandLine": cast.command,
                "processCreationDateTime": started, "parentProcessCreationDateTime": stamp(begun - TimeDelta::seconds(9)),
                "detectionStatus": words.word("detected"), "mdeDeviceId": device,
                "imageFile": file(cast.scenario.file, &folder, true),
                "parentProcessImageFile": file("explorer.exe", "C:\\Windows", false), "userAccount": account(cast.user, domain),
            }),
        ),
        Evidence::Mailbox => (
            "mailbox",
            json!({
                "primaryAddress": cast.user.upn, "displayName": cast.user.name, "upn": cast.user.upn,
                "userAccount": account(cast.user, domain),
            }),
        ),
        Evidence::Mail => ("analyzedMessage", mail(cast, &started)),
        Evidence::Registry => (
            "registryValue",
            json!({
                "mdeDeviceId": device, "registryHive": "HKEY_CURRENT_USER",
                "registryKey": "SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Run", "registryValue": cast.scenario.file,
                "registryValueName": "Updater", "registryValueType": "String",
            }),
        ),
        Evidence::Group => (
            "securityGroup",
            json!({"securityGroupId": cast.colleague.object_id, "displayName": "Domain Admins", "friendlyName": null, "sid": null}),
        ),
    };
    evidence(name, alert, words, own)
}

fn mail(cast: &Cast<'_>, received: &str) -> Value {
    json!({
        "networkMessageId": cast.user.object_id, "internetMessageId": format!("<{}@mail.example>", cast.number),
        "subject": cast.subject, "language": "en", "senderIp": cast.ip, "recipientEmailAddress": cast.user.upn,
        "antiSpamDirection": "Inbound", "deliveryAction": "Delivered", "deliveryLocation": "Inbox/folder", "urn": null,
        "threats": ["Phish"], "threatDetectionMethods": [], "urls": [cast.url], "urlCount": 1, "attachmentsCount": 0,
        "receivedDateTime": received,
        "p1Sender": {"emailAddress": cast.sender, "displayName": null, "domainName": cast.sender.split('@').nth(1)},
        "p2Sender": {"emailAddress": cast.sender, "displayName": null, "domainName": cast.sender.split('@').nth(1)},
    })
}
