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
