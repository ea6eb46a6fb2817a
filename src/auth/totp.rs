//! One-time codes of an app on a phone (RFC 6238): six digits, SHA-1, half a minute each, one step early or late.

use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret, SecretString};
use totp_rs::{Builder, Secret, Totp};

const BYTES: usize = 20;

/// A new key, in the letters that people can type into their app.
pub fn new_key() -> anyhow::Result<SecretString> {
    let mut bytes = [0_u8; BYTES];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| anyhow::anyhow!("the operating system gives no random numbers"))?;
    Ok(Secret::from(bytes).to_base32().into())
}

/// What an app reads from the QR code.
pub fn address(key: &SecretString, login: &str) -> anyhow::Result<SecretString> {
    Ok(totp(key, login)?.to_url()?.into())
}

/// The time step of a code, if it is one of these minutes. Spaces count for nothing; digits are those of ASCII.
pub fn step(key: &SecretString, code: &str, now: DateTime<Utc>) -> anyhow::Result<Option<i64>> {
    let code: String = code.chars().filter(|c| *c != ' ' && *c != '\u{a0}').collect();
    if code.len() != 6 || !code.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(None);
    }
    let seconds = u64::try_from(now.timestamp())?;
    Ok(totp(key, "anybody")?.check(&code, seconds).map(i64::try_from).transpose()?)
}

fn totp(key: &SecretString, login: &str) -> anyhow::Result<Totp> {
    let secret = Secret::try_from_base32(key.expose_secret()).map_err(|_| anyhow::anyhow!("a key of one-time codes cannot be read"))?;
    // A colon parts the issuer from the account.
    Ok(Builder::new().with_secret(secret).with_account_name(login.replace(':', ".")).with_issuer(Some("Watchfloor")).build()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// "12345678901234567890", the key of RFC 6238.
    const KEY: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    #[test]
    fn a_code_is_good_for_its_step_and_one_before_and_after() {
        let key = SecretString::from(KEY);
        let step = |code, seconds| step(&key, code, at(seconds)).unwrap();
        // The last six digits of the RFC's 94287082 at 59 s, which is step 1.
        for (seconds, found) in [(59, Some(1)), (30, Some(1)), (29, Some(1)), (0, Some(1)), (89, Some(1)), (90, None), (120, None)] {
            assert_eq!(step("287082", seconds), found, "{seconds}");
        }
        assert_eq!(step(" 287 082 ", 59), Some(1));
        assert_eq!(step("081804", 1_111_111_109), Some(37_037_036));
    }

    #[test]
    fn anything_but_six_digits_of_ours_is_no_code() {
        let key = SecretString::from(KEY);
        for bad in ["", "28708", "2870820", "28708x", "٢٨٧٠٨٢", "２８７０８２", "287-082", "+287082", "287\n082", "94287082"] {
            assert_eq!(step(&key, bad, at(59)).unwrap(), None, "{bad:?}");
        }
    }

    #[test]
    fn a_key_has_160_bits_and_its_address_names_us_and_the_account() {
        let key = new_key().unwrap();
        assert_eq!(key.expose_secret().len(), 32);
        assert_ne!(key.expose_secret(), new_key().unwrap().expose_secret());
        let address = address(&key, "ann:example@example.com").unwrap();
        let expected = format!("otpauth://totp/Watchfloor:ann.example%40example.com?secret={}&issuer=Watchfloor", key.expose_secret());
        assert_eq!(address.expose_secret(), expected);
    }
}
