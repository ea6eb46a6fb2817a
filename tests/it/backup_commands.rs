//! Backups from the shell: made while the portal runs, restored elsewhere with the key and nowhere without it.

use crate::commands::run;
use crate::program::{Program, portal};
use rustix::process::Signal;
use std::process::Command;

#[test]
fn a_running_portal_is_backed_up_and_comes_up_elsewhere_with_its_accounts_and_its_key() {
    let (dir, _) = portal();
    let mut program = Program::start(&dir, &["serve"]);
    program.line("/setup/");
    let (code, _, error) = run(&dir, &["user", "add", "ann@example.com", "--name", "Ann", "--role", "admin"]);
    assert_eq!(code, 0, "{error}");
    let other = portal().0;
    let file = other.join("watchfloor.backup").display().to_string();
    let (code, said, error) = run(&dir, &["backup", &file]);
    assert!(code == 0 && said.contains("0 tenants") && said.contains("master key"), "{said}{error}");
    let (code, _, error) = run(&dir, &["backup", &file]);
    assert!(code == 1 && error.contains("not overwritten"), "{error}");
    assert!(program.stop(Signal::INT).success(), "{}", std::fs::read_to_string(dir.join("log")).unwrap());

    let (code, _, error) = run(&other, &["restore", &file]);
    assert!(code == 2 && error.contains("key_files"), "{error}");
    std::fs::create_dir_all(other.join("data")).unwrap();
    std::fs::copy(dir.join("data/master.key"), other.join("data/master.key")).unwrap();
    let (code, said, error) = run(&other, &["restore", "--check", &file]);
    assert!(code == 0 && said.contains("is whole") && !other.join("data/postgres").exists(), "{said}{error}");
    let (code, said, error) = run(&other, &["restore", &file]);
    assert!(code == 0 && said.contains("Everybody signs in again"), "{said}{error}");
    let (_, users, _) = run(&other, &["user", "list"]);
    assert!(users.contains("ann@example.com"), "{users}");
    let (code, said, _) = run(&other, &["audit", "verify"]);
    assert_eq!(code, 0, "{said}");
    let (code, _, error) = run(&other, &["restore", &file]);
    assert!(code == 1 && error.contains("not empty"), "{error}");
    let (code, link, error) = run(&other, &["user", "reset", "ann@example.com"]); // hers went with the old database
    assert!(code == 0 && link.contains("/setup/"), "{link}{error}");
    for dir in [dir, other] {
        std::fs::remove_dir_all(dir).unwrap();
    }
}

#[test]
fn a_disk_that_is_full_ends_the_backup_with_a_sentence_and_leaves_no_half_of_one() {
    let (dir, _) = portal();
    let mut program = Program::start(&dir, &["serve"]);
    program.line("/setup/"); // its database runs, and is not under the limit
    let mut limited = Command::new("sh");
    let script = r#"trap '' XFSZ; ulimit -f 64; exec timeout 60 "$0" backup full.backup"#;
    let output =
        limited.args(["-c", script, env!("CARGO_BIN_EXE_watchfloor")]).current_dir(&dir).env_remove("DATABASE_URL").output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(1) && error.contains("the backup cannot be written"), "{:?} {error}", output.status);
    let left = std::fs::read_dir(&dir).unwrap().flatten().map(|entry| entry.file_name().into_string().unwrap());
    assert_eq!(left.filter(|name| name.starts_with("full")).count(), 0);
    assert!(program.stop(Signal::INT).success());
    std::fs::remove_dir_all(dir).unwrap();
}

#[test]
fn a_drill_says_how_long_a_restore_takes_and_leaves_nothing_behind() {
    let (dir, _) = portal();
    assert_eq!(run(&dir, &["user", "add", "ann@example.com", "--name", "Ann", "--role", "admin"]).0, 0);
    let tmp = std::env::temp_dir().join(format!("wf-{}", &uuid::Uuid::new_v4().simple().to_string()[..8])); // a socket's path is short
    let drill = |config: &str| {
        let mut command = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/script/restore-drill"));
        command.arg(config).current_dir(&dir).env("WATCHFLOOR", env!("CARGO_BIN_EXE_watchfloor")).env("TMPDIR", &tmp);
        command.env_remove("DATABASE_URL").output().unwrap()
    };
    std::fs::create_dir(&tmp).unwrap();
    let output = drill("watchfloor.toml");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(
        said.contains("Backed up in ") && said.contains("Restored 0 tenants") && said.contains("its audit log was looked at in"),
        "{said}"
    );
    assert!(!drill("absent.toml").status.success());
    assert_eq!(std::fs::read_dir(&tmp).unwrap().count(), 0);
    std::fs::remove_dir(tmp).unwrap();
    std::fs::remove_dir_all(dir).unwrap();
}
