//! Master keys: 32 random bytes in a file of their owner's, as base64.

use super::VaultError;
use crate::config::read_secret;
use crate::model::hex;
use anyhow::{Context, Result, ensure};
use aws_lc_rs::{digest, hkdf, rand};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretBox, SecretString};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const LENGTH: usize = 32;

/// One master key. `Debug` shows its id only.
#[derive(Clone)]
pub struct MasterKey {
    kid: String,
    bytes: Arc<SecretBox<[u8; LENGTH]>>,
}

impl std::fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "MasterKey({})", self.kid)
    }
}

impl MasterKey {
    /// A new one from the operating system's generator.
    pub fn random() -> Result<Self> {
        let mut bytes = Box::new([0_u8; LENGTH]);
        rand::fill(&mut *bytes).map_err(|_| anyhow::anyhow!("the operating system gives no random numbers"))?;
        Ok(Self::of(bytes))
    }

    fn of(bytes: Box<[u8; LENGTH]>) -> Self {
        let hash = digest::digest(&digest::SHA256, &*bytes);
        let kid = hex::encode(&hash.as_ref()[..4]);
        Self { kid, bytes: Arc::new(SecretBox::new(bytes)) }
    }

    /// By what it is known: the first 8 hex digits of its SHA-256.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    pub(super) fn bytes(&self) -> &[u8; LENGTH] {
        self.bytes.expose_secret()
    }

    /// A key of its own for one purpose and salt, which tells nothing of this one.
    pub(super) fn derived(&self, purpose: &str, salt: &[u8]) -> Result<SecretBox<[u8; LENGTH]>, VaultError> {
        let mut bytes = Box::new([0_u8; LENGTH]);
        let (parent, purpose) = (hkdf::Salt::new(hkdf::HKDF_SHA256, salt).extract(self.bytes()), [purpose.as_bytes()]);
        let expanded = parent.expand(&purpose, hkdf::HKDF_SHA256).and_then(|made| made.fill(&mut *bytes));
        expanded.map_err(|_| VaultError::Failed)?;
        Ok(SecretBox::new(bytes))
    }

    /// The key in a file that only its owner may read. `key` says in errors where the file is named.
    ///
    /// # Errors
    /// When the file cannot be read, others may read it, or it holds anything but 32 bytes as base64; nothing of it is told.
    pub fn read(key: &str, path: &Path) -> Result<Self> {
        let text = read_secret(key, path)?;
        let decoded =
            STANDARD.decode(text.expose_secret()).ok().and_then(|bytes| Box::<[u8; LENGTH]>::try_from(bytes.into_boxed_slice()).ok());
        let wrong = || format!("{key} = {}: a master key is 32 bytes as base64; `watchfloor keys new FILE` makes one", path.display());
        Ok(Self::of(decoded.with_context(wrong)?))
    }

    /// Makes a new key in a new file that only its owner may read.
    ///
    /// # Errors
    /// When there is such a file, which is never overwritten, or it cannot be written.
    pub fn create(path: &Path) -> Result<Self> {
        let made = Self::random()?;
        made.write(path).map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => anyhow::anyhow!("there is a file {} already, and it is not overwritten", path.display()),
            _ => anyhow::Error::from(error).context(format!("cannot write {}", path.display())),
        })?;
        Ok(made)
    }

    /// Whole or not at all: two processes that begin together end with one key, and none reads half of one.
    fn write(&self, path: &Path) -> std::io::Result<()> {
        let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        let draft = dir.join(format!(".{}.{}", self.kid, uuid::Uuid::new_v4().simple()));
        let text = SecretString::from(format!("{}\n", STANDARD.encode(self.bytes())));
        let written = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft).and_then(|mut file| {
            file.write_all(text.expose_secret().as_bytes())?;
            file.sync_all()
        });
        let linked = written.and_then(|()| std::fs::hard_link(&draft, path));
        let _ = std::fs::remove_file(&draft);
        linked?;
        std::fs::File::open(dir)?.sync_all()
    }
}

/// The keys of these files, in their order.
///
/// # Errors
/// As [`MasterKey::read`], and when a key stands twice.
pub fn read_all(files: &[PathBuf]) -> Result<Vec<MasterKey>> {
    let keys = files.iter().map(|file| MasterKey::read("key_files", file)).collect::<Result<Vec<_>>>()?;
    for (n, key) in keys.iter().enumerate() {
        ensure!(!keys[..n].iter().any(|other| other.kid == key.kid), "key_files: the key {} stands twice", key.kid);
    }
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn place() -> PathBuf {
        std::env::temp_dir().join(format!("watchfloor-test-{}", uuid::Uuid::new_v4().simple()))
    }

    #[test]
    fn a_key_is_made_once_for_its_owner_alone_and_reads_back() {
        let dir = place();
        let file = dir.join("deep/master.key");
        let made = MasterKey::create(&file).unwrap();
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        let read = MasterKey::read("key_files", &file).unwrap();
        assert_eq!((read.kid(), read.bytes()), (made.kid(), made.bytes()));
        let again = MasterKey::create(&file).unwrap_err().to_string();
        assert!(again.contains("not overwritten"), "{again}");
        assert_eq!(MasterKey::read("key_files", &file).unwrap().kid(), made.kid());
        assert_eq!(std::fs::read_dir(dir.join("deep")).unwrap().count(), 1, "no draft is left");
        assert_eq!(format!("{made:?}"), format!("MasterKey({})", made.kid()));
        assert!(read_all(&[file.clone(), file]).unwrap_err().to_string().contains("stands twice"));
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn a_file_that_others_may_read_or_that_holds_something_else_is_refused_and_nothing_of_it_is_told() {
        let file = place();
        let write = |text: &str, mode| {
            std::fs::write(&file, text).unwrap();
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
            MasterKey::read("key_files", &file).map(|key| key.kid().to_owned()).map_err(|error| format!("{error:#}"))
        };
        let good = STANDARD.encode([7_u8; LENGTH]);
        assert!(write(&good, 0o600).is_ok() && write(&format!(" {good}\n"), 0o400).is_ok());
        for mode in [0o640, 0o604, 0o660, 0o644, 0o620] {
            let error = write(&good, mode).unwrap_err();
            assert!(error.contains("chmod 600") && !error.contains(&good), "{mode:o}: {error}");
        }
        for bad in [STANDARD.encode([7_u8; 31]), STANDARD.encode([7_u8; 33]), "hunter2".to_owned(), "ab".repeat(32), good.replace('B', "*")]
        {
            let error = write(&bad, 0o600).unwrap_err();
            assert!(error.contains("32 bytes as base64") && !error.contains(&bad), "{error}");
        }
        assert!(write("", 0o600).unwrap_err().contains("empty"));
        std::fs::remove_file(file).unwrap();
    }
}
