//! Words of consent.

super::words::words! {
    /// What is known of one permission of one app in one directory.
    PermissionState {
        /// The customer has been asked.
        Asked = "asked",
        /// Named in the app's token.
        Granted = "granted",
        /// The token does not name it.
        Missing = "missing",
        /// The directory does not have the product.
        Unlicensed = "unlicensed",
        Unknown = "unknown",
        /// It was granted once and is no longer.
        Revoked = "revoked",
    }
}

super::words::words! {
    /// What a permission is good for, all things together.
    Verdict {
        /// A real call that it allows was answered.
        Works = "works",
        /// Granted, and not to be tried without acting.
        Untried = "untried",
        /// Granted, and the API refuses the call all the same.
        Fails = "fails",
        Missing = "missing",
        Revoked = "revoked",
        Unlicensed = "unlicensed",
        Unknown = "unknown",
        /// Never looked at.
        Asked = "asked",
    }
}

impl Verdict {
    /// For people.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Works => "Works",
            Self::Untried => "Granted, not tried",
            Self::Fails => "Granted, refused",
            Self::Missing => "Missing",
            Self::Revoked => "Revoked",
            Self::Unlicensed => "No licence",
            Self::Unknown => "Not known",
            Self::Asked => "Not tested yet",
        }
    }

    /// Nothing is wrong with it.
    pub const fn is_good(self) -> bool {
        matches!(self, Self::Works | Self::Untried)
    }

    /// Something is wrong with it, for certain.
    pub const fn is_bad(self) -> bool {
        matches!(self, Self::Fails | Self::Missing | Self::Revoked | Self::Unlicensed)
    }
}

super::words::words! {
    /// What a trip of a customer to Microsoft is for.
    ConsentStep {
        /// To allow one app what it asks for.
        AdminConsent = "admin_consent",
        /// To prove which directory allowed it.
        SignIn = "sign_in",
    }
}

super::words::words! {
    /// How one trip of a customer to Microsoft ended.
    ConsentOutcome {
        /// Microsoft says the administrator consented; not yet proven.
        Granted = "granted",
        /// The signed sign-in proves the directory.
        Proven = "proven",
        /// The customer says that they consented; Microsoft's link tells us nothing, so tokens have to.
        Reported = "reported",
        /// The customer does without this optional app.
        Skipped = "skipped",
        Declined = "declined",
        /// Not the directory staff had preset.
        WrongDirectory = "wrong_directory",
        /// The directory belongs to another tenant of ours.
        ForeignDirectory = "foreign_directory",
        /// The directory belongs to another national cloud.
        WrongCloud = "wrong_cloud",
        /// The account may not consent for the organisation.
        AdminApprovalNeeded = "admin_approval_needed",
        /// The directory lacks a product's service principal.
        MissingServicePrincipal = "missing_service_principal",
        /// The answer came to a browser that did not start the trip.
        OtherBrowser = "other_browser",
        Expired = "expired",
        /// The answer contradicts itself or is forged.
        Refused = "refused",
        /// Any other error of Microsoft's.
        Failed = "failed",
    }
}

impl PermissionState {
    /// For people.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Asked => "Asked",
            Self::Granted => "Granted",
            Self::Missing => "Missing",
            Self::Unlicensed => "No licence",
            Self::Unknown => "Not known",
            Self::Revoked => "Revoked",
        }
    }
}

impl ConsentOutcome {
    /// For people.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Granted => "Approved",
            Self::Proven => "Directory proven",
            Self::Reported => "Reported by the customer",
            Self::Skipped => "Skipped",
            Self::Declined => "Declined",
            Self::WrongDirectory => "Wrong directory",
            Self::ForeignDirectory => "Directory of another tenant",
            Self::WrongCloud => "Wrong cloud",
            Self::AdminApprovalNeeded => "Needs an administrator",
            Self::MissingServicePrincipal => "Product not set up",
            Self::OtherBrowser => "Other browser",
            Self::Expired => "Too late",
            Self::Refused => "Refused",
            Self::Failed => "Failed",
        }
    }
}

impl ConsentOutcome {
    /// Whether nothing more is to be done on the customer's page for this app.
    pub const fn is_settled(self) -> bool {
        matches!(self, Self::Granted | Self::Reported | Self::Skipped)
    }

    /// Whether it went as somebody wanted it to: no alarm, no refusal in the audit log.
    pub const fn is_well(self) -> bool {
        matches!(self, Self::Granted | Self::Proven | Self::Reported | Self::Skipped)
    }
}
