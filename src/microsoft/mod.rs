//! The only place that speaks to Microsoft; knows nothing of our tables.
