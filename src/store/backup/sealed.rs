//! A file that is written and read as a stream of sealed pieces, so that it may be of any size: STREAM over XChaCha20-Poly1305, under a key of its
//! own that is derived from a master key. Pieces cannot be changed, reordered, left out or cut off at the end without being noticed.
//!
//! The file begins with a line in clear: its form, the id of the master key, and the salt. Every piece is bound to that line.

use crate::model::hex;
use crate::store::vault::Vault;
use aead_stream::aead::Payload;
use aead_stream::{DecryptorBE32, EncryptorBE32};
use anyhow::{Context, Result, anyhow, bail};
use aws_lc_rs::rand;
use chacha20poly1305::XChaCha20Poly1305;
use secrecy::ExposeSecret;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

const FORM: &str = "watchfloor-backup-1";
/// What a key is derived for.
const PURPOSE: &str = "watchfloor backup";
const SALT: usize = 32;
/// The clear bytes of a piece; the last one may have fewer.
const PIECE: usize = 64 * 1024;
/// What sealing adds to a piece.
const TAG: usize = 16;
/// A first line is not longer.
const LONGEST_LINE: u64 = 200;
/// The key is new for each file, so the nonce may be the same.
const NONCE: [u8; 19] = [0; 19];

/// Seals what is pushed, piece by piece.
pub struct Sealer<W> {
    out: W,
    cipher: EncryptorBE32<XChaCha20Poly1305>,
    line: String,
    piece: Vec<u8>,
}

impl<W: AsyncWrite + Unpin> Sealer<W> {
    /// Begins a file under the vault's first key.
    pub async fn begin(mut out: W, vault: &Vault) -> Result<Self> {
        let kid = vault.first().context("there is no master key")?;
        let mut salt = [0_u8; SALT];
        rand::fill(&mut salt).map_err(|_| anyhow!("the operating system gives no random numbers"))?;
        let line = format!("{FORM} {kid} {}", hex::encode(&salt));
        let key = vault.derived(kid, PURPOSE, &salt)?;
        out.write_all(format!("{line}\n").as_bytes()).await?;
        let cipher = EncryptorBE32::new(key.expose_secret().into(), &NONCE.into());
        Ok(Self { out, cipher, line, piece: Vec::with_capacity(PIECE) })
    }

    pub async fn push(&mut self, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            if self.piece.len() == PIECE {
                let payload = Payload { msg: &self.piece, aad: self.line.as_bytes() };
                let sealed = self.cipher.encrypt_next(payload).map_err(|_| anyhow!("the backup is too large"))?;
                self.out.write_all(&sealed).await?;
                self.piece.clear();
            }
            let (now, later) = bytes.split_at(bytes.len().min(PIECE - self.piece.len()));
            self.piece.extend_from_slice(now);
            bytes = later;
        }
        Ok(())
    }

    /// Without this the file does not open.
    pub async fn finish(mut self) -> Result<W> {
        let payload = Payload { msg: &self.piece, aad: self.line.as_bytes() };
        let sealed = self.cipher.encrypt_last(payload).map_err(|_| anyhow!("the backup is too large"))?;
        self.out.write_all(&sealed).await?;
        self.out.flush().await?;
        Ok(self.out)
    }
}

/// Opens such a file piece by piece.
pub struct Opener<R> {
    from: R,
    /// None once the last piece is opened.
    cipher: Option<DecryptorBE32<XChaCha20Poly1305>>,
    line: String,
    next: Vec<u8>,
}

impl<R: AsyncBufRead + Unpin> Opener<R> {
    /// Reads the first line, and finds its key.
    pub async fn begin(mut from: R, vault: &Vault) -> Result<Self> {
        let mut line = String::new();
        let read = (&mut from).take(LONGEST_LINE).read_line(&mut line).await;
        let parts: Vec<&str> = line.trim_end_matches('\n').split(' ').collect();
        let (Ok(_), [FORM, kid, salt]) = (read, &parts[..]) else {
            bail!("this is no backup of Watchfloor's, or of another version's form")
        };
        let key = vault
            .derived(kid, PURPOSE, &hex::decode(salt).context("the first line is damaged")?)
            .with_context(|| format!("this backup is sealed with the master key {kid}: put its file into `key_files`"))?;
        let cipher = Some(DecryptorBE32::new(key.expose_secret().into(), &NONCE.into()));
        let line = line.trim_end_matches('\n').to_owned();
        let next = piece(&mut from).await?;
        Ok(Self { from, cipher, line, next })
    }

