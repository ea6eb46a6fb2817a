//! Where the server lives and which system user runs it.

use super::Kind;
use crate::model::hex;
use anyhow::{Context, Result, bail, ensure};
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A Unix socket's path holds 107 bytes, of which "/.s.PGSQL.5432" takes 14.
const LONGEST_DIR: usize = 93;

/// The server's directory: the cluster, the socket, the password, the log. Nobody but its user and root can enter it.
pub struct Place {
    dir: PathBuf,
    user: Option<User>,
    password: String,
}

/// The system user that runs the server when we are root, because PostgreSQL refuses to run as root.
#[derive(Clone, Copy)]
struct User {
    uid: u32,
    gid: u32,
}

impl Place {
    /// Makes the directory and its password, or finds them made.
    pub fn prepare(wanted: &Path, kind: Kind) -> Result<Self> {
        let user = if rustix::process::geteuid().is_root() { Some(User::find()?) } else { None };
        let wanted = std::path::absolute(wanted)?;
        let dir = match user {
            Some(user) if !user.can_reach(&wanted) => elsewhere(&wanted, kind)?,
            _ => wanted,
        };
        ensure!(
            dir.as_os_str().len() <= LONGEST_DIR,
            "the path {} is too long for a Unix socket: choose a data_dir whose database directory has at most {LONGEST_DIR} characters",
            dir.display()
        );
        let wrong = || format!("cannot prepare the database directory {}", dir.display());
        fs::create_dir_all(&dir).with_context(wrong)?;
        own(&dir, 0o700, user).with_context(wrong)?;
        let password = password(&dir, user).with_context(wrong)?;
        Ok(Self { dir, user, password })
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    pub fn data(&self) -> PathBuf {
        self.dir.join("data")
    }

    pub fn password(&self) -> &str {
        &self.password
    }

    pub fn password_file(&self) -> PathBuf {
        password_file(&self.dir)
    }

    /// The major version that made the cluster; none before there is one.
    pub fn cluster_version(&self) -> Result<Option<u32>> {
        let file = self.data().join("PG_VERSION");
        if !file.exists() {
            return Ok(None);
        }
        let text = fs::read_to_string(&file)?;
        text.trim().parse().map(Some).with_context(|| format!("{} does not hold a version", file.display()))
    }

    /// Only one process at a time makes or starts the cluster. Released when dropped.
    pub fn lock(&self) -> Result<fs::File> {
        let file = fs::File::create(self.dir.join("start.lock"))?;
        file.lock()?;
        Ok(file)
    }

    /// The lock that the server of a command holds while it runs; none if one does.
    pub fn brief(&self) -> Result<Option<fs::File>> {
        let file = fs::File::create(self.dir.join("brief.lock"))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(fs::TryLockError::WouldBlock) => Ok(None),
            Err(fs::TryLockError::Error(error)) => Err(error.into()),
        }
    }

    /// A command that runs as the server's user, in a clean environment, in a directory that user can enter.
    pub fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir("/").env_clear().env("LC_ALL", "C.UTF-8").env("PATH", "/usr/bin:/bin");
        if let Some(user) = self.user {
            command.uid(user.uid).gid(user.gid);
        }
        command
    }
}

impl User {
    fn find() -> Result<Self> {
        let passwd = fs::read_to_string("/etc/passwd").context("cannot read /etc/passwd")?;
        for name in ["postgres", "nobody"] {
            for line in passwd.lines() {
                let fields: Vec<&str> = line.split(':').collect();
                if let [login, _, uid, gid, ..] = fields[..]
                    && login == name
                {
                    return Ok(Self { uid: uid.parse()?, gid: gid.parse()? });
                }
            }
        }
        bail!("PostgreSQL does not run as root, and there is no user `postgres` or `nobody` to run it as: set DATABASE_URL")
    }

    /// Whether this user may pass every existing directory above `dir`.
    fn can_reach(self, dir: &Path) -> bool {
        dir.ancestors().skip(1).filter_map(|above| fs::metadata(above).ok()).all(|above| {
            let needed = match () {
                () if above.uid() == self.uid => 0o100,
                () if above.gid() == self.gid => 0o010,
                () => 0o001,
            };
            above.mode() & needed != 0
        })
    }
}

/// Another directory for a server whose user cannot reach the one asked for: always the same one for the same wish.
fn elsewhere(wanted: &Path, kind: Kind) -> Result<PathBuf> {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, wanted.as_os_str().as_encoded_bytes());
    let name = digest.as_ref().first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes));
    let base = if kind == Kind::Temporary { std::env::temp_dir() } else { PathBuf::from("/var/lib/watchfloor") };
    let dir = base.join(format!("watchfloor-{name:016x}"));
    fs::create_dir_all(&base).with_context(|| format!("cannot create {}", base.display()))?;
    tracing::warn!(
        wanted = %wanted.display(), used = %dir.display(),
        "PostgreSQL's user cannot enter the database directory that was asked for; another one is used"
    );
    Ok(dir)
}

fn own(path: &Path, mode: u32, user: Option<User>) -> std::io::Result<()> {
    fs::set_permissions(path, Permissions::from_mode(mode))?;
    user.map_or(Ok(()), |user| chown(path, Some(user.uid), Some(user.gid)))
}

fn password_file(dir: &Path) -> PathBuf {
    dir.join("password")
}

/// The cluster's password: made once, 256 random bits, readable by the server's user only.
fn password(dir: &Path, user: Option<User>) -> Result<String> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let file = password_file(dir);
    if !file.exists() {
        ensure!(!dir.join("data/PG_VERSION").exists(), "{} is missing, and without it the database cannot be opened", file.display());
        let new = dir.join("password.new");
        let mut out = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        let mut random = [0_u8; 32];
        aws_lc_rs::rand::fill(&mut random).context("the operating system gives no random numbers")?;
        out.write_all(hex::encode(&random).as_bytes())?;
        out.sync_all()?;
        own(&new, 0o600, user)?;
        fs::rename(&new, &file)?;
    }
    Ok(fs::read_to_string(&file)?.trim().to_owned())
}
