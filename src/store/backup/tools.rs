//! PostgreSQL's own programs for backups, told by environment variables where the server is: a password is never an argument.

use crate::store::embedded::client_programs;
use anyhow::{Context, Result, ensure};
use percent_encoding::percent_decode_str;
use sqlx::ConnectOptions;
use sqlx::postgres::PgConnectOptions;
use std::process::{ExitStatus, Stdio};
use tokio::io::AsyncReadExt;
use tokio::process::{Child, ChildStderr, Command};

/// Of what a program complains so much is told.
const MOST_LINES: usize = 6;

/// A program that works on one database.
pub fn program(name: &str, server: &PgConnectOptions) -> Result<Command> {
    let dir = client_programs().context("pg_dump and pg_restore are not installed: install the package postgresql-client")?;
    let mut command = Command::new(dir.join(name));
    command.env_clear().env("LC_ALL", "C.UTF-8").env("PATH", "/usr/bin:/bin").current_dir("/");
    command.envs(variables(server)).arg("--no-password").kill_on_drop(true).stderr(Stdio::piped());
    Ok(command)
}

/// What libpq reads of its environment.
fn variables(server: &PgConnectOptions) -> Vec<(&'static str, String)> {
    let host = server.get_socket().map_or_else(|| server.get_host().to_owned(), |dir| dir.display().to_string());
    let mut list = vec![
        ("PGHOST", host),
        ("PGPORT", server.get_port().to_string()),
        ("PGUSER", server.get_username().to_owned()),
        ("PGDATABASE", server.get_database().unwrap_or_else(|| server.get_username()).to_owned()),
        ("PGCONNECT_TIMEOUT", "10".to_owned()),
    ];
    let url = server.to_url_lossy();
    if let Some(password) = url.password() {
        list.push(("PGPASSWORD", percent_decode_str(password).decode_utf8_lossy().into_owned()));
    }
    for (key, name) in [("sslmode", "PGSSLMODE"), ("sslrootcert", "PGSSLROOTCERT"), ("sslcert", "PGSSLCERT"), ("sslkey", "PGSSLKEY")] {
        list.extend(url.query_pairs().find(|(given, _)| given == key).map(|(_, value)| (name, value.into_owned())));
    }
    list
}

/// What a program complains of; to be read while it runs.
pub async fn complaint(from: Option<ChildStderr>) -> String {
    let mut text = Vec::new();
    if let Some(mut from) = from {
        let _ = from.read_to_end(&mut text).await;
    }
    String::from_utf8_lossy(&text).lines().take(MOST_LINES).collect::<Vec<_>>().join(" / ")
}

/// Waits for its end, which must be a good one.
pub async fn ended(name: &str, mut child: Child, said: &str) -> Result<()> {
    let status: ExitStatus = child.wait().await?;
    ensure!(status.success(), "{name} failed: {}", if said.is_empty() { "it said nothing" } else { said });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_goes_by_the_environment_as_it_is() {
        let server: PgConnectOptions = "postgres://own%20er:p%40ss%2B%2F%25@db.example:6543/watch?sslmode=verify-full".parse().unwrap();
        let list = variables(&server);
        let of = |name| list.iter().find(|(key, _)| *key == name).map(|(_, value)| value.as_str());
        assert_eq!(
            ["PGHOST", "PGPORT", "PGUSER", "PGPASSWORD", "PGDATABASE", "PGSSLMODE"].map(of),
            ["db.example", "6543", "own er", "p@ss+/%", "watch", "verify-full"].map(Some)
        );
    }
}
