//! Microsoft's permissions in plain words, for the customer who is asked for them.

use super::Product;

/// What a permission allows, as the end of "This lets us …". Microsoft's own names are in the page "Microsoft Graph permissions
/// reference" and in the permission pages of the Defender APIs.
pub fn plain(product: Product, permission: &str) -> &'static str {
    match (product, permission) {
        (Product::CloudApps, "Investigation.Read") => "read alerts and activities of Defender for Cloud Apps",
        (Product::CloudApps, "Investigation.Manage") => {
            "read and close alerts of Defender for Cloud Apps, and change its ranges of IP addresses"
        }
        (Product::CloudApps, "Discovery.Manage") => {
            "read which cloud apps are in use, upload logs for that, and close alerts of Defender for Cloud Apps"
        }
        (Product::CloudApps, "Settings.Read") => "read the ranges of IP addresses of Defender for Cloud Apps",
        (Product::CloudApps, "Settings.Manage") => "change the ranges of IP addresses of Defender for Cloud Apps",
        (Product::CloudApps, "Discovery.Read") => "read which cloud apps are in use",
        (_, "Incident.Read.All" | "SecurityIncident.Read.All") => "read security incidents",
        (_, "Incident.ReadWrite.All" | "SecurityIncident.ReadWrite.All") => {
            "read security incidents and change their status, owner and notes"
        }
        (_, "Alert.Read.All" | "SecurityAlert.Read.All") => "read security alerts and their evidence",
        (_, "Alert.ReadWrite.All" | "SecurityAlert.ReadWrite.All") => "read security alerts and change their status, owner and notes",
        (_, "AdvancedHunting.Read.All" | "AdvancedQuery.Read.All" | "ThreatHunting.Read.All") => {
            "search the last 30 days of security events for traces of an attack"
        }
        (_, "Machine.Read.All") => "read the list of devices and their health",
        (_, "Machine.ReadWrite.All") => "read the list of devices and change their tags",
        (_, "Machine.Isolate") => "cut a device off the network during an attack, and reconnect it",
        (_, "Machine.Scan") => "start a virus scan on a device",
        (_, "Machine.StopAndQuarantine") => "stop and quarantine a file on a device",
        (_, "Machine.RestrictExecution") => "restrict which programs a device runs during an attack",
        (_, "Machine.LiveResponse") => "run commands and fetch files on a device",
        (_, "Machine.Offboard") => "take a device out of Defender for Endpoint",
        (_, "Machine.CollectForensics") => "collect evidence from a device",
        (_, "Vulnerability.Read.All") => "read which vulnerabilities are known on devices",
        (_, "Software.Read.All") => "read which software is installed on devices",
        (_, "SecurityRecommendation.Read.All") => "read Microsoft's security recommendations",
        (_, "Score.Read.All") => "read the exposure score",
        (_, "User.Read.All") => "read users' names and profiles",
        (_, "Ti.Read.All") => "read indicators of attack",
        (_, "Ti.ReadWrite" | "Ti.ReadWrite.All") => "read and change indicators of attack",
        _ if changes(permission) => "change data of this product, as Microsoft's name of the permission says",
        _ => "read data of this product, as Microsoft's name of the permission says",
    }
}

/// Whether a permission allows more than reading. Microsoft spells its names with capitals and without.
pub fn changes(permission: &str) -> bool {
    !permission.split('.').any(|word| word.eq_ignore_ascii_case("read"))
}

/// Whether a permission lets somebody act on devices.
pub fn controls(permission: &str) -> bool {
    let permission = permission.to_ascii_lowercase();
    permission.starts_with("machine.") && changes(&permission) && permission != "machine.readwrite.all"
}

/// Whether a permission shows files or their names.
pub fn shows_files(permission: &str) -> bool {
    let permission = permission.to_ascii_lowercase();
    matches!(permission.as_str(), "machine.liveresponse" | "machine.collectforensics") || permission.starts_with("investigation.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_permission_that_is_not_known_still_says_whether_it_changes_anything() {
        assert!(plain(Product::Graph, "Thing.Read.All").starts_with("read"));
        assert!(plain(Product::Graph, "Thing.ReadWrite.All").starts_with("change"));
        assert!(controls("Machine.Restart") && !controls("Machine.ReadWrite.All") && !controls("Machine.Read.All"));
        assert!(changes("Machine.Isolate") && changes("Investigation.Manage") && !changes("AdvancedHunting.Read.All"));
        assert!(!changes("Investigation.read") && shows_files("Investigation.read") && !shows_files("Alert.Read.All"));
    }
}
