//! What went wrong with a call, told as the operator's next step.

use super::consent::{Meaning, Remedy, Trouble, WRONG_CLOUD, Who, explain};
use std::time::Duration;

/// Why a call brought nothing. Holds no address, body, token or secret, so it may be logged and shown to staff.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallError {
    /// Microsoft asks us to wait, or a wait it asked for is not over: nothing was sent then. `None`: it did not say how long, and a
    /// growing pause of our own applies.
    Throttled { retry_after: Option<Duration> },
    /// The directory's quota of computing for hunting is used up until then. `told` is Microsoft's own sentence, which names the quota.
    Quota { retry_after: Duration, told: String },
    /// The app is not, or no longer, in the directory, or the directory is gone.
    ConsentLost { aadsts: Option<u32> },
    /// The directory does not have the product, or has it switched off.
    NoLicence { aadsts: Option<u32> },
    /// Microsoft does not accept our secret, certificate or app. Every tenant is hit: one alarm for all.
    OurCredential { aadsts: Option<u32> },
    /// Any other refusal by Entra. `error` is its plain word, such as `invalid_request`.
    Entra { aadsts: Option<u32>, error: String },
    /// The token is good; the permission is missing. `code` is the API's own word, such as `Forbidden`.
    Forbidden { code: Option<String> },
    /// The API refused a fresh token.
    Unauthorized,
    /// The token was issued for another directory than the one asked. It was dropped. A security event.
    WrongTenantToken,
    /// No such record.
    NotFound,
    /// The API refused the request itself (400, 405, 409 …).
    /// `told` is Microsoft's own sentence: for people, not for logs.
    Rejected { status: u16, code: Option<String>, told: Option<String> },
    /// Still a server error after every try.
    Server { status: u16 },
    /// No whole answer arrived, after every try.
    Network(NetworkFault),
    /// An answer that is not what Microsoft documents, with what is wrong with it. Never to be read as "no records".
    Unexpected(&'static str),
    /// The answer's link to the next page leads elsewhere. It was not followed. A security event.
    RefusedLink,
    /// More than [`MAX_ANSWER`](super::http::MAX_ANSWER) bytes.
    TooLarge,
    /// The configuration has no such app, or one of another cloud.
    NotConfigured(&'static str),
}

/// Where the way to Microsoft broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NetworkFault {
    /// No connection: name not found, refused, or not within 5 seconds.
    Connect,
    /// The certificate shown is not trusted.
    Certificate,
    /// Connected, but no whole answer within the time limits (10 seconds of silence, 30 in all).
    Timeout,
    /// The connection ended before the answer did, or the answer was no HTTP.
    Broken,
}

impl NetworkFault {
    const fn reason(self) -> &'static str {
        match self {
            Self::Connect => "No connection to Microsoft could be made.",
            Self::Certificate => "The server shows a certificate that is not trusted; set outbound.ca_file if a proxy inspects TLS.",
            Self::Timeout => "Microsoft did not answer in time.",
            Self::Broken => "The connection to Microsoft broke off in the middle of an answer.",
        }
    }
}

impl CallError {
    /// From Entra's refusal.
    pub(super) fn of_entra(aadsts: Option<u32>, error: &str) -> Self {
        match explain(aadsts, error).trouble {
            Trouble::OurCredential => Self::OurCredential { aadsts },
            Trouble::ConsentLost => Self::ConsentLost { aadsts },
            Trouble::NoLicence => Self::NoLicence { aadsts },
            Trouble::Passing => Self::Throttled { retry_after: None },
            Trouble::Other => Self::Entra { aadsts, error: error.to_owned() },
        }
    }

