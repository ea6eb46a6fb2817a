//! The stand-in cloud with one directory and one app, and a plain client that speaks to it without the production code.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding, RsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::header::LOCATION;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use url::Url;
use uuid::Uuid;
use watchfloor::demo::{App, Credential, Directory, StandIn, World};
use watchfloor::model::{DirectoryId, Product};

pub const FORM_REDIRECT: &str = "http://127.0.0.1:9/consent/callback";
const SECRET: &str = "p~ss+w/rd";

type Pair = rcgen::CertifiedKey<rcgen::KeyPair>;

/// A key and its certificate, as an operator would make them.
pub fn certificate() -> Pair {
    let signing_key = rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048).unwrap();
    let cert = rcgen::CertificateParams::new(Vec::new()).unwrap().self_signed(&signing_key).unwrap();
    rcgen::CertifiedKey { cert, signing_key }
}

pub struct Cloud {
    pub stand_in: StandIn,
    pub directory: DirectoryId,
    pub app: Uuid,
    pub certificate: Pair,
    http: reqwest::Client,
}

impl Cloud {
    pub async fn start() -> Self {
        let directory = DirectoryId(Uuid::new_v4());
        let app = Uuid::new_v4();
        let certificate = certificate();
        let mut world = World::new(1);
        world.add_directory(Directory::new(directory, "Northwind Mills", "northwind-mills.example"));
        world.register_app(App {
            client_id: app,
            name: "Watchfloor".to_owned(),
            publisher: "Watchers Ltd".to_owned(),
            credentials: vec![Credential::Secret(SECRET.to_owned(), None), Credential::Certificate(certificate.cert.der().to_vec())],
            redirect_uris: vec![FORM_REDIRECT.to_owned()],
            roles: vec![
                (Product::DefenderXdr, "Incident.Read.All".to_owned()),
                (Product::DefenderEndpoint, "Alert.Read.All".to_owned()),
                (Product::CloudApps, "Investigation.read".to_owned()),
            ],
            home: None,
        });
        world.grant(directory, app);
        let http = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        Self { stand_in: StandIn::start(world, 0).await.unwrap(), directory, app, certificate, http }
    }

    fn url(&self, path: &str) -> Url {
        Url::parse(&(self.stand_in.base() + path)).unwrap()
    }

    pub async fn get(&self, path: &str, token: &str) -> (u16, Value) {
        let answer = self.http.get(self.url(path)).bearer_auth(token).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    pub async fn post(&self, path: &str, token: &str, body: &Value) -> (u16, Value) {
        let answer = self.http.post(self.url(path)).bearer_auth(token).json(body).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    /// Presses a button of the front page, as if a page of `origin` had sent it.
    pub async fn control(&self, fields: &[(&str, &str)], origin: &str) -> u16 {
        let request = self.http.post(self.url("stand-in/control")).header("origin", origin);
        request.form(fields).send().await.unwrap().status().as_u16()
    }

    pub async fn form(&self, path: &str, fields: &[(&str, &str)]) -> (u16, Value) {
        let url = self.url(&format!("login.microsoftonline.com/{path}"));
        let answer = self.http.post(url).form(fields).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    pub async fn refused(&self, path: &str, fields: &[(&str, &str)], status: u16, error: &str, code: i64) {
        let (got, body) = self.form(path, fields).await;
        assert_eq!((got, body["error"].as_str(), body["error_codes"][0].as_i64()), (status, Some(error), Some(code)), "{body}");
        assert!(body["error_description"].as_str().unwrap().starts_with(&format!("AADSTS{code}: ")));
    }

    pub fn token_path(&self) -> String {
        format!("{}/oauth2/v2.0/token", self.directory)
    }

    pub fn audience(&self) -> String {
        format!("https://login.microsoftonline.com/{}", self.token_path())
    }

    pub fn with_secret<'a>(&self, scope: &'a str) -> [(&'static str, &'a str); 4] {
        let id: &'static str = self.app.to_string().leak();
        [("client_id", id), ("client_secret", SECRET), ("scope", scope), ("grant_type", "client_credentials")]
    }

    pub fn with_assertion<'a>(&self, assertion: &'a str) -> [(&'static str, &'a str); 5] {
        let id: &'static str = self.app.to_string().leak();
        [
            ("client_id", id),
            ("client_assertion", assertion),
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ("scope", "https://api.security.microsoft.com/.default"),
            ("grant_type", "client_credentials"),
        ]
    }

    pub fn with_code<'a>(&self, code: &'a str, verifier: &'a str) -> [(&'static str, &'a str); 6] {
        let id: &'static str = self.app.to_string().leak();
        [
            ("client_id", id),
            ("client_secret", SECRET),
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", FORM_REDIRECT),
            ("code_verifier", verifier),
        ]
    }

    pub async fn token(&self, resource: &str) -> String {
        let (status, body) = self.form(&self.token_path(), &self.with_secret(&format!("{resource}/.default"))).await;
        assert_eq!(status, 200, "{body}");
        body["access_token"].as_str().unwrap().to_owned()
    }

