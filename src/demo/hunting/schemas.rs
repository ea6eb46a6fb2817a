//! The columns of the tables, after Microsoft's pages on the advanced hunting schema; fewer than there are.

use super::run::Kind;

pub(super) type Columns = &'static [(&'static str, Kind)];

pub(super) const DEVICE_INFO: Columns = &[
    ("Timestamp", Kind::Time),
    ("DeviceId", Kind::Text),
    ("DeviceName", Kind::Text),
    ("OSPlatform", Kind::Text),
    ("OSVersion", Kind::Text),
    ("PublicIP", Kind::Text),
    ("MachineGroup", Kind::Text),
    ("OnboardingStatus", Kind::Text),
    ("SensorHealthState", Kind::Text),
    ("ExposureLevel", Kind::Text),
    ("IsAzureADJoined", Kind::Bool),
];
pub(super) const LOGON: Columns = &[
    ("Timestamp", Kind::Time),
    ("DeviceId", Kind::Text),
    ("DeviceName", Kind::Text),
    ("ActionType", Kind::Text),
    ("LogonType", Kind::Text),
    ("AccountDomain", Kind::Text),
    ("AccountName", Kind::Text),
    ("RemoteIP", Kind::Text),
];
pub(super) const PROCESS: Columns = &[
    ("Timestamp", Kind::Time),
    ("DeviceId", Kind::Text),
    ("DeviceName", Kind::Text),
    ("ActionType", Kind::Text),
    ("FileName", Kind::Text),
    ("FolderPath", Kind::Text),
    ("SHA1", Kind::Text),
    ("ProcessId", Kind::Number),
    ("ProcessCommandLine", Kind::Text),
    ("AccountName", Kind::Text),
    ("InitiatingProcessFileName", Kind::Text),
];
pub(super) const NETWORK: Columns = &[
    ("Timestamp", Kind::Time),
    ("DeviceId", Kind::Text),
    ("DeviceName", Kind::Text),
    ("ActionType", Kind::Text),
    ("RemoteIP", Kind::Text),
    ("RemotePort", Kind::Number),
    ("RemoteUrl", Kind::Text),
    ("InitiatingProcessFileName", Kind::Text),
];
pub(super) const FILE: Columns = &[
    ("Timestamp", Kind::Time),
    ("DeviceId", Kind::Text),
    ("DeviceName", Kind::Text),
    ("ActionType", Kind::Text),
    ("FileName", Kind::Text),
    ("FolderPath", Kind::Text),
    ("SHA1", Kind::Text),
    ("SHA256", Kind::Text),
    ("InitiatingProcessFileName", Kind::Text),
];
pub(super) const EMAIL: Columns = &[
    ("Timestamp", Kind::Time),
    ("NetworkMessageId", Kind::Text),
    ("SenderFromAddress", Kind::Text),
    ("SenderIPv4", Kind::Text),
    ("RecipientEmailAddress", Kind::Text),
    ("Subject", Kind::Text),
    ("DeliveryAction", Kind::Text),
    ("ThreatTypes", Kind::Text),
];
pub(super) const IDENTITY: Columns = &[
    ("Timestamp", Kind::Time),
    ("ActionType", Kind::Text),
    ("Application", Kind::Text),
    ("LogonType", Kind::Text),
    ("AccountUpn", Kind::Text),
    ("AccountDisplayName", Kind::Text),
    ("IPAddress", Kind::Text),
];
pub(super) const ALERT_INFO: Columns = &[
    ("Timestamp", Kind::Time),
    ("AlertId", Kind::Text),
    ("Title", Kind::Text),
    ("Category", Kind::Text),
    ("Severity", Kind::Text),
    ("ServiceSource", Kind::Text),
    ("DetectionSource", Kind::Text),
];
pub(super) const ALERT_EVIDENCE: Columns = &[
    ("Timestamp", Kind::Time),
    ("AlertId", Kind::Text),
    ("EntityType", Kind::Text),
    ("FileName", Kind::Text),
    ("SHA1", Kind::Text),
    ("RemoteIP", Kind::Text),
    ("AccountUpn", Kind::Text),
    ("DeviceName", Kind::Text),
];
