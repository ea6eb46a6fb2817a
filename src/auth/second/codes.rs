//! Recovery codes: ten of 120 bits, shown once, each good once.

use crate::auth::secret;
use crate::model::UserId;
use crate::store::{Scoped, factors};
use secrecy::{ExposeSecret, SecretString};

const COUNT: usize = 10;
const LETTERS: usize = 24;
/// 32 signs of which no two look alike.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// Makes a new set for a user; the old one is void.
pub(super) async fn make(tx: &mut Scoped, user: UserId) -> anyhow::Result<Vec<SecretString>> {
    let codes = (0..COUNT).map(|_| random()).collect::<anyhow::Result<Vec<_>>>()?;
    let hashes: Vec<Vec<u8>> = codes.iter().map(hash).collect();
    factors::set_codes(tx, user, &hashes).await?;
    Ok(codes)
}

fn random() -> anyhow::Result<SecretString> {
    let mut bytes = [0_u8; LETTERS];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| anyhow::anyhow!("the operating system gives no random numbers"))?;
    let mut code = String::new();
    for (at, byte) in bytes.iter().enumerate() {
        if at > 0 && at % 4 == 0 {
            code.push('-');
        }
        code.push(char::from(ALPHABET[usize::from(byte % 32)]));
    }
    Ok(code.into())
}

/// Under what a code is stored, however it is written: with or without dashes and spaces, in capitals, with an O for a nought.
pub(super) fn hash(code: &SecretString) -> Vec<u8> {
    let plain = code.expose_secret().chars().filter(|c| !matches!(c, '-' | ' ')).map(|c| match c.to_ascii_lowercase() {
        'o' => '0',
        'i' | 'l' => '1',
        other => other,
    });
    secret::hash(&plain.take(100).collect::<String>().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_the_same_however_it_is_written_and_no_two_are_alike() {
        let code = random().unwrap();
        let text = code.expose_secret();
        assert_eq!((text.len(), text.matches('-').count()), (29, 5), "{text}");
        for same in [text.to_uppercase(), text.replace('-', ""), text.replace('-', " "), text.replace('0', "O").replace('1', "l")] {
            assert_eq!(hash(&same.clone().into()), hash(&code), "{same}");
        }
        assert_ne!(hash(&random().unwrap()), hash(&code));
        assert_ne!(hash(&text[..28].to_owned().into()), hash(&code));
    }
}
