//! Client authentication: a secret in the form, HTTP Basic, or a signed assertion.
//!
//! The assertion follows "Microsoft identity platform application authentication certificate credentials": PS256 with
//! `x5t#S256`, or the older RS256 with `x5t`.

use super::azure;
use super::call::{Call, find};
use super::keys::{decode, encode};
use super::login::EntraError;
use super::world::{App, Credential, World};
use aws_lc_rs::digest;
use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, UnparsedPublicKey};
use axum::http::header;
use base64::Engine;
use serde_json::Value;
use uuid::Uuid;

/// Longest life of an assertion, in seconds, and how far the clocks may differ.
const LIFETIME: i64 = 600;
const SKEW: i64 = 300;

/// How the client proved itself: `appidacr` of its tokens.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Proof {
    Secret,
    Certificate,
}

impl Proof {
    pub const fn appidacr(self) -> &'static str {
        match self {
            Self::Secret => "1",
            Self::Certificate => "2",
        }
    }
}

/// User name and password of HTTP Basic, each percent-decoded.
pub(super) fn basic(call: &Call) -> Option<(String, String)> {
    let coded = call.header(&header::AUTHORIZATION)?.strip_prefix("Basic ")?;
    let text = String::from_utf8(base64::engine::general_purpose::STANDARD.decode(coded).ok()?).ok()?;
    let (id, secret) = text.split_once(':')?;
    let plain = |part: &str| url::form_urlencoded::parse(format!("v={part}").as_bytes()).next().map(|(_, v)| v.into_owned());
    Some((plain(id)?, plain(secret)?))
}

/// Checks the client's credential. `audiences` are the token addresses an assertion may be made out to.
pub(super) fn check(
    world: &mut World,
    call: &Call,
    form: &[(String, String)],
    app: &App,
    audiences: &[String],
) -> Result<Proof, EntraError> {
    if let Some(assertion) = find(form, "client_assertion") {
        let kind = find(form, "client_assertion_type").ok_or_else(|| EntraError::missing("client_assertion_type"))?;
        if kind != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" {
            return Err(EntraError::new(400, "invalid_request", 900_144, "The client_assertion_type is not supported."));
        }
        if names_certificate(assertion) {
            assertion_check(world, assertion, app, audiences)?;
        } else {
            azure::trusts(world, app, assertion)?;
        }
        return Ok(Proof::Certificate);
    }
    let secret = find(form, "client_secret").map(str::to_owned).or_else(|| basic(call).map(|(_, secret)| secret));
    let Some(secret) = secret else {
        let text = "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.";
        return Err(EntraError::new(401, "invalid_client", 7_000_218, text));
    };
    let now = world.now();
    let known = app.credentials.iter().find_map(|credential| match credential {
        Credential::Secret(value, expires) if *value == secret => Some(expires),
        _ => None,
    });
    match known {
        Some(Some(expires)) if *expires <= now => {
            let text = format!("The provided client secret keys for app '{}' are expired.", app.client_id);
            Err(EntraError::new(401, "invalid_client", 7_000_222, &text))
        }
        Some(_) => Ok(Proof::Secret),
        None => {
            let text = format!(
                "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '{}'.",
                app.client_id
            );
            Err(EntraError::new(401, "invalid_client", 7_000_215, &text))
        }
    }
}

/// Whether the header names one of the app's own certificates. Anything else is somebody else's token.
fn names_certificate(assertion: &str) -> bool {
    let header = assertion.split('.').next().and_then(decode).and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
    header.is_none_or(|header| header.get("kid").is_none() || header.get("x5t#S256").is_some())
}

fn assertion_check(world: &mut World, assertion: &str, app: &App, audiences: &[String]) -> Result<(), EntraError> {
    let refused = |code, text: &str| EntraError::new(401, "invalid_client", code, text);
    let malformed = || refused(50_027, "JWT token is invalid or malformed.");
    let parts: Vec<&str> = assertion.split('.').collect();
    let [head, body, signature] = parts[..] else { return Err(malformed()) };
    let json = |part: &str| decode(part).and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
    let (header, claims) = (json(head).ok_or_else(malformed)?, json(body).ok_or_else(malformed)?);
    let signature = decode(signature).ok_or_else(malformed)?;
    if !signed_by(app, &header, format!("{head}.{body}").as_bytes(), &signature) {
        let text = "The certificate with identifier used to sign the client assertion is not registered on application, or the signature is wrong.";
        return Err(refused(700_027, text));
    }
    let id = app.client_id.to_string();
    if claims["iss"] != *id || claims["sub"] != *id {
        return Err(refused(50_012, "The issuer and the subject of the client assertion must both be the client id."));
    }
    if !claims["aud"].as_str().is_some_and(|aud| audiences.iter().any(|good| good == aud)) {
        return Err(refused(50_012, "The audience of the client assertion is not this token endpoint."));
    }
    let now = world.now().timestamp();
    // With a fraction of a second, as Microsoft's own libraries write them, or without.
    #[expect(clippy::cast_possible_truncation, reason = "whole seconds are enough")]
    let time = |name: &str| claims[name].as_f64().map(|seconds| seconds as i64);
    let (Some(exp), nbf) = (time("exp"), time("nbf").unwrap_or(now)) else { return Err(malformed()) };
    if exp <= now - SKEW || nbf > now + SKEW || exp > now + LIFETIME + SKEW {
        return Err(refused(500_133, "Assertion is not within its valid time range."));
    }
    let jti = claims["jti"].as_str().filter(|jti| Uuid::try_parse(jti).is_ok()).ok_or_else(malformed)?;
    if !world.assertions_seen.insert(jti.to_owned()) {
        return Err(refused(50_012, "The client assertion has been used before."));
    }
    Ok(())
}

/// Whether one of the app's certificates is the one named in the header and has signed the text.
fn signed_by(app: &App, header: &Value, text: &[u8], signature: &[u8]) -> bool {
    let certificates = app.credentials.iter().filter_map(|credential| match credential {
        Credential::Certificate(der) => Some(der),
        Credential::Secret(..) | Credential::Federated { .. } => None,
    });
    certificates.into_iter().any(|der| {
        let sha256 = encode(digest::digest(&digest::SHA256, der).as_ref());
        let sha1 = encode(digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, der).as_ref());
        let algorithm = match header["alg"].as_str() {
            Some("PS256") => &RSA_PSS_2048_8192_SHA256,
            Some("RS256") => &RSA_PKCS1_2048_8192_SHA256,
            _ => return false,
        };
        // Microsoft's own libraries pad them.
        let is = |name: &str, hash: &str| header[name].as_str().is_some_and(|text| text.trim_end_matches('=') == hash);
        if !is("x5t#S256", &sha256) && !is("x5t", &sha1) {
            return false;
        }
        let Ok((_, certificate)) = x509_parser::parse_x509_certificate(der) else { return false };
        let key = UnparsedPublicKey::new(algorithm, certificate.public_key().subject_public_key.data.as_ref());
        key.verify(text, signature).is_ok()
    })
}
