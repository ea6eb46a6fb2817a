//! How an app proves itself to Entra: a secret, or better a certificate.
//!
//! The assertion's form is that of Microsoft's page "Microsoft identity platform application authentication certificate credentials".

use super::CallError;
use crate::config::{self, read_secret};
use anyhow::{Context, Result, anyhow, bail, ensure};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{KeyPair, RSA_PSS_SHA256, RsaKeyPair};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use secrecy::{ExposeSecret, SecretSlice, SecretString};
use serde_json::json;
use std::fmt;
use std::path::Path;
use url::Url;
use uuid::Uuid;
use x509_parser::pem::Pem;

/// An app's credential. It never shows itself, and its memory is wiped when dropped.
pub(super) enum Credential {
    Secret(SecretString),
    Certificate(Box<Certificate>),
}

/// A certificate with its private key, checked to belong together.
pub(super) struct Certificate {
    key: RsaKeyPair,
    /// SHA-256 of the certificate, in base64url.
    thumbprint: String,
    not_after: DateTime<Utc>,
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Secret(_) => "Secret(hidden)",
            Self::Certificate(_) => "Certificate(hidden)",
        })
    }
}

impl Credential {
    /// Reads the files of an app.
    ///
    /// # Errors
    /// One sentence naming the key and the file: when others may read the secret or the key, when certificate and key do not belong
    /// together, when the key is not RSA, when the certificate is not valid yet or no longer.
    pub(super) fn load(app: &config::App, now: DateTime<Utc>) -> Result<Self> {
        match (&app.client_secret_file, &app.certificate_file, &app.private_key_file) {
            (Some(secret), None, None) => Ok(Self::Secret(read_secret("client_secret_file", secret)?)),
            (None, Some(certificate), Some(key)) => Ok(Self::Certificate(Box::new(Certificate::load(certificate, key, now)?))),
            _ => bail!("app `{}` needs certificate_file and private_key_file, or client_secret_file", app.name),
        }
    }

    /// The form fields that go with a request to this token endpoint. An assertion is good for this endpoint alone, once, for 5 minutes.
    pub(super) fn proof(
        &self,
        client_id: Uuid,
        token_url: &Url,
        now: DateTime<Utc>,
    ) -> Result<Vec<(&'static str, SecretString)>, CallError> {
        match self {
            Self::Secret(secret) => Ok(vec![("client_secret", secret.clone())]),
            Self::Certificate(certificate) => Ok(vec![
                ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer".into()),
                ("client_assertion", certificate.assertion(client_id, token_url, now)?),
            ]),
        }
    }

    /// When the certificate ends. `None` for a secret, whose end only Microsoft knows.
    pub(super) fn expires_at(&self) -> Option<DateTime<Utc>> {
        match self {
            Self::Secret(_) => None,
            Self::Certificate(certificate) => Some(certificate.not_after),
        }
    }
}

impl Certificate {
    fn load(certificate_file: &Path, key_file: &Path, now: DateTime<Utc>) -> Result<Self> {
        let wrong = || format!("certificate_file = {}", certificate_file.display());
        let der = first_pem(&std::fs::read(certificate_file).with_context(wrong)?, &["CERTIFICATE"]).with_context(wrong)?;
        let (_, certificate) = x509_parser::parse_x509_certificate(&der.1).map_err(|_| anyhow!("{}: it is no certificate", wrong()))?;
        let time = |time: x509_parser::time::ASN1Time| DateTime::from_timestamp(time.timestamp(), 0).unwrap_or_default();
        let (not_before, not_after) = (time(certificate.validity().not_before), time(certificate.validity().not_after));
        ensure!(now >= not_before, "{}: the certificate is not valid before {not_before}", wrong());
        ensure!(now < not_after, "{}: the certificate expired at {not_after}", wrong());
        let key = read_key(key_file)?;
        ensure!(
            key.public_key().as_ref() == &*certificate.public_key().subject_public_key.data,
            "{}: the certificate does not belong to private_key_file = {}",
            wrong(),
            key_file.display()
        );
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &der.1);
        Ok(Self { key, thumbprint: BASE64_URL_SAFE_NO_PAD.encode(digest), not_after })
    }

    fn assertion(&self, client_id: Uuid, token_url: &Url, now: DateTime<Utc>) -> Result<SecretString, CallError> {
        let part = |value: &serde_json::Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
        let header = part(&json!({"alg": "PS256", "typ": "JWT", "x5t#S256": self.thumbprint}));
        let claims = part(&json!({
            "aud": token_url.as_str(),
            "iss": client_id,
            "sub": client_id,
            "jti": Uuid::new_v4(),
            "nbf": now.timestamp(),
            "iat": now.timestamp(),
            "exp": (now + TimeDelta::minutes(5)).timestamp(),
        }));
        let signed = format!("{header}.{claims}");
        let mut signature = vec![0; self.key.public_modulus_len()];
        self.key
            .sign(&RSA_PSS_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature)
            .map_err(|_| CallError::NotConfigured("the private key cannot sign"))?;
        Ok(format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature)).into())
    }
}

