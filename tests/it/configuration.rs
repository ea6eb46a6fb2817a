//! The example configuration is complete, and a broken configuration ends the program with one sentence that names the key or the file
//! and repeats no secret.

use crate::security_table::quoted;
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use watchfloor::config::Config;

const EXAMPLE: &str = include_str!("../../watchfloor.example.toml");
const SECRET: &str = "hunter2-do-not-print";

/// A directory of this test's own.
fn directory() -> PathBuf {
    let dir = std::env::temp_dir().join(format!("watchfloor-test-{}", uuid::Uuid::new_v4().simple()));
    std::fs::create_dir(&dir).unwrap();
    dir
}

fn load(dir: &Path, text: &str) -> Result<Config, String> {
    let file = dir.join("watchfloor.toml");
    std::fs::write(&file, text).unwrap();
    Config::load(&file).map_err(|error| format!("{error:#}"))
}

/// The example with every key that may be left out put in.
fn uncommented() -> String {
    let is_key =
        |line: &str| line.strip_prefix('#').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_lowercase()) && rest.contains(" = "));
    EXAMPLE.lines().map(|line| if is_key(line) || line.starts_with("#[") { &line[1..] } else { line }).collect::<Vec<_>>().join("\n")
}

/// The keys of each section of the example.
fn keys_of_the_example() -> BTreeMap<String, BTreeSet<String>> {
    let mut keys = BTreeMap::<String, BTreeSet<String>>::new();
    let mut section = String::new();
    for line in uncommented().lines() {
        if let Some(name) = line.strip_prefix('[') {
            name.trim_matches(['[', ']']).clone_into(&mut section);
        } else if let Some((key, _)) = line.split_once(" = ").filter(|_| !line.starts_with('#')) {
            keys.entry(section.clone()).or_default().insert(key.to_owned());
        }
    }
    keys
}

/// The keys a section has, as the program itself lists them when it meets an unknown one.
fn keys_of_the_program(dir: &Path, header: &str) -> BTreeSet<String> {
    // A section stands once: the planted key goes right below its header, or to the very top.
    let text = if header.is_empty() {
        format!("no_such_key = 1\n{EXAMPLE}")
    } else {
        // The header may be commented out with all its keys.
        let from = if EXAMPLE.contains(&format!("#{header}")) { format!("#{header}") } else { header.to_owned() };
        EXAMPLE.replacen(&from, &format!("{header}\nno_such_key = 1"), 1)
    };
    assert_ne!(text, EXAMPLE, "the example has the section {header}");
    let error = load(dir, &text).unwrap_err();
    assert!(error.contains("no_such_key"), "{error}");
    let expected = error.split("expected").nth(1).and_then(|rest| rest.split(" for key").next()).unwrap_or_default();
    quoted(expected).into_iter().map(str::to_owned).filter(|word| !word.contains(' ')).collect()
}

#[test]
fn the_example_is_valid_and_names_every_key_and_no_other() {
    let dir = directory();
    load(&dir, EXAMPLE).unwrap();
    let example = keys_of_the_example();
    for (header, section) in [
        ("", ""),
        ("[outbound]", "outbound"),
        ("[login]", "login"),
        ("[login.customers]", "login.customers"),
        ("[login.entra]", "login.entra"),
        ("[[app]]", "app"),
        ("[[app.credential]]", "app.credential"),
        ("[identity]", "identity"),
        ("[[api]]", "api"),
        ("[sync]", "sync"),
        ("[audit]", "audit"),
    ] {
        let mut program = keys_of_the_program(&dir, header);
        if section.is_empty() {
            // These are sections of the example.
            for name in ["outbound", "login", "identity", "app", "api", "sync", "audit"] {
                assert!(program.remove(name), "{name} is a section: {program:?}");
            }
        }
        if section == "app" {
            assert!(program.remove("permissions") && program.remove("credential"));
        }
        if section == "login" {
            assert!(program.remove("entra") && program.remove("customers"));
        }
        if section == "login.entra" {
            assert!(program.remove("roles"));
        }
        if section == "identity" {
            // Said once, where they mean something.
            for name in ["key_vault", "key_vault_secret", "key_vault_certificate", "expires"] {
                assert!(program.remove(name));
            }
        }
        assert_eq!(example.get(section), Some(&program), "section {section:?}");
    }
    let products = watchfloor::model::Product::ALL.iter().map(|product| product.as_str().to_owned()).collect();
    assert_eq!(example.get("app.permissions"), Some(&products));
    std::fs::remove_dir_all(dir).unwrap();
}

