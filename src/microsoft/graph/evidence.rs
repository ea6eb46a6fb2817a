//! Evidence: nested, and of a kind that `@odata.type` names. Source: Microsoft's page "alertEvidence resource type" and its derived types.

use crate::microsoft::wire;
use serde::Deserialize;
use serde::de::{Deserializer, Error};
use serde_json::Value;

/// A thing seen with an alert. Kinds that are not read, and those Microsoft adds, are kept as they came.
#[derive(Clone, Debug)]
pub enum Evidence {
    Device(Device),
    User(User),
    Process(Process),
    File(File),
    Ip(Ip),
    Url(Url),
    Mailbox(Mailbox),
    Message(Message),
    App(App),
    Other(Value),
}

impl<'de> Deserialize<'de> for Evidence {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let kind = value.get("@odata.type").and_then(Value::as_str).unwrap_or_default();
        let kind = kind.rsplit('.').next().unwrap_or_default().to_owned();
        let read = match kind.as_str() {
            "deviceEvidence" => Device::deserialize(value).map(Self::Device),
            "userEvidence" => User::deserialize(value).map(Self::User),
            "processEvidence" => Process::deserialize(value).map(Self::Process),
            "fileEvidence" => File::deserialize(value).map(Self::File),
            "ipEvidence" => Ip::deserialize(value).map(Self::Ip),
            "urlEvidence" => Url::deserialize(value).map(Self::Url),
            "mailboxEvidence" => Mailbox::deserialize(value).map(Self::Mailbox),
            "analyzedMessageEvidence" => Message::deserialize(value).map(Self::Message),
            "cloudApplicationEvidence" | "oauthApplicationEvidence" => App::deserialize(value).map(Self::App),
            _ => Ok(Self::Other(value)),
        };
        read.map_err(D::Error::custom)
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Device {
    /// The id of the device in Defender for Endpoint.
    #[serde(default, deserialize_with = "wire::text")]
    pub mde_device_id: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    pub device_dns_name: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct User {
    #[serde(default, deserialize_with = "wire::object")]
    pub user_account: Option<UserAccount>,
}

/// An account, within several kinds of evidence.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UserAccount {
    #[serde(default, deserialize_with = "wire::text")]
    pub account_name: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    pub domain_name: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    pub user_principal_name: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Process {
    #[serde(default, deserialize_with = "wire::object")]
    pub image_file: Option<FileDetails>,
    #[serde(default, deserialize_with = "wire::object")]
    pub user_account: Option<UserAccount>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct File {
    #[serde(default, deserialize_with = "wire::object")]
    pub file_details: Option<FileDetails>,
}

/// A file, within several kinds of evidence.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FileDetails {
    #[serde(default, deserialize_with = "wire::text")]
    pub file_name: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    pub sha1: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    pub sha256: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ip {
    #[serde(default, deserialize_with = "wire::text")]
    pub ip_address: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Url {
    #[serde(default, deserialize_with = "wire::text")]
    pub url: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Mailbox {
    #[serde(default, deserialize_with = "wire::text")]
    pub primary_address: Option<String>,
    #[serde(default, deserialize_with = "wire::object")]
    pub user_account: Option<UserAccount>,
}

/// A mail.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Message {
    #[serde(default, deserialize_with = "wire::object")]
    pub p1_sender: Option<Sender>,
    #[serde(default, deserialize_with = "wire::object")]
    pub p2_sender: Option<Sender>,
    #[serde(default, deserialize_with = "wire::text")]
    pub recipient_email_address: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    pub sender_ip: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sender {
    #[serde(default, deserialize_with = "wire::text")]
    pub email_address: Option<String>,
}

/// A cloud application or one that users consent to.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct App {
    #[serde(default, deserialize_with = "wire::text")]
    pub display_name: Option<String>,
}
