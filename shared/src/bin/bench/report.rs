//! All figures, for people and for scripts.

use std::{fmt, fs, path::Path};

use anyhow::Context as _;
use serde::Serialize;

use crate::{figure::Figure, machine::Machine, table};

#[derive(Serialize)]
pub(crate) struct Report {
    machine: Machine,
    runs: u32,
    scale: f64,
    sections: Vec<Section>,
}

/// The figures of one mode.
#[derive(Serialize)]
pub(crate) struct Section {
    mode: String,
    #[serde(skip)]
    title: String,
    figures: Vec<Figure>,
}

impl Section {
    pub(crate) fn new(mode: String, title: String, figures: Vec<Figure>) -> Self {
        Self { mode, title, figures }
    }
}

impl fmt::Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        writeln!(f, "{}: {}\n", self.mode, self.title)?;
        table::write(&self.figures, f)
    }
}

impl Report {
    pub(crate) fn new(runs: u32, scale: f64) -> anyhow::Result<Self> {
        Ok(Self { machine: Machine::this()?, runs, scale, sections: Vec::new() })
    }

    pub(crate) fn heading(&self) -> String {
        format!("{}; runs: {}, scale: {}", self.machine, self.runs, self.scale)
    }

    pub(crate) fn add(&mut self, section: Section) {
        self.sections.push(section);
    }

    pub(crate) fn write(&self, file: &Path) -> anyhow::Result<()> {
        let text = serde_json::to_string_pretty(self)?;
        fs::write(file, text + "\n").with_context(|| format!("writing {}", file.display()))
    }
}
