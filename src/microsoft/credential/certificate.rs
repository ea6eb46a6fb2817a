//! A certificate with its private key, and the assertions made with them.

use crate::config::Assertion;
use crate::microsoft::CallError;
use anyhow::{Context, Result, anyhow, bail, ensure};
use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{KeyPair, RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding, RsaKeyPair};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use secrecy::{ExposeSecret, SecretSlice, SecretString};
use serde_json::{Value, json};
use url::Url;
use uuid::Uuid;
use x509_parser::pem::Pem;

/// Checked to belong together.
pub(in crate::microsoft) struct Certificate {
    key: RsaKeyPair,
    /// Names algorithm and certificate.
    header: Value,
    algorithm: &'static dyn RsaEncoding,
    pub(super) not_before: DateTime<Utc>,
    pub(super) not_after: DateTime<Utc>,
}

/// A PEM text and what to call it in an error: "certificate_file = /etc/app.pem".
pub(super) struct Named<'a> {
    pub text: &'a [u8],
    pub name: &'a str,
}

impl Certificate {
    /// # Errors
    /// One sentence that names the text: when certificate and key do not belong together, when the key is not RSA, when the certificate is
    /// not valid yet or no longer.
    pub(super) fn from_pem(certificate: &Named<'_>, key: &Named<'_>, form: Assertion, now: DateTime<Utc>) -> Result<Self> {
        let wrong = certificate.name;
        let der = first_pem(certificate.text, &["CERTIFICATE"]).with_context(|| wrong.to_owned())?.1;
        let (_, parsed) = x509_parser::parse_x509_certificate(&der).map_err(|_| anyhow!("{wrong}: it is no certificate"))?;
        let time = |time: x509_parser::time::ASN1Time| DateTime::from_timestamp(time.timestamp(), 0).unwrap_or_default();
        let (not_before, not_after) = (time(parsed.validity().not_before), time(parsed.validity().not_after));
        ensure!(now >= not_before, "{wrong}: the certificate is not valid before {not_before}");
        ensure!(now < not_after, "{wrong}: the certificate expired at {not_after}");
        let pair = read_key(key)?;
        ensure!(
            pair.public_key().as_ref() == &*parsed.public_key().subject_public_key.data,
            "{wrong}: the certificate does not belong to {}",
            key.name
        );
        let hash = |algorithm| BASE64_URL_SAFE_NO_PAD.encode(digest(algorithm, &der));
        let (header, algorithm): (_, &'static dyn RsaEncoding) = match form {
            Assertion::Ps256 => (json!({"alg": "PS256", "typ": "JWT", "x5t#S256": hash(&SHA256)}), &RSA_PSS_SHA256),
            Assertion::Rs256 => (json!({"alg": "RS256", "typ": "JWT", "x5t": hash(&SHA1_FOR_LEGACY_USE_ONLY)}), &RSA_PKCS1_SHA256),
        };
        Ok(Self { key: pair, header, algorithm, not_before, not_after })
    }

    /// Signed for this endpoint alone, with a number of its own, for 5 minutes.
    pub(super) fn assertion(&self, client_id: Uuid, token_url: &Url, now: DateTime<Utc>) -> Result<SecretString, CallError> {
        let part = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
        let claims = json!({
            "aud": token_url.as_str(),
            "iss": client_id,
            "sub": client_id,
            "jti": Uuid::new_v4(),
            "nbf": now.timestamp(),
            "iat": now.timestamp(),
            "exp": (now + TimeDelta::minutes(5)).timestamp(),
        });
        let signed = format!("{}.{}", part(&self.header), part(&claims));
        let mut signature = vec![0; self.key.public_modulus_len()];
        self.key
            .sign(self.algorithm, &SystemRandom::new(), signed.as_bytes(), &mut signature)
            .map_err(|_| CallError::NotConfigured("the private key cannot sign"))?;
        Ok(format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature)).into())
    }
}

fn read_key(key: &Named<'_>) -> Result<RsaKeyPair> {
    let (label, der) = first_pem(key.text, &["PRIVATE KEY", "RSA PRIVATE KEY"]).with_context(|| key.name.to_owned())?;
    let der = SecretSlice::from(der);
    let pair =
        if label == "RSA PRIVATE KEY" { RsaKeyPair::from_der(der.expose_secret()) } else { RsaKeyPair::from_pkcs8(der.expose_secret()) };
    pair.map_err(|_| anyhow!("{}: it is no RSA key of 2048 bits or more", key.name))
}

