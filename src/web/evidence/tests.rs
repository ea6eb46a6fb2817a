use super::*;
use serde_json::json;

#[test]
fn the_same_user_is_read_from_each_apis_shape() {
    for item in [
        json!({"entities": [{"entityType": "User", "accountName": "ada", "userPrincipalName": "ada@contoso.com", "sha1": null}]}),
        json!({"evidence": [{"@odata.type": "#microsoft.graph.security.userEvidence", "userAccount": {"accountName": "ada", "userPrincipalName": "ada@contoso.com"}}]}),
        json!({"entities": [{"type": "account", "label": "ada", "pa": "ada@contoso.com"}]}),
    ] {
        let proofs = of_alert(&item);
        assert_eq!((proofs[0].kind.as_str(), proofs[0].title.as_str()), ("User", "ada@contoso.com"), "{item}");
        assert_eq!(proofs[0].facts, [("Account", "ada".to_owned())], "{item}");
    }
}

#[test]
fn a_process_shows_its_command_line_and_a_verdict_its_sign() {
    let proofs = of_alert(&json!({"evidence": [{"entityType": "Process", "fileName": "rundll32.exe", "processId": 3276,
        "processCommandLine": "rundll32.exe  c:\\temp\\a.dll", "verdict": "malicious", "detectionStatus": "Detected"}]}));
    assert_eq!(proofs[0].command.as_deref(), Some("rundll32.exe  c:\\temp\\a.dll"));
    assert_eq!(proofs[0].verdicts, [("bad", "Malicious".to_owned())]);
    assert_eq!(proofs[0].facts, [("Process id", "3276".to_owned())]);
}

#[test]
fn a_kind_we_do_not_know_is_shown_whole() {
    let proofs = of_alert(&json!({"evidence": [{"nothing": null, "spin": "up", "type": "quantum"}, 7]}));
    assert_eq!(
        (proofs[0].kind.as_str(), proofs[0].json.as_deref()),
        ("Quantum", Some("{\n  \"spin\": \"up\",\n  \"type\": \"quantum\"\n}"))
    );
    assert_eq!(proofs[1].json.as_deref(), Some("7"));
    assert!(of_alert(&json!("not an alert")).is_empty());
    // A known kind of which nothing is told that we know.
    let bare = of_alert(&json!({"evidence": [{"@odata.type": "#microsoft.graph.security.urlEvidence", "verdict": "unknown"}]}));
    assert!(bare[0].json.as_ref().is_some_and(|json| json.contains("urlEvidence")));
}

/// A kind of Graph's, a sample whose title is "T", and a fact that must be told.
type Sample = (&'static str, Value, [&'static str; 2]);

fn address() -> Value {
    json!({"ipAddress": "192.0.2.7"})
}

fn namespace() -> Value {
    json!({"name": "prod", "cluster": {"name": "aks1"}})
}

