//! Which PostgreSQL is installed, and which user it runs as.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::unistd::{User as Account, geteuid};

use crate::process::User;
use crate::{Doing, Error, on_path};

/// The oldest major version that the schema works with.
const MAJOR_MIN: u32 = 15;

const INSTALL: &str = "apt-get install postgresql";

/// Whether a server that is new enough is installed.
#[must_use]
pub fn installed() -> bool {
    candidates().iter().any(|found| found.major >= MAJOR_MIN)
}

struct Found {
    major: u32,
    bin: PathBuf,
}

/// The folder of the programs for this cluster: of its own version or, if it does not exist yet, of the newest.
pub(super) fn binaries_for(data: &Path) -> Result<PathBuf, Error> {
    let found = candidates();
    let Some(newest) = found.iter().max_by_key(|found| found.major) else {
        let what =
            "PostgreSQL's server programs (initdb and postgres, on PATH or below /usr/lib/postgresql)".to_owned();
        return Err(Error::NotInstalled { what, command: INSTALL });
    };
    let wrong = |needed: String| Error::WrongVersion {
        what: "PostgreSQL",
        found: newest.major.to_string(),
        dir: data.to_owned(),
        needed,
    };
    match fs::read_to_string(data.join("PG_VERSION")) {
        Ok(version) => {
            let version = version.trim();
            let its_own = found.iter().find(|found| found.major.to_string() == version);
            its_own.map(|found| found.bin.clone()).ok_or_else(|| wrong(format!("version {version}, which created it")))
        }
        Err(_) if newest.major < MAJOR_MIN => Err(wrong(format!("{MAJOR_MIN} or newer"))),
        Err(_) => Ok(newest.bin.clone()),
    }
}

/// The installed versions. Debian keeps them side by side; elsewhere the programs are on `PATH`.
fn candidates() -> Vec<Found> {
    let packaged = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<Found> = packaged
        .filter_map(|entry| {
            Some(Found { major: entry.file_name().to_str()?.parse().ok()?, bin: entry.path().join("bin") })
        })
        .filter(|found| found.bin.join("initdb").exists() && found.bin.join("postgres").exists())
        .collect();
    if found.is_empty() {
        found.extend(
            on_path("initdb")
                .and_then(|initdb| Some(Found { major: major(&initdb)?, bin: initdb.parent()?.to_owned() })),
        );
    }
    found
}

/// The major version, read from a text such as `initdb (PostgreSQL) 17.2`.
fn major(initdb: &Path) -> Option<u32> {
    let said = Command::new(initdb).arg("--version").output().ok()?;
    String::from_utf8_lossy(&said.stdout).split_whitespace().nth(2)?.split('.').next()?.parse().ok()
}

/// The user to run the server as, since PostgreSQL refuses to run as root; `None`: the current user, who is not root.
pub(super) fn server_user() -> Result<Option<User>, Error> {
    if !geteuid().is_root() {
        return Ok(None);
    }
    for name in ["postgres", "nobody"] {
        if let Some(account) = Account::from_name(name).doing(|| format!("look up user {name}"))? {
            return Ok(Some(User { uid: account.uid, gid: account.gid }));
        }
    }
    Err(Error::NotInstalled { what: "a user for PostgreSQL (postgres or nobody)".to_owned(), command: INSTALL })
}
