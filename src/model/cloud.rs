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
}
