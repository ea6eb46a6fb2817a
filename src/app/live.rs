//! Passes on inside the process what the database tells, to each stream that a page holds open.

use super::places::{self, Places};
use crate::model::UserId;
use crate::store::live::Told;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast};
use tokio_util::sync::CancellationToken;

/// Streams at once in one process: a quarter of its connections.
const STREAMS: usize = 500;
/// Of one person, in as many tabs.
const OF_EACH: usize = 40;
/// A stream that is further behind than this is told that it missed something.
const BEHIND: usize = 1_024;

/// The switchboard of one process. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Live {
    told: broadcast::Sender<Told>,
    places: Arc<Semaphore>,
    of_each: Places<UserId>,
    closing: CancellationToken,
}

/// One stream's place; free again when dropped.
#[derive(Debug)]
pub struct Place {
    pub heard: broadcast::Receiver<Told>,
    /// The process is about to end.
    pub closing: CancellationToken,
    _place: (OwnedSemaphorePermit, places::Place<UserId>),
}

impl Live {
    /// With this many places, until `closing` is cancelled.
    pub fn new(places: usize, closing: CancellationToken) -> Self {
        Self { told: broadcast::Sender::new(BEHIND), places: Arc::new(Semaphore::new(places)), of_each: Places::new(OF_EACH), closing }
    }

    /// With as many places as a process has.
    pub fn until(closing: CancellationToken) -> Self {
        Self::new(STREAMS, closing)
    }

    /// Tells every stream.
    pub fn tell(&self, told: Told) {
        let _ = self.told.send(told); // nobody may be there
    }

    /// A place for somebody; none if all are taken, or all of theirs, or the process is about to end.
    pub fn join(&self, user: UserId) -> Option<Place> {
        let place = Arc::clone(&self.places).try_acquire_owned().ok().filter(|_| !self.closing.is_cancelled())?;
        let place = (place, self.of_each.take(user)?);
        Some(Place { heard: self.told.subscribe(), closing: self.closing.clone(), _place: place })
    }
}
