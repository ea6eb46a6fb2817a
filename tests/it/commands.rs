//! The command line against an embedded database of its own: what it prints, what it changes, and how it ends.

use crate::program::{Program, is_running, portal, wait_for_end};
use rustix::process::Signal;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

fn command(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_watchfloor"));
    command.args(args).current_dir(dir).env_remove("DATABASE_URL").env_remove("WATCHFLOOR_CONFIG");
    command
}

/// Runs it to the end; gives the exit code and what it said on standard output and standard error.
pub fn run(dir: &Path, args: &[&str]) -> (i32, String, String) {
    said(&command(dir, args).output().unwrap())
}

fn said(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

/// A portal's directory with one app registration in its configuration.
pub fn portal_with_an_app() -> std::path::PathBuf {
    let (dir, _) = portal();
    let secret = dir.join("app.secret");
    std::fs::write(&secret, "app-secret-of-the-test").unwrap();
    std::fs::set_permissions(&secret, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let mut config = std::fs::OpenOptions::new().append(true).open(dir.join("watchfloor.toml")).unwrap();
    let app = "client_secret_file = \"app.secret\"\npermissions = { defender_xdr = [\"Incident.Read.All\"] }";
    writeln!(config, "[[app]]\nname = \"defender\"\nclient_id = \"00000000-1111-2222-3333-444444444444\"\n{app}").unwrap();
    dir
}

#[test]
fn every_command_explains_itself_with_an_example() {
    for name in ["serve", "demo", "migrate", "check", "sync", "user", "api-token", "tenant", "audit", "keys", "backup", "restore"] {
        let (code, help, _) = run(Path::new("/"), &[name, "--help"]);
        assert_eq!(code, 0);
        assert!(help.contains("Example:\n  ") && help.contains(&format!("watchfloor {name}")), "{name}: {help}");
    }
}

#[test]
fn accounts_and_tokens_are_kept_from_the_shell_and_no_secret_is_in_the_arguments() {
    let (dir, address) = portal();
    let (code, out, _) = run(&dir, &["user", "add", "Ann@Example.com", "--name", "Ann", "--role", "admin"]);
    assert_eq!(code, 0);
    assert!(out.contains(&format!("{address}/setup/")), "{out}");
    let (code, _, error) = run(&dir, &["user", "add", "ann@example.com", "--name", "Ann", "--role", "admin"]);
    assert_eq!((code, error.trim_end()), (1, "watchfloor: there is an account ann@example.com already"));

    let args = ["user", "add", "bob", "--name", "Bob", "--role", "viewer", "--password-stdin"];
    for (password, code) in [("short\n", 1), ("a long enough pass phrase\n", 0)] {
        let mut child = command(&dir, &args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(password.as_bytes()).unwrap();
        let (ended, out, error) = said(&child.wait_with_output().unwrap());
        assert_eq!(ended, code, "{error}");
        assert!(!format!("{out}{error}").contains(password.trim_end()));
    }
    let (_, token, _) = run(&dir, &["api-token", "create", "bob", "--name", "test"]);
    assert!(token.starts_with("wf_"), "{token}");
    let (_, tokens, _) = run(&dir, &["api-token", "list"]);
    assert!(tokens.contains("bob") && !tokens.contains(token.trim_end()), "{tokens}");
    let id = tokens.split_whitespace().next().unwrap();
    assert_eq!(run(&dir, &["api-token", "revoke", id]).0, 0);
    assert_eq!(run(&dir, &["api-token", "revoke", id]).0, 1);

    let (code, _, error) = run(&dir, &["user", "reset", "--second-factor", "bob"]);
    assert!(code == 1 && error.contains("bob has no second factor"), "{error}");
    let (code, _, error) = run(&dir, &["user", "disable", "ann@example.com"]);
    assert!(code == 1 && error.contains("last administrator"), "{error}");
    assert_eq!(run(&dir, &["user", "disable", "bob"]).0, 0);
    let (_, users, _) = run(&dir, &["user", "list"]);
    assert!(users.lines().any(|line| line.starts_with("bob") && line.contains("disabled")), "{users}");
    std::fs::remove_dir_all(dir).unwrap();
}

#[test]
fn customers_are_registered_imported_invited_and_checked_from_the_shell() {
    let dir = portal_with_an_app();
    let (code, out, error) = run(&dir, &["tenant", "add", "Contoso", "--domain", "contoso.example"]);
    assert_eq!(code, 0, "{error}");
    let id = out.trim_end().to_owned();
    let (code, _, error) = run(&dir, &["tenant", "add", "Fabrikam", "--directory", "organizations"]);
    assert!(code == 2 && error.contains("directory"), "{error}");
    std::fs::write(dir.join("customers.csv"), "name,domain\ncontoso,\nFabrikam,fabrikam.example\nBad\u{1b}[31m,\n").unwrap();
    let (code, preview, _) = run(&dir, &["tenant", "import", "customers.csv", "--dry-run"]);
    assert!(code == 1 && preview.contains("Nothing was changed"), "{preview}");
    let (code, done, _) = run(&dir, &["tenant", "import", "customers.csv"]);
    assert!(code == 1 && done.contains("registered Fabrikam") && !done.contains('\u{1b}'), "{done}");
    let (_, list, _) = run(&dir, &["tenant", "list"]);
    assert_eq!(list.lines().count(), 2, "{list}");
    let (_, link, _) = run(&dir, &["tenant", "invite", &id]);
    assert!(link.contains("/onboard/"), "{link}");

    let (code, table, _) = run(&dir, &["check", "--all"]);
    assert_eq!(code, 0, "{table}");
    let (code, table, _) = run(&dir, &["check", "--tenant", &id]);
    assert!(code == 1 && table.contains("BAD Contoso"), "{table}");
    let (code, out, _) = run(&dir, &["sync", "--tenant", &id]);
    assert!(code == 1 && out.contains("Nothing was read"), "{out}");
    std::fs::remove_dir_all(dir).unwrap();
}

#[test]
fn a_killed_portal_leaves_no_database_server_behind_and_starts_again() {
    let (dir, _) = portal();
    let data = dir.join("data/postgres").display().to_string();
    let mut program = Program::start(&dir, &["serve"]);
    program.line("/setup/");
    assert!(is_running(&data));
    program.stop(Signal::KILL);
    wait_for_end(&data);
    assert!(!is_running(&data), "the server ends with the portal");
    let mut program = Program::start(&dir, &["serve"]);
    program.line("/setup/");
    assert!(program.stop(Signal::INT).success());
    std::fs::remove_dir_all(dir).unwrap();
}

#[test]
fn the_demo_prints_its_address_and_logins_and_ends_with_everything_it_started() {
    let (dir, address) = portal();
    let mut program =
        Program::start(&dir, &["demo", "--listen", address.trim_start_matches("http://").replace("localhost", "127.0.0.1").as_str()]);
    program.line("demo runs at http://127.0.0.1:");
    for login in ["admin", "lead", "responder", "analyst", "viewer"] {
        assert!(program.line(login).contains("-of-the-demo"));
    }
    assert!(program.stop(Signal::INT).success());
    assert_eq!(std::fs::read_to_string(dir.join("log")).unwrap(), "");
    let (code, _, error) = run(&dir, &["demo", "--listen", "0.0.0.0:0"]);
    assert!(code == 2 && error.contains("--listen"), "{error}");
    std::fs::remove_dir_all(dir).unwrap();
}

#[test]
fn the_audit_log_is_checked_from_the_shell_and_a_head_that_the_chain_does_not_hold_is_wrong() {
    let (dir, _) = portal();
    let (code, out, _) = run(&dir, &["audit", "verify"]);
    assert_eq!(code, 0);
    assert!(out.contains("0 rows are as they were written") && out.contains("Head: 0:"), "{out}");
    let (code, out, _) = run(&dir, &["audit", "verify", "--head", &format!("1:{}", "ab".repeat(32))]);
    assert_eq!(code, 1);
    assert!(out.contains("the chain does not hold 1:abab"), "{out}");
    let (code, _, error) = run(&dir, &["audit", "verify", "--head", "1:xy"]);
    assert_eq!(code, 2, "{error}");
}
