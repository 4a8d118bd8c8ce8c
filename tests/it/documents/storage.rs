//! A file of an export is written once, in a folder as in a bucket.

use std::time::Duration;

use bytes::Bytes;
use florin::documents::storage::{BucketConfig, Outcome, Storage, StorageError, Stored};
use futures::{Stream, StreamExt, stream};
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use tokio::sync::oneshot;
use uuid::Uuid;

use super::server;

const MIB: usize = 1 << 20;
const ANYBODY: &str =
    "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0";

/// A folder or a bucket of one test, seen from outside.
enum Site {
    Folder(TempDir),
    Bucket { config: BucketConfig, http: reqwest::Client },
}

impl Site {
    /// One of each.
    async fn both() -> [Self; 2] {
        [Self::Folder(tempfile::tempdir().unwrap()), Self::bucket().await]
    }

    async fn bucket() -> Self {
        let config = BucketConfig {
            region: "us-east-1".into(),
            bucket: format!("florin-{}", Uuid::new_v4().simple()),
            key_id: "test".into(),
            secret: "test".into(),
            endpoint: Some(server("S3_ENDPOINT")),
            prefix: "exports/".into(),
        };
        let _ = rustls::crypto::ring::default_provider().install_default(); // another test was first
        let site = Self::Bucket { config, http: reqwest::Client::builder().no_proxy().build().unwrap() };
        let Self::Bucket { http, .. } = &site else { unreachable!() };
        http.put(site.address("")).send().await.unwrap().error_for_status().unwrap();
        site
    }

    async fn storage(&self) -> Storage {
        match self {
            Self::Folder(folder) => Storage::folder(&folder.path().join("exports")).await.unwrap(),
            Self::Bucket { config, .. } => Storage::bucket(config.clone()).unwrap(),
        }
    }

    /// Of a path in the bucket.
    fn address(&self, path: &str) -> String {
        let Self::Bucket { config, .. } = self else { panic!("a folder has no address") };
        format!("{}/{}{path}", server("S3_ENDPOINT"), config.bucket)
    }

    fn url(&self, name: &str) -> String {
        match self {
            Self::Folder(folder) => {
                format!("file://{}/exports/{name}", folder.path().canonicalize().unwrap().display())
            }
            Self::Bucket { config, .. } => format!("s3://{}/exports/{name}", config.bucket),
        }
    }

    async fn read(&self, name: &str) -> Option<Vec<u8>> {
        match self {
            Self::Folder(folder) => std::fs::read(folder.path().join("exports").join(name)).ok(),
            Self::Bucket { http, .. } => {
                // the server looks whether somebody says who they are, and believes it
                let asked = http.get(self.address(&format!("/exports/{name}"))).header("authorization", ANYBODY);
                let answer = asked.send().await.unwrap();
                if answer.status() == 404 {
                    return None;
                }
                let answer = answer.error_for_status().unwrap();
                assert_eq!(answer.headers()["content-type"], "text/csv");
                Some(answer.bytes().await.unwrap().to_vec())
            }
        }
    }

    /// Files that have names, files that have none yet, and uploads that were begun.
    async fn all(&self) -> usize {
        match self {
            Self::Folder(folder) => std::fs::read_dir(folder.path().join("exports")).unwrap().count(),
            Self::Bucket { http, .. } => {
                let mut found = 0;
                for (query, element) in [("?list-type=2", "<Key>"), ("?uploads", "<UploadId>")] {
                    let answer = http.get(self.address(query)).send().await.unwrap().error_for_status().unwrap();
                    found += answer.text().await.unwrap().matches(element).count();
                }
                found
            }
        }
    }
}

/// The bytes of a file in chunks of a MiB or less, each of them this byte.
fn bytes(byte: u8, length: usize) -> impl Stream<Item = Result<Bytes, String>> + Send {
    let sizes = (0..length).step_by(MIB).map(move |at| MIB.min(length - at));
    stream::iter(sizes.map(move |size| Ok(Bytes::from(vec![byte; size]))))
}

async fn put(
    storage: &Storage,
    chunks: impl Stream<Item = Result<Bytes, String>> + Send,
) -> Result<Stored, StorageError> {
    storage.put_once("day.csv", "text/csv", chunks).await
}

#[tokio::test]
async fn a_file_is_written_once_and_has_one_url() {
    for site in Site::both().await {
        let storage = site.storage().await;
        for (name, length) in [("empty.csv", 0), ("small.csv", 7), ("parts.csv", 8 * MIB), ("more.csv", 17 * MIB)] {
            for outcome in [Outcome::Written, Outcome::AlreadyThere, Outcome::AlreadyThere] {
                let stored = storage.put_once(name, "text/csv", bytes(b'a', length)).await.unwrap();
                assert_eq!(stored, Stored { url: site.url(name), bytes: length as u64, outcome });
            }
            assert_eq!(site.read(name).await, Some(vec![b'a'; length]), "{name}");
        }
        assert_eq!(site.all().await, 4);
    }
}

#[tokio::test]
async fn other_bytes_are_refused_and_change_nothing() {
    for site in Site::both().await {
        let storage = site.storage().await;
        put(&storage, bytes(b'a', 9)).await.unwrap();
        for other in [bytes(b'b', 9), bytes(b'a', 10), bytes(b'a', 0), bytes(b'b', 9 * MIB)] {
            let refused = put(&storage, other).await.unwrap_err();
            assert!(matches!(&refused, StorageError::Differs { url, .. } if *url == site.url("day.csv")), "{refused}");
        }
        assert_eq!((site.read("day.csv").await, site.all().await), (Some(vec![b'a'; 9]), 1));
    }
}

