//! Cloud discovery: logs of network appliances, reports made of them, scripts that block apps.

use crate::model::visible;
use serde_json::{Value, json};

/// The largest log that is taken: up to here Microsoft takes it in one piece.
pub const LARGEST_LOG: usize = 64 * 1024 * 1024;

/// Appliances that a block script can be made for, with Microsoft's number. Source: "Generate block script".
pub const FORMATS: [(u32, &str); 7] = [
    (102, "Blue Coat ProxySG"),
    (104, "Cisco ASA"),
    (108, "Fortinet FortiGate"),
    (112, "Palo Alto"),
    (120, "Zscaler"),
    (129, "Juniper SRX"),
    (135, "Websense"),
];

/// The kinds of logs that can be uploaded. Source: "Initiate file upload".
pub const SOURCES: [&str; 71] = [
    "BLUECOAT",
    "BARRACUDA",
    "BARRACUDA_NEXT_GEN_FW",
    "BARRACUDA_NEXT_GEN_FW_WEBLOG",
    "BARRACUDA_SYSLOG",
    "BLUECOAT_SYSLOG",
    "CHECKPOINT",
    "CHECKPOINT_CEF_SYSLOG",
    "CHECKPOINT_SMART_VIEW_TRACKER",
    "CHECKPOINT_XML",
    "CISCO_ASA",
    "CISCO_ASA_FIREPOWER_SYSLOG",
    "CISCO_ASA_SYSLOG",
    "CISCO_FIREPOWER_V6_SYSLOG",
    "CISCO_FWSM",
    "CISCO_FWSM_SYSLOG",
    "CISCO_IRONPORT_PROXY",
    "CISCO_IRONPORT_PROXY_SYSLOG",
    "CISCO_IRONPORT_WSA_II",
    "CISCO_IRONPORT_WSA_III",
    "CISCO_SCAN_SAFE",
    "CLAVISTER_SYSLOG",
    "CONTENTKEEPER_SYSLOG",
    "CORRATA",
    "FORCEPOINT",
    "FORCEPOINT_LEEF_SYSLOG",
    "FORTIGATE",
    "FORTIGATE_SYSLOG",
    "FORTIOS_SYSLOG",
    "GENERIC_CEF",
    "GENERIC_CEF_SYSLOG",
    "GENERIC_LEEF",
    "GENERIC_LEEF_SYSLOG",
    "GENERIC_W3C",
    "GENERIC_W3C_SYSLOG",
    "I_FILTER",
    "I_FILTER_SYSLOG",
    "IBOSS",
    "JUNIPER_SRX_SD_SYSLOG",
    "JUNIPER_SRX_SYSLOG",
    "JUNIPER_SRX_WELF_SYSLOG",
    "JUNIPER_SSG_SYSLOG",
    "MACHINE_ZONE_MERAKI",
    "MACHINE_ZONE_MERAKI_SYSLOG",
    "MCAFEE_SWG",
    "MCAFEE_SWG_SYSLOG",
    "MENLO_SECURITY_CEF",
    "MICROSOFT_ISA_W3C",
    "OPEN_SYSTEMS_SECURE_WEB_GATEWAY",
    "PALO_ALTO",
    "PALO_ALTO_LEEF",
    "PALO_ALTO_LEEF_SYSLOG",
    "PALO_ALTO_SYSLOG",
    "SONICWALL_SYSLOG",
    "SOPHOS_CYBEROAM_SYSLOG",
    "SOPHOS_SG",
    "SOPHOS_SG_SYSLOG",
    "SOPHOS_XG",
    "SOPHOS_XG_SYSLOG",
    "SQUID",
    "SQUID_NATIVE",
    "SQUID_NATIVE_SYSLOG",
    "STORMSHIELD_SYSLOG",
    "WANDERA_SYSLOG",
    "WATCHGUARD_XTM_SYSLOG",
    "WEBSENSE_SIEM_CEF_SYSLOG",
    "WEBSENSE_V7_5",
    "ZSCALER",
    "ZSCALER_CEF_SYSLOG",
    "ZSCALER_QRADAR_SYSLOG",
    "ZSCALER_SYSLOG",
];

/// A category of apps in plain words: `SAASDB_CATEGORY_CLOUD_STORAGE` is "Cloud storage". One name has a misspelling of Microsoft's.
pub fn category(id: &str) -> String {
    let name = id.strip_prefix("SAASDB_CATEGORY_").or_else(|| id.strip_prefix("SAASDB_SUBCATEGORY_")).unwrap_or(id);
    let name = name.replace("SUPLLY", "SUPPLY").replace('_', " ").to_lowercase();
    let mut letters = name.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// A log that is to be uploaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upload {
    pub filename: String,
    pub source: String,
    /// The data source of the continuous report, or the name of the snapshot report that is made.
    pub stream: String,
    pub snapshot: bool,
}

impl Upload {
    /// # Errors
    /// The field and what is wrong with it.
    pub fn new(filename: &str, source: &str, stream: &str, snapshot: bool) -> Result<Self, (&'static str, &'static str)> {
        // Browsers may send a path.
        let filename = filename.rsplit(['/', '\\']).next().unwrap_or_default().trim();
        if filename.is_empty() || visible::line(filename, 200).is_err() {
            return Err(("file", "Choose a file whose name is one line of at most 200 characters."));
        }
        if !SOURCES.contains(&source) {
            return Err(("source", "Choose the kind of log."));
        }
        let stream = stream.trim();
        if stream.is_empty() || visible::line(stream, 120).is_err() {
            return Err(("stream", "Name the data source or report, in one line of at most 120 characters."));
        }
        Ok(Self { filename: filename.to_owned(), source: source.to_owned(), stream: stream.to_owned(), snapshot })
    }

    /// What is written down of it. The address it is uploaded to opens a store of Microsoft's, and is never written down.
    pub fn request(&self) -> Value {
        json!({"inputStreamName": self.stream, "uploadAsSnapshot": self.snapshot, "filename": self.filename, "source": self.source})
    }

    /// From what was written down.
    pub fn read(request: &Value) -> Option<Self> {
        let text = |name: &str| request[name].as_str().map(str::to_owned);
        Some(Self {
            filename: text("filename")?,
            source: text("source")?,
            stream: text("inputStreamName")?,
            snapshot: request["uploadAsSnapshot"].as_bool()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn categories_are_words_even_the_misspelt_one() {
        assert_eq!(category("SAASDB_CATEGORY_SUPLLY_CHAIN_AND_LOGISTICS"), "Supply chain and logistics");
        assert_eq!(category("SAASDB_CATEGORY_CRM"), "Crm");
        assert_eq!(category(""), "");
    }

    #[test]
    fn an_upload_is_a_file_of_a_known_kind_and_survives_being_written_down() {
        let upload = Upload::new("C:\\logs\\proxy.log", "SQUID", " Proxy ", true).unwrap();
        assert_eq!(upload.filename, "proxy.log");
        assert_eq!(Upload::read(&upload.request()).unwrap(), upload);
        assert!(Upload::new("a", "BANANA", "x", false).is_err());
        assert!(Upload::new("", "SQUID", "x", false).is_err());
        assert!(Upload::new("a", "SQUID", " ", false).is_err());
    }
}
