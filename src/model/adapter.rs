//! The two ways to the same incidents and alerts.

use super::Product;

super::words::words! {
    /// Which of Microsoft's APIs tells of a tenant's incidents and of its alerts of Defender for Endpoint.
    Adapter {
        /// Microsoft Graph security, which replaces the others: preferred where both are granted.
        Graph = "graph",
        /// The products' own APIs.
        Defender = "defender",
    }
}

impl Adapter {
    /// For people, within a sentence.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Graph => "Microsoft Graph security",
            Self::Defender => "the Defender APIs",
        }
    }

    /// What staff decide: an adapter, or `automatic` (also nothing at all) for what is granted.
    ///
    /// # Errors
    /// It is neither.
    pub fn parse_pin(text: &str) -> Result<Option<Self>, super::words::UnknownWord> {
        match text {
            "" | "automatic" => Ok(None),
            word => word.parse().map(Some),
        }
    }

    /// The adapters through which a product can be read, the preferred one first.
    pub const fn of(product: Product) -> &'static [Self] {
        match product {
            Product::DefenderXdr | Product::DefenderEndpoint => Self::ALL,
            Product::Graph => &[Self::Graph],
            Product::CloudApps => &[Self::Defender],
        }
    }

    /// The product whose API is asked, and whose permissions count, when `product` is read this way.
    pub const fn api(self, product: Product) -> Product {
        match self {
            Self::Graph => Product::Graph,
            Self::Defender => product,
        }
    }
}
