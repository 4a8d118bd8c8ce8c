//! What the image is built from.

use std::fs;

use super::sources::{root, tidy};

/// cargo reads every member's manifest, also of those that the image does not have: one that is not copied, or that
/// docker never sees, ends the build, and no test of ours builds the image.
#[test]
fn the_image_is_built_from_every_member_of_the_workspace() {
    let read = |path: &str| fs::read_to_string(root().join(path)).unwrap();
    let (manifest, dockerfile, ignored) = (read("Cargo.toml"), read("Dockerfile"), read(".dockerignore"));
    let members = members(&manifest);
    assert!(members.len() > 2 && members.contains(&"."), "this test reads Cargo.toml wrongly: {members:?}");
    let first_build = dockerfile.split("cargo build").next().unwrap();
    let mut wrong = Vec::new();
    for member in members.iter().filter(|member| **member != ".") {
        if !first_build.lines().any(|line| line == format!("COPY {member} {member}")) {
            wrong.push(format!("Dockerfile: {member} is not copied before the first build"));
        }
        if !ignored.lines().any(|line| line == format!("!{member}")) {
            wrong.push(format!(".dockerignore: {member} is kept from the image's build"));
        }
    }
    for copied in dockerfile.lines().filter_map(|line| line.strip_prefix("COPY ")) {
        let sources = copied.split_whitespace().filter(|source| !source.starts_with("--from"));
        let sources: Vec<_> = sources.collect();
        let here = &sources[..sources.len() - 1];
        for source in here.iter().filter(|source| !source.starts_with('/') && !root().join(source).exists()) {
            wrong.push(format!("Dockerfile: there is no {source} to copy"));
        }
    }
    tidy(&wrong);
}

/// The members, as `members = [...]` of the workspace lists them.
fn members(manifest: &str) -> Vec<&str> {
    let list = manifest.split_once("\nmembers = [").and_then(|(_, rest)| rest.split_once(']')).unwrap().0;
    list.split(',').map(|name| name.trim().trim_matches('"')).filter(|name| !name.is_empty()).collect()
}
