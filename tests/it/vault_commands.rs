//! Master keys from the shell: made, named in the configuration, exchanged, missing.

use crate::program::{Program, portal};
use rustix::process::Signal;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

/// Exit code, standard output, standard error.
fn run(dir: &Path, args: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_watchfloor"));
    let output = command.args(args).current_dir(dir).env_remove("DATABASE_URL").env_remove("WATCHFLOOR_CONFIG").output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn mode(file: &Path) -> u32 {
    std::fs::metadata(file).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_key_is_made_at_the_first_start_exchanged_while_nothing_stops_and_its_absence_is_one_sentence() {
    let (dir, _) = portal();
    let plain = std::fs::read_to_string(dir.join("watchfloor.toml")).unwrap();
    let configure = |files: &str| std::fs::write(dir.join("watchfloor.toml"), format!("{plain}key_files = [{files}]\n")).unwrap();
    let (code, table, _) = run(&dir, &["check"]);
    assert!(code == 0 && table.contains("none yet"), "{table}");
    let (code, said, _) = run(&dir, &["keys", "new", "new.key"]);
    assert_eq!((code, mode(&dir.join("new.key"))), (0, 0o600), "{said}");
    let text = std::fs::read_to_string(dir.join("new.key")).unwrap();
    let kid = said.split_whitespace().find(|word| word.len() == 8 && word.bytes().all(|byte| byte.is_ascii_hexdigit())).unwrap();
    let (code, _, error) = run(&dir, &["keys", "new", "new.key"]);
    assert!(code == 1 && error.contains("not overwritten") && text == std::fs::read_to_string(dir.join("new.key")).unwrap(), "{error}");

    let own = dir.join("data/master.key");
    assert!(!own.exists(), "no command but those that need it makes one");
    let mut program = Program::start(&dir, &["serve"]);
    program.line("/setup/");
    assert_eq!(mode(&own), 0o600);
    configure("\"new.key\", \"data/master.key\"");
    let (code, done, error) = run(&dir, &["keys", "rotate"]);
    assert!(code == 0 && done.contains("vault_check") && done.contains(&format!("master key {kid}")), "{done}{error}");
    assert!(program.stop(Signal::INT).success());

    std::fs::rename(&own, dir.join("old.key")).unwrap();
    configure("\"new.key\"");
    let (code, table, _) = run(&dir, &["check"]);
    assert!(code == 0 && table.contains(kid), "the old key is not needed: {table}");
    configure("");
    let mut by_environment = Command::new(env!("CARGO_BIN_EXE_watchfloor"));
    by_environment.arg("check").current_dir(&dir).env_remove("DATABASE_URL").env("WATCHFLOOR__KEY_FILES", "new.key,old.key");
    let table = String::from_utf8(by_environment.output().unwrap().stdout).unwrap();
    assert!(table.contains(&format!("{kid} seals")), "{table}");
    for (files, command) in [("\"old.key\"", "serve"), ("\"old.key\"", "keys rotate"), ("", "keys rotate"), ("", "serve")] {
        configure(files);
        let (code, _, error) = run(&dir, &command.split(' ').collect::<Vec<_>>());
        let told = error.lines().last().unwrap();
        assert!(code == 2 && told.contains(kid) && told.contains("key_files"), "{files} {command}: {error}");
        assert!(!own.exists(), "no new key where there was another");
    }
    let (code, table, _) = run(&dir, &["check"]);
    assert!(code == 1 && table.contains("BAD master keys") && table.contains(kid), "{table}");

    std::fs::set_permissions(dir.join("new.key"), PermissionsExt::from_mode(0o640)).unwrap();
    configure("\"new.key\"");
    let (code, _, error) = run(&dir, &["keys", "rotate"]);
    assert!(code == 2 && error.contains("chmod 600") && error.contains("key_files") && !error.contains(text.trim()), "{error}");
    std::fs::remove_dir_all(dir).unwrap();
}