fn read_key(file: &Path) -> Result<RsaKeyPair> {
    let wrong = || format!("private_key_file = {}", file.display());
    let pem = read_secret("private_key_file", file)?;
    let (label, der) = first_pem(pem.expose_secret().as_bytes(), &["PRIVATE KEY", "RSA PRIVATE KEY"]).with_context(wrong)?;
    let der = SecretSlice::from(der);
    let key =
        if label == "RSA PRIVATE KEY" { RsaKeyPair::from_der(der.expose_secret()) } else { RsaKeyPair::from_pkcs8(der.expose_secret()) };
    key.map_err(|_| anyhow!("{}: it is no RSA key of 2048 bits or more", wrong()))
}

/// The first block of a PEM file with one of these labels.
fn first_pem(pem: &[u8], labels: &[&str]) -> Result<(String, Vec<u8>)> {
    for block in Pem::iter_from_buffer(pem) {
        let block = block.map_err(|_| anyhow!("it is not PEM"))?;
        if labels.contains(&block.label.as_str()) {
            return Ok((block.label, block.contents));
        }
        ensure!(!block.label.contains("ENCRYPTED"), "the key is encrypted; give it without a passphrase, in a file only we can read");
    }
    bail!("there is no {} in it", labels.join(" or "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Cloud, Product};
    use aws_lc_rs::signature::{RSA_PSS_2048_8192_SHA256, UnparsedPublicKey};
    use std::os::unix::fs::PermissionsExt;
    use std::path::PathBuf;

    const NOW: i64 = 1_767_225_600;

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(NOW, 0).unwrap()
    }

    fn file(content: &str, mode: u32) -> PathBuf {
        let path = std::env::temp_dir().join(format!("watchfloor-{}", Uuid::new_v4()));
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    fn certificate(key: &rcgen::KeyPair, from: i64, until: i64) -> String {
        let mut params = rcgen::CertificateParams::new(vec!["app".to_owned()]).unwrap();
        let day = |days: i64| x509_parser::time::ASN1Time::from_timestamp(NOW + days * 86_400).unwrap().to_datetime();
        params.not_before = day(from);
        params.not_after = day(until);
        params.self_signed(key).unwrap().pem()
    }

    fn rsa() -> rcgen::KeyPair {
        rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap()
    }

    fn app(certificate: &str, key: &str, mode: u32) -> config::App {
        config::App {
            name: "defender".to_owned(),
            cloud: Cloud::Commercial,
            client_id: Uuid::from_u128(7),
            client_secret_file: None,
            certificate_file: Some(file(certificate, 0o644)),
            private_key_file: Some(file(key, mode)),
            consent: config::ConsentForm::V2,
            optional: false,
            permissions: [(Product::CloudApps, vec!["Investigation.Read".to_owned()])].into(),
        }
    }

    #[test]
    fn the_assertion_has_the_documented_form_and_a_good_signature() {
        let key = rsa();
        let pem = certificate(&key, -1, 90);
        let credential = Credential::load(&app(&pem, &key.serialize_pem(), 0o600), now()).unwrap();
        assert_eq!(credential.expires_at(), Some(now() + TimeDelta::days(90)));
        let token_url = Url::parse("https://login.microsoftonline.com/aaaabbbb-0000-cccc-1111-dddd2222eeee/oauth2/v2.0/token").unwrap();
        let proof = || credential.proof(Uuid::from_u128(7), &token_url, now()).unwrap();
        let fields = proof();
        assert_eq!(fields[0].0, "client_assertion_type");
        assert_eq!(fields[0].1.expose_secret(), "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
        let jwt = fields[1].1.expose_secret().to_owned();
        let parts: Vec<&str> = jwt.split('.').collect();
        let json = |part: &str| serde_json::from_slice::<serde_json::Value>(&BASE64_URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
        let (header, claims) = (json(parts[0]), json(parts[1]));
        let sample: serde_json::Value =
            serde_json::from_str(include_str!("../../tests/fixtures/entra-client-assertion-ps256.json")).unwrap();
        let names = |value: &serde_json::Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&header), names(&sample["header"]));
        assert_eq!((header["alg"].as_str(), header["typ"].as_str()), (Some("PS256"), Some("JWT")));
        assert!(names(&sample["payload"]).iter().all(|name| claims.get(name).is_some()));
        let der = first_pem(pem.as_bytes(), &["CERTIFICATE"]).unwrap().1;
        let thumbprint = BASE64_URL_SAFE_NO_PAD.encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &der));
        assert_eq!(header["x5t#S256"], thumbprint);
        assert_eq!(claims["aud"], token_url.as_str());
        assert_eq!((claims["iss"].as_str(), &claims["sub"]), (Some("00000000-0000-0000-0000-000000000007"), &claims["iss"]));
        assert_eq!((claims["nbf"].as_i64(), claims["iat"].as_i64(), claims["exp"].as_i64()), (Some(NOW), Some(NOW), Some(NOW + 300)));
        assert_ne!(proof()[1].1.expose_secret(), jwt, "each assertion has a jti of its own");
        let (_, parsed) = x509_parser::parse_x509_certificate(&der).unwrap();
        let public = UnparsedPublicKey::new(&RSA_PSS_2048_8192_SHA256, parsed.public_key().subject_public_key.data.to_vec());
        let signature = BASE64_URL_SAFE_NO_PAD.decode(parts[2]).unwrap();
        public.verify(format!("{}.{}", parts[0], parts[1]).as_bytes(), &signature).unwrap();
    }

    #[test]
    fn a_credential_that_cannot_work_is_refused_with_its_file_named() {
        let (key, other) = (rsa(), rsa());
        let elliptic = rcgen::KeyPair::generate().unwrap();
        let (good, pem) = (certificate(&key, -1, 1), key.serialize_pem());
        for (app, key_named, what) in [
            (app(&certificate(&key, -9, -1), &pem, 0o600), "certificate_file", "expired at"),
            (app(&certificate(&key, 1, 9), &pem, 0o600), "certificate_file", "not valid before"),
            (app(&good, &other.serialize_pem(), 0o600), "certificate_file", "does not belong to private_key_file"),
            (app(&certificate(&elliptic, -1, 1), &elliptic.serialize_pem(), 0o600), "private_key_file", "no RSA key"),
            (app(&good, &pem, 0o640), "private_key_file", "others may read"),
            (app(&pem, &pem, 0o600), "certificate_file", "no CERTIFICATE"),
            (app(&good, &good, 0o600), "private_key_file", "no PRIVATE KEY"),
            (app("rubbish", &pem, 0o600), "certificate_file", "no CERTIFICATE"),
        ] {
            let error = format!("{:#}", Credential::load(&app, now()).unwrap_err());
            assert!(error.contains(key_named) && error.contains(what), "{what}: {error}");
            assert!(!error.contains("BEGIN"), "{error}");
        }
    }

    #[test]
    fn a_credential_never_shows_itself() {
        let secret = Credential::Secret("S3cr3t~Value".into());
        assert_eq!(format!("{secret:?}"), "Secret(hidden)");
        let url = Url::parse("https://login.microsoftonline.com/x").unwrap();
        let proof = secret.proof(Uuid::nil(), &url, now()).unwrap();
        assert_eq!((proof[0].0, proof[0].1.expose_secret()), ("client_secret", "S3cr3t~Value"));
        assert!(!format!("{proof:?}").contains("S3cr3t"));
    }
}
