//! What goes to stdout and stderr, in colour where a person reads it, and tables.

use std::{
    env,
    io::{self, IsTerminal as _, Write as _},
};

use anyhow::Context as _;
use console::{Style, measure_text_width, pad_str};

/// Where a command writes to.
pub(crate) trait Output {
    /// To stdout: what was asked for.
    ///
    /// # Errors
    /// When nobody reads it any more, or the disk is full.
    fn print(&mut self, text: &str) -> anyhow::Result<()>;

    /// To stderr, as a line: what there is to say about it.
    fn note(&mut self, line: &str);

    /// How to colour what goes to stdout.
    fn paint(&self) -> Paint;
}

/// The process's own.
pub(crate) struct Stdio {
    paint: Paint,
}

impl Stdio {
    pub(crate) fn new() -> Self {
        let plain = env::var_os("NO_COLOR").is_some_and(|set| !set.is_empty());
        Self { paint: Paint { colours: io::stdout().is_terminal() && !plain } }
    }
}

impl Output for Stdio {
    fn print(&mut self, text: &str) -> anyhow::Result<()> {
        let mut stdout = io::stdout().lock();
        stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).context("cannot write to stdout")
    }

    fn note(&mut self, line: &str) {
        // Where stderr is gone there is nobody left to tell.
        let _ = writeln!(io::stderr(), "{line}");
    }

    fn paint(&self) -> Paint {
        self.paint
    }
}

/// Colours, or none.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Paint {
    pub(crate) colours: bool,
}

impl Paint {
    pub(crate) fn strong(self, text: &str) -> String {
        self.with(Style::new().bold(), text)
    }

    pub(crate) fn faint(self, text: &str) -> String {
        self.with(Style::new().dim(), text)
    }

    pub(crate) fn good(self, text: &str) -> String {
        self.with(Style::new().green(), text)
    }

    pub(crate) fn bad(self, text: &str) -> String {
        self.with(Style::new().red(), text)
    }

    fn with(self, style: Style, text: &str) -> String {
        style.force_styling(self.colours).apply_to(text).to_string()
    }
}

/// Rows whose columns stand below each other.
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new(head: &[&str], paint: Paint) -> Self {
        Self { rows: vec![head.iter().map(|title| paint.faint(title)).collect()] }
    }

    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.len() <= 1
    }

    /// With two spaces between columns and nothing at the ends of lines.
    pub(crate) fn render(&self) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or_default();
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| measure_text_width(cell)).max().unwrap_or_default()
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let mut text = String::new();
        for row in &self.rows {
            let cells = row.iter().zip(&widths);
            let cells: Vec<_> =
                cells.map(|(cell, width)| pad_str(cell, *width, console::Alignment::Left, None)).collect();
            text += cells.join("  ").trim_end();
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Keeps what is written.
    #[derive(Default)]
    pub(crate) struct Kept {
        pub(crate) stdout: String,
        pub(crate) stderr: String,
    }

    impl Output for Kept {
        fn print(&mut self, text: &str) -> anyhow::Result<()> {
            self.stdout += text;
            Ok(())
        }

        fn note(&mut self, line: &str) {
            self.stderr += line;
            self.stderr.push('\n');
        }

        fn paint(&self) -> Paint {
            Paint { colours: false }
        }
    }

    #[test]
    fn columns_stand_below_each_other_in_colour_too() {
        let plain = |colours| {
            let paint = Paint { colours };
            let mut table = Table::new(&["SIZE", "BECAUSE"], paint);
            table.row([paint.bad("12"), "ä".to_owned()]);
            table.row([String::new(), "maxReplicas".to_owned()]);
            console::strip_ansi_codes(&table.render()).into_owned()
        };
        assert_eq!(plain(false), "SIZE  BECAUSE\n12    ä\n      maxReplicas\n");
        assert_eq!(plain(true), plain(false));
        assert!(Paint { colours: true }.bad("x").contains('\u{1b}'));
    }
}
