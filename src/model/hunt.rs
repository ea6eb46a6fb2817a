//! Words of advanced hunting.

super::words::words! {
    /// Which of Microsoft's three interfaces answers a hunting query.
    HuntApi {
        /// The best one that the tenant has granted: Graph, else Defender XDR, else Defender for Endpoint.
        Auto = "auto",
        Graph = "graph",
        Xdr = "defender_xdr",
        Endpoint = "defender_endpoint",
    }
}

impl HuntApi {
    /// For people.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Auto => "The best that is granted",
            Self::Graph => "Microsoft Graph security",
            Self::Xdr => "Defender XDR",
            Self::Endpoint => "Defender for Endpoint",
        }
    }
}

super::words::words! {
    /// What became of a hunt in one tenant.
    HuntOutcome {
        /// Its turn has not come, or Microsoft asked to wait.
        Waiting = "waiting",
        Running = "running",
        Ok = "ok",
        /// The query names a table that this tenant does not have: mostly a missing licence.
        NoSuchTable = "no_such_table",
        NoPermission = "no_permission",
        NoLicence = "no_licence",
        /// Microsoft said "too many requests" until our patience ended.
        Throttled = "throttled",
        /// The tenant's quota of computing stayed used up until our patience ended.
        Quota = "quota",
        TimeOut = "time_out",
        TooLarge = "too_large",
        /// Microsoft does not accept the query itself.
        Refused = "refused",
        Failed = "failed",
        Cancelled = "cancelled",
    }
}

impl HuntOutcome {
    /// For people.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Waiting => "Waiting",
            Self::Running => "Running",
            Self::Ok => "Answered",
            Self::NoSuchTable => "No such table here",
            Self::NoPermission => "No permission",
            Self::NoLicence => "No licence",
            Self::Throttled => "Throttled",
            Self::Quota => "Quota used up",
            Self::TimeOut => "Timed out",
            Self::TooLarge => "Too large",
            Self::Refused => "Query refused",
            Self::Failed => "Failed",
            Self::Cancelled => "Not asked",
        }
    }

    /// Whether nothing more will happen.
    pub const fn is_final(self) -> bool {
        !matches!(self, Self::Waiting | Self::Running)
    }

    /// What the hunter can do about it.
    pub const fn remedy(self) -> Option<&'static str> {
        Some(match self {
            Self::NoSuchTable => {
                "The product behind this table is not licensed or not set up in this tenant. Leave the tenant out, or use another table."
            }
            Self::NoPermission => "Ask the customer to consent to hunting: open the tenant and send a new link.",
            Self::NoLicence => "This customer does not have the product. Leave the tenant out.",
            Self::Throttled => "Run it again later, over this tenant alone.",
            Self::Quota => "Run it again later, over this tenant alone, with a shorter time or an earlier filter.",
            Self::TimeOut => "Narrow the query: filter by Timestamp first, then by the rarest column.",
            Self::TooLarge => "Narrow the query: project fewer columns, filter more, or summarize.",
            Self::Refused => "Correct the query and run it again.",
            Self::Failed => "Run it again; if it fails again, look at the tenant's page.",
            Self::Waiting | Self::Running | Self::Ok | Self::Cancelled => return None,
        })
    }
}

/// The most characters a query may have.
pub const LONGEST_QUERY: usize = 10_000;

/// Whether this may be sent as Graph's `Timespan`: an ISO 8601 duration, a start, or an interval of the two. Source: Microsoft's page
/// "security: runHuntingQuery".
pub fn is_timespan(text: &str) -> bool {
    let plain =
        |c: char| c.is_ascii_digit() || matches!(c, 'P' | 'T' | 'Z' | 'Y' | 'M' | 'W' | 'D' | 'H' | 'S' | ':' | '-' | '+' | '.' | '/');
    (2..=64).contains(&text.len()) && text.chars().all(plain) && (text.starts_with('P') || text.starts_with(|c: char| c.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timespan_is_a_duration_a_start_or_both() {
        for good in ["P30D", "PT12H", "2026-11-01T00:00:00Z/2026-11-02T00:00:00Z", "P7D/2026-11-02T00:00:00Z", "2026-11-01"] {
            assert!(is_timespan(good), "{good}");
        }
        for bad in ["", "P", "7d", "ago(7d)", "P7D\"}", "last week", "-P7D"] {
            assert!(!is_timespan(bad), "{bad}");
        }
    }

    #[test]
    fn whatever_went_wrong_has_a_remedy() {
        for outcome in HuntOutcome::ALL {
            let fine = matches!(outcome, HuntOutcome::Waiting | HuntOutcome::Running | HuntOutcome::Ok | HuntOutcome::Cancelled);
            assert_eq!(outcome.remedy().is_none(), fine, "{outcome}");
        }
    }
}
