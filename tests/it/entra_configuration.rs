//! `[login.entra]`: what the example says of it is understood, and what is wrong with it is told in one sentence.

use std::path::{Path, PathBuf};
use watchfloor::config::{Config, CustomersLogin, EntraLogin};
use watchfloor::model::{Cloud, Role};

const EXAMPLE: &str = include_str!("../../watchfloor.example.toml");

fn load(dir: &Path, text: &str) -> Result<Config, String> {
    let file = dir.join("watchfloor.toml");
    std::fs::write(&file, text).unwrap();
    Config::load(&file).map_err(|error| format!("{error:#}"))
}

fn directory() -> PathBuf {
    let dir = std::env::temp_dir().join(format!("watchfloor-test-{}", uuid::Uuid::new_v4().simple()));
    std::fs::create_dir(&dir).unwrap();
    dir
}

/// The example with the block of `[login.entra]` put in, as far as its keys go together.
fn example() -> String {
    let start = EXAMPLE.find("#[login.entra]").unwrap();
    let end = start + EXAMPLE[start..].find("\n\n# Where an API is").unwrap();
    let wanted = ["#[", "#directory_id", "#client_id", "#cloud", "#certificate_file", "#private_key_file", "#\""];
    let line = |line: &str| if wanted.iter().any(|start| line.starts_with(start)) { line[1..].to_owned() } else { line.to_owned() };
    let block = EXAMPLE[start..end].lines().map(line).collect::<Vec<_>>().join("\n");
    format!("{}{block}{}", &EXAMPLE[..start], &EXAMPLE[end..])
}

#[test]
fn the_example_signs_staff_in_and_says_what_their_roles_mean() {
    let dir = directory();
    assert!(load(&dir, EXAMPLE).unwrap().login.entra.is_none(), "not without being asked");
    let login: EntraLogin = load(&dir, &example()).unwrap().login.entra.unwrap();
    assert_eq!(login.cloud, Cloud::Commercial);
    let role_of = |role: &str| login.role_of(&[role.to_owned()], &[]);
    assert_eq!(
        (role_of("Watchfloor.Admin"), role_of("Watchfloor.Lead"), role_of("watchfloor.admin")),
        (Some(Role::Admin), Some(Role::Lead), None)
    );
    assert_eq!(login.groups.values().collect::<Vec<_>>(), [&Role::Analyst]);
    std::fs::remove_dir_all(dir).unwrap();
}

/// What is done to the block (a text and what replaces it), and what the sentence must name.
const BROKEN: &[(&str, &str, &str)] = &[
    ("directory_id = \"00000000-1111-2222-3333-777777777777\"\n", "", "directory_id"),
    ("00000000-1111-2222-3333-777777777777", "contoso.com", "directory_id"),
    ("00000000-1111-2222-3333-777777777777", "9188040d-6c67-4c5b-b112-36a304b66dad", "directory_id"),
    ("client_id = \"00000000-1111-2222-3333-888888888888\"\n", "", "client_id"),
    ("certificate_file = \"/etc/watchfloor/login.pem\"\n", "", "private_key_file"),
    ("certificate_file = \"/etc/watchfloor/login.pem\"\nprivate_key_file = \"/etc/watchfloor/login.key\"\n", "", "[login.entra] needs"),
    ("#client_secret_file = \"/etc/watchfloor/login.secret\"", "client_secret_file = \"x\"", "keep one"),
    (
        "certificate_file = \"/etc/watchfloor/login.pem\"\nprivate_key_file = \"/etc/watchfloor/login.key\"\n",
        "key_vault = \"contoso-keys\"\nkey_vault_secret = \"x\"\n",
        "[identity]",
    ),
    ("cloud = \"commercial\"", "cloud = \"mars\"", "mars"),
    ("[login.entra]\n", "[login.entra]\ntenant = \"x\"\n", "tenant"),
    ("\"Watchfloor.Admin\" = \"admin\"", "\"Watchfloor.Admin\" = \"king\"", "king"),
    ("\"Watchfloor.Admin\" = \"admin\"", "\"Watchfloor Admin\" = \"admin\"", "[login.entra.roles]"),
    ("\"Watchfloor.Admin\" = \"admin\"", "\"\" = \"admin\"", "[login.entra.roles]"),
];

#[test]
fn each_mistake_is_told_in_one_sentence_that_names_the_key() {
    let dir = directory();
    let good = example();
    for (part, broken, named) in BROKEN {
        // Keys of the same name stand in other blocks as well.
        let (before, block) = good.split_at(good.find("[login.entra]\n").unwrap());
        assert!(block.contains(part), "the example holds {part}");
        let error = load(&dir, &format!("{before}{}", block.replacen(part, broken, 1))).unwrap_err();
        assert!(error.contains(named) && error.lines().count() == 1, "{broken}: {error}");
    }
    let (before, rest) = good.split_once("[login.entra.roles]\n").unwrap();
    let error = load(&dir, &format!("{before}{}", rest.split_once("\n\n").unwrap().1)).unwrap_err();
    assert!(error.contains("[login.entra.roles] is empty"), "{error}");
    std::fs::remove_dir_all(dir).unwrap();
}

/// The example with the block of `[login.customers]` put in.
fn with_customers() -> String {
    let start = EXAMPLE.find("#[login.customers]").unwrap();
    let end = start + EXAMPLE[start..].find("\n\n").unwrap();
    let wanted = ["#[", "#client_id", "#client_secret_file"];
    let line = |line: &str| if wanted.iter().any(|start| line.starts_with(start)) { line[1..].to_owned() } else { line.to_owned() };
    let block = EXAMPLE[start..end].lines().map(line).collect::<Vec<_>>().join("\n");
    format!("{}{block}{}", &EXAMPLE[..start], &EXAMPLE[end..])
}

#[test]
fn customers_sign_in_where_the_example_says_so_and_a_mistake_is_told_in_one_sentence() {
    let dir = directory();
    assert!(load(&dir, EXAMPLE).unwrap().login.customers.is_none(), "not without being asked");
    let config = load(&dir, &with_customers()).unwrap();
    let login: CustomersLogin = config.login.customers.clone().unwrap();
    assert_eq!(login.cloud, Cloud::Commercial, "unless it is said otherwise");
    assert!(config.customers_callback().path() == "/login/customer/callback");
    let (secret, id) =
        ("client_secret_file = \"/etc/watchfloor/customers.secret\"\n", "client_id = \"00000000-1111-2222-3333-aaaaaaaaaaaa\"\n");
    for (part, broken, named) in [
        (secret, "", "[login.customers] needs"),
        (secret, "key_vault = \"contoso-keys\"\nkey_vault_secret = \"x\"\n", "[identity]"),
        (id, "", "client_id"),
        (id, "client_id = \"x\"\n", "client_id"),
        ("[login.customers]\n", "[login.customers]\ndirectory_id = \"x\"\n", "directory_id"),
    ] {
        let text = with_customers();
        assert!(text.contains(part), "the example holds {part}");
        let error = load(&dir, &text.replacen(part, broken, 1)).unwrap_err();
        assert!(error.contains(named) && error.lines().count() == 1, "{broken}: {error}");
    }
    std::fs::remove_dir_all(dir).unwrap();
}
