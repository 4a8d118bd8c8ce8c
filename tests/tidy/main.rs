//! Keeps the house tidy by reading its files: who may know whom, where SQL and Kafka stand, how long files may be. The
//! rules are the tables below.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod docker;
mod limits;
mod sources;
mod tables;

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use self::sources::{begins_a_path, files, imports, names, root, rust, tidy, uses};
use self::tables::*;

#[test]
fn rooms_know_only_whom_they_may_know() {
    let mut wrong = Vec::new();
    for file in [RULES, "src"].into_iter().flat_map(rust) {
        let room = file.room();
        let Some((_, known)) = ROOMS.iter().find(|(name, _)| *name == room) else {
            wrong.push(format!("{}: room {room} is not in the table of tests/tidy", file.path));
            continue;
        };
        for (line, text) in file.code() {
            if text.ends_with("crate::{") {
                wrong.push(format!("{}:{line}: one use per room, so that this test can read it", file.path));
            }
            for path in imports(text) {
                let own = path == room || path.starts_with(&format!("{room}::"));
                let may = own
                    || known
                        .iter()
                        .any(|known| *known == "*" || path == *known || path.starts_with(&format!("{known}::")));
                if !may && ROOMS.iter().any(|(name, _)| path.split("::").next() == Some(name)) {
                    wrong.push(format!("{}:{line}: {room} must not know {path}", file.path));
                }
            }
        }
    }
    tidy(&wrong);
}

#[test]
fn contracts_do_not_know_each_other() {
    let mut wrong = Vec::new();
    for file in rust("src/gateway").iter().filter(|file| !KNOW_CONTRACTS.contains(&&*file.path)) {
        for (line, text) in file.code() {
            for path in imports(text) {
                let other = |contract: &&&str| {
                    path.starts_with(**contract) && !file.is_in(&format!("src/{}", contract.replace("::", "/")))
                };
                if CONTRACTS.iter().any(|contract| other(&contract)) {
                    wrong.push(format!(
                        "{}:{line}: a contract is known to itself and to the table of routes, not here: {path}",
                        file.path
                    ));
                }
            }
        }
    }
    tidy(&wrong);
}

#[test]
fn libraries_stay_where_they_belong() {
    let mut wrong = Vec::new();
    for file in PRODUCT.iter().flat_map(|folder| rust(folder)) {
        for (line, text) in file.code() {
            for (library, places) in LIBRARIES {
                if uses(text, library) && !places.iter().any(|place| file.is_in(place)) {
                    wrong.push(format!("{}:{line}: {library} belongs to {}", file.path, places.join(", ")));
                }
            }
            for library in IMPURE.iter().filter(|library| file.is_in(RULES) && uses(text, library)) {
                wrong.push(format!("{}:{line}: a room of pure rules must not use {library}", file.path));
            }
        }
    }
    tidy(&wrong);
}

#[test]
fn packages_know_only_whom_they_may_know() {
    let mut wrong = Vec::new();
    for file in FOLDERS.iter().flat_map(|folder| rust(folder)) {
        for (line, text) in file.code() {
            for (package, places) in PACKAGES {
                if names(text, package) && !places.iter().any(|place| file.is_in(place)) {
                    wrong.push(format!("{}:{line}: {package} is known to {}", file.path, places.join(", ")));
                }
            }
        }
    }
    tidy(&wrong);
}

#[test]
fn sql_stands_in_the_store_alone() {
    let mut wrong = Vec::new();
    let rust_files = PRODUCT.iter().flat_map(|folder| rust(folder));
    for file in rust_files.filter(|file| !file.is_in("src/store") && !file.is_test()) {
        for (line, text) in file.code() {
            for sql in SQL.iter().filter(|sql| text.contains(**sql)) {
                wrong.push(format!("{}:{line}: {sql} belongs to src/store", file.path));
            }
        }
    }
    for path in files("src", "sql").iter().filter(|path| !path.starts_with("src/store/")) {
        wrong.push(format!("{path} belongs to src/store"));
    }
    tidy(&wrong);
}

