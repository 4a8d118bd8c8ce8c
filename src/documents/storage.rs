//! Where files of exports stay: a folder, or a bucket of S3.
//!
//! A name is written once. Asked again, the same bytes get the same URL; other bytes than there are refused, and what is
//! there stays. Nobody sees half a file: it appears when it is whole. A writer that is killed leaves at most a hidden
//! file `.florin-*` in a folder, and an unfinished upload in a bucket, which a rule of the bucket
//! (AbortIncompleteMultipartUpload) removes.

mod bucket;
mod folder;
mod source;

use std::path::Path;

use bytes::Bytes;
use futures::{Stream, StreamExt, TryStreamExt};

use self::bucket::Bucket;
use self::folder::Folder;
use self::source::{Digest, Source};
use super::words::said;

pub use bucket::BucketConfig;

/// A folder or a bucket.
pub struct Storage {
    place: Place,
}

enum Place {
    Folder(Folder),
    Bucket(Box<Bucket>),
}

/// A file that is there now, whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// `s3://bucket/exports/name` or `file:///folder/name`.
    pub url: String,
    pub bytes: u64,
    pub outcome: Outcome,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Written,
    /// With these bytes, from an earlier time.
    AlreadyThere,
}

/// Why a file is not there, or not with these bytes. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StorageError {
    /// Another attempt can help.
    #[error("{0}")]
    Transient(String),
    /// No attempt can help until somebody changes the settings, the rights or the name.
    #[error("{0}")]
    Permanent(String),
    /// Something else has the name.
    #[error("{url} is there with other bytes: their SHA-256 is {there}, not {new}")]
    Differs { url: String, there: String, new: String },
    /// The producer failed.
    #[error("the content could not be made: {0}")]
    Source(String),
}

/// Characters of a name.
pub const NAME_MAX: usize = 128;
/// Bytes of a file, as many as a bucket takes in its parts: 78 GiB.
pub const FILE_BYTES_MAX: u64 = (bucket::PARTS_MAX * bucket::PART_BYTES) as u64;

/// Whether a file was written, or its name was taken in the meantime.
enum Created {
    New,
    Taken,
}

impl Storage {
    /// A folder; made if it is not there.
    ///
    /// # Errors
    /// When there can be no such folder.
    pub async fn folder(path: &Path) -> Result<Self, StorageError> {
        Ok(Self { place: Place::Folder(Folder::open(path).await?) })
    }

    /// A bucket; it does not connect yet.
    ///
    /// # Errors
    /// When the settings cannot be used.
    pub fn bucket(config: BucketConfig) -> Result<Self, StorageError> {
        Ok(Self { place: Place::Bucket(Box::new(Bucket::new(config)?)) })
    }

    /// Writes a file of this name unless there is one; needs the memory of two parts (16 MiB) and of one chunk. Dropped
    /// before its end, it writes nothing.
    ///
    /// # Errors
    /// [`StorageError::Differs`] when other bytes have the name; [`StorageError::Source`] when the chunks end in an error;
    /// else [`StorageError::Transient`] or [`StorageError::Permanent`].
    pub async fn put_once<E: std::fmt::Display>(
        &self,
        name: &str,
        content_type: &str,
        chunks: impl Stream<Item = Result<Bytes, E>> + Send,
    ) -> Result<Stored, StorageError> {
        checked(name)?;
        let url = self.place.url(name);
        let mut source = Source::new(chunks.map_err(|error| StorageError::Source(said(&error.to_string()))).boxed());
        let there = match self.place.digest(name).await? {
            Some(there) => there, // nothing is sent, only compared
            None => match self.place.create(name, content_type, &mut source).await? {
                Created::New => return Ok(Stored { url, bytes: source.bytes(), outcome: Outcome::Written }),
                Created::Taken => self.place.digest(name).await?.ok_or_else(|| taken(&url))?,
            },
        };
        while source.next().await?.is_some() {}
        let new = source.digest();
        if there != new {
            return Err(StorageError::Differs { url, there: there.to_string(), new: new.to_string() });
        }
        Ok(Stored { url, bytes: source.bytes(), outcome: Outcome::AlreadyThere })
    }
}

impl Place {
    fn url(&self, name: &str) -> String {
        match self {
            Self::Folder(folder) => folder.url(name),
            Self::Bucket(bucket) => bucket.url(name),
        }
    }

    /// Of the file that has the name, if one has it.
    async fn digest(&self, name: &str) -> Result<Option<Digest>, StorageError> {
        match self {
            Self::Folder(folder) => folder.digest(name).await,
            Self::Bucket(bucket) => bucket.digest(name).await,
        }
    }

    async fn create(&self, name: &str, content_type: &str, source: &mut Source<'_>) -> Result<Created, StorageError> {
        match self {
            Self::Folder(folder) => folder.create(name, source).await,
            Self::Bucket(bucket) => bucket.create(name, content_type, source).await,
        }
    }
}

impl StorageError {
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Transient(_))
    }
}

fn taken(url: &str) -> StorageError {
    StorageError::Transient(format!("another writer is at {url}, or it was just removed"))
}

/// No path, nothing hidden, nothing that a URL would have to escape.
fn checked(name: &str) -> Result<(), StorageError> {
    let fits = (1..=NAME_MAX).contains(&name.len())
        && !name.starts_with('.')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
    if fits {
        Ok(())
    } else {
        Err(StorageError::Permanent(format!(
            "name {:?} is not 1 to {NAME_MAX} of A-Z, a-z, 0-9, `.`, `_` and `-`, with no dot before them",
            said(name)
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_no_path() {
        for name in ["invoices_2026-11-20.csv", "a", &"a".repeat(NAME_MAX), "a..b"] {
            assert_eq!(checked(name), Ok(()), "{name}");
        }
        let long = "a".repeat(NAME_MAX + 1);
        for name in ["", ".", "..", ".hidden", "../a", "a/b", "a\\b", "a b", "a%2fb", "\u{e4}", "a\0", &long] {
            assert!(matches!(checked(name), Err(StorageError::Permanent(_))), "{name:?}");
        }
    }
}
