//! The end of the operator's logs, for a test that failed.

use std::{
    fs::{self, File},
    io::{Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

const LINES: usize = 60;

/// Prints the last lines of some logs when it is dropped. The test harness shows what is printed only when
/// the test fails.
#[derive(Debug)]
pub struct LogTail {
    logs: Vec<(PathBuf, u64)>,
}

impl LogTail {
    pub(super) fn new<'a>(logs: impl Iterator<Item = &'a Path>) -> Self {
        let length = |path: &Path| fs::metadata(path).map_or(0, |file| file.len());
        Self { logs: logs.map(|path| (path.to_owned(), length(path))).collect() }
    }
}

impl Drop for LogTail {
    fn drop(&mut self) {
        for (path, from) in &self.logs {
            let text = read(path, *from).unwrap_or_else(|error| error.to_string());
            eprintln!("--- the end of {}\n{}", path.display(), last_lines(&text));
        }
    }
}

/// The last lines of a text.
pub(super) fn last_lines(text: &str) -> String {
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n")
}

fn read(path: &Path, from: u64) -> std::io::Result<String> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
