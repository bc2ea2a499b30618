//! Many random cases: what they came to, and what to keep of a failure.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{IsTerminal, Write, stderr};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use plimsoll_core::replicas::Input;

use crate::branches::Coverage;
use crate::case::Case;
use crate::compare::{Difference, compare};
use crate::deviations::Deviation;
use crate::oracle::Oracle;
use crate::regressions::{Regression, keep};
use crate::shrink::shrink;
use crate::{generate, ours};

/// How many failures are shrunk and kept.
const MOST_KEPT: usize = 5;

/// What to run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Campaign {
    pub(crate) seed: u64,
    pub(crate) calculations: u64,
    pub(crate) sequences: u64,
    /// See [`ours::Operator::meddle`].
    pub(crate) meddle: fn(&mut Input),
}

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) syncs: usize,
    pub(crate) coverage: Coverage,
    pub(crate) deviations: BTreeMap<Deviation, u64>,
    /// The first case of each.
    pub(crate) examples: BTreeMap<Deviation, Case>,
    /// The failing cases: their names and first differences.
    pub(crate) failures: Vec<(String, Case, Difference)>,
    pub(crate) failed: u64,
    pub(crate) took: Duration,
}

impl Campaign {
    /// All cases and their names.
    pub(crate) fn cases(self) -> impl Iterator<Item = (String, Case)> {
        let Self { seed, calculations, sequences, .. } = self;
        let calculations = (0..calculations)
            .map(move |n| (format!("calculation-{seed}-{n}"), generate::calculation(seed, n)));
        let sequences =
            (0..sequences).map(move |n| (format!("sequence-{seed}-{n}"), generate::sequence(seed, n)));
        calculations.chain(sequences)
    }

    /// Runs all cases through both sides.
    pub(crate) fn run(self, oracle: &mut Oracle, shows_progress: bool) -> Tally {
        let started = Instant::now();
        let all = self.calculations + self.sequences;
        let mut progress = Progress::start(all, shows_progress);
        let mut tally = Tally::default();
        let cases = self.cases().map(|(name, case)| {
            let ours = ours::run(&case, self.meddle);
            (case, (name, ours))
        });
        let asked = oracle.ask_all(cases, |case, (name, ours), theirs| {
            let outcome = compare(&case, &ours, &theirs);
            tally.syncs += outcome.compared;
            tally.coverage.count(&case, &ours, outcome.compared);
            for deviation in outcome.deviations {
                tally.examples.entry(deviation).or_insert_with(|| case.clone());
                *tally.deviations.entry(deviation).or_default() += 1;
            }
            if let Some(difference) = outcome.difference {
                tally.failed += 1;
                if tally.failures.len() < MOST_KEPT {
                    tally.failures.push((name, case, difference));
                }
            }
            progress.one_more(tally.failed);
        });
        asked.expect("the oracle answers");
        tally.took = started.elapsed();
        tally
    }

    /// Shrinks the failures, keeps them as regressions, and says so.
    pub(crate) fn explain(self, oracle: &mut Oracle, tally: &Tally) -> String {
        let mut text = format!("{} of {} cases differ", tally.failed, self.calculations + self.sequences);
        for (name, case, _) in &tally.failures {
            let (case, difference) = self.shrunk(oracle, case);
            let regression = Regression { what: difference.to_string(), deviation: None, case };
            let path = keep(name, &regression);
            let _ = fmt::Write::write_fmt(
                &mut text,
                format_args!("\n\n{name}, {difference}\n  shrunk and kept in {}", path.display()),
            );
        }
        text
    }

    /// A small case that differs too, and how it differs.
    pub(crate) fn shrunk(self, oracle: &mut Oracle, case: &Case) -> (Case, Difference) {
        let mut differs = |case: &Case| {
            let theirs = oracle.ask(case).expect("the oracle answers");
            compare(case, &ours::run(case, self.meddle), &theirs).difference
        };
        let case = shrink(case, |case| differs(case).is_some());
        let difference = differs(&case).expect("it differs still");
        (case, difference)
    }
}

/// A bar on a terminal, otherwise a line now and then.
struct Progress {
    all: u64,
    done: u64,
    bar: Option<ProgressBar>,
    shows: bool,
    started: Instant,
    last_line: Instant,
}

impl Progress {
    fn start(all: u64, shows: bool) -> Self {
        let bar = (shows && stderr().is_terminal()).then(|| {
            let style = ProgressStyle::with_template("{elapsed_precise} [{bar:40}] {pos}/{len} cases, {msg}");
            ProgressBar::new(all).with_style(style.expect("a template").progress_chars("=> "))
        });
        let now = Instant::now();
        Self { all, done: 0, bar, shows, started: now, last_line: now }
    }

    fn one_more(&mut self, failed: u64) {
        self.done += 1;
        if let Some(bar) = &self.bar {
            bar.set_message(format!("{failed} differ"));
            bar.set_position(self.done);
        } else if self.shows && self.last_line.elapsed() > Duration::from_secs(15) {
            self.last_line = Instant::now();
            let seconds = self.started.elapsed().as_secs();
            say(&format!("{seconds} s: {} of {} cases, {failed} differ", self.done, self.all));
        }
    }
}

/// A line for whoever waits, also while the test harness captures what tests print.
pub(crate) fn say(line: &str) {
    // A closed stderr is no reason to fail.
    let _ = writeln!(stderr(), "hpa_differential: {line}");
}
