//! Credentials in files.

use super::certificate::{Certificate, Named};
use super::{Credential, Loaded, Stamp};
use crate::config::{Source, read_secret};
use anyhow::{Context, Result, ensure};
use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret, SecretString};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

/// The largest token an identity provider writes.
const MOST: u64 = 64 * 1024;

/// What the files of a source look like from outside; `None` when it has none.
///
/// # Errors
/// One sentence that names key and file.
pub(super) fn stamp(source: &Source) -> Result<Option<Stamp>> {
    let look = |key: &str, file: &Path| {
        let of = std::fs::metadata(file).with_context(|| format!("{key} = {}", file.display()))?;
        anyhow::Ok((of.modified().unwrap_or(std::time::UNIX_EPOCH), of.len(), of.ino()))
    };
    Ok(Some(Stamp::Files(match source {
        Source::SecretFile(file) => vec![look("client_secret_file", file)?],
        Source::TokenFile(file) => vec![look("federated_token_file", file)?],
        Source::CertificateFiles { certificate, key, .. } => vec![look("certificate_file", certificate)?, look("private_key_file", key)?],
        Source::ManagedIdentity(_) | Source::Vault { .. } => return Ok(None),
    })))
}

/// Reads the files of a source; `None` when it has none.
///
/// # Errors
/// One sentence that names key and file, never what stands in it: when it cannot be read or used, or others may read a secret or a key.
pub(super) fn load(source: &Source, now: DateTime<Utc>) -> Result<Option<Loaded>> {
    // Before reading: a change in between is seen the next time.
    let Some(stamp) = stamp(source)? else { return Ok(None) };
    let changed = match &stamp {
        Stamp::Files(files) => files.iter().map(|(time, ..)| DateTime::from(*time)).max().unwrap_or(now),
        Stamp::Version(_) | Stamp::Until(_) => now,
    };
    let credential = match source {
        Source::SecretFile(file) => Credential::Secret(read_secret("client_secret_file", file)?),
        Source::TokenFile(file) => Credential::Token(read_token(file)?),
        Source::CertificateFiles { certificate, key, assertion } => {
            let (certificate_name, key_name) =
                (format!("certificate_file = {}", certificate.display()), format!("private_key_file = {}", key.display()));
            let text = std::fs::read(certificate).with_context(|| certificate_name.clone())?;
            let secret = read_secret("private_key_file", key)?;
            let certificate = Named { text: &text, name: &certificate_name };
            let key = Named { text: secret.expose_secret().as_bytes(), name: &key_name };
            Credential::Certificate(Box::new(Certificate::from_pem(&certificate, &key, *assertion, now)?))
        }
        Source::ManagedIdentity(_) | Source::Vault { .. } => return Ok(None),
    };
    Ok(Some(Loaded::new(credential, changed, stamp)))
}

/// A token that somebody else writes and renews. Kubernetes writes it with mode 0644 into a folder of the container's own, so group and
/// others may read it; nobody but its owner may write it.
fn read_token(file: &Path) -> Result<SecretString> {
    let wrong = || format!("federated_token_file = {}", file.display());
    let of = std::fs::metadata(file).with_context(wrong)?;
    ensure!(of.permissions().mode() & 0o022 == 0, "{}: others may write this file; run chmod go-w on it", wrong());
    ensure!(of.len() <= MOST, "{}: it is too large to be a token", wrong());
    let token = SecretString::from(std::fs::read_to_string(file).with_context(wrong)?.trim().to_owned());
    let parts = token.expose_secret().split('.').filter(|part| !part.is_empty()).count();
    ensure!(parts == 3 && token.expose_secret().is_ascii(), "{}: there is no token in it", wrong());
    Ok(token)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;
    use uuid::Uuid;

    fn file(content: &str, mode: u32) -> PathBuf {
        let path = std::env::temp_dir().join(format!("watchfloor-{}", Uuid::new_v4()));
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    fn error(source: &Source) -> String {
        format!("{:#}", load(source, DateTime::UNIX_EPOCH).unwrap_err())
    }

    #[test]
    fn what_others_may_read_or_write_is_refused_and_nothing_of_it_is_told() {
        for (source, what) in [
            (Source::SecretFile(file("S3cr3t", 0o640)), "client_secret_file"),
            (Source::SecretFile(file("S3cr3t", 0o604)), "chmod 600"),
            (Source::SecretFile(file(" \n", 0o600)), "the file is empty"),
            (Source::SecretFile("/nowhere/secret".into()), "/nowhere/secret"),
            (Source::TokenFile(file("a.S3cr3t.c", 0o664)), "others may write"),
            (Source::TokenFile(file("a.S3cr3t.c", 0o646)), "chmod go-w"),
            (Source::TokenFile(file("S3cr3t", 0o600)), "no token in it"),
            (Source::TokenFile(file("a.S3cr3t.", 0o600)), "no token in it"),
            (Source::TokenFile(file(&"x".repeat(70_000), 0o600)), "too large"),
        ] {
            let error = error(&source);
            assert!(error.contains(what) && !error.contains("S3cr3t"), "{what}: {error}");
        }
        let kubernetes = Source::TokenFile(file("a.S3cr3t.c\n", 0o644));
        let loaded = load(&kubernetes, DateTime::UNIX_EPOCH).unwrap().unwrap();
        assert!(matches!(&loaded.credential, Credential::Token(token) if token.expose_secret() == "a.S3cr3t.c"));
    }

    #[test]
    fn a_private_key_others_may_read_is_refused() {
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
        let pem = rcgen::CertificateParams::new(vec!["app".to_owned()]).unwrap().self_signed(&key).unwrap().pem();
        let source = |mode| Source::CertificateFiles {
            certificate: file(&pem, 0o644),
            key: file(&key.serialize_pem(), mode),
            assertion: crate::config::Assertion::Ps256,
        };
        assert!(error(&source(0o640)).contains("private_key_file"));
        assert!(load(&source(0o400), crate::model::clock::now()).is_ok());
    }

    #[test]
    fn a_credential_never_shows_itself() {
        let url = url::Url::parse("https://login.microsoftonline.com/x").unwrap();
        for source in [Source::SecretFile(file("S3cr3t", 0o600)), Source::TokenFile(file("a.S3cr3t.c", 0o600))] {
            let loaded = load(&source, DateTime::UNIX_EPOCH).unwrap().unwrap();
            assert!(format!("{loaded:?}").ends_with("(hidden)"));
            let proof = loaded.credential.proof(Uuid::nil(), &url, DateTime::UNIX_EPOCH).unwrap();
            assert!(!format!("{proof:?}").contains("S3cr3t"));
            assert!(proof.last().unwrap().1.expose_secret().contains("S3cr3t"));
        }
    }
}