    /// A client assertion with the certificate's SHA-256 thumbprint, under PS256 or, as it was, under RS256.
    pub fn assertion(&self, pair: &Pair, alg: &str, audience: &str) -> String {
        let now = chrono::DateTime::timestamp(&watchfloor::model::clock::now());
        let code = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let thumbprint = code(digest(&SHA256, pair.cert.der()).as_ref());
        let header = json!({"alg": alg, "typ": "JWT", "x5t#S256": thumbprint});
        let id = self.app.to_string();
        let claims = json!({"aud": audience, "iss": id, "sub": id, "jti": Uuid::new_v4(), "nbf": now, "iat": now, "exp": now + 300});
        let text = format!("{}.{}", code(header.to_string().as_bytes()), code(claims.to_string().as_bytes()));
        let key = RsaKeyPair::from_pkcs8(&pair.signing_key.serialize_der()).unwrap();
        let mut signature = vec![0; key.public_modulus_len()];
        let padding = if alg == "PS256" { &RSA_PSS_SHA256 as &dyn RsaEncoding } else { &RSA_PKCS1_SHA256 };
        key.sign(padding, &SystemRandom::new(), text.as_bytes(), &mut signature).unwrap();
        format!("{text}.{}", code(&signature))
    }

    pub async fn consent(&self, segment: &str, fields: &[(&str, &str)]) -> Option<HashMap<String, String>> {
        self.consent_with(segment, "", "", fields).await
    }

    /// Answers the consent page; the query that comes back, or none when the page stays. One parameter can be replaced.
    pub async fn consent_with(&self, segment: &str, name: &str, value: &str, fields: &[(&str, &str)]) -> Option<HashMap<String, String>> {
        let mut url = self.url(&format!("login.microsoftonline.com/{segment}/v2.0/adminconsent"));
        let id = self.app.to_string();
        let scope = "https://api.security.microsoft.com/.default";
        for (key, usual) in [("client_id", id.as_str()), ("redirect_uri", FORM_REDIRECT), ("scope", scope), ("state", "the state")] {
            url.query_pairs_mut().append_pair(key, if key == name { value } else { usual });
        }
        self.http.get(url.clone()).send().await.unwrap();
        let answer = self.http.post(url).form(fields).send().await.unwrap();
        let location = Url::parse(answer.headers().get(LOCATION)?.to_str().unwrap()).unwrap();
        assert!(location.as_str().starts_with(FORM_REDIRECT), "{location}");
        Some(location.query_pairs().into_owned().collect())
    }

    /// Opens the sign-in page of a directory with the cookie that consent left; the status.
    pub async fn open_sign_in(&self, directory: DirectoryId, prompt: &str) -> u16 {
        let mut url = self.authorize_url(directory);
        url.query_pairs_mut().append_pair("prompt", prompt);
        let cookie = format!("stand_in_account={}/admin@northwind-mills.example", self.directory);
        self.http.get(url).header("cookie", cookie).send().await.unwrap().status().as_u16()
    }

    /// Signs the administrator in; the code. Its PKCE verifier is `FORM_REDIRECT`.
    pub async fn sign_in(&self) -> String {
        self.pick_account(self.authorize_url(self.directory)).await.remove("code").unwrap()
    }

    fn authorize_url(&self, directory: DirectoryId) -> Url {
        let mut url = self.url(&format!("login.microsoftonline.com/{directory}/oauth2/v2.0/authorize"));
        let challenge = URL_SAFE_NO_PAD.encode(digest(&SHA256, FORM_REDIRECT.as_bytes()));
        url.query_pairs_mut()
            .append_pair("client_id", &self.app.to_string())
            .append_pair("response_type", "code")
            .append_pair("redirect_uri", FORM_REDIRECT)
            .append_pair("scope", "openid profile")
            .append_pair("state", "s")
            .append_pair("nonce", "n")
            .append_pair("code_challenge", &challenge)
            .append_pair("code_challenge_method", "S256");
        url
    }

    /// Signs in as the administrator at an authorization address; the query that comes back.
    pub async fn pick_account(&self, url: Url) -> HashMap<String, String> {
        let account = format!("{}/admin@northwind-mills.example", self.directory);
        let answer = self.http.post(url).form(&[("account", account)]).send().await.unwrap();
        let location = Url::parse(answer.headers().get(LOCATION).unwrap().to_str().unwrap()).unwrap();
        location.query_pairs().into_owned().collect()
    }

    /// The app as the production client is configured with it.
    pub fn app_config(&self) -> watchfloor::config::App {
        use std::os::unix::fs::PermissionsExt;
        let file = secret_file(self.app);
        std::fs::write(&file, SECRET).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        watchfloor::config::App {
            name: "defender".to_owned(),
            cloud: watchfloor::model::Cloud::Commercial,
            client_id: self.app,
            credentials: vec![watchfloor::config::Credential::secret_file(file)],
            consent: watchfloor::config::ConsentForm::V2,
            optional: false,
            permissions: BTreeMap::from([
                (Product::DefenderXdr, vec!["Incident.Read.All".to_owned()]),
                (Product::DefenderEndpoint, vec!["Alert.Read.All".to_owned()]),
                (Product::CloudApps, vec!["Investigation.Read".to_owned()]),
            ]),
        }
    }
}

impl Drop for Cloud {
    fn drop(&mut self) {
        // It exists only where the production client was configured.
        std::fs::remove_file(secret_file(self.app)).ok();
    }
}

fn secret_file(app: Uuid) -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("stand-in-secret-{app}"))
}
