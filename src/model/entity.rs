//! How the things an alert is about are written down for search: `kind:value`, lower case.

/// Every kind that is written down, and so every kind that a search without a kind looks for. What tells an analyst most comes first: pages show
/// entities in this order.
pub const KINDS: &[&str] =
    &["user", "device", "mailbox", "sender", "sha256", "sha1", "md5", "ip", "url", "file", "app", "recipient", "policy", OTHER];

/// A kind of Microsoft's that has no word here.
pub const OTHER: &str = "other";

/// What `hash:` stands for.
const HASHES: [&str; 3] = ["sha256", "sha1", "md5"];

/// The written form of one entity. `None` where the value is empty.
fn key(kind: &str, value: &str) -> Option<String> {
    let value = value.trim().to_lowercase();
    (!value.is_empty()).then(|| format!("{kind}:{value}"))
}

/// What somebody may mean who looks for a text: it as an entity of every kind, or as it stands if it is `kind:value`; `hash:value` is a hash of
/// any kind.
pub fn meant(text: &str) -> Vec<String> {
    let text = text.trim().to_lowercase();
    let of = |kinds: &[&str], value: &str| kinds.iter().filter_map(|kind| key(kind, value)).collect::<Vec<_>>();
    let mut keys = match text.split_once(':') {
        Some((kind, _)) if KINDS.contains(&kind) => Vec::new(),
        Some(("hash", value)) => of(&HASHES, value),
        _ => of(KINDS, &text),
    };
    keys.push(text);
    keys
}

/// Sorts written forms as [`KINDS`] are, and by value.
pub fn sort(entities: &mut [String]) {
    let place = |entity: &String| entity.split_once(':').and_then(|(of, _)| KINDS.iter().position(|kind| of == *kind));
    entities.sort();
    entities.sort_by_key(|entity| place(entity).unwrap_or(KINDS.len()));
}

/// Of sorted written forms the first, and the first device where that is another one.
pub fn tops(sorted: &[String]) -> Vec<&str> {
    let device = sorted.iter().skip(1).find(|entity| entity.starts_with("device:"));
    sorted.first().into_iter().chain(device).map(String::as_str).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_looked_for_as_an_entity_of_every_kind_and_a_hash_as_one_of_every_length() {
        let keys = meant(" Anna@Example.com ");
        assert!(
            ["user:anna@example.com", "sender:anna@example.com", "anna@example.com"].iter().all(|key| keys.contains(&(*key).to_owned()))
        );
        assert_eq!(meant("hash:AB12"), ["sha256:ab12", "sha1:ab12", "md5:ab12", "hash:ab12"]);
        assert_eq!(meant("user:Anna"), ["user:anna"]);
        assert!(meant("fe80::1").contains(&"ip:fe80::1".to_owned()));
        assert_eq!(meant(" "), [""]);
    }

    #[test]
    fn people_and_devices_come_first_and_what_nobody_knows_last() {
        let mut entities = ["app:mail", "odd:x", "device:ws-2", "ip:10.0.0.1", "device:ws-1", "user:zoe", "none"].map(str::to_owned);
        sort(&mut entities);
        assert_eq!(entities, ["user:zoe", "device:ws-1", "device:ws-2", "ip:10.0.0.1", "app:mail", "none", "odd:x"]);
        assert_eq!(tops(&entities), ["user:zoe", "device:ws-1"]);
        assert_eq!(tops(&entities[1..]), ["device:ws-1", "device:ws-2"]);
        assert_eq!(tops(&[]), [""; 0]);
    }
}
