//! Figures and their pictures, as files.

use std::{fs, path::Path};

use anyhow::{Context, Result};
use serde::Serialize;

use crate::demo::theme::with_dark_mode;

/// Raw figures as JSON that a person can read in a diff.
pub(crate) fn figures(path: &Path, figures: &impl Serialize) -> Result<()> {
    write(path, &(serde_json::to_string_pretty(figures)? + "\n"))
}

/// A picture that follows the colours of the page that shows it.
pub(crate) fn picture(path: &Path, svg: &str) -> Result<()> {
    write(path, &with_dark_mode(svg))
}

fn write(path: &Path, text: &str) -> Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(path, text).with_context(|| path.display().to_string())
}
