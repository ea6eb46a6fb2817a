//! Passes on inside the process what the database tells, to each stream that a page holds open.

use crate::store::live::Told;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast};
use tokio_util::sync::CancellationToken;

/// Streams at once in one process: a quarter of its connections.
const STREAMS: usize = 500;
/// A stream that is further behind than this is told that it missed something.
const BEHIND: usize = 1_024;

/// The switchboard of one process. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Live {
    told: broadcast::Sender<Told>,
    places: Arc<Semaphore>,
    closing: CancellationToken,
}

/// One stream's place; free again when dropped.
#[derive(Debug)]
pub struct Place {
    pub heard: broadcast::Receiver<Told>,
    /// The process is about to end.
    pub closing: CancellationToken,
    _place: OwnedSemaphorePermit,
}

impl Live {
    /// With this many places, until `closing` is cancelled.
    pub fn new(places: usize, closing: CancellationToken) -> Self {
        Self { told: broadcast::Sender::new(BEHIND), places: Arc::new(Semaphore::new(places)), closing }
    }

    /// With as many places as a process has.
    pub fn until(closing: CancellationToken) -> Self {
        Self::new(STREAMS, closing)
    }

    /// Tells every stream.
    pub fn tell(&self, told: Told) {
        let _ = self.told.send(told); // nobody may be there
    }

    /// A place; none if all are taken or the process is about to end.
    pub fn join(&self) -> Option<Place> {
        let place = Arc::clone(&self.places).try_acquire_owned().ok().filter(|_| !self.closing.is_cancelled())?;
        Some(Place { heard: self.told.subscribe(), closing: self.closing.clone(), _place: place })
    }
}
