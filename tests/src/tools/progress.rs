//! How far a long build is: a bar on a terminal, otherwise a line every half minute.

use std::{
    io::{IsTerminal, stderr},
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};

use crate::say;

const BETWEEN_LINES: Duration = Duration::from_secs(30);

pub(super) struct Progress {
    what: String,
    total: Option<usize>,
    compiled: usize,
    started: Instant,
    last_line: Instant,
    bar: Option<ProgressBar>,
}

impl Progress {
    pub(super) fn start(what: &str, cold_build: &str) -> Self {
        say(&format!("building {what}: the first time takes {cold_build}, then it is kept"));
        let bar = stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(0);
            if let Ok(style) = ProgressStyle::with_template("{elapsed_precise} [{bar:40}] {pos}/{len} {msg}")
            {
                bar.set_style(style.progress_chars("=> "));
            }
            bar.set_message("fetching sources");
            bar.enable_steady_tick(Duration::from_secs(1));
            bar
        });
        let now = Instant::now();
        Self { what: what.to_owned(), total: None, compiled: 0, started: now, last_line: now, bar }
    }

    /// Says how many packages there are.
    pub(super) fn expect(&mut self, packages: usize) {
        self.total = Some(packages);
        if let Some(bar) = &self.bar {
            bar.set_length(packages as u64);
        }
    }

    /// One more package is compiled.
    pub(super) fn compiled(&mut self, package: &str) {
        self.compiled += 1;
        if let Some(bar) = &self.bar {
            bar.set_position(self.compiled as u64);
            bar.set_message(package.chars().take(60).collect::<String>());
        } else if self.last_line.elapsed() >= BETWEEN_LINES {
            self.last_line = Instant::now();
            let total = self.total.map_or_else(String::new, |total| format!(" of about {total}"));
            let minutes = self.started.elapsed().as_secs_f64() / 60.0;
            say(&format!("{minutes:.1} min: {}{total} packages compiled", self.compiled));
        }
    }

    pub(super) fn finish(self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        say(&format!("built {} in {:.0} s", self.what, self.started.elapsed().as_secs_f64()));
    }
}