fn from_active_directory_to_host() -> Vec<Sample> {
    vec![
        (
            "activeDirectoryDomain",
            json!({"activeDirectoryDomainName": "T", "trustedDomains": ["a.example", "b.example"]}),
            ["Trusts", "a.example, b.example"],
        ),
        ("aiAgent", json!({"agentName": "T", "agentId": "7"}), ["Id", "7"]),
        ("amazonResource", json!({"resourceName": "T", "amazonResourceId": "arn:aws:s3:::b"}), ["ARN", "arn:aws:s3:::b"]),
        (
            "analyzedMessage",
            json!({"subject": "T", "p2Sender": {"emailAddress": "a@evil.example"}, "recipientEmailAddress": "b@x",
            "deliveryAction": "Delivered", "networkMessageId": "n-7", "urls": ["https://a", "https://b"]}),
            ["Network message id", "n-7"],
        ),
        ("azureResource", json!({"resourceName": "T", "resourceId": "/subscriptions/1"}), ["Id", "/subscriptions/1"]),
        ("blobContainer", json!({"name": "T", "storageResource": {"resourceId": "/s/1"}}), ["Storage", "/s/1"]),
        (
            "blob",
            json!({"name": "T", "blobContainer": {"name": "c"}, "fileHashes": [{"algorithm": "md5", "value": "abc"}]}),
            ["Hashes", "abc"],
        ),
        ("cloudApplication", json!({"displayName": "T", "appId": 20893}), ["Id", "20893"]),
        ("cloudLogonRequest", json!({"requestId": "T"}), ["", ""]),
        (
            "cloudLogonSession",
            json!({"sessionId": "T", "startUtcDateTime": "2026-01-02T03:04:05.6789Z"}),
            ["Begun", "2026-01-02 03:04:05 UTC"],
        ),
        (
            "container",
            json!({"name": "T", "image": {"imageId": "nginx:1"}, "isPrivileged": true, "args": ["-a", "-b"]}),
            ["Privileged", "Yes"],
        ),
        ("containerImage", json!({"imageId": "T", "registry": {"registry": "r.example"}}), ["Registry", "r.example"]),
        ("containerRegistry", json!({"registry": "T"}), ["", ""]),
        ("device", json!({"deviceDnsName": "T", "mdeDeviceId": "d7", "riskScore": "high"}), ["Defender id", "d7"]),
        ("dns", json!({"domainName": "T", "ipAddresses": [address()]}), ["Resolves to", "192.0.2.7"]),
        ("file", json!({"fileDetails": {"fileName": "T", "sha1": "1", "sha256": "2", "md5": "3"}}), ["MD5", "3"]),
        ("fileHash", json!({"algorithm": "sha256", "value": "T"}), ["Hash", "T"]),
        ("gitHubOrganization", json!({"displayName": "T", "login": "acme"}), ["Login", "acme"]),
        ("gitHubRepo", json!({"repoId": "T", "owner": "acme"}), ["Owner", "acme"]),
        ("gitHubUser", json!({"login": "T", "email": "a@b.example"}), ["E-mail", "a@b.example"]),
        ("googleCloudResource", json!({"resourceName": "T", "projectId": "p"}), ["Project", "p"]),
        ("hostLogonSession", json!({"sessionId": "T", "host": {"hostName": "pc7"}}), ["Device", "pc7"]),
    ]
}

fn from_iot_to_user() -> Vec<Sample> {
    vec![
        ("iotDevice", json!({"deviceName": "T", "manufacturer": "Acme", "ipAddress": address()}), ["Address", "192.0.2.7"]),
        ("ip", json!({"ipAddress": "T", "countryLetterCode": "DE"}), ["Country", "DE"]),
        ("kubernetesCluster", json!({"name": "T", "platform": "aks"}), ["Platform", "aks"]),
        ("kubernetesController", json!({"name": "T", "namespace": namespace()}), ["Namespace", "prod"]),
        ("kubernetesNamespace", json!({"name": "T", "cluster": {"name": "aks1"}}), ["Cluster", "aks1"]),
        ("kubernetesPod", json!({"name": "T", "namespace": namespace(), "podIp": address()}), ["Cluster", "aks1"]),
        ("kubernetesSecret", json!({"name": "T", "secretType": "Opaque"}), ["Type", "Opaque"]),
        ("kubernetesServiceAccount", json!({"name": "T", "namespace": namespace()}), ["Namespace", "prod"]),
        ("kubernetesService", json!({"name": "T", "clusterIP": address(), "serviceType": "loadBalancer"}), ["Address", "192.0.2.7"]),
        ("mailbox", json!({"primaryAddress": "T", "displayName": "Ada"}), ["Name", "Ada"]),
        (
            "mailboxConfiguration",
            json!({"mailboxPrimaryAddress": "T", "configurationType": "mailForwardingRule"}),
            ["Setting", "mailForwardingRule"],
        ),
        ("mailCluster", json!({"clusterBy": "T", "emailCount": 4, "networkMessageIds": ["a", "b"]}), ["Network message ids", "a, b"]),
        (
            "malware",
            json!({"name": "T", "category": "Trojan", "files": [{"fileDetails": {"fileName": "a.dll", "sha1": "1"}}]}),
            ["Files", "a.dll"],
        ),
        (
            "networkConnection",
            json!({"destinationAddress": {"ipAddress": "T"}, "sourceAddress": address(), "destinationPort": 443}),
            ["To port", "443"],
        ),
        ("nic", json!({"macAddress": "T", "ipAddress": address()}), ["Address", "192.0.2.7"]),
        ("oauthApplication", json!({"displayName": "T", "publisher": "Evil Ltd", "appId": "a7"}), ["Publisher", "Evil Ltd"]),
        (
            "process",
            json!({"imageFile": {"fileName": "T", "sha256": "2"}, "processId": 4, "processIntegrityLevel": "High"}),
            ["Integrity", "High"],
        ),
        ("registryKey", json!({"registryKey": "T", "registryHive": "HKEY_LOCAL_MACHINE"}), ["Hive", "HKEY_LOCAL_MACHINE"]),
        ("registryValue", json!({"registryKey": "T", "registryValueName": "Run", "registryValue": "a.exe"}), ["Value", "a.exe"]),
        ("sasToken", json!({"signatureHash": "T", "permissions": ["read", "write"]}), ["Allows", "read, write"]),
        ("securityGroup", json!({"displayName": "T", "securityGroupId": "g7"}), ["Id", "g7"]),
        ("servicePrincipal", json!({"servicePrincipalName": "T", "servicePrincipalObjectId": "o7"}), ["Object id", "o7"]),
        ("submissionMail", json!({"subject": "T", "submitter": "ada@contoso.com"}), ["Reported by", "ada@contoso.com"]),
        ("teamsMessage", json!({"subject": "T", "senderFromAddress": "x@evil.example"}), ["From", "x@evil.example"]),
        ("url", json!({"url": "T"}), ["", ""]),
        ("user", json!({"userAccount": {"userPrincipalName": "T", "azureAdUserId": "u7"}}), ["Entra id", "u7"]),
    ]
}

