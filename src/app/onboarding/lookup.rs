//! Which directory a domain belongs to, and in which of Microsoft's clouds a directory lives.

use super::Desk;
use crate::microsoft::FindError;
use crate::model::{Cloud, DirectoryId, Home};
use chrono::{DateTime, Utc};
use std::time::Duration;

/// Asking where a directory lives only spares staff a mistake: nobody waits longer for it.
const PATIENCE: Duration = Duration::from_secs(3);

/// Which directory a domain belongs to, as Microsoft says, and where it lives; otherwise a sentence for staff.
pub(super) async fn find_directory(
    desk: &Desk,
    cloud: Cloud,
    domain: &str,
    now: DateTime<Utc>,
) -> Result<(DirectoryId, Home), &'static str> {
    let found = desk.microsoft.find_directory(cloud, domain, now).await.map_err(|error| match error {
        FindError::InvalidName | FindError::NotFound => "Microsoft knows no directory with this domain in this cloud.",
        FindError::Call(_) => "Microsoft could not be asked for this domain just now. Try again, or give the directory id.",
    })?;
    Ok((found.directory, found.home))
}

/// Where a directory lives, if Microsoft knows it and says so within three seconds.
pub(super) async fn home_of(desk: &Desk, cloud: Cloud, directory: DirectoryId, now: DateTime<Utc>) -> Home {
    let asked = tokio::time::timeout(PATIENCE, desk.microsoft.home(cloud, directory, now)).await;
    asked.ok().and_then(Result::ok).unwrap_or(Home::Unsaid)
}

/// The sentence for staff where a directory does not live in the cloud chosen for it, and the cloud to choose instead.
pub(super) fn elsewhere(chosen: Cloud, home: Home) -> Option<(&'static str, Option<Cloud>)> {
    if home.agrees(chosen) {
        return None;
    }
    let why = match home.suggestion() {
        Some(Cloud::Commercial) => "This directory is in the commercial cloud. It needs an app that is registered there.",
        Some(Cloud::Gcc) => "This directory is in the cloud GCC. It needs an app that is set to that cloud.",
        Some(Cloud::GccHigh) => "This directory is in the US government's cloud GCC High. It needs an app that is registered there.",
        Some(Cloud::Dod) => "This directory is in the US government's cloud DoD. It needs an app that is registered there.",
        None => "This directory is in Microsoft's cloud in China, for which Microsoft documents no Defender APIs.",
    };
    Some((why, home.suggestion()))
}
