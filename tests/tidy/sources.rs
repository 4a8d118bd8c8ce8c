//! The files of the tree as the rules look at them, and how a line of Rust is read.

use std::fs;
use std::path::{Path, PathBuf};

pub struct File {
    /// From the root of the checkout.
    pub path: String,
    pub text: String,
}

impl File {
    pub fn room(&self) -> &str {
        let below = self.path.split_once("src/").map_or(&*self.path, |(_, below)| below);
        below.split('/').next().unwrap_or_default().trim_end_matches(".rs")
    }

    /// Whether it is this file, this room (`src/store.rs` as well as `src/store/`), or below it.
    pub fn is_in(&self, place: &str) -> bool {
        self.path == place || self.path == format!("{place}.rs") || self.path.starts_with(&format!("{place}/"))
    }

    pub fn is_test(&self) -> bool {
        self.path.ends_with("/tests.rs") || self.path.contains("/tests/")
    }

    /// Numbered lines without comments.
    pub fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.text.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//"));
        lines.map(|(n, line)| (n + 1, line.split(" // ").next().unwrap_or_default()))
    }
}

/// The paths after `crate::` on a line, two parts deep.
pub fn imports(line: &str) -> impl Iterator<Item = String> + '_ {
    line.split("crate::").skip(1).flat_map(|rest| {
        let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':' || c == '{')).unwrap_or(rest.len());
        match rest[..end].split_once("::{") {
            // use crate::supervision::{health, tasks}: each of them.
            Some((room, _)) if !room.contains("::") => {
                let list = rest[room.len() + 3..].split('}').next().unwrap_or_default();
                list.split(',').map(|name| format!("{room}::{}", name.trim())).collect::<Vec<_>>()
            }
            _ if rest.starts_with('{') => {
                rest[1..].split(',').map(|name| name.trim().trim_end_matches(['}', ';']).to_owned()).collect()
            }
            _ => vec![
                rest[..end].split("::").take(2).filter(|part| !part.starts_with('{')).collect::<Vec<_>>().join("::"),
            ],
        }
    })
}

/// Whether a line names something of this library: `library::` or `use library`, also of `library_more`.
pub fn uses(line: &str, library: &str) -> bool {
    after(line, library).any(|rest| {
        let rest = rest.trim_start_matches(|c: char| c.is_alphanumeric() || c == '_');
        rest.starts_with("::") || (rest.starts_with(';') && line.trim_start().starts_with("use "))
    })
}

/// Whether a line names something of this package, and not of one whose name only begins with it.
pub fn names(line: &str, package: &str) -> bool {
    after(line, package).any(|rest| rest.starts_with("::"))
}

/// What follows the name wherever a path begins with it.
fn after<'a>(line: &'a str, name: &str) -> impl Iterator<Item = &'a str> {
    let begins = |c: char| !(c.is_alphanumeric() || c == '_' || c == ':' || c == '"');
    line.match_indices(name)
        .filter(move |(at, _)| line[..*at].chars().next_back().is_none_or(begins))
        .map(|(at, found)| &line[at + found.len()..])
}

/// Whether the folder stands there as the beginning of a path, not inside one such as `docs/work/`.
pub fn begins_a_path(line: &str, folder: &str) -> bool {
    line.match_indices(folder)
        .any(|(at, _)| line[..at].chars().next_back().is_none_or(|c| !(c.is_alphanumeric() || "_-.}/~*".contains(c))))
}

pub fn root() -> PathBuf {
    PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into()))
}

pub fn rust(folder: &str) -> Vec<File> {
    let read = |path: String| File { text: fs::read_to_string(root().join(&path)).unwrap(), path };
    files(folder, "rs").into_iter().map(read).collect()
}

/// All files below a folder that end so, sorted; none if there is no such folder.
pub fn files(folder: &str, extension: &str) -> Vec<String> {
    let (mut found, mut folders) = (Vec::new(), vec![root().join(folder)]);
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for path in entries.map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|it| it == extension) {
                found.push(relative(&path));
            }
        }
    }
    found.sort();
    found
}

pub fn relative(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).to_string_lossy().into_owned()
}

pub fn tidy(wrong: &[String]) {
    assert!(wrong.is_empty(), "{} untidy:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn imports_libraries_and_paths_are_read_as_they_are_written() {
    let read = |line: &str| imports(line).collect::<Vec<_>>();
    assert_eq!(read("use crate::store::accounts::AccountRow;"), ["store::accounts"]);
    assert_eq!(read("use crate::store;"), ["store"]);
    assert_eq!(read("use crate::store::{self, StoreError};"), ["store::self", "store::StoreError"]);
    assert_eq!(read("use crate::{store, actors::node};"), ["store", "actors::node"]);
    assert_eq!(read("fn f(x: crate::money::Amount) -> crate::ledger::Leg"), ["money::Amount", "ledger::Leg"]);
    assert_eq!(read("use crate::protocol::record::{Api, Kind};"), ["protocol::record"]);
    assert!(
        uses("use tonic::Status;", "tonic")
            && uses("use tonic_types::StatusExt;", "tonic")
            && uses("fn f(x: tonic::Status)", "tonic")
    );
    assert!(
        !uses("let x = opentelemetry_tonic::y;", "tonic")
            && !uses("\"rdkafka::client\"", "rdkafka")
            && !uses("crate::gateway::redis::X", "redis")
    );
    assert!(names("use florin_wire::florin_v1 as pb;", "florin_wire") && names("fn f(x: florin::money::A)", "florin"));
    assert!(!names("use florin_wire::florin_v1 as pb;", "florin") && !names("use crate::florin::X;", "florin"));
    assert!(!begins_a_path("see docs/srv/now", "/srv/") && begins_a_path("cd /srv/now", "/srv/"));
}
