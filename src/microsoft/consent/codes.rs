//! What Entra's AADSTS numbers mean for an operator: who acts, and what to do.
//!
//! The numbers are those of Microsoft's page "Microsoft Entra authentication and authorization error codes". Microsoft may change them, so
//! each is a hint and anything unknown has a sensible answer.

use super::aadsts::{CREDENTIAL, DECLINED, LOST, NO_PRODUCT, PASSING, ROWS, UNKNOWN};
use crate::model::ConsentOutcome;

/// Who has to do something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// Us, in our app registration or configuration.
    Mssp,
    /// An administrator of the customer.
    Customer,
    /// Nobody: it is tried again.
    Automatic,
}

/// The next step, for both sides. Whole sentences without markup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remedy {
    pub who: Who,
    /// For our staff.
    pub staff: &'static str,
    /// For the customer's administrator: says nothing about us that they need not know.
    pub customer: &'static str,
}

/// Which alarm a failure belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Our secret, certificate or app: every tenant is hit, so it is one alarm for all.
    OurCredential,
    /// The app is not, or no longer, in this directory.
    ConsentLost,
    /// The directory does not have the product.
    NoLicence,
    /// Throttled or a passing fault: again later.
    Passing,
    /// Anything else that waits for a person.
    Other,
}

/// One failure, explained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meaning {
    /// How an attempt to consent ended by it.
    pub outcome: ConsentOutcome,
    pub trouble: Trouble,
    pub remedy: Remedy,
}

/// Explains a failure of Entra's by its number first and by its `error` word when the number is absent or unknown.
pub fn explain(aadsts: Option<u32>, error: &str) -> Meaning {
    aadsts.and_then(by_number).unwrap_or_else(|| by_word(error))
}

pub(in crate::microsoft) fn by_number(aadsts: u32) -> Option<Meaning> {
    ROWS.iter().find(|(numbers, _)| numbers.contains(&aadsts)).map(|(_, meaning)| *meaning)
}

fn by_word(error: &str) -> Meaning {
    match error {
        "access_denied" | "consent_required" | "permission_denied" => DECLINED,
        "unauthorized_client" | "invalid_grant" | "interaction_required" | "invalid_tenant" => LOST,
        "invalid_client" => CREDENTIAL,
        "invalid_resource" => NO_PRODUCT,
        "server_error" | "temporarily_unavailable" => PASSING,
        _ => UNKNOWN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ConsentOutcome::Declined;
    use Trouble::{ConsentLost, NoLicence, OurCredential, Passing};
    use Who::{Automatic, Customer, Mssp};

    #[test]
    fn no_number_stands_twice_and_every_row_says_what_to_do() {
        let mut seen = std::collections::BTreeSet::new();
        for (numbers, meaning) in ROWS {
            for number in *numbers {
                assert!(seen.insert(number), "{number} stands twice");
            }
            for text in [meaning.remedy.staff, meaning.remedy.customer] {
                assert!(text.ends_with('.') && text.len() > 30, "{text}");
            }
        }
    }

    #[test]
    fn every_documented_number_has_its_actor() {
        let table: &[(Who, &[u32])] = &[
            (Customer, &[65_001, 65_004, 650_052, 500_011, 50_001, 700_016, 700_011, 90_093, 90_094, 90_095, 50_105, 50_020]),
            (Customer, &[50_076, 50_079, 53_003, 530_032, 530_035, 500_212, 500_213, 500_021, 500_022, 54_005, 70_008, 700_082]),
            (Mssp, &[65_005, 650_056, 650_054, 650_057, 7_000_112, 70_001, 7_000_215, 7_000_222, 7_000_218, 700_025, 700_027]),
            (Mssp, &[700_030, 50_012, 500_133, 70_011, 28_002, 28_003, 700_022, 700_023, 900_144, 9_001_023, 90_019, 50_059]),
            (Mssp, &[900_023, 50_194, 90_002, 90_038, 900_382, 900_432, 900_941, 90_099, 50_011, 501_481, 50_147, 700_229, 901_002]),
            (Automatic, &[50_196, 90_055, 50_033, 90_006, 90_012, 90_024, 90_033, 90_090]),
        ];
        for (who, numbers) in table {
            for &number in *numbers {
                assert_eq!(by_number(number).map(|meaning| meaning.remedy.who), Some(*who), "{number}");
            }
        }
    }

    #[test]
    fn alarms_are_grouped() {
        for number in [7_000_215, 7_000_222, 7_000_218, 700_027, 50_012, 500_133, 7_000_112] {
            assert_eq!(explain(Some(number), "").trouble, OurCredential, "{number}");
        }
        for number in [700_016, 65_001, 50_105, 90_002] {
            assert_eq!(explain(Some(number), "").trouble, ConsentLost, "{number}");
        }
        for number in [650_052, 500_011] {
            assert_eq!(explain(Some(number), "").trouble, NoLicence, "{number}");
        }
    }

    #[test]
    fn the_number_comes_first_and_an_unknown_one_falls_back_to_the_word() {
        assert_eq!(explain(Some(65_004), "server_error").outcome, Declined);
        for word in ["access_denied", "consent_required", "permission_denied"] {
            assert_eq!(explain(None, word).outcome, Declined, "{word}");
        }
        assert_eq!(explain(Some(999_999), "invalid_client").trouble, OurCredential);
        assert_eq!(explain(Some(999_999), "something_new"), UNKNOWN);
        assert_eq!(explain(None, "temporarily_unavailable").trouble, Passing);
    }
}
