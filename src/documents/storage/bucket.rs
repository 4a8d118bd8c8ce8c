//! Files in a bucket of S3. What fits into one part is put at once, the rest in parts; either appears only where
//! nothing has its key (`If-None-Match: *`).
//!
//! The library completes an upload in parts without a condition. Its completion therefore goes through a client that has
//! the condition among its default headers, and does nothing else.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::TryStreamExt;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::multipart::{MultipartStore, PartId};
use object_store::path::Path;
use object_store::{
    Attribute, Attributes, BackoffConfig, ClientOptions, Error, HeaderMap, HeaderValue, MultipartId, ObjectStore,
    ObjectStoreExt, PutMode, PutOptions, RetryConfig,
};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest as _, Sha256};

use super::{Created, Digest, Source, StorageError};
use crate::documents::words::said;

/// A bucket, and who writes into it.
#[derive(Clone)]
pub struct BucketConfig {
    pub region: String,
    pub bucket: String,
    pub key_id: SecretString,
    pub secret: SecretString,
    /// Of a server that speaks S3 and is not Amazon's.
    pub endpoint: Option<String>,
    /// Before each name, with the slash: `exports/`.
    pub prefix: String,
}

pub struct Bucket {
    name: String,
    prefix: String,
    store: AmazonS3,
    /// The same bucket; whatever it asks for is done only if the key is free.
    if_free: AmazonS3,
}

/// Bytes of a part; S3 wants 5 MiB at least, but for the last one.
pub const PART_BYTES: usize = 8 << 20;
/// Parts that S3 takes.
pub const PARTS_MAX: usize = 10_000;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// For one request: a part over 1.1 Mbit/s.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);
/// Repeats of one request, and the time after which there are no more.
const RETRIES_MAX: usize = 3;
const RETRY_WITHIN: Duration = Duration::from_secs(120);

impl Bucket {
    pub fn new(config: BucketConfig) -> Result<Self, StorageError> {
        let _ = rustls::crypto::ring::default_provider().install_default(); // of a second installation nobody need hear
        if config.bucket.is_empty() {
            return Err(StorageError::Permanent("the bucket has no name".into()));
        }
        let mut free = HeaderMap::new();
        free.insert("if-none-match", HeaderValue::from_static("*"));
        let store = client(&config, ClientOptions::new())?;
        let if_free = client(&config, ClientOptions::new().with_default_headers(free))?;
        Path::parse(&config.prefix)
            .map_err(|error| StorageError::Permanent(format!("prefix {:?}: {error}", config.prefix)))?;
        Ok(Self { name: config.bucket, prefix: config.prefix, store, if_free })
    }

    pub fn url(&self, name: &str) -> String {
        format!("s3://{}/{}{name}", self.name, self.prefix)
    }

