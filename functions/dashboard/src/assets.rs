//! The files that the pages are made of. All are read at the start, so that no request can name
//! another.

use std::{fs, path::Path};

use anyhow::Context as _;
use include_dir::{Dir, include_dir};
use shared::http::File;

static BUILT_IN: Dir = include_dir!("$CARGO_MANIFEST_DIR/assets");
const PAGE: &str = "index.html";

/// The document of every page, and what it loads.
pub struct Assets {
    pub page: File,
    pub others: Vec<(String, File)>,
}

impl Assets {
    /// Those that `scripts/web` built.
    pub fn built_in() -> anyhow::Result<Self> {
        let files = BUILT_IN.files().map(|file| {
            let name = file.path().to_string_lossy().into_owned();
            let bytes = file.contents();
            (name.clone(), File::new(&name, bytes))
        });
        Self::new(files.collect())
    }

    /// The files of `folder`, not those of folders within it.
    pub fn of_folder(folder: &Path) -> anyhow::Result<Self> {
        let read = || {
            let mut files = Vec::new();
            for entry in fs::read_dir(folder)? {
                let path = entry?.path();
                if path.is_file() {
                    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                    let bytes = fs::read(&path).with_context(|| name.clone())?;
                    files.push((name.clone(), File::new(&name, bytes)));
                }
            }
            Self::new(files)
        };
        read().with_context(|| format!("ASSETS_PATH: {}", folder.display()))
    }

    fn new(mut others: Vec<(String, File)>) -> anyhow::Result<Self> {
        for (name, _) in &others {
            let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
            let fits = name.bytes().all(is_plain);
            anyhow::ensure!(fits, "the name {name:?} has more than letters, digits and `-_.`");
        }
        let place = others.iter().position(|(name, _)| name == PAGE);
        let (_, page) = others.swap_remove(place.with_context(|| format!("there is no {PAGE}"))?);
        Ok(Self { page, others })
    }
}
