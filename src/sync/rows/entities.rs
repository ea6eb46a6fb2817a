//! What incidents and alerts are about, as "kind:value" in lower case: what a search for an account, a device or a hash finds.

use crate::microsoft::graph::{Evidence, FileDetails, UserAccount};
use crate::microsoft::{cloud_apps, endpoint, xdr};
use crate::model::entity;
use std::collections::BTreeSet;

const LONGEST: usize = 300;

/// The entities of an alert inside an incident.
pub(super) fn of_alert(alert: &xdr::IncidentAlert) -> Vec<String> {
    let mut set = Set::default();
    for device in &alert.devices {
        set.add("device", device.device_dns_name.as_deref());
    }
    for entity in &alert.entities {
        set.account(entity.user_principal_name.as_deref(), entity.domain_name.as_deref(), entity.account_name.as_deref());
        set.add("ip", entity.ip_address.as_deref());
        set.add("url", entity.url.as_deref());
        set.add("file", entity.file_name.as_deref());
        set.add("sha1", entity.sha1.as_deref());
        set.add("sha256", entity.sha256.as_deref());
        set.add("mailbox", entity.mailbox_address.as_deref());
        set.add("sender", entity.sender.as_deref());
        set.add("recipient", entity.recipient.as_deref());
    }
    set.into_list(500)
}

/// The entities of an alert of Defender for Endpoint.
pub(super) fn of_endpoint(alert: &endpoint::Alert) -> Vec<String> {
    let mut set = Set::default();
    set.add("device", alert.computer_dns_name.as_deref());
    if let Some(user) = &alert.related_user {
        set.account(None, user.domain_name.as_deref(), user.user_name.as_deref());
    }
    for evidence in &alert.evidence {
        set.account(evidence.user_principal_name.as_deref(), evidence.domain_name.as_deref(), evidence.account_name.as_deref());
        set.add("ip", evidence.ip_address.as_deref());
        set.add("url", evidence.url.as_deref());
        set.add("file", evidence.file_name.as_deref());
        set.add("sha1", evidence.sha1.as_deref());
        set.add("sha256", evidence.sha256.as_deref());
    }
    set.into_list(500)
}

/// The entities of an alert of Microsoft Graph security.
pub(super) fn of_graph(evidence: &[Evidence]) -> Vec<String> {
    let mut set = Set::default();
    for evidence in evidence {
        match evidence {
            Evidence::Device(device) => set.add("device", device.device_dns_name.as_deref()),
            Evidence::User(user) => set.user(user.user_account.as_ref()),
            Evidence::Process(process) => {
                set.file(process.image_file.as_ref());
                set.user(process.user_account.as_ref());
            }
            Evidence::File(file) => set.file(file.file_details.as_ref()),
            Evidence::Ip(ip) => set.add("ip", ip.ip_address.as_deref()),
            Evidence::Url(url) => set.add("url", url.url.as_deref()),
            Evidence::Mailbox(mailbox) => {
                set.add("mailbox", mailbox.primary_address.as_deref());
                set.user(mailbox.user_account.as_ref());
            }
            Evidence::Message(message) => {
                for sender in [&message.p1_sender, &message.p2_sender].into_iter().flatten() {
                    set.add("sender", sender.email_address.as_deref());
                }
                set.add("recipient", message.recipient_email_address.as_deref());
                set.add("ip", message.sender_ip.as_deref());
            }
            Evidence::App(app) => set.add("app", app.display_name.as_deref()),
            Evidence::Other(_) => {}
        }
    }
    set.into_list(500)
}

/// The entities of an alert of Defender for Cloud Apps.
pub(super) fn of_cloud_apps(alert: &cloud_apps::Alert) -> Vec<String> {
    let mut set = Set::default();
    for entity in &alert.entities {
        let label = entity.label.as_deref();
        match entity.kind.as_deref() {
            Some("account") => set.add("user", entity.pa.as_deref().or(label)),
            Some("device") => set.add("device", label),
            Some("service") => set.add("app", label),
            Some("ip") => set.add("ip", label),
            Some("policyRule") => set.add("policy", label),
            Some("groupTag") | None => {}
            Some(kind) => set.add(if entity::KINDS.contains(&kind) { kind } else { entity::OTHER }, label),
        }
    }
    set.into_list(500)
}

#[derive(Default)]
struct Set(BTreeSet<String>);

impl Set {
    fn add(&mut self, kind: &str, value: Option<&str>) {
        debug_assert!(entity::KINDS.contains(&kind), "no search looks for {kind}");
        let Some(value) = value.map(str::trim).filter(|value| !value.is_empty()) else { return };
        let entity = format!("{kind}:{value}").to_lowercase().replace('\u{1f}', " ");
        self.0.insert(super::clip(entity, LONGEST));
    }

    fn account(&mut self, principal: Option<&str>, domain: Option<&str>, name: Option<&str>) {
        match (principal, domain, name) {
            (Some(principal), ..) => self.add("user", Some(principal)),
            (None, Some(domain), Some(name)) => self.add("user", Some(&format!("{domain}\\{name}"))),
            (None, None, name) => self.add("user", name),
            (None, Some(_), None) => {}
        }
    }

    fn user(&mut self, user: Option<&UserAccount>) {
        if let Some(user) = user {
            self.account(user.user_principal_name.as_deref(), user.domain_name.as_deref(), user.account_name.as_deref());
        }
    }

    fn file(&mut self, file: Option<&FileDetails>) {
        if let Some(file) = file {
            self.add("file", file.file_name.as_deref());
            self.add("sha1", file.sha1.as_deref());
            self.add("sha256", file.sha256.as_deref());
        }
    }

    fn into_list(self, most: usize) -> Vec<String> {
        self.0.into_iter().take(most).collect()
    }
}
