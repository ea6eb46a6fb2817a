//! Which connections wait for something from outside: where there is no place left, the one that has waited longest makes room. Whoever opens
//! thousands and says nothing, or says it very slowly, so only ever pushes out their own.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio_util::sync::CancellationToken;

/// Everybody's. Cheap to clone; clones are one.
#[derive(Clone, Debug, Default)]
pub struct Seats(Arc<Mutex<Waiting>>);

#[derive(Debug, Default)]
struct Waiting {
    /// Numbers are given in the order in which the waiting began.
    next: u64,
    connections: BTreeMap<u64, CancellationToken>,
}

/// One connection's. It waits, but for as long as it is [attended](Seat::attend) to.
#[derive(Clone, Debug)]
pub struct Seat(Arc<Own>);

#[derive(Debug)]
struct Own {
    seats: Seats,
    number: Mutex<Option<u64>>,
    hung_up: CancellationToken,
}

/// The connection waits for nothing; again once this is dropped.
#[derive(Debug)]
pub struct Attended(Seat);

impl Seats {
    /// The seat of a new connection.
    pub fn take(&self) -> Seat {
        let seat = Seat(Arc::new(Own { seats: self.clone(), number: Mutex::default(), hung_up: CancellationToken::new() }));
        seat.wait();
        seat
    }

    /// Hangs up on the connection that has waited longest; false where none waits.
    pub fn make_room(&self) -> bool {
        let longest = self.waiting().connections.pop_first();
        longest.map(|(_, hung_up)| hung_up.cancel()).is_some()
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seat {
    /// Its request has come as a whole, and nobody hangs up on it until it is answered.
    pub fn attend(&self) -> Attended {
        self.0.leave();
        Attended(self.clone())
    }

    /// Somebody has hung up on it.
    pub async fn hung_up(&self) {
        self.0.hung_up.cancelled().await;
    }

    fn wait(&self) {
        let mut waiting = self.0.seats.waiting();
        let number = waiting.next;
        waiting.next += 1;
        waiting.connections.insert(number, self.0.hung_up.clone());
        drop(waiting);
        *self.0.number() = Some(number);
    }
}

impl Own {
    fn number(&self) -> MutexGuard<'_, Option<u64>> {
        self.number.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn leave(&self) {
        let number = self.number().take();
        if let Some(number) = number {
            self.seats.waiting().connections.remove(&number);
        }
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        self.leave();
    }
}

impl Drop for Attended {
    fn drop(&mut self) {
        self.0.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_hung_up(seat: &Seat) -> bool {
        seat.0.hung_up.is_cancelled()
    }

    #[test]
    fn who_has_waited_longest_makes_room_and_nobody_who_is_attended_to() {
        let seats = Seats::default();
        let [first, second, third] = [seats.take(), seats.take(), seats.take()];
        let attended = first.attend();
        assert!(seats.make_room() && is_hung_up(&second) && !is_hung_up(&first) && !is_hung_up(&third));
        drop(attended);
        assert!(seats.make_room() && is_hung_up(&third) && !is_hung_up(&first), "its waiting began anew");
        assert!(seats.make_room() && is_hung_up(&first));
        assert!(!seats.make_room());
        drop(seats.take());
        assert!(!seats.make_room(), "whoever has left waits no more");
    }
}
