//! Microsoft's security products, as Watchfloor reads them.

super::words::words! {
    /// A product whose API is read, with the permissions of one configuration table `[app.permissions]`.
    Product {
        DefenderXdr = "defender_xdr",
        DefenderEndpoint = "defender_endpoint",
        CloudApps = "cloud_apps",
        Graph = "graph",
    }
}

impl Product {
    /// Microsoft's name for it.
    pub const fn label(self) -> &'static str {
        match self {
            Self::DefenderXdr => "Defender XDR",
            Self::DefenderEndpoint => "Defender for Endpoint",
            Self::CloudApps => "Defender for Cloud Apps",
            Self::Graph => "Microsoft Graph security",
        }
    }

    /// Short, for chips in tables.
    pub const fn short(self) -> &'static str {
        match self {
            Self::DefenderXdr => "XDR",
            Self::DefenderEndpoint => "Endpoint",
            Self::CloudApps => "Cloud Apps",
            Self::Graph => "Graph",
        }
    }
}
