//! Where the Unix socket is.

use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use nix::unistd::geteuid;
use sha2::{Digest, Sha256};

use crate::process::User;
use crate::{Doing, Error};

/// The longest path of a folder whose socket's path fits the 107 bytes of a socket address; the longest name is
/// `.s.PGSQL.65535`.
const DIR_BYTES_MAX: usize = 107 - "/.s.PGSQL.65535".len();

/// The cluster's own folder if its path is short enough and the server's user can enter it. Else a folder below `/tmp`,
/// always the same for the same cluster, that only its owner can enter.
pub(super) fn folder(dir: &Path, user: Option<User>) -> Result<PathBuf, Error> {
    if user.is_none() && dir.as_os_str().len() <= DIR_BYTES_MAX {
        let private = fs::Permissions::from_mode(0o700);
        fs::set_permissions(dir, private).doing(|| format!("make {} private", dir.display()))?;
        return Ok(dir.to_owned());
    }
    let owner = user.map_or(geteuid(), |user| user.uid);
    let mut name = format!("florin-{owner}-");
    for byte in &Sha256::digest(dir.as_os_str().as_bytes())[..8] {
        name.push_str(&format!("{byte:02x}"));
    }
    let folder = Path::new("/tmp").join(name);
    let doing = || format!("create {}", folder.display());
    match fs::DirBuilder::new().mode(0o700).create(&folder) {
        Ok(()) => {
            if let Some(user) = user {
                chown(&folder, Some(user.uid.as_raw()), Some(user.gid.as_raw())).doing(doing)?;
            }
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let meta = fs::symlink_metadata(&folder).doing(doing)?;
            if !meta.is_dir() || meta.uid() != owner.as_raw() || meta.mode() & 0o077 != 0 {
                return Err(Error::Io {
                    action: doing(),
                    source: io::Error::other("something else has this name; remove it"),
                });
            }
        }
        Err(source) => return Err(Error::Io { action: doing(), source }),
    }
    Ok(folder)
}

/// Removes the socket's folder, unless it is the cluster's own.
pub(super) fn forget(dir: &Path, socket_dir: &Path) {
    if socket_dir != dir {
        let _ = fs::remove_dir(socket_dir); // fails, rightly, when something is left in it
    }
}

/// The path as a value in a URL's query.
pub(super) fn percent_encoded(path: &Path) -> String {
    let mut text = String::new();
    for &byte in path.as_os_str().as_bytes() {
        if byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_encoded_for_a_url() {
        assert_eq!(percent_encoded(Path::new("/tmp/a b&c=é")), "/tmp/a%20b%26c%3D%C3%A9");
    }
}
