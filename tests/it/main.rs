//! The integration tests: production router and client, a real PostgreSQL, and the stand-in cloud over HTTP.
