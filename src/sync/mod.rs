//! Reads Microsoft into the store, again and again, and says how complete the copy is.

pub mod engine;
