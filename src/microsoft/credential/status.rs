//! How an app's credentials stand, for people and for the one alarm.

use crate::config::{Held, Source};
use crate::microsoft::lanes::locked;
use crate::microsoft::{App, CallError, Client};
use crate::model::TenantId;
use chrono::{DateTime, Utc};
use std::collections::{BTreeMap, BTreeSet};

/// One credential of an app. Holds nothing secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialStatus {
    /// "Certificate", "Client secret" …
    pub kind: &'static str,
    /// The file's name, or the entry in Key Vault.
    pub place: String,
    /// `None`: not known, or renewed by somebody else all the time.
    pub ends_at: Option<DateTime<Utc>>,
    /// Whether the next token is asked for with it.
    pub in_use: bool,
    /// When Microsoft refused it last, and the number; forgotten when it is replaced or accepted.
    pub refused: Option<(DateTime<Utc>, Option<u32>)>,
    /// Why it could not be read when it was looked at last; what was read before stays in use.
    pub trouble: Option<String>,
    /// Whether it has been read at all.
    pub loaded: bool,
}

pub(super) const fn kind(source: &Source) -> &'static str {
    match source {
        Source::SecretFile(_) | Source::Vault { holds: Held::Secret, .. } => "Client secret",
        Source::CertificateFiles { .. } | Source::Vault { holds: Held::Certificate(_), .. } => "Certificate",
        Source::TokenFile(_) => "Federated token",
        Source::ManagedIdentity(_) => "Managed identity",
    }
}

pub(super) fn place(source: &Source) -> String {
    let file = |path: &std::path::Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    match source {
        Source::SecretFile(path) | Source::TokenFile(path) => file(path),
        Source::CertificateFiles { certificate, .. } => file(certificate),
        Source::ManagedIdentity(identity) => identity.client_id.map_or_else(|| "of this machine".to_owned(), |id| id.to_string()),
        Source::Vault { vault, name, .. } => format!("{vault}/{name}"),
    }
}

/// What Microsoft, or the lack of a credential, last said about an app as a whole or about one of its two credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A token was issued, or what was refused is no longer there.
    Accepted { at: DateTime<Utc> },
    /// No token was issued, or there is no credential.
    Refused { at: DateTime<Utc>, aadsts: Option<u32>, reason: String, remedy: String },
}

/// Numbers that say the app is disabled: at home, or by one customer, which is no fault of our credential.
const DISABLED: [u32; 2] = [7_000_112, 70_001];

#[derive(Debug, Default)]
pub(super) struct Standing {
    /// Not taken yet: about the app under an empty name, about a credential under its place.
    news: BTreeMap<String, Verdict>,
    /// Credentials whose standing is written down as good.
    good: BTreeSet<String>,
    /// Tenants in which the app was said to be disabled since it was accepted last.
    disabled_in: BTreeSet<TenantId>,
}

impl Standing {
    pub(super) fn accepted(&mut self, place: Option<String>, at: DateTime<Utc>) {
        self.disabled_in.clear();
        self.news.insert(String::new(), Verdict::Accepted { at });
        if let Some(place) = place {
            self.forgiven(place, at);
        }
    }

    /// Nothing stands against a credential any more.
    pub(super) fn forgiven(&mut self, place: String, at: DateTime<Utc>) {
        if self.good.insert(place.clone()) {
            self.news.insert(place, Verdict::Accepted { at });
        }
    }

    /// One credential of two was refused; whether the other one is not says the app's own verdict.
    pub(super) fn blamed(&mut self, place: String, aadsts: Option<u32>, at: DateTime<Utc>) {
        self.good.remove(&place);
        self.news.insert(place, refusal(aadsts, at));
    }

    /// There is nothing to prove ourselves with.
    pub(super) fn unreadable(&mut self, trouble: Option<String>, at: DateTime<Utc>) {
        let reason = trouble.unwrap_or_else(|| "No credential of the app can be read.".to_owned());
        let remedy = "Correct the app's credential in the configuration, or where it is kept; every tenant is affected.".to_owned();
        self.news.insert(String::new(), Verdict::Refused { at, aadsts: None, reason, remedy });
    }

    fn refused(&mut self, tenant: TenantId, aadsts: Option<u32>, at: DateTime<Utc>) {
        if aadsts.is_some_and(|number| DISABLED.contains(&number)) {
            self.disabled_in.insert(tenant);
            if self.disabled_in.len() < 2 {
                return;
            }
        }
        self.news.insert(String::new(), refusal(aadsts, at));
    }
}

fn refusal(aadsts: Option<u32>, at: DateTime<Utc>) -> Verdict {
    let error = CallError::OurCredential { aadsts };
    Verdict::Refused { at, aadsts, reason: error.reason(), remedy: error.remedy().staff.to_owned() }
}

/// Whether another credential of the same app may be accepted where one was refused with this number.
pub(in crate::microsoft) fn is_of_one_credential(aadsts: Option<u32>) -> bool {
    !aadsts.is_some_and(|number| DISABLED.contains(&number))
}

impl App {
    /// Each credential as it stands, in the order of the configuration.
    pub fn credentials(&self, now: DateTime<Utc>) -> Vec<CredentialStatus> {
        self.credentials.statuses(now)
    }

    /// No credential of the app was accepted for this tenant.
    pub(in crate::microsoft) fn refused_for(&self, tenant: TenantId, aadsts: Option<u32>, now: DateTime<Utc>) {
        locked(&self.credentials.standing).refused(tenant, aadsts, now);
    }
}

impl Client {
    /// What is new since this was last asked: app, place of the credential (empty: the app as a whole), and verdict. For the one alarm that
    /// an app deserves, and for the word about a credential that another one stands in for.
    pub fn take_verdicts(&self) -> Vec<(String, String, Verdict)> {
        let news = |app: &App| {
            let name = app.name.clone();
            let news = std::mem::take(&mut locked(&app.credentials.standing).news);
            news.into_iter().map(move |(place, verdict)| (name.clone(), place, verdict))
        };
        self.apps().flat_map(news).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_app_disabled_by_one_customer_is_no_alarm_and_by_two_it_is() {
        let (mut standing, now) = (Standing::default(), DateTime::UNIX_EPOCH);
        let (one, two) = (TenantId::new(), TenantId::new());
        standing.refused(one, Some(7_000_112), now);
        standing.refused(one, Some(7_000_112), now);
        assert!(standing.news.is_empty());
        standing.accepted(None, now);
        standing.refused(two, Some(7_000_112), now);
        assert_eq!(standing.news[""], Verdict::Accepted { at: now });
        standing.refused(one, Some(7_000_112), now);
        assert!(matches!(standing.news[""], Verdict::Refused { aadsts: Some(7_000_112), .. }));
        standing.accepted(None, now);
        standing.refused(one, Some(7_000_215), now);
        assert!(matches!(standing.news[""], Verdict::Refused { aadsts: Some(7_000_215), .. }));
    }
}
