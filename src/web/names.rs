//! Names for people where Microsoft or our own machinery has words for machines.

use super::show::{visible, words};
use crate::model::Status;

/// The product behind a service or a detection source, whichever API told it; `None`: none that we know.
pub fn source(word: &str) -> Option<&'static str> {
    Some(match plain(word).as_str() {
        "microsoftdefenderforendpoint" | "microsoftdefenderatp" | "windowsdefenderatp" => "Defender for Endpoint",
        "microsoftdefenderforidentity" | "azureadvancedthreatprotection" | "azureatp" => "Defender for Identity",
        "microsoftdefenderforoffice365" | "officeatp" => "Defender for Office 365",
        "microsoftdefenderforcloudapps" | "microsoftcloudappsecurity" | "cloudappsecurity" | "mcas" => "Defender for Cloud Apps",
        "microsoft365defender" | "microsoftthreatprotection" | "mtp" => "Defender XDR",
        "windowsdefenderav" | "antivirus" => "Defender Antivirus",
        "azureadidentityprotection" | "aadidentityprotection" => "Entra ID Protection",
        _ => return None,
    })
}

/// A status in our words: Microsoft says "Active" or "new" of what is "New" everywhere else.
pub fn status(word: &str) -> String {
    match Status::of_microsoft(word) {
        Status::Unknown => words(word),
        known => known.label().to_owned(),
    }
}

/// A verdict of Microsoft's that is no English when it is taken apart word by word.
pub fn verdict(word: &str) -> Option<&'static str> {
    Some(match plain(word).as_str() {
        "noenoughdatatovalidate" => "Not enough data to validate",
        "multistagedattack" => "Multi-stage attack",
        "informationalexpectedactivity" => "Informational, expected activity",
        _ => return None,
    })
}

/// "Windows Server 2022" of "WindowsServer2022".
pub fn system(word: &str) -> String {
    match plain(word).as_str() {
        "macos" => return "macOS".to_owned(),
        "ios" => return "iOS".to_owned(),
        _ => {}
    }
    let mut text = String::new();
    for c in visible(word).chars() {
        let begins =
            (c.is_uppercase() && text.ends_with(char::is_lowercase)) || (c.is_ascii_digit() && text.ends_with(char::is_alphabetic));
        if begins {
            text.push(' ');
        }
        text.push(c);
    }
    text
}

/// "Create rule" of "`EVENT_CATEGORY_CREATE_RULE`".
pub fn event(word: &str) -> String {
    let Some(rest) = word.strip_prefix("EVENT_CATEGORY_") else { return visible(word) };
    words(&rest.replace('_', " ").to_lowercase())
}

/// What a job of the queue does.
pub fn job(word: &str) -> &str {
    match word {
        "bulk" => "Change everything that matched",
        "clocks" => "Set the clocks of service levels",
        "delete" => "Delete what is too old",
        "devices" => "Read devices",
        "hunt" => "Hunt",
        "lookup" => "Ask Microsoft a question",
        "plan" => "Plan the readings",
        "push" => "Send a change to Microsoft",
        "recheck" => "Check permissions daily",
        "region" => "Find the fastest region",
        "suppress" => "Keep suppression rules up",
        "verify" => "Check permissions",
        other => other,
    }
}

/// A member of a change and its value, as Microsoft is sent them: "Tags", "looked at".
pub fn member(name: &str, value: &serde_json::Value) -> (String, String) {
    let text = match value {
        serde_json::Value::String(text) => text.clone(),
        serde_json::Value::Array(items) if items.iter().all(serde_json::Value::is_string) => {
            items.iter().filter_map(serde_json::Value::as_str).collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    };
    match name {
        "status" => ("Status".to_owned(), status(&text)),
        "classification" | "determination" => (words(name), words(&text)),
        "assignedTo" => ("Owner".to_owned(), text),
        "ScanType" => ("Scan".to_owned(), text.to_lowercase()),
        "IsolationType" => ("Isolation".to_owned(), text.to_lowercase()),
        _ => (words(name), text),
    }
}

/// Letters and digits alone, in small letters.
fn plain(word: &str) -> String {
    word.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_machines_call_things_is_said_in_words() {
        assert_eq!(
            [source("WindowsDefenderAtp"), source("azureAdvancedThreatProtection"), source("MCAS"), source("New thing")],
            [Some("Defender for Endpoint"), Some("Defender for Identity"), Some("Defender for Cloud Apps"), None]
        );
        assert_eq!([status("Active"), status("inProgress"), status("oddOne")], ["New", "In progress", "Odd one"]);
        assert_eq!(
            [system("Windows11"), system("WindowsServer2022"), system("macOS"), system("Linux")],
            ["Windows 11", "Windows Server 2022", "macOS", "Linux"]
        );
        assert_eq!([event("EVENT_CATEGORY_CREATE_RULE"), event("Log on")], ["Create rule", "Log on"]);
    }

    #[test]
    fn a_change_is_told_without_brackets() {
        let told = |name: &str, value: serde_json::Value| member(name, &value);
        assert_eq!(told("tags", serde_json::json!(["looked at", "odd"])), ("Tags".to_owned(), "looked at, odd".to_owned()));
        assert_eq!(told("ScanType", "Quick".into()), ("Scan".to_owned(), "quick".to_owned()));
        assert_eq!(told("status", "Active".into()), ("Status".to_owned(), "New".to_owned()));
        assert_eq!(told("number", 7.into()), ("Number".to_owned(), "7".to_owned()));
    }
}