/// A name that is written out can be mistyped, or stand in no table, and then nobody describes it.
#[test]
fn metrics_are_named_by_their_constants() {
    let mut wrong = Vec::new();
    for file in PRODUCT.iter().flat_map(|folder| rust(folder)) {
        for (line, text) in file.code() {
            if ["counter!(\"", "gauge!(\"", "histogram!(\""].iter().any(|written_out| text.contains(written_out)) {
                wrong.push(format!("{}:{line}: name it by its constant in src/telemetry/metrics.rs", file.path));
            }
        }
    }
    tidy(&wrong);
}

#[test]
fn files_are_short() {
    let mut wrong = Vec::new();
    for file in FOLDERS.iter().flat_map(|folder| rust(folder)) {
        let lines = file.text.lines().count();
        if lines > LINES_MAX && !LONG_FILES.iter().any(|(path, _)| *path == file.path) {
            wrong.push(format!("{}: {lines} lines are more than {LINES_MAX}: look for the second noun", file.path));
        }
    }
    for (path, reason) in LONG_FILES {
        let lines = fs::read_to_string(root().join(path)).map_or(0, |text| text.lines().count());
        if lines <= LINES_MAX || reason.is_empty() {
            wrong.push(format!("{path}: its exception is not needed, or has no reason"));
        }
    }
    tidy(&wrong);
}

#[test]
fn ignored_tests_say_why() {
    let bare = concat!("#[ign", "ore]");
    let mut wrong = Vec::new();
    for file in FOLDERS.iter().flat_map(|folder| rust(folder)) {
        wrong.extend(
            file.code()
                .filter(|(_, text)| text.contains(bare))
                .map(|(line, _)| format!("{}:{line}: {bare} without a reason", file.path)),
        );
    }
    tidy(&wrong);
}

#[test]
fn fault_points_named_in_tests_exist() {
    let mut points = BTreeSet::new();
    for file in rust("src") {
        for (_, text) in file.code() {
            for call in [".point(\"", ".pause(\""] {
                points.extend(text.split(call).skip(1).filter_map(|rest| rest.split('"').next()).map(str::to_owned));
            }
        }
    }
    assert!(!points.is_empty(), "no fault points in src: this test reads them wrongly");
    let prefixes: BTreeSet<&str> = points.iter().filter_map(|point| point.split('.').next()).collect();
    let mut wrong = Vec::new();
    for file in rust("tests") {
        for (line, text) in file.code() {
            // Every second piece between quotes is a literal; names may stand in lists, so it is their form that
            // counts.
            for literal in text.split('"').skip(1).step_by(2) {
                let is_name =
                    |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
                let named =
                    literal.split_once('.').is_some_and(|(actor, point)| prefixes.contains(actor) && is_name(point));
                if named && !points.contains(literal) && !ACTIONS.contains(&literal) {
                    wrong.push(format!("{}:{line}: there is no fault point {literal}", file.path));
                }
            }
        }
    }
    tidy(&wrong);
}

#[test]
fn schemas_are_json() {
    let mut wrong = Vec::new();
    for path in files("schemas", "json") {
        let text = fs::read_to_string(root().join(&path)).unwrap();
        if let Err(error) = serde_json::from_str::<serde_json::Value>(&text) {
            wrong.push(format!("{path}: {error}"));
        }
    }
    tidy(&wrong);
}

#[test]
fn nothing_names_folders_of_one_machine() {
    let listed = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output();
    let Some(listed) = listed.ok().filter(|listed| listed.status.success()) else {
        return println!("not a checkout: nothing is tracked");
    };
    let mut wrong = Vec::new();
    for path in String::from_utf8_lossy(&listed.stdout).lines() {
        let Ok(bytes) = fs::read(root().join(path)) else { continue }; // deleted and not yet committed
        for (line, text) in String::from_utf8_lossy(&bytes).lines().enumerate() {
            for folder in MACHINE_PATHS.iter().filter(|folder| begins_a_path(text, folder)) {
                wrong.push(format!("{path}:{}: names {folder}", line + 1));
            }
        }
    }
    tidy(&wrong);
}