/// The credential of the example.
const CERTIFICATE: &str = "certificate_file = \"/etc/watchfloor/app.pem\"\nprivate_key_file = \"/etc/watchfloor/app.key\"";

/// What is done to the example (a text and what replaces it), and what the sentence must name.
const BROKEN: &[(&str, &str, &str)] = &[
    ("public_url = \"https://portal.example.com\"", "", "public_url"),
    ("https://portal.example.com", "http://portal.example.com", "public_url"),
    ("https://portal.example.com", "https://portal.example.com/portal", "public_url"),
    ("https://portal.example.com", "portal", "public_url"),
    ("#listen = \"127.0.0.1:8080\"", "listen = \"127.0.0.1:70000\"", "listen"),
    ("#metrics_listen = \"127.0.0.1:9464\"", "metrics_listen = \"localhost\"", "metrics_listen"),
    ("#trusted_proxies = [\"10.0.0.0/8\", \"::1/128\"]", "trusted_proxies = [\"10.0.0.0/33\"]", "trusted_proxies"),
    ("#listen =", "lisen =", "lisen"),
    (
        "#database_url = \"postgres://watchfloor_login@db.example.com/watchfloor\"",
        "database_url = \"http://me:hunter2-do-not-print@host/db\"",
        "database_url",
    ),
    (
        "#database_url = \"postgres://watchfloor_login@db.example.com/watchfloor\"",
        "database_url = \"postgres://me:hunter2-do-not-print@host:99999/db\"",
        "database_url",
    ),
    (
        "#database_url = \"postgres://watchfloor_login@db.example.com/watchfloor\"",
        "database_url = \"postgres://me:hunter2-do-not-print@host/db",
        "line",
    ),
    (
        "#database_url = \"postgres://watchfloor_login@db.example.com/watchfloor\"",
        "database_url = \"postgres://me:hunter2-do-not-print@host/db\"",
        "chmod 600",
    ),
    (
        "#database_url = \"postgres://watchfloor_login@db.example.com/watchfloor\"",
        "database_url = \"postgres://me@host/db?password=hunter2-do-not-print\"",
        "chmod 600",
    ),
    (
        "#database_url = \"postgres://watchfloor_login@db.example.com/watchfloor\"",
        "database_url = [\"postgres://me:hunter2-do-not-print@host/db\"]",
        "database_url",
    ),
    ("#database_url_file = \"/etc/watchfloor/database_url\"", "database_url_file = \"DIR/absent\"", "absent"),
    ("#database_url_file = \"/etc/watchfloor/database_url\"", "database_url_file = \"DIR/readable_by_all\"", "chmod 600"),
    ("#database_url_file = \"/etc/watchfloor/database_url\"", "database_url_file = \"DIR/empty\"", "the file is empty"),
    (
        "#database_url_file = \"/etc/watchfloor/database_url\"",
        "database_url = \"postgres://h/d\"\ndatabase_url_file = \"DIR/good\"",
        "both set",
    ),
    ("#listen_database_url_file = \"/etc/watchfloor/listen_database_url\"", "listen_database_url_file = \"DIR/absent\"", "absent"),
    (
        "#listen_database_url_file = \"/etc/watchfloor/listen_database_url\"",
        "listen_database_url = \"postgres://h/hunter2\"\nlisten_database_url_file = \"DIR/good\"",
        "listen_database_url",
    ),
    ("#proxy = \"http://proxy.example.com:3128\"", "proxy = \"http://me:hunter2-do-not-print@proxy:99999\"", "outbound.proxy"),
    ("#proxy = \"http://proxy.example.com:3128\"", "proxy = \"socks5://me:hunter2-do-not-print@proxy:1\"", "outbound.proxy"),
    ("[login]", "[login]\npassword = \"hunter2-do-not-print\"", "password"),
    ("name = \"defender\"", "name = \"Defender App\"", "app.name"),
    ("name = \"defender\"", "name = \"\"", "app.name"),
    ("00000000-1111-2222-3333-444444444444", "00000000-1111", "client_id"),
    ("#client_secret_file =", "client_secret_file =", "keep one"),
    ("private_key_file = \"/etc/watchfloor/app.key\"", "", "private_key_file"),
    ("certificate_file = \"/etc/watchfloor/app.pem\"", "", "private_key_file"),
    ("#assertion = \"ps256\"", "assertion = \"es256\"", "es256"),
    (CERTIFICATE, "assertion = \"rs256\"\nclient_secret_file = \"x\"", "assertion"),
    (CERTIFICATE, "expires = \"2027-01-31\"", "expires"),
    (CERTIFICATE, "client_secret_file = \"x\"\nexpires = \"soon\"", "expires"),
    (CERTIFICATE, "", "another credential"),
    ("#federated_token_file =", "federated_token_file =", "keep one"),
    ("#managed_identity =", "managed_identity =", "keep one"),
    (CERTIFICATE, "managed_identity = \"me\"", "managed_identity"),
    (CERTIFICATE, "key_vault_secret = \"x\"", "key_vault"),
    (CERTIFICATE, "key_vault = \"contoso-keys\"", "key_vault_secret"),
    (CERTIFICATE, "key_vault = \"contoso-keys\"\nkey_vault_secret = \"a\"\nkey_vault_certificate = \"b\"", "one of them"),
    (CERTIFICATE, "key_vault = \"contoso-keys\"\nkey_vault_secret = \"app\"", "[identity]"),
    (CERTIFICATE, "key_vault = \"https://hunter2.evil.com\"\nkey_vault_secret = \"app\"", "key_vault"),
    (CERTIFICATE, "key_vault = \"evil.com/\"\nkey_vault_secret = \"app\"", "key_vault"),
    (CERTIFICATE, "key_vault = \"contoso-keys\"\nkey_vault_secret = \"../keys\"", "../keys"),
    ("#[[app.credential]]", "[[app.credential]]", "[[app.credential]]"),
    ("#[[app.credential]]", "[[app.credential]]\ncertificate_file = \"x\"", "private_key_file"),
    (
        "#[[app.credential]]",
        "[[app.credential]]\nclient_secret_file = \"x\"\n[[app.credential]]\nclient_secret_file = \"y\"",
        "two at most",
    ),
    ("#[identity]", "[identity]", "[identity]"),
    ("#[identity]", "[identity]\nclient_secret_file = \"x\"", "directory_id"),
    ("#[identity]", "[identity]\nmanaged_identity = \"system\"\nclient_id = \"00000000-1111-2222-3333-444444444444\"", "managed_identity"),
    ("#[identity]", "[identity]\nkey_vault = \"contoso-keys\"\nkey_vault_secret = \"x\"", "cannot lie in it"),
    ("#token = \"v2\"", "token = \"v3\"", "v3"),
    ("#cloud = \"commercial\"", "cloud = \"mars\"", "mars"),
    ("#consent = \"v2\"", "consent = \"v3\"", "v3"),
    ("#optional = false", "optional = \"maybe\"", "optional"),
    ("defender_xdr = [\"Incident.Read.All\"]", "defender_xdr = \"Incident.Read.All\"", "defender_xdr"),
    ("[app.permissions]", "[app.permissions]\ndefender_x = []", "defender_x"),
    ("#interval = \"60s\"", "interval = \"1s\"", "sync.interval"),
    ("#interval = \"60s\"", "interval = \"often\"", "sync.interval"),
    ("#backfill = \"30d\"", "backfill = \"400d\"", "sync.backfill"),
    ("#overlap = \"15m\"", "overlap = \"0s\"", "sync.overlap"),
    (
        "[sync]",
        "[[app]]\nname = \"defender\"\nclient_id = \"00000000-1111-2222-3333-444444444445\"\nclient_secret_file = \"x\"\npermissions = { graph = [\"A\"] }\n[sync]",
        "stands twice",
    ),
];

