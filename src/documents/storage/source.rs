//! The bytes to be written, counted and hashed as they pass.

use std::fmt;

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use sha2::{Digest as _, Sha256};

use super::{FILE_BYTES_MAX, StorageError};

/// SHA-256 of a file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Digest([u8; 32]);

pub struct Source<'a> {
    chunks: BoxStream<'a, Result<Bytes, StorageError>>,
    hash: Sha256,
    bytes: u64,
}

impl<'a> Source<'a> {
    pub fn new(chunks: BoxStream<'a, Result<Bytes, StorageError>>) -> Self {
        Self { chunks: chunks.fuse().boxed(), hash: Sha256::new(), bytes: 0 }
    }

    /// The next chunk; `None` at the end, again and again.
    ///
    /// # Errors
    /// What the producer said, or that there are more than [`FILE_BYTES_MAX`] bytes.
    pub async fn next(&mut self) -> Result<Option<Bytes>, StorageError> {
        let Some(chunk) = self.chunks.next().await.transpose()? else { return Ok(None) };
        self.hash.update(&chunk);
        self.bytes = self.bytes.saturating_add(chunk.len() as u64);
        if self.bytes > FILE_BYTES_MAX {
            return Err(StorageError::Permanent(format!("the file is longer than {FILE_BYTES_MAX} bytes")));
        }
        Ok(Some(chunk))
    }

    /// So far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Of all bytes so far.
    pub fn digest(&self) -> Digest {
        Digest::of(self.hash.clone())
    }
}

impl Digest {
    pub fn of(hash: Sha256) -> Self {
        Self(hash.finalize().into())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
