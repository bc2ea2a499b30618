//! Shows the model: redrawn in place on a terminal, as lines and now and then a table elsewhere.
//!
//! It needs nothing of the terminal but to move the cursor up and to clear: no raw mode, no other screen, no
//! hidden cursor. So there is nothing to restore, however the process ends.

use std::time::Duration;

use console::{Term, measure_text_width, style};
use tokio::{
    sync::oneshot,
    task::JoinHandle,
    time::{MissedTickBehavior, interval},
};

use super::{
    Stage,
    model::Model,
    rows::{clock, entry, fit, history, table},
};

const REDRAW: Duration = Duration::from_millis(150);
const BETWEEN_TABLES: Duration = Duration::from_secs(15);
const SPINNER: [char; 8] = ['⠋', '⠙', '⠸', '⠴', '⠦', '⠇', '⠏', '⠿'];
/// Of a log.
const PLAIN_WIDTH: usize = 160;

/// Draws in the background until it is told to end.
#[derive(Debug)]
pub(super) struct Screen {
    end: oneshot::Sender<()>,
    painter: JoinHandle<()>,
}

impl Screen {
    /// Starts to draw to stdout.
    pub(super) fn start(stage: Stage) -> Self {
        let (end, mut ended) = oneshot::channel();
        let painter = tokio::spawn(async move {
            let mut painter = Painter::new();
            let mut ticks = interval(REDRAW);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
            loop {
                tokio::select! {
                    _ = ticks.tick() => {}
                    _ = &mut ended => break,
                }
                painter.paint(&stage, false);
            }
            painter.paint(&stage, true);
        });
        Self { end, painter }
    }

    /// Draws a last time and leaves what is drawn.
    pub(super) async fn end(self) {
        // It may be gone, if it panicked.
        let _ = self.end.send(());
        let _ = self.painter.await;
    }
}

/// Whether stdout is a terminal that can be redrawn.
pub(super) fn is_live() -> bool {
    let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
    Term::stdout().is_term() && !dumb
}

/// Whether to use colours.
pub(super) fn is_colorful() -> bool {
    is_live() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

struct Painter {
    term: Term,
    live: bool,
    /// What is drawn below the lines that stay.
    drawn: Vec<String>,
    /// How many entries of the journal are printed.
    printed: usize,
    next_table: Duration,
    ticks: usize,
}

impl Painter {
    fn new() -> Self {
        Self {
            term: Term::buffered_stdout(),
            live: is_live(),
            drawn: Vec::new(),
            printed: 0,
            next_table: Duration::ZERO,
            ticks: 0,
        }
    }

    fn paint(&mut self, stage: &Stage, last: bool) {
        let now = stage.now();
        self.ticks += 1;
        let model = stage.see(Clone::clone);
        // Nobody reads it any more, for example behind `| head`: the demo goes on and says so by its status.
        let _ = if self.live { self.paint_live(&model, now, last) } else { self.paint_plain(&model, now) };
    }

    fn paint_live(&mut self, model: &Model, now: Duration, last: bool) -> std::io::Result<()> {
        let width = usize::from(self.term.size().1).max(1);
        let new: Vec<_> = model.journal[self.printed..].iter().map(entry).collect();
        self.printed = model.journal.len();
        let below = self.frame(model, now, width, last);
        if new.is_empty() && below == self.drawn {
            return Ok(());
        }
        // A terminal that became narrower has broken the lines.
        let rows: usize = self.drawn.iter().map(|line| measure_text_width(line).div_ceil(width).max(1)).sum();
        self.term.clear_last_lines(rows)?;
        for line in new.iter().chain(&below) {
            self.term.write_line(line)?;
        }
        self.term.flush()?;
        self.drawn = below;
        Ok(())
    }

    /// What is drawn anew.
    fn frame(&self, model: &Model, now: Duration, width: usize, last: bool) -> Vec<String> {
        // One column stays free: a full line would wrap on some terminals.
        let width = width.saturating_sub(1);
        let mut frame = vec![String::new()];
        if is_shown(model) {
            frame.extend(table(model, width));
            frame.push(String::new());
            frame.extend(history(model, width));
            frame.push(String::new());
        }
        if !last {
            let spinner = SPINNER[self.ticks % SPINNER.len()];
            let line = format!("{} {} {}", style(spinner).cyan(), clock(now).trim(), model.doing);
            frame.push(fit(&line, width));
        }
        frame
    }

    fn paint_plain(&mut self, model: &Model, now: Duration) -> std::io::Result<()> {
        for new in &model.journal[self.printed..] {
            self.term.write_line(&entry(new))?;
        }
        self.printed = model.journal.len();
        if is_shown(model) && now >= self.next_table {
            self.next_table = now + BETWEEN_TABLES;
            for line in table(model, PLAIN_WIDTH) {
                self.term.write_line(&format!("    {line}"))?;
            }
        }
        self.term.flush()
    }
}

/// There is something to see once the first Deployment is there.
fn is_shown(model: &Model) -> bool {
    model.services.iter().any(|service| service.wanted.is_some())
}