fn watchfloor(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_watchfloor"));
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).current_dir(dir);
    command
}

fn one_sentence(output: &Output) -> String {
    let stderr = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert_eq!(stderr.trim_end().lines().count(), 1, "{stderr}");
    assert!(output.stdout.is_empty());
    stderr
}

#[test]
fn each_broken_configuration_ends_with_one_sentence_that_names_the_key_and_no_secret() {
    let dir = directory();
    for (name, text, mode) in [("readable_by_all", SECRET, 0o644), ("empty", " \n", 0o600), ("good", "postgres://h/d", 0o600)] {
        std::fs::write(dir.join(name), text).unwrap();
        std::fs::set_permissions(dir.join(name), std::fs::Permissions::from_mode(mode)).unwrap();
    }
    for (part, broken, named) in BROKEN {
        assert!(EXAMPLE.contains(part), "the example holds {part}");
        let text = EXAMPLE.replacen(part, &broken.replace("DIR", &dir.display().to_string()), 1);
        std::fs::write(dir.join("watchfloor.toml"), text).unwrap();
        let sentence = one_sentence(&watchfloor(&dir).arg("migrate").output().unwrap());
        assert!(sentence.contains(named), "{broken}: {sentence}");
        assert!(sentence.contains("watchfloor.toml") || named == &"database_url", "{broken}: {sentence}");
        assert!(!sentence.contains("hunter2"), "{broken}: {sentence}");
    }
    std::fs::remove_dir_all(dir).unwrap();
}