#[test]
fn every_documented_kind_of_graph_has_a_title_for_people_and_says_what_is_its_own() {
    for (kind, mut item, [label, value]) in from_active_directory_to_host().into_iter().chain(from_iot_to_user()) {
        item["@odata.type"] = json!(format!("#microsoft.graph.security.{kind}Evidence"));
        item["verdict"] = json!("suspicious");
        item["roles"] = json!(["attacker", "source"]);
        let proof = of_alert(&json!({ "evidence": [item] })).remove(0);
        assert_eq!((proof.json.as_deref(), proof.title.as_str()), (None, "T"), "{kind}");
        assert!(label.is_empty() || proof.facts.contains(&(label, value.to_owned())), "{kind}: {:?}", proof.facts);
        assert!(proof.facts.contains(&("Role", "attacker, source".to_owned())), "{kind}: {:?}", proof.facts);
        assert_eq!(proof.verdicts, [("warn", "Suspicious".to_owned())], "{kind}");
        assert_ne!(proof.icon, "more", "{kind}");
    }
    let session = json!({"evidence": [{"@odata.type": "#microsoft.graph.security.cloudLogonSessionEvidence", "sessionId": "s",
        "account": {"userAccount": {"userPrincipalName": "ada@contoso.com"}}}]});
    assert_eq!(of_alert(&session)[0].title, "ada@contoso.com");
}

#[test]
fn every_documented_entity_of_defender_has_a_title_for_people() {
    for (kind, item, [label, value]) in [
        ("User", json!({"userPrincipalName": "T", "aadUserId": "u7"}), ["Entra id", "u7"]),
        ("Ip", json!({"ipAddress": "T"}), ["", ""]),
        ("IP", json!({"ipAddress": "T"}), ["", ""]),
        ("Url", json!({"url": "T"}), ["", ""]),
        ("URL", json!({"url": "T"}), ["", ""]),
        ("File", json!({"fileName": "T", "sha1": "1", "sha256": "2", "md5": "3"}), ["SHA-256", "2"]),
        ("Process", json!({"fileName": "T", "processId": 7, "accountName": "ada"}), ["As", "ada"]),
        ("MailBox", json!({"mailboxAddress": "T", "mailboxDisplayName": "Ada"}), ["Name", "Ada"]),
        (
            "MailMessage",
            json!({"subject": "T", "sender": "a@evil.example", "recipient": "b@x.example", "deliveryAction": "Blocked"}),
            ["Delivery", "Blocked"],
        ),
        ("MailCluster", json!({"clusterBy": "T", "clusterByValue": "v"}), ["Value", "v"]),
        (
            "Registry",
            json!({"registryKey": "T", "registryHive": "HKLM", "registryValueType": "String", "registryValue": "v"}),
            ["Value", "v"],
        ),
        ("SecurityGroup", json!({"securityGroupName": "T", "securityGroupId": "g"}), ["Id", "g"]),
        ("CloudApplication", json!({"applicationName": "T", "applicationId": 11}), ["Id", "11"]),
        ("OAuthApplication", json!({"displayName": "T", "appId": "a"}), ["App id", "a"]),
        ("CloudResource", json!({"resourceName": "T", "resourceId": "/s/1"}), ["Id", "/s/1"]),
    ] {
        let mut item = item;
        item["entityType"] = json!(kind);
        let proof = of_alert(&json!({ "entities": [item] })).remove(0);
        assert_eq!((proof.json.as_deref(), proof.title.as_str()), (None, "T"), "{kind}");
        assert!(label.is_empty() || proof.facts.contains(&(label, value.to_owned())), "{kind}: {:?}", proof.facts);
    }
}

