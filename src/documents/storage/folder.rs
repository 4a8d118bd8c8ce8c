//! Files in a folder. A file is written under a hidden name and gets its own when it is on the disk.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use tempfile::TempPath;
use tokio::fs::File;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::spawn_blocking;
use url::Url;

use super::{Created, Digest, Source, StorageError};

/// Bytes read at a time.
const READ_BYTES: usize = 256 << 10;
/// For the owner and the group: names and addresses of customers stand in invoices and exports.
const MODE: u32 = 0o640;

pub struct Folder {
    path: PathBuf,
}

impl Folder {
    pub async fn open(path: &Path) -> Result<Self, StorageError> {
        let open = async {
            tokio::fs::create_dir_all(path).await?;
            tokio::fs::canonicalize(path).await
        };
        Ok(Self { path: open.await.map_err(|error| failed(path, &error))? })
    }

    pub fn url(&self, name: &str) -> String {
        Url::from_file_path(self.path.join(name))
            .map(String::from)
            .expect("a folder that was found has an absolute path")
    }

    pub async fn digest(&self, name: &str) -> Result<Option<Digest>, StorageError> {
        let path = self.path.join(name);
        let read = async {
            let mut file = File::open(&path).await?;
            let (mut hash, mut buffer) = (Sha256::new(), vec![0; READ_BYTES]);
            loop {
                match file.read(&mut buffer).await? {
                    0 => return io::Result::Ok(Digest::of(hash)),
                    read => hash.update(&buffer[..read]),
                }
            }
        };
        match read.await {
            Ok(digest) => Ok(Some(digest)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed(&path, &error)),
        }
    }

    pub async fn create(&self, name: &str, source: &mut Source<'_>) -> Result<Created, StorageError> {
        let path = self.path.join(name);
        let hidden = |error: io::Error| failed(&path, &error);
        let (mut file, hidden_path) = self.hidden().await.map_err(hidden)?;
        while let Some(chunk) = source.next().await? {
            file.write_all(&chunk).await.map_err(hidden)?;
        }
        file.flush().await.map_err(hidden)?;
        file.sync_all().await.map_err(hidden)?;
        let (folder, target) = (self.path.clone(), path.clone());
        match blocking(move || named(hidden_path, &target, &folder)).await {
            Ok(()) => Ok(Created::New),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(Created::Taken),
            Err(error) => Err(failed(&path, &error)),
        }
    }

    /// A file that goes away with its path, unless that gets a name.
    async fn hidden(&self) -> io::Result<(File, TempPath)> {
        let folder = self.path.clone();
        let made = move || {
            tempfile::Builder::new().prefix(".florin-").permissions(Permissions::from_mode(MODE)).tempfile_in(folder)
        };
        let (file, path) = blocking(made).await?.into_parts();
        Ok((File::from_std(file), path))
    }
}

/// Names the file unless something has the name; afterwards the name is on the disk as well.
fn named(hidden: TempPath, target: &Path, folder: &Path) -> io::Result<()> {
    hidden.persist_noclobber(target)?;
    std::fs::File::open(folder)?.sync_all()
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    spawn_blocking(work).await.unwrap_or_else(|ended| Err(io::Error::other(ended)))
}

fn failed(path: &Path, error: &io::Error) -> StorageError {
    use io::ErrorKind as Kind;
    let said = format!("{}: {error}", path.display());
    match error.kind() {
        Kind::PermissionDenied
        | Kind::ReadOnlyFilesystem
        | Kind::NotADirectory
        | Kind::IsADirectory
        | Kind::NotFound => StorageError::Permanent(said),
        _ => StorageError::Transient(said),
    }
}