    /// The next clear piece; `None` after the last.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>> {
        let Some(mut cipher) = self.cipher.take() else { return Ok(None) };
        let damaged = |_| anyhow!("it is damaged, or not whole");
        let later = if self.next.len() == PIECE + TAG { piece(&mut self.from).await? } else { Vec::new() };
        let payload = Payload { msg: &self.next, aad: self.line.as_bytes() };
        if later.is_empty() {
            return cipher.decrypt_last(payload).map(Some).map_err(damaged);
        }
        let opened = cipher.decrypt_next(payload).map_err(damaged)?;
        self.cipher = Some(cipher);
        self.next = later;
        Ok(Some(opened))
    }
}

/// The bytes of a sealed piece: all of them, or what is left of the file.
async fn piece(from: &mut (impl AsyncRead + Unpin)) -> Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(PIECE + TAG);
    from.take((PIECE + TAG) as u64).read_to_end(&mut bytes).await.context("it cannot be read")?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::vault::keys::MasterKey;

    fn vault() -> Vault {
        Vault::new(vec![MasterKey::random().unwrap()])
    }

    async fn sealed(vault: &Vault, clear: &[u8]) -> Vec<u8> {
        let mut sealer = Sealer::begin(Vec::new(), vault).await.unwrap();
        for some in clear.chunks(100_001) {
            sealer.push(some).await.unwrap();
        }
        sealer.finish().await.unwrap()
    }

    async fn opened(vault: &Vault, file: &[u8]) -> Result<Vec<u8>> {
        let mut opener = Opener::begin(file, vault).await?;
        let mut clear = Vec::new();
        while let Some(piece) = opener.next().await? {
            clear.extend(piece);
        }
        Ok(clear)
    }

    #[tokio::test]
    async fn what_is_sealed_opens_again_whatever_its_length() {
        let vault = vault();
        for length in [0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE, 3 * PIECE + 7] {
            let clear: Vec<u8> = (0..251).cycle().take(length).collect();
            let file = sealed(&vault, &clear).await;
            assert_eq!(opened(&vault, &file).await.unwrap(), clear, "{length}");
        }
    }

    #[tokio::test]
    async fn a_file_that_is_cut_changed_longer_or_in_another_order_does_not_open() {
        let vault = vault();
        let clear = vec![7_u8; 3 * PIECE];
        let file = sealed(&vault, &clear).await;
        let begin = file.iter().position(|byte| *byte == b'\n').unwrap() + 1;
        let whole = PIECE + TAG;
        assert_eq!(file.len(), begin + 3 * whole);
        let swapped =
            [&file[..begin], &file[begin + whole..begin + 2 * whole], &file[begin..begin + whole], &file[begin + 2 * whole..]].concat();
        let mut changed = file.clone();
        changed[begin + whole + 9] ^= 1;
        let mut other_salt = file.clone();
        other_salt[begin - 2] = if file[begin - 2] == b'0' { b'1' } else { b'0' };
        let longer = [&file[..], b"x"].concat();
        let ends = [file.len() - 1, begin + 2 * whole, begin + whole, begin, begin - 1, 5, 0].map(|end| file[..end].to_vec());
        for broken in ends.into_iter().chain([swapped, changed, other_salt, longer]) {
            assert!(opened(&vault, &broken).await.is_err(), "{} bytes", broken.len());
        }
    }

    #[tokio::test]
    async fn without_its_key_a_file_says_which_one_it_needs() {
        let (its, another) = (vault(), vault());
        let file = sealed(&its, b"a customer's secret").await;
        assert!(!file.windows(8).any(|some| some == b"customer"));
        let error = format!("{:#}", opened(&another, &file).await.unwrap_err());
        assert!(error.contains(its.first().unwrap()) && error.contains("key_files"), "{error}");
    }
}
