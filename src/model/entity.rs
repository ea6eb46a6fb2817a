//! How the things an alert is about are written down for search: `kind:value`, lower case.

/// The kinds that can be searched for.
pub const KINDS: &[&str] = &["user", "device", "ip", "url", "file", "hash", "process", "mailbox", "registry", "group", "app"];

/// The written form of one entity. `None` where the value is empty.
pub fn key(kind: &str, value: &str) -> Option<String> {
    let value = value.trim().to_lowercase();
    (!value.is_empty()).then(|| format!("{kind}:{value}"))
}
