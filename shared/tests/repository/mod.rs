//! What is in this repository.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// All functions: a folder each, named like its binary.
pub fn functions() -> BTreeSet<String> {
    let entries = fs::read_dir(root().join("functions")).unwrap().map(Result::unwrap);
    let folders = entries.filter(|entry| entry.path().is_dir());
    folders.map(|folder| folder.file_name().into_string().unwrap()).collect()
}

/// Whether it serves until it is stopped, with these arguments; migrate ends by itself.
pub fn arguments(function: &str) -> Option<&'static [&'static str]> {
    match function {
        "migrate" => None,
        "purge-job" => Some(&["--loop"]),
        _ => Some(&[]),
    }
}