/// Both find the name free; the second one is whole only when the first is there. The mutation: complete an upload by
/// `store` instead of `if_free`, or name a file by `persist`, and the second one overwrites the first.
#[tokio::test]
async fn of_two_writers_at_a_time_the_first_one_stays() {
    for site in Site::both().await {
        let storage = site.storage().await;
        for (name, length, byte) in
            [("a.csv", 9, b'b'), ("b.csv", 9 * MIB, b'b'), ("c.csv", 9, b'a'), ("d.csv", 9 * MIB, b'a')]
        {
            let (begun, has_begun) = oneshot::channel();
            let (done, is_done) = oneshot::channel();
            let waits = stream::once(async move {
                begun.send(()).unwrap();
                is_done.await.map(|()| Bytes::new()).map_err(|gone| gone.to_string())
            });
            let second = storage.put_once(name, "text/csv", bytes(byte, length).chain(waits));
            let first = async {
                has_begun.await.unwrap();
                let stored = storage.put_once(name, "text/csv", bytes(b'a', length)).await;
                done.send(()).unwrap();
                stored
            };
            let (first, second) = tokio::join!(first, second);
            assert_eq!(first.unwrap().outcome, Outcome::Written);
            match second {
                Ok(stored) => assert_eq!((byte, stored.outcome), (b'a', Outcome::AlreadyThere), "{name}"),
                Err(refused) => {
                    assert!(byte == b'b' && matches!(refused, StorageError::Differs { .. }), "{name}: {refused}");
                }
            }
            assert_eq!(site.read(name).await, Some(vec![b'a'; length]), "{name}");
        }
        assert_eq!(site.all().await, 4);
    }
}

#[tokio::test]
async fn a_producer_that_fails_leaves_nothing() {
    for site in Site::both().await {
        let storage = site.storage().await;
        for length in [0, 9, 17 * MIB] {
            let failing = bytes(b'a', length).chain(stream::iter([Err("the table is gone".to_owned())]));
            let failed = put(&storage, failing).await.unwrap_err();
            assert_eq!(failed, StorageError::Source("the table is gone".into()));
            assert_eq!((site.read("day.csv").await, site.all().await), (None, 0));
        }
        put(&storage, bytes(b'a', 9)).await.unwrap();
    }
}

#[tokio::test]
async fn a_writer_that_is_dropped_leaves_nothing_in_its_folder() {
    let site = Site::Folder(tempfile::tempdir().unwrap());
    let storage = site.storage().await;
    let endless = bytes(b'a', 9).chain(stream::pending());
    tokio::time::timeout(Duration::from_millis(200), put(&storage, endless)).await.unwrap_err();
    assert_eq!(site.all().await, 0);
}

#[tokio::test]
async fn fifty_megabytes_pass_in_chunks() {
    for site in Site::both().await {
        let storage = site.storage().await;
        let chunk = |n: usize| Bytes::from(vec![u8::try_from(n).unwrap(); 1_000_000]);
        let mut hash = Sha256::new();
        (0..50).for_each(|n| hash.update(chunk(n)));
        let chunks = stream::iter((0..50).map(move |n| Ok(chunk(n))));
        assert_eq!(put(&storage, chunks).await.unwrap().bytes, 50_000_000);
        assert_eq!(Sha256::digest(site.read("day.csv").await.unwrap()), hash.finalize());
    }
}

#[tokio::test]
async fn names_places_and_servers_that_cannot_be_used_are_told_apart() {
    for site in Site::both().await {
        let storage = site.storage().await;
        for name in ["../day.csv", "", "a/b.csv", ".florin-x"] {
            let refused = storage.put_once(name, "text/csv", bytes(b'a', 9)).await.unwrap_err();
            assert!(matches!(refused, StorageError::Permanent(_)), "{refused}");
        }
    }
    let Site::Bucket { config, .. } = Site::bucket().await else { unreachable!() };
    let nowhere = Storage::bucket(BucketConfig { bucket: "no-such-bucket".into(), ..config.clone() }).unwrap();
    let failed = put(&nowhere, bytes(b'a', 9)).await.unwrap_err();
    assert!(matches!(&failed, StorageError::Permanent(why) if why.contains("NoSuchBucket")), "{failed}");
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = Some(format!("http://{}", gone.local_addr().unwrap()));
    drop(gone);
    let down = Storage::bucket(BucketConfig { endpoint, ..config }).unwrap();
    assert!(put(&down, bytes(b'a', 9)).await.unwrap_err().is_transient());
    let file = tempfile::NamedTempFile::new().unwrap();
    let failed = Storage::folder(&file.path().join("exports")).await.map(drop).unwrap_err();
    assert!(matches!(&failed, StorageError::Permanent(_)), "{failed}");
}

// Fails when files are made for everybody: customers' names and addresses are in them.
#[tokio::test]
async fn a_file_of_the_folder_is_not_for_everybody_on_the_machine() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let whole = stream::iter([Ok::<_, String>(Bytes::from("a"))]);
    Storage::folder(folder.path()).await.unwrap().put_once("a.csv", "text/csv", whole).await.unwrap();
    let mode = std::fs::metadata(folder.path().join("a.csv")).unwrap().permissions().mode();
    assert_eq!(mode & 0o707, 0o600, "{mode:o}");
}