#[test]
fn a_long_list_says_how_much_more_there_is_and_times_read_like_times() {
    assert_eq!(told(&json!((1..=10).collect::<Vec<_>>())).as_deref(), Some("1, 2, 3, 4, 5, 6, 7, 8 and 2 more"));
    assert_eq!([told(&json!([])), told(&json!([null, ""])), told(&json!(" "))], [None, None, None]);
    assert_eq!(told(&json!("2021-01-26T20:31:32.9562661+01:00")).as_deref(), Some("2021-01-26 19:31:32 UTC"));
    assert_eq!(told(&json!("2021-01-26")).as_deref(), Some("2021-01-26"));
}

/// A tree as indented titles.
fn drawn(body: &Value) -> Vec<String> {
    let (mut depth, mut lines) = (0, Vec::new());
    for step in Evidence::of_alert(body).tree {
        match step {
            Step::Down => depth += 1,
            Step::Up => depth -= 1,
            Step::Begin(proof) => lines.push(format!("{}{}", "  ".repeat(depth - 1), proof.title)),
            Step::End => {}
        }
    }
    assert_eq!(depth, 0, "every list ends");
    lines
}

fn begun(name: &str, id: i64, parent: (i64, &str), started: &str) -> Value {
    json!({"entityType": "Process", "fileName": name, "processId": id, "parentProcessId": parent.0, "parentProcessFileName": parent.1,
        "processCreationTime": started, "deviceId": "d1"})
}

#[test]
fn processes_stand_below_the_one_that_began_them_also_if_that_is_only_named() {
    let mut other = begun("calc.exe", 9, (2, "cmd.exe"), "2026-01-01T00:00:09Z");
    other["deviceId"] = json!("d2");
    let entities = json!([
        begun("evil.exe", 3, (2, "cmd.exe"), "2026-01-01T00:00:03Z"),
        begun("whoami.exe", 4, (2, "cmd.exe"), "2026-01-01T00:00:02Z"),
        begun("cmd.exe", 2, (1, "winword.exe"), "2026-01-01T00:00:01Z"),
        other,
        {"entityType": "User", "accountName": "ada"},
    ]);
    let body = json!({ "entities": entities });
    assert_eq!(
        drawn(&body),
        ["winword.exe", "  cmd.exe", "    whoami.exe", "    evil.exe", "cmd.exe", "  calc.exe"],
        "another device has its own"
    );
    let evidence = Evidence::of_alert(&body);
    assert_eq!((evidence.proofs.len(), evidence.len()), (1, 5), "what is only named is no evidence");
}

#[test]
fn a_process_id_used_again_is_another_process_and_a_circle_or_a_long_chain_is_no_trouble() {
    let mut child = begun("evil.exe", 3, (2, "cmd.exe"), "2026-01-01T00:00:03Z");
    child["parentProcessCreationTime"] = json!("2026-01-01T00:00:01.5Z");
    let late = begun("cmd.exe", 2, (0, ""), "2026-01-01T05:00:00Z");
    let early = begun("cmd.exe", 2, (0, ""), "2026-01-01T00:00:01.4Z");
    assert_eq!(drawn(&json!({ "entities": [child, late] })), ["cmd.exe", "  evil.exe", "cmd.exe"], "named, beside the later one");
    assert_eq!(drawn(&json!({ "entities": [child, late, early] })), ["cmd.exe", "  evil.exe", "cmd.exe"]);
    let circle: Vec<Value> = (0..3).map(|n| begun("a.exe", n, ((n + 1) % 3, "a.exe"), "2026-01-01T00:00:00Z")).collect();
    assert_eq!(drawn(&json!({ "entities": circle })).len(), 3);
    let itself = begun("a.exe", 1, (1, "a.exe"), "2026-01-01T00:00:00Z");
    assert_eq!(drawn(&json!({ "entities": [itself] })).len(), 2, "its namesake began it");
    let chain: Vec<Value> = (1..500).map(|n| begun("a.exe", n, (n - 1, "a.exe"), "2026-01-01T00:00:00Z")).collect();
    assert_eq!(drawn(&json!({ "entities": chain })).len(), 500);
}
