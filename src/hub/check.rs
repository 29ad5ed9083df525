//! Sizes and hashes: whether a file is the one that the hub states.

use super::HubCause;
use super::server::Stated;
use ring::digest::{Context, Digest, SHA1_FOR_LEGACY_USE_ONLY, SHA256};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// What has been seen of a file. The ETag of a large file is the SHA-256 of its bytes, that of others the
/// SHA-1 of Git's blob; of ETags of any other form nothing is known, and the size alone counts.
pub(super) struct Check<'a> {
    stated: &'a Stated,
    hash: Option<Context>,
}

impl<'a> Check<'a> {
    pub(super) fn new(stated: &'a Stated) -> Check<'a> {
        let hex = stated.etag.bytes().all(|b| b.is_ascii_hexdigit());
        let hash = match stated.etag.len() {
            64 if hex => Some(Context::new(&SHA256)),
            40 if hex => {
                let mut hash = Context::new(&SHA1_FOR_LEGACY_USE_ONLY);
                hash.update(format!("blob {}\0", stated.size).as_bytes());
                Some(hash)
            }
            _ => None,
        };
        Check { stated, hash }
    }

    /// Whether bytes that are wrong are found to be.
    pub(super) fn has_hash(&self) -> bool {
        self.hash.is_some()
    }

    /// The next bytes.
    pub(super) fn update(&mut self, bytes: &[u8]) {
        if let Some(hash) = &mut self.hash {
            hash.update(bytes);
        }
    }

    /// All that a file has from where it is.
    pub(super) fn read(&mut self, file: &mut File) -> io::Result<()> {
        let mut block = vec![0; 1 << 16];
        loop {
            match file.read(&mut block) {
                Ok(0) => return Ok(()),
                Ok(n) => self.update(&block[..n]),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
    }

    /// Compares with what is stated.
    pub(super) fn finish(self) -> Result<(), HubCause> {
        let hex = |d: Digest| d.as_ref().iter().map(|b| format!("{b:02x}")).collect::<String>();
        match self.hash.map(|h| hex(h.finish())) {
            Some(received) if !received.eq_ignore_ascii_case(&self.stated.etag) => {
                Err(HubCause::Hash { stated: self.stated.etag.clone(), received })
            }
            _ => Ok(()),
        }
    }
}

/// Whether that file is there, with that size and hash.
pub(super) fn is_whole(path: &Path, stated: &Stated) -> bool {
    let whole = || -> io::Result<bool> {
        let mut file = File::open(path)?;
        if file.metadata()?.len() != stated.size {
            return Ok(false);
        }
        let mut check = Check::new(stated);
        check.read(&mut file)?;
        Ok(check.finish().is_ok())
    };
    whole().unwrap_or(false)
}
