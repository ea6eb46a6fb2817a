//! Words of the registry and of reading.

super::words::words! {
    /// Where a tenant stands.
    TenantState {
        /// Registered; nobody has opened the link yet.
        Invited = "invited",
        /// The customer has opened the link or gone to Microsoft.
        ConsentPending = "consent_pending",
        /// Consented; permissions are being proven, or staff must approve the directory.
        Verifying = "verifying",
        /// Every product is read.
        Active = "active",
        /// At least one product is not read.
        Degraded = "degraded",
        /// No product is read.
        Blind = "blind",
        Paused = "paused",
        Offboarded = "offboarded",
    }
}

impl TenantState {
    /// For people.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Invited => "Invited",
            Self::ConsentPending => "Consent pending",
            Self::Verifying => "Verifying",
            Self::Active => "Active",
            Self::Degraded => "Degraded",
            Self::Blind => "Blind",
            Self::Paused => "Paused",
            Self::Offboarded => "Offboarded",
        }
    }

    /// Whether its products are read.
    pub const fn is_read(self) -> bool {
        matches!(self, Self::Active | Self::Degraded | Self::Blind)
    }
}

super::words::words! {
    /// How the reading of one product of one tenant goes.
    SyncHealth {
        /// Not read yet.
        Waiting = "waiting",
        /// The first reading is under way.
        Backfilling = "backfilling",
        Ok = "ok",
        /// Microsoft asks us to wait for longer than an interval.
        Throttled = "throttled",
        /// The customer has not granted the permission.
        NoPermission = "no_permission",
        /// The directory does not have the product.
        NoLicence = "no_licence",
        /// The app is no longer in the directory.
        ConsentLost = "consent_lost",
        /// Microsoft does not accept our app: nothing is wrong with the tenant.
        OurCredential = "our_credential",
        /// Anything else that failed.
        Failing = "failing",
    }
}

impl SyncHealth {
    /// For people.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Waiting => "Not read yet",
            Self::Backfilling => "First reading",
            Self::Ok => "Up to date",
            Self::Throttled => "Throttled",
            Self::NoPermission => "Permission missing",
            Self::NoLicence => "No licence",
            Self::ConsentLost => "Consent lost",
            Self::OurCredential => "Our credential",
            Self::Failing => "Failing",
        }
    }

    /// Whether data arrives.
    pub const fn is_reading(self) -> bool {
        matches!(self, Self::Backfilling | Self::Ok)
    }
}
