//! Microsoft's national clouds.

super::words::words! {
    /// Where a customer's directory lives. Each needs an app registration of its own (GCC shares the commercial login).
    Cloud {
        Commercial = "commercial",
        Gcc = "gcc",
        GccHigh = "gcc_high",
        Dod = "dod",
    }
}

impl Cloud {
    /// For people.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Commercial => "Commercial",
            Self::Gcc => "GCC",
            Self::GccHigh => "GCC High",
            Self::Dod => "DoD",
        }
    }

    /// The host of the Defender portal that people of such a directory open. Source: Microsoft's page "Microsoft Defender XDR for US
    /// Government customers".
    pub const fn defender_portal(self) -> &'static str {
        match self {
            Self::Commercial | Self::Gcc => "security.microsoft.com",
            Self::GccHigh => "security.microsoft.us",
            Self::Dod => "security.apps.mil",
        }
    }

    /// The host where administrators of such a directory manage its applications. Source: Microsoft's page "National clouds".
    pub const fn directory_portal(self) -> &'static str {
        match self {
            Self::Commercial | Self::Gcc => "entra.microsoft.com",
            Self::GccHigh | Self::Dod => "portal.azure.us",
        }
    }
}

/// Where a directory lives, as Microsoft's public metadata of it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Home {
    In(Cloud),
    /// Commercial or GCC: the metadata often does not say which of them.
    Worldwide,
    /// GCC High or DoD, without saying which.
    UsGovernment,
    /// Operated by 21Vianet; there are no Defender APIs for it.
    China,
    /// It says nothing.
    Unsaid,
}

impl Home {
    /// Whether a tenant of this cloud may have a directory there.
    pub fn agrees(self, cloud: Cloud) -> bool {
        match self {
            Self::In(home) => home == cloud,
            Self::Worldwide => matches!(cloud, Cloud::Commercial | Cloud::Gcc),
            Self::UsGovernment => matches!(cloud, Cloud::GccHigh | Cloud::Dod),
            Self::China => false,
            Self::Unsaid => true,
        }
    }

    /// The cloud to choose for such a tenant, where there is one.
    pub const fn suggestion(self) -> Option<Cloud> {
        match self {
            Self::In(cloud) => Some(cloud),
            Self::Worldwide => Some(Cloud::Commercial),
            Self::UsGovernment => Some(Cloud::GccHigh),
            Self::China | Self::Unsaid => None,
        }
    }
}
