//! Plays Microsoft on loopback, for `watchfloor demo` and for the tests.