/// The first block of a PEM text with one of these labels.
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
    use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, UnparsedPublicKey};

    const NOW: i64 = 1_767_225_600;

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(NOW, 0).unwrap()
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

    fn load(certificate: &str, key: &str, form: Assertion) -> Result<Certificate> {
        let named = |text: &'static str, name| Named { text: text.as_bytes(), name };
        let leak = |text: &str| -> &'static str { Box::leak(text.to_owned().into_boxed_str()) };
        Certificate::from_pem(&named(leak(certificate), "certificate_file = a"), &named(leak(key), "private_key_file = b"), form, now())
    }

    #[test]
    fn the_assertion_has_the_documented_form_and_a_good_signature() {
        let key = rsa();
        let pem = certificate(&key, -1, 90);
        let token_url = Url::parse("https://login.microsoftonline.com/aaaabbbb-0000-cccc-1111-dddd2222eeee/oauth2/v2.0/token").unwrap();
        let json = |part: &str| serde_json::from_slice::<Value>(&BASE64_URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
        let sample: Value = serde_json::from_str(include_str!("../../../tests/fixtures/entra-client-assertion-ps256.json")).unwrap();
        let names = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        let der = first_pem(pem.as_bytes(), &["CERTIFICATE"]).unwrap().1;
        for form in [Assertion::Ps256, Assertion::Rs256] {
            let certificate = load(&pem, &key.serialize_pem(), form).unwrap();
            assert_eq!(certificate.not_after, now() + TimeDelta::days(90));
            let make = || certificate.assertion(Uuid::from_u128(7), &token_url, now()).unwrap().expose_secret().to_owned();
            let jwt = make();
            assert_ne!(make(), jwt, "each assertion has a jti of its own");
            let parts: Vec<&str> = jwt.split('.').collect();
            let (header, claims) = (json(parts[0]), json(parts[1]));
            assert!(names(&sample["payload"]).iter().all(|name| claims.get(name).is_some()));
            assert_eq!((claims["aud"].as_str(), claims["sub"].as_str()), (Some(token_url.as_str()), claims["iss"].as_str()));
            assert_eq!(claims["iss"], "00000000-0000-0000-0000-000000000007");
            assert_eq!((claims["nbf"].as_i64(), claims["iat"].as_i64(), claims["exp"].as_i64()), (Some(NOW), Some(NOW), Some(NOW + 300)));
            let (algorithm, name, hash): (&'static dyn aws_lc_rs::signature::VerificationAlgorithm, _, _) = match form {
                Assertion::Ps256 => {
                    assert_eq!(names(&header), names(&sample["header"]));
                    (&RSA_PSS_2048_8192_SHA256, "x5t#S256", digest(&SHA256, &der))
                }
                Assertion::Rs256 => (&RSA_PKCS1_2048_8192_SHA256, "x5t", digest(&SHA1_FOR_LEGACY_USE_ONLY, &der)),
            };
            assert_eq!(header, json!({"alg": format!("{form:?}").to_uppercase(), "typ": "JWT", name: BASE64_URL_SAFE_NO_PAD.encode(hash)}));
            let (_, parsed) = x509_parser::parse_x509_certificate(&der).unwrap();
            let public = UnparsedPublicKey::new(algorithm, parsed.public_key().subject_public_key.data.to_vec());
            let signature = BASE64_URL_SAFE_NO_PAD.decode(parts[2]).unwrap();
            public.verify(format!("{}.{}", parts[0], parts[1]).as_bytes(), &signature).unwrap();
        }
    }

    #[test]
    fn what_cannot_work_is_refused_with_its_name() {
        let (key, other) = (rsa(), rsa());
        let elliptic = rcgen::KeyPair::generate().unwrap();
        let (good, pem) = (certificate(&key, -1, 1), key.serialize_pem());
        let locked = pem.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
        for (certificate, key, named, what) in [
            (certificate(&key, -9, -1), pem.clone(), "certificate_file", "expired at"),
            (certificate(&key, 1, 9), pem.clone(), "certificate_file", "not valid before"),
            (good.clone(), other.serialize_pem(), "certificate_file", "does not belong to private_key_file"),
            (certificate(&elliptic, -1, 1), elliptic.serialize_pem(), "private_key_file", "no RSA key"),
            (pem.clone(), pem.clone(), "certificate_file", "no CERTIFICATE"),
            (good.clone(), good.clone(), "private_key_file", "no PRIVATE KEY"),
            (good, locked, "private_key_file", "encrypted"),
            ("rubbish".to_owned(), pem, "certificate_file", "no CERTIFICATE"),
        ] {
            let Err(error) = load(&certificate, &key, Assertion::Ps256) else { panic!("{what}") };
            let error = format!("{error:#}");
            assert!(error.contains(named) && error.contains(what), "{what}: {error}");
            assert!(!error.contains("BEGIN"), "{error}");
        }
    }
}