    /// A fixed word for logs and metrics.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Throttled { .. } => "throttled",
            Self::Quota { .. } => "quota",
            Self::ConsentLost { .. } => "consent_lost",
            Self::NoLicence { .. } => "no_licence",
            Self::OurCredential { .. } => "our_credential",
            Self::Entra { .. } => "entra",
            Self::Forbidden { .. } => "forbidden",
            Self::Unauthorized => "unauthorized",
            Self::WrongTenantToken => "wrong_tenant_token",
            Self::NotFound => "not_found",
            Self::Rejected { .. } => "rejected",
            Self::Server { .. } => "server",
            Self::Network(_) => "network",
            Self::Unexpected(_) => "unexpected",
            Self::RefusedLink => "refused_link",
            Self::TooLarge => "too_large",
            Self::NotConfigured(_) => "not_configured",
        }
    }

    /// Whether somebody may be playing Microsoft: write it to the audit log.
    pub const fn is_security_event(&self) -> bool {
        matches!(self, Self::WrongTenantToken | Self::RefusedLink)
    }

    /// For a call that changes something: whether Microsoft may have done it although no answer says so. Then it must not be sent again
    /// before reading shows that nothing happened.
    pub const fn may_have_acted(&self) -> bool {
        matches!(
            self,
            Self::Server { .. } | Self::Network(NetworkFault::Timeout | NetworkFault::Broken) | Self::Unexpected(_) | Self::TooLarge
        )
    }

    /// The same failure, met before anything was sent to the API itself.
    pub(super) fn before_sending(self) -> Self {
        match self {
            Self::Network(NetworkFault::Timeout | NetworkFault::Broken) => Self::Network(NetworkFault::Connect),
            Self::Server { .. } => Self::Throttled { retry_after: None },
            Self::Unexpected(_) | Self::TooLarge => Self::Entra { aadsts: None, error: "unreadable".to_owned() },
            other => other,
        }
    }

    /// Whether the same call may well succeed a little later without anybody doing anything.
    pub const fn is_passing(&self) -> bool {
        matches!(self, Self::Throttled { .. } | Self::Quota { .. } | Self::Server { .. } | Self::Network(_))
    }

    /// One sentence of what happened, for staff.
    pub fn reason(&self) -> String {
        match self {
            Self::Throttled { retry_after: Some(wait) } if wait.as_secs() <= 1 => "Microsoft asks us to wait for 1 second.".to_owned(),
            Self::Throttled { retry_after: Some(wait) } => format!("Microsoft asks us to wait for {} seconds.", wait.as_secs()),
            Self::Throttled { retry_after: None } => "Microsoft asks us to slow down.".to_owned(),
            Self::Quota { told, .. } => format!("The quota of computing for hunting is used up. Microsoft says: {told}"),
            Self::ConsentLost { aadsts } => numbered("The app is not in this directory", *aadsts),
            Self::NoLicence { aadsts } => numbered("The directory does not have this product", *aadsts),
            Self::OurCredential { aadsts } => numbered("Microsoft does not accept our app's credential", *aadsts),
            Self::Entra { aadsts: Some(number), .. } if WRONG_CLOUD.contains(number) => {
                numbered("The directory belongs to another national cloud", Some(*number))
            }
            Self::Entra { aadsts: None, error } => format!("Microsoft refused a token ({error})."),
            Self::Entra { aadsts, .. } => numbered("Microsoft refused a token", *aadsts),
            Self::Forbidden { code: Some(code) } => format!("The permission is missing ({code})."),
            Self::Forbidden { code: None } => "The permission is missing.".to_owned(),
            Self::Unauthorized => "The API refused a fresh token.".to_owned(),
            Self::WrongTenantToken => "Microsoft's token was for another directory and was dropped.".to_owned(),
            Self::NotFound => "Microsoft has no such record.".to_owned(),
            Self::Rejected { status, code, told } => {
                let code = code.as_ref().map(|code| format!("{code}, ")).unwrap_or_default();
                let told = told.as_ref().map(|told| format!(" Microsoft says: {told}")).unwrap_or_default();
                format!("The API refused the request ({code}HTTP {status}).{told}")
            }
            Self::Server { status } => format!("Microsoft's server failed (HTTP {status})."),
            Self::Network(fault) => fault.reason().to_owned(),
            Self::Unexpected(what) => format!("Microsoft's answer could not be used: {what}."),
            Self::RefusedLink => "The answer's next page led to another address and was not followed.".to_owned(),
            Self::TooLarge => "Microsoft's answer was larger than 32 MiB.".to_owned(),
            Self::NotConfigured(what) => format!("Not configured: {what}."),
        }
    }

    /// Who does what next.
    pub fn remedy(&self) -> Remedy {
        let (aadsts, word) = match self {
            Self::ConsentLost { aadsts } => (*aadsts, "unauthorized_client"),
            Self::NoLicence { aadsts } => (*aadsts, "invalid_resource"),
            Self::OurCredential { aadsts } => (*aadsts, "invalid_client"),
            Self::Entra { aadsts, error } => (*aadsts, error.as_str()),
            Self::Throttled { .. } | Self::Quota { .. } | Self::Server { .. } => (None, "temporarily_unavailable"),
            other => return other.remedy_of_api(),
        };
        let Meaning { remedy, .. } = explain(aadsts, word);
        remedy
    }

    const fn remedy_of_api(&self) -> Remedy {
        let (who, staff) = match self {
            Self::Forbidden { .. } => {
                (Who::Customer, "Compare the granted permissions with those asked for, then send the customer a new consent link.")
            }
            Self::Network(NetworkFault::Certificate) => (Who::Mssp, "Check outbound.proxy and outbound.ca_file of the configuration."),
            Self::Network(_) => (Who::Automatic, "It is tried again; if it lasts, check this machine's network and proxy."),
            Self::Unauthorized => (Who::Mssp, "Check that the tenant's cloud is set right; if it is, please report this."),
            Self::WrongTenantToken | Self::RefusedLink => {
                (Who::Mssp, "Somebody may be playing Microsoft: check the proxy, the name servers and outbound.ca_file.")
            }
            Self::NotConfigured(_) => (Who::Mssp, "Correct the [[app]] entries of the configuration."),
            _ => (Who::Automatic, "It is tried again at the next reading; if it lasts, please report it."),
        };
        let customer = match who {
            Who::Customer => "A permission has not been granted. Please open the link and consent again.",
            Who::Mssp | Who::Automatic => "Nothing for you to do: we are looking after it.",
        };
        Remedy { who, staff, customer }
    }
}

fn numbered(sentence: &str, aadsts: Option<u32>) -> String {
    aadsts.map_or_else(|| format!("{sentence}."), |number| format!("{sentence} (AADSTS{number})."))
}

impl std::fmt::Display for CallError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.reason())
    }
}

impl std::error::Error for CallError {}
