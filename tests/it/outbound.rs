//! The real client, as an operator configures it: TLS verified to Microsoft's host names, through the proxy and no other way, and exactly
//! the requests Microsoft documents.

use crate::fake::{APP, CLIENT_ID, DIRECTORY, Fake, Reply, SECRET, Seen, app, now, target};
use crate::tunnel::{self, Papers};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use url::Url;
use uuid::Uuid;
use watchfloor::config::Outbound;
use watchfloor::microsoft::{CallError, Client, CloudAppsQuery, NetworkFault};
use watchfloor::model::{Cloud, Product};

const HOSTS: [&str; 4] = ["login.microsoftonline.com", "api.security.microsoft.com", "portal.cloudappsecurity.com", "graph.microsoft.com"];

/// Microsoft behind TLS with certificates of a private authority, reachable through a CONNECT proxy only.
struct Outside {
    fake: Fake,
    proxy: Url,
    ca_file: PathBuf,
    /// The first line of each request the proxy got.
    connects: Arc<Mutex<Vec<String>>>,
}

impl Outside {
    async fn start(names: &[&str], answer: impl Fn(&Seen) -> Option<Reply> + Send + Sync + 'static) -> Self {
        let (papers, fake) = (Papers::of(names), Fake::start(answer).await);
        let (proxy, connects) = tunnel::proxy_to(papers.serve(fake.router()).await).await;
        Self { fake, proxy, ca_file: papers.ca_file, connects }
    }

    fn configured(&self) -> Client {
        client(&Outbound { proxy: Some(self.proxy.clone()), ca_file: Some(self.ca_file.clone()) })
    }

    fn connects(&self) -> Vec<String> {
        self.connects.lock().unwrap().clone()
    }
}

fn client(outbound: &Outbound) -> Client {
    Client::new(outbound, &[app()], now()).unwrap().with_retry_delay(Duration::from_millis(1))
}

fn documented(seen: &Seen) -> Option<Reply> {
    if seen.is_token_request() {
        return None;
    }
    Some(Reply::json(match seen.host.as_str() {
        "portal.cloudappsecurity.com" => json!({"data": [], "hasNext": false, "total": 0}).to_string(),
        "login.microsoftonline.com" => json!({"issuer": format!("https://login.microsoftonline.com/{DIRECTORY}/v2.0")}).to_string(),
        _ => json!({"value": []}).to_string(),
    }))
}

#[tokio::test]
async fn every_call_is_the_documented_one_and_goes_through_the_proxy_with_verified_tls() {
    let outside = Outside::start(&HOSTS, documented).await;
    let (client, target) = (outside.configured(), target());
    let since = now();
    client.xdr_incidents(&target, APP, since, 100, now()).await.unwrap();
    client.endpoint_alerts(&target, APP, since, 0, now()).await.unwrap();
    client.cloud_apps_alerts(&target, APP, CloudAppsQuery::CreatedSince(since), 0, now()).await.unwrap();
    client.cloud_apps_alerts(&target, APP, CloudAppsQuery::ResolvedSince(since), 100, now()).await.unwrap();
    client.probe(&target, APP, Product::Graph, now()).await.unwrap();
    client.find_directory(Cloud::Commercial, "contoso.com", now()).await.unwrap();

    let connects = outside.connects();
    for host in HOSTS {
        assert!(connects.contains(&format!("CONNECT {host}:443 HTTP/1.1")), "{host}: {connects:?}");
    }
    assert_eq!(connects.len(), HOSTS.len(), "connections are kept and nothing else is reached");

    let tokens: Vec<Seen> = outside.fake.seen().into_iter().filter(Seen::is_token_request).collect();
    let scopes = ["https://api.security.microsoft.com", "https://api.securitycenter.microsoft.com", "05a65629-4c1b-48c1-a78b-804c4abdd4af"];
    for (token, scope) in tokens.iter().zip(scopes) {
        assert_eq!((token.method.as_str(), token.host.as_str()), ("POST", "login.microsoftonline.com"));
        assert_eq!(token.path, format!("/{DIRECTORY}/oauth2/v2.0/token"));
        assert_eq!(token.header("content-type"), Some("application/x-www-form-urlencoded"));
        assert!(token.header("authorization").is_none() && token.query.is_empty());
        let expected = [
            ("client_id", CLIENT_ID.to_string()),
            ("client_secret", SECRET.to_owned()),
            ("grant_type", "client_credentials".to_owned()),
            ("scope", format!("{scope}/.default")),
        ];
        assert_eq!(token.form(), expected.map(|(name, value)| (name.to_owned(), value)).into());
        assert!(token.body.contains("client_secret=fake%7ESecret%2Bvalue%2F1%3D"), "{}", token.body);
    }
    assert_eq!(tokens.len(), 4);

    let calls = outside.fake.calls();
    let line = |seen: &Seen| format!("{} {}{}", seen.method, seen.host, seen.path);
    let query = |seen: &Seen| seen.query.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&");
    assert_eq!(line(&calls[0]), "GET api.security.microsoft.com/api/incidents");
    assert_eq!(query(&calls[0]), "$filter=lastUpdateTime ge 2026-01-01T00:00:00.000Z&$skip=100&$top=100");
    assert_eq!(line(&calls[1]), "GET api.security.microsoft.com/api/alerts");
    assert_eq!(query(&calls[1]), "$expand=evidence&$filter=lastUpdateTime ge 2026-01-01T00:00:00.000Z&$skip=0&$top=1000");
    for (call, filters, skip) in [
        (&calls[2], json!({"date": {"gte": 1_767_225_600_000_i64}}), 0),
        (&calls[3], json!({"resolutionDate": {"gte": 1_767_225_600_000_i64}}), 100),
    ] {
        assert_eq!((line(call), query(call)), ("POST portal.cloudappsecurity.com/cas/api/v1/alerts/".to_owned(), String::new()));
        assert_eq!(call.header("content-type"), Some("application/json"));
        let body: Value = serde_json::from_str(&call.body).unwrap();
        assert_eq!(body, json!({"filters": filters, "skip": skip, "limit": 100, "sortField": "date", "sortDirection": "asc"}));
    }
    assert_eq!((line(&calls[4]), query(&calls[4])), ("GET graph.microsoft.com/v1.0/security/incidents".to_owned(), "$top=1".to_owned()));
    assert_eq!(line(&calls[5]), "GET login.microsoftonline.com/contoso.com/v2.0/.well-known/openid-configuration");
    assert!(calls[..5].iter().all(|call| call.header("authorization").unwrap().starts_with("Bearer e30.")));
    assert!(calls[5].header("authorization").is_none(), "a look-up carries no token");
    assert!(calls.iter().all(|call| call.header("accept") == Some("application/json")));
}

