//! Filters of the templates.
#![expect(clippy::inline_always, reason = "askama's macro writes it")]

/// Somebody else's text with its invisible characters made visible.
#[askama::filter_fn]
pub fn visible(text: impl std::fmt::Display, _: &dyn askama::Values) -> askama::Result<String> {
    Ok(super::show::visible(&text.to_string()))
}

/// "user" of "user:ada@example.com"; the name of the icon for it.
#[askama::filter_fn]
pub fn entity_icon(entity: &str, _: &dyn askama::Values) -> askama::Result<&'static str> {
    Ok(match entity.split_once(':').map_or("", |(kind, _)| kind) {
        "user" => "user",
        "device" => "device",
        "ip" | "url" => "net",
        "file" | "sha256" | "sha1" | "md5" => "file",
        "mailbox" | "sender" | "recipient" => "mail",
        _ => "more",
    })
}

/// "ada@example.com" of "user:ada@example.com".
#[askama::filter_fn]
pub fn entity_value(entity: &str, _: &dyn askama::Values) -> askama::Result<String> {
    Ok(super::show::visible(entity.split_once(':').map_or(entity, |(_, value)| value)))
}

/// A product's name for people, short, for chips; a word of Microsoft's that we do not know stays as it is.
#[askama::filter_fn]
pub fn product(word: &str, _: &dyn askama::Values) -> askama::Result<String> {
    if let Ok(product) = word.parse::<crate::model::Product>() {
        return Ok(product.short().to_owned());
    }
    let known = super::names::source(word).map(|name| name.trim_start_matches("Defender for ").trim_start_matches("Defender "));
    Ok(known.map_or_else(|| super::show::visible(word), str::to_owned))
}

/// A status of Microsoft's in the words that all pages have for it.
#[askama::filter_fn]
pub fn status_word(word: &str, _: &dyn askama::Values) -> askama::Result<String> {
    Ok(super::names::status(word))
}

/// "Windows 11" of "Windows11".
#[askama::filter_fn]
pub fn system(word: &str, _: &dyn askama::Values) -> askama::Result<String> {
    Ok(super::names::system(word))
}

/// "Create rule" of "`EVENT_CATEGORY_CREATE_RULE`".
#[askama::filter_fn]
pub fn event(word: &str, _: &dyn askama::Values) -> askama::Result<String> {
    Ok(super::names::event(word))
}

/// What a job of the queue does.
#[askama::filter_fn]
pub fn job(word: &str, _: &dyn askama::Values) -> askama::Result<String> {
    Ok(super::names::job(word).to_owned())
}

/// "DefenseEvasion" is "Defense evasion".
#[askama::filter_fn]
pub fn words(word: &str, _: &dyn askama::Values) -> askama::Result<String> {
    Ok(super::show::words(word))
}

/// "WindowsDefenderAtp" is "Defender for Endpoint".
#[askama::filter_fn]
pub fn spaced(name: &str, _: &dyn askama::Values) -> askama::Result<String> {
    Ok(super::show::spaced(name))
}

/// "1,204".
#[askama::filter_fn]
pub fn thousands(n: &i64, _: &dyn askama::Values) -> askama::Result<String> {
    Ok(super::show::thousands(*n))
}

/// The sign of a status.
#[askama::filter_fn]
pub fn status_class(status: &crate::model::Status, _: &dyn askama::Values) -> askama::Result<&'static str> {
    use crate::model::Status::{InProgress, New, Redirected, Resolved, Unknown};
    Ok(match status {
        New => "note",
        InProgress => "warn",
        Resolved => "ok",
        Redirected | Unknown => "",
    })
}
