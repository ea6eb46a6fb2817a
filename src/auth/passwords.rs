//! Passwords: argon2id, hashed off the async threads, at most one per core at a time.

use argon2::password_hash::phc::{Output, PasswordHash};
use argon2::{Algorithm, Argon2, Block, Params, PasswordHasher, Version};
use secrecy::{ExposeSecret, SecretString};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Semaphore;
use zxcvbn::Score;

/// How many may wait for a free core before we say that we are busy.
const QUEUE: usize = 32;

/// Memory in KiB, passes and lanes: OWASP's Password Storage Cheat Sheet.
const COST: (u32, u32, u32) = (19 * 1024, 2, 1);

/// What an unknown login is checked against, so that it takes as long as a known one. The password it was made of is random and forgotten.
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5bm9ib2R5bm9ibw$pGKHPjJLm1NbKkkqJyfZ7d3EE9fGZQ0HwCYBfbMyk0A";

/// Why no answer was given.
#[derive(Debug, thiserror::Error)]
pub enum HashError {
    /// Too many sign-ins at once.
    #[error("too many passwords are being checked")]
    Busy,
    #[error(transparent)]
    Other(#[from] anyhow::Error),
}

/// Hashes and verifies. Cheap to clone; clones share the limit.
#[derive(Clone, Debug)]
pub struct Hasher {
    cores: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    memory: Memory,
}

/// What verifying works in, kept for the next time: 19 MiB for each core. Taken from the allocator and given back each time, so much of it
/// lies between smaller pieces in the end that a process under attack grew to four times its size.
#[derive(Clone, Debug, Default)]
struct Memory(Arc<Mutex<Vec<Vec<Block>>>>);

impl Memory {
    /// Does something in so many blocks, which hold nothing of it afterwards.
    fn lend<T>(&self, blocks: usize, work: impl FnOnce(&mut [Block]) -> T) -> T {
        let kept = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut own = kept().pop().unwrap_or_default();
        own.resize(blocks, Block::default());
        let done = work(&mut own);
        own.fill(Block::default());
        kept().push(own);
        done
    }
}

impl Default for Hasher {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self { cores: Arc::new(Semaphore::new(cores)), waiting: Arc::new(Semaphore::new(cores + QUEUE)), memory: Memory::default() }
    }
}

impl Hasher {
    /// The PHC string of a password, with a random salt.
    pub async fn hash(&self, password: &SecretString) -> Result<String, HashError> {
        let password = password.clone();
        self.run(move || Ok(argon2()?.hash_password(password.expose_secret().as_bytes()).map_err(wrong)?.to_string())).await
    }

    /// Whether a hash was made at another cost than today's.
    pub fn is_old(hash: &str) -> bool {
        let (memory, passes, lanes) = COST;
        !hash.starts_with(&format!("$argon2id$v=19$m={memory},t={passes},p={lanes}$"))
    }

    /// Whether the password belongs to the hash. Without a hash the answer is no, after the same work.
    pub async fn verify(&self, password: &SecretString, hash: Option<String>) -> Result<bool, HashError> {
        let (password, memory) = (password.clone(), self.memory.clone());
        self.run(move || {
            let parsed = PasswordHash::new(hash.as_deref().unwrap_or(NOBODY)).map_err(wrong)?;
            let matches = is_hash_of(&parsed, &password, &memory).map_err(wrong)?;
            Ok(matches && hash.is_some())
        })
        .await
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> anyhow::Result<T> + Send + 'static) -> Result<T, HashError> {
        let _place = self.waiting.try_acquire().map_err(|_| HashError::Busy)?;
        let core = Arc::clone(&self.cores).acquire_owned().await.map_err(anyhow::Error::from)?;
        // The permit goes along: a request that is dropped does not free a core that still works.
        let answer = tokio::task::spawn_blocking(move || {
            let _core = core;
            work()
        });
        Ok(answer.await.map_err(anyhow::Error::from)??)
    }
}

fn argon2() -> anyhow::Result<Argon2<'static>> {
    let (memory, passes, lanes) = COST;
    let params = Params::new(memory, passes, lanes, None).map_err(|error| anyhow::anyhow!("argon2: {error}"))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

/// Whether a hash, made at whatever cost, is that of a password. Compared in constant time, by [`Output`].
fn is_hash_of(parsed: &PasswordHash, password: &SecretString, memory: &Memory) -> argon2::password_hash::Result<bool> {
    let (Some(salt), Some(expected)) = (&parsed.salt, &parsed.hash) else { return Ok(false) };
    let version = parsed.version.map(Version::try_from).transpose()?.unwrap_or_default();
    let params = Params::try_from(parsed)?;
    let blocks = params.block_count();
    let argon2 = Argon2::new(Algorithm::try_from(parsed.algorithm.as_str())?, version, params);
    let mut found = vec![0; expected.len()];
    memory.lend(blocks, |blocks| argon2.hash_password_into_with_memory(password.expose_secret().as_bytes(), salt, &mut found, blocks))?;
    Ok(Output::new(&found)? == *expected)
}