#[test]
fn a_missing_file_a_wrong_override_and_a_wrong_argument_are_told_the_same_way() {
    let dir = directory();
    let sentence = one_sentence(&watchfloor(&dir).args(["migrate", "--config", "absent.toml"]).output().unwrap());
    assert!(sentence.contains("absent.toml"), "{sentence}");
    std::fs::write(dir.join("watchfloor.toml"), EXAMPLE).unwrap();
    let sentence = one_sentence(&watchfloor(&dir).arg("migrate").env("WATCHFLOOR__SYNC__INTERVAL", "1s").output().unwrap());
    assert!(sentence.contains("sync.interval"), "{sentence}");
    let sentence = one_sentence(&watchfloor(&dir).arg("migrate").env("WATCHFLOOR__LISTENER", "1").output().unwrap());
    assert!(sentence.contains("listener"), "{sentence}");
    let keys = watchfloor(&dir).args(["restore", "a.backup"]).env("WATCHFLOOR__KEY_FILES", "one.key,two.key").output().unwrap();
    assert!(one_sentence(&keys).contains("key_files = one.key"), "a list has commas between");
    let output = watchfloor(&dir).args(["serve", "--role", "king"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    std::fs::remove_dir_all(dir).unwrap();
}

#[test]
fn each_form_of_the_consent_link_has_its_word() {
    let dir = directory();
    for (word, comes_back) in [("v2", true), ("v1", true), ("authorize", false)] {
        let text = EXAMPLE.replacen("#consent = \"v2\"", &format!("consent = \"{word}\"\noptional = true"), 1);
        let config = load(&dir, &text).unwrap();
        let app = &config.app[0];
        assert_eq!((app.consent.as_str(), app.consent.comes_back(), app.optional), (word, comes_back, true));
    }
    assert!(!load(&dir, EXAMPLE).unwrap().app[0].optional);
    std::fs::remove_dir_all(dir).unwrap();
}

#[test]
fn where_changes_are_heard_may_be_said_in_a_file() {
    use secrecy::ExposeSecret;
    let dir = directory();
    let (key, file) = ("#listen_database_url_file = \"/etc/watchfloor/listen_database_url\"", dir.join("url"));
    std::fs::write(&file, "postgres://direct/d\n").unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let text = EXAMPLE.replacen(key, &format!("listen_database_url_file = \"{}\"", file.display()), 1);
    let said = |text: &str| load(&dir, text).unwrap().listen_database_url.map(|url| url.expose_secret().to_owned());
    assert_eq!((said(&text).as_deref(), said(EXAMPLE)), (Some("postgres://direct/d"), None));
    std::fs::remove_dir_all(dir).unwrap();
}