#[tokio::test]
async fn without_the_ca_file_or_with_another_name_the_connection_is_refused() {
    let outside = Outside::start(&HOSTS, documented).await;
    let client = client(&Outbound { proxy: Some(outside.proxy.clone()), ca_file: None });
    let error = client.probe(&target(), APP, Product::DefenderXdr, now()).await.unwrap_err();
    assert_eq!(error, CallError::Network(NetworkFault::Certificate));
    let elsewhere = Outside::start(&["login.microsoftonline.com.evil.example"], documented).await;
    let error = elsewhere.configured().probe(&target(), APP, Product::DefenderXdr, now()).await.unwrap_err();
    assert_eq!(error, CallError::Network(NetworkFault::Certificate));
    assert!(outside.fake.seen().is_empty() && elsewhere.fake.seen().is_empty(), "nothing was sent");
}

#[tokio::test]
async fn an_unreadable_ca_file_is_named() {
    let missing = Outbound { proxy: None, ca_file: Some(PathBuf::from("/nowhere/ca.pem")) };
    let error = format!("{:#}", Client::new(&missing, &[], now()).unwrap_err());
    assert!(error.contains("outbound.ca_file = /nowhere/ca.pem"), "{error}");
    let empty = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("watchfloor-ca-{}.pem", Uuid::new_v4()));
    std::fs::write(&empty, "no certificate").unwrap();
    let error = format!("{:#}", Client::new(&Outbound { proxy: None, ca_file: Some(empty) }, &[], now()).unwrap_err());
    assert!(error.contains("outbound.ca_file"), "{error}");
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_hostile_next_pages_get_no_token() {
    let canary = Fake::start(|_| None).await;
    let location = format!("http://{}/steal", canary.address);
    let redirect = Reply(302, vec![("location", location.clone())], vec![]);
    let redirect = Mutex::new(Some(redirect));
    let outside =
        Outside::start(
            &HOSTS,
            move |seen| {
                if seen.is_token_request() { None } else { redirect.lock().unwrap().take().or_else(|| documented(seen)) }
            },
        )
        .await;
    let error = outside.configured().probe(&target(), APP, Product::DefenderXdr, now()).await.unwrap_err();
    assert_eq!(error, CallError::Unexpected("it leads to another address"));

    for link in [
        location.as_str(),
        "http://api.security.microsoft.com/api/alerts",
        "https://api.security.microsoft.com.evil.com/api/alerts",
        "https://evil.com/api.security.microsoft.com",
        "https://api.security.microsoft.com:8443/api/alerts",
        "https://api.security.microsoft.com\\@evil.com/api/alerts",
        "https://127.0.0.1/api/alerts",
        "/api/alerts?$skip=1",
        "https://api.security.microsoft.com/11112222-0000-cccc-1111-dddd2222eeee/api/alerts",
        "https://api.s\u{435}curity.microsoft.com/api/alerts",
        "https://graph.microsoft.com/api/alerts",
    ] {
        let body = json!({"value": [], "@odata.nextLink": link}).to_string();
        let outside = Outside::start(&HOSTS, move |seen| (!seen.is_token_request()).then(|| Reply::json(body.clone()))).await;
        let error = outside.configured().endpoint_alerts(&target(), APP, now(), 0, now()).await.unwrap_err();
        assert_eq!(error, CallError::RefusedLink, "{link}");
        assert!(error.is_security_event());
        assert_eq!(outside.fake.calls().len(), 1, "{link}");
        assert_eq!(outside.connects().len(), 2, "{link}: {:?}", outside.connects());
    }
    assert!(canary.seen().is_empty());
}

/// The environment is read when a client is made, and belongs to the whole process: the test runs itself again with it set.
#[test]
fn proxies_of_the_environment_are_ignored() {
    const INNER: &str = "WATCHFLOOR_TEST_INNER";
    if std::env::var_os(INNER).is_some() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let outside = Outside::start(&HOSTS, documented).await;
            outside.configured().probe(&target(), APP, Product::DefenderXdr, now()).await.unwrap();
            assert_eq!(outside.connects().len(), 2);
            let fake = Fake::start(documented).await;
            fake.client().probe(&target(), APP, Product::DefenderXdr, now()).await.unwrap();
        });
        return;
    }
    let trap = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    trap.set_nonblocking(true).unwrap();
    let address = format!("http://{}", trap.local_addr().unwrap());
    let mut again = std::process::Command::new(std::env::current_exe().unwrap());
    again.args(["--exact", "outbound::proxies_of_the_environment_are_ignored"]).env(INNER, "1");
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"] {
        again.env(name, &address);
    }
    again.env_remove("NO_PROXY").env_remove("no_proxy");
    let output = again.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"));
    assert!(trap.accept().is_err(), "somebody called the proxy of the environment");
}