fn wrong(error: impl std::fmt::Display) -> anyhow::Error {
    anyhow::anyhow!("password hash: {error}")
}

/// A guesser who tries what people choose needs at least ten to the power of eight tries for a password with this score (of 0 to 4).
const GOOD: Score = Score::Three;
/// Looking longer would take longer than hashing; what comes behind only makes it better.
const LOOKED_AT: usize = 64;

/// Whether a new password is good enough; if not, a sentence for the person who chose it. `context` is what an attacker would
/// try first: login, name. Common and leaked passwords, names, words, dates, and rows of keys are known to `zxcvbn`, without any network.
pub fn check_new(password: &SecretString, context: &[&str]) -> Result<(), &'static str> {
    let text = password.expose_secret();
    let length = text.chars().count();
    if length < 15 {
        return Err("The password needs at least 15 characters. A few unrelated words are a good choice.");
    }
    if length > 128 {
        return Err("The password may have at most 128 characters.");
    }
    let own = context.iter().flat_map(|words| words.split(|c: char| !c.is_alphanumeric()).chain([*words]));
    let known: Vec<&str> = own.filter(|word| word.chars().count() >= 3).chain(["watchfloor"]).collect();
    let start: String = text.chars().take(LOOKED_AT).collect();
    // What is left without one's own words must be a secret by itself.
    let mut rest = text.to_lowercase();
    for word in &known {
        rest = rest.replace(&word.to_lowercase(), "");
    }
    if rest.chars().count() < 8 || zxcvbn::zxcvbn(&start, &known).score() < GOOD {
        return Err("That password is easy to guess: it is mostly common words, repetition, or your own name.");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_long_common_and_personal_passwords_are_refused() {
        let check = |text: &str| check_new(&text.to_owned().into(), &["ada.lovelace@example.com", "Ada Lovelace"]);
        assert!(check("correct horse battery").is_ok());
        for bad in [
            "tooshort",
            "aaaaaaaaaaaaaaaaaaaa",
            "passwordpassword123",
            "AdaLovelace-1234",
            &"x1y2z".repeat(30),
            "123456789012345",
            "qwertyuiopasdfg",
            "administrator123",
            "1q2w3e4r5t6y7u8i",
            "abcabcabcabcabcabc",
        ] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }

    #[tokio::test]
    async fn a_password_matches_its_own_hash_and_nobodys_matches_none() {
        let hasher = Hasher::default();
        let password = SecretString::from("correct horse battery");
        let hash = hasher.hash(&password).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert!(hasher.verify(&password, Some(hash.clone())).await.unwrap());
        assert!(!hasher.verify(&"wrong horse battery".to_owned().into(), Some(hash)).await.unwrap());
        assert!(!hasher.verify(&password, None).await.unwrap());
    }

    #[tokio::test]
    async fn hashes_of_other_costs_and_kinds_are_verified_in_the_same_memory_and_none_of_it_is_left() {
        let hasher = Hasher::default();
        let password = SecretString::from("correct horse battery");
        let cheap = |algorithm| {
            let argon2 = Argon2::new(algorithm, Version::V0x13, Params::new(64, 1, 1, None).unwrap());
            argon2.hash_password(password.expose_secret().as_bytes()).unwrap().to_string()
        };
        for hash in
            [hasher.hash(&password).await.unwrap(), cheap(Algorithm::Argon2id), cheap(Algorithm::Argon2i), cheap(Algorithm::Argon2id)]
        {
            assert!(hasher.verify(&password, Some(hash.clone())).await.unwrap(), "{hash}");
            assert!(!hasher.verify(&"wrong horse battery".to_owned().into(), Some(hash)).await.unwrap());
            let kept = hasher.memory.0.lock().unwrap();
            assert!(kept.len() == 1 && kept[0].iter().all(|block| block.as_ref().iter().all(|word| *word == 0)));
        }
        for broken in [
            "$argon2id$v=19$m=64,t=1,p=1",
            "$argon2id$v=19$m=64,t=1,p=1$bm9ib2R5bm9ib2R5",
            "$scrypt$ln=1$bm9ib2R5bm9ib2R5$bm9ib2R5bm9ib2R5",
            "x",
        ] {
            assert!(!hasher.verify(&password, Some(broken.to_owned())).await.unwrap_or(false), "{broken}");
        }
    }
}
