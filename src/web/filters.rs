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
        "user" | "group" => "user",
        "device" => "device",
        "ip" | "url" => "net",
        "file" | "hash" => "file",
        "process" => "process",
        "mailbox" => "mail",
        "registry" => "key",
        _ => "more",
    })
}

/// "ada@example.com" of "user:ada@example.com".
#[askama::filter_fn]
pub fn entity_value(entity: &str, _: &dyn askama::Values) -> askama::Result<String> {
    Ok(super::show::visible(entity.split_once(':').map_or(entity, |(_, value)| value)))
}

/// A product's name for people; Microsoft's own words stay as they are.
#[askama::filter_fn]
pub fn product(word: &str, _: &dyn askama::Values) -> askama::Result<String> {
    Ok(word.parse::<crate::model::Product>().map_or_else(|_| super::show::visible(word), |product| product.short().to_owned()))
}

/// "DefenseEvasion" is "Defense evasion".
#[askama::filter_fn]
pub fn words(word: &str, _: &dyn askama::Values) -> askama::Result<String> {
    Ok(super::show::words(word))
}

/// "WindowsDefenderAtp" is "Windows Defender Atp".
#[askama::filter_fn]
pub fn spaced(name: &str, _: &dyn askama::Values) -> askama::Result<String> {
    Ok(super::show::spaced(name))
}

/// "1,204".
#[askama::filter_fn]
pub fn thousands(n: &i64, _: &dyn askama::Values) -> askama::Result<String> {
    Ok(super::show::thousands(*n))
}

/// The sign of a tenant's state.
#[askama::filter_fn]
pub fn state_class(state: &crate::model::TenantState, _: &dyn askama::Values) -> askama::Result<&'static str> {
    use crate::model::TenantState::{Active, Blind, ConsentPending, Degraded, Invited, Offboarded, Paused, Verifying};
    Ok(match state {
        Active => "ok",
        Degraded => "warn",
        Blind => "bad",
        Invited | ConsentPending | Verifying => "note",
        Paused | Offboarded => "",
    })
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