    pub async fn digest(&self, name: &str) -> Result<Option<Digest>, StorageError> {
        let found = match self.store.get(&self.key(name)).await {
            Ok(found) => found,
            // also if there is no bucket: writing says so
            Err(Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(failed(&error)),
        };
        let mut hash = Sha256::new();
        let mut chunks = found.into_stream();
        while let Some(chunk) = chunks.try_next().await.map_err(|error| failed(&error))? {
            hash.update(&chunk);
        }
        Ok(Some(Digest::of(hash)))
    }

    pub async fn create(
        &self,
        name: &str,
        content_type: &str,
        source: &mut Source<'_>,
    ) -> Result<Created, StorageError> {
        let key = self.key(name);
        let attributes = Attributes::from_iter([(Attribute::ContentType, content_type.to_owned())]);
        let mut parts = Parts { source, rest: Bytes::new() };
        let first = parts.next().await?.unwrap_or_default();
        if first.len() < PART_BYTES {
            let options = PutOptions { mode: PutMode::Create, attributes, ..PutOptions::default() };
            return created(self.store.put_opts(&key, first.into(), options).await.map(drop));
        }
        let upload = self.store.create_multipart_opts(&key, attributes.into()).await.map_err(|error| failed(&error))?;
        let created = self.upload(&key, &upload, first, parts).await;
        if !matches!(created, Ok(Created::New)) {
            // its own failure would only hide the first one, and the rule of the bucket removes what is left
            let _ = self.store.abort_multipart(&key, &upload).await;
        }
        created
    }

    async fn upload(
        &self,
        key: &Path,
        upload: &MultipartId,
        first: Bytes,
        mut parts: Parts<'_, '_>,
    ) -> Result<Created, StorageError> {
        let (mut done, mut next) = (Vec::<PartId>::new(), Some(first));
        while let Some(part) = next {
            let sent = self.store.put_part(key, upload, done.len(), part.into()).await;
            done.push(sent.map_err(|error| failed(&error))?);
            next = parts.next().await?;
        }
        created(self.if_free.complete_multipart(key, upload, done).await.map(drop))
    }

    fn key(&self, name: &str) -> Path {
        Path::from(format!("{}{name}", self.prefix))
    }
}

/// Chunks of any size as parts of [`PART_BYTES`], the last one shorter.
struct Parts<'s, 'a> {
    source: &'s mut Source<'a>,
    /// Of the chunk that began the next part.
    rest: Bytes,
}

impl Parts<'_, '_> {
    async fn next(&mut self) -> Result<Option<Bytes>, StorageError> {
        let mut part = BytesMut::new();
        loop {
            let missing = PART_BYTES - part.len();
            part.extend_from_slice(&self.rest.split_to(missing.min(self.rest.len())));
            if part.len() == PART_BYTES {
                return Ok(Some(part.freeze()));
            }
            match self.source.next().await? {
                Some(chunk) => self.rest = chunk,
                None if part.is_empty() => return Ok(None),
                None => return Ok(Some(part.freeze())),
            }
        }
    }
}

fn client(config: &BucketConfig, options: ClientOptions) -> Result<AmazonS3, StorageError> {
    let options = options.with_connect_timeout(CONNECT_TIMEOUT).with_timeout(REQUEST_TIMEOUT);
    let retry =
        RetryConfig { backoff: BackoffConfig::default(), max_retries: RETRIES_MAX, retry_timeout: RETRY_WITHIN };
    let mut builder = AmazonS3Builder::new()
        .with_client_options(options)
        .with_retry(retry)
        .with_region(&config.region)
        .with_bucket_name(&config.bucket)
        .with_access_key_id(config.key_id.expose_secret())
        .with_secret_access_key(config.secret.expose_secret());
    if let Some(endpoint) = &config.endpoint {
        builder = builder.with_endpoint(endpoint).with_allow_http(endpoint.starts_with("http://"));
    }
    builder.build().map_err(|error| StorageError::Permanent(said(&error.to_string())))
}

/// A key that was taken is no failure; nor is an upload of which S3 knows nothing any more, as after an answer that was
/// lost: what is there decides.
fn created(done: Result<(), Error>) -> Result<Created, StorageError> {
    match done {
        Ok(()) => Ok(Created::New),
        Err(Error::AlreadyExists { .. } | Error::Precondition { .. } | Error::NotModified { .. }) => Ok(Created::Taken),
        Err(Error::NotFound { source, .. }) if source.to_string().contains("NoSuchUpload") => Ok(Created::Taken),
        Err(error) => Err(failed(&error)),
    }
}

fn failed(error: &Error) -> StorageError {
    let mut words = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let cause_said = cause.to_string();
        if !words.contains(&cause_said) {
            words = format!("{words}: {cause_said}");
        }
        source = cause.source();
    }
    let words = said(&words);
    match error {
        Error::Generic { .. } | Error::JoinError { .. } | Error::AlreadyExists { .. } | Error::Precondition { .. } => {
            StorageError::Transient(words)
        }
        _ => StorageError::Permanent(words),
    }
}

#[cfg(test)]
mod tests {
    use futures::StreamExt;

    use super::*;

    #[tokio::test]
    async fn parts_are_full_but_for_the_last_one() {
        for (chunks, sizes) in [
            (vec![], vec![]),
            (vec![0, 0], vec![]),
            (vec![5], vec![5]),
            (vec![PART_BYTES], vec![PART_BYTES]),
            (vec![PART_BYTES - 1, 1, 1], vec![PART_BYTES, 1]),
            (vec![2 * PART_BYTES + 3], vec![PART_BYTES, PART_BYTES, 3]),
            (vec![3, PART_BYTES, 4], vec![PART_BYTES, 7]),
        ] {
            let all = chunks.iter().map(|size| Ok(Bytes::from(vec![7; *size]))).collect::<Vec<_>>();
            let mut source = Source::new(futures::stream::iter(all).boxed());
            let mut parts = Parts { source: &mut source, rest: Bytes::new() };
            let mut found = Vec::new();
            while let Some(part) = parts.next().await.unwrap() {
                found.push(part.len());
            }
            assert_eq!(found, sizes, "{chunks:?}");
        }
    }

    #[test]
    fn a_url_is_bucket_prefix_and_name() {
        let config = BucketConfig {
            region: "ap-south-1".into(),
            bucket: "books".into(),
            key_id: "id".into(),
            secret: "secret".into(),
            endpoint: None,
            prefix: "exports/".into(),
        };
        let bucket = Bucket::new(config.clone()).unwrap();
        assert_eq!(bucket.url("a.csv"), "s3://books/exports/a.csv");
        assert_eq!(bucket.key("a.csv").as_ref(), "exports/a.csv");
        assert!(Bucket::new(BucketConfig { bucket: String::new(), ..config }).is_err());
    }
}
