//! Many random cases: what they came to, and what to keep of a failure.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{Write as _, stderr};
use std::time::{Duration, Instant};

use crate::answer::Answer;
use crate::case::Case;
use crate::compare::{Difference, Outcome, compare};
use crate::coverage::Coverage;
use crate::deviations::Deviation;
use crate::oracle::Oracle;
use crate::regressions::{Regression, keep};
use crate::shrink::shrink;
use crate::{generate, ours};

/// How many failures are shrunk and kept, each of another kind.
const MOST_KEPT: usize = 8;

/// What to run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Campaign {
    pub(crate) seed: u64,
    /// How many questions, each a pod and a node, are asked at least.
    pub(crate) questions: u64,
    /// Changes what our side sees of every case. Only the controls, which must find differences, do so.
    pub(crate) meddle: fn(&mut Case),
}

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) cases: u64,
    /// Cases that the API server would not have stored.
    pub(crate) invalid: u64,
    /// Why not, for some of them.
    pub(crate) why_invalid: Vec<String>,
    pub(crate) coverage: Coverage,
    /// The failing cases: their names and first differences.
    pub(crate) failures: Vec<(String, Case, Difference)>,
    /// Questions with different answers.
    pub(crate) failed: u64,
    /// Those by what both sides say.
    pub(crate) kinds: BTreeMap<String, u64>,
    /// Questions with a known deviation.
    pub(crate) deviations: BTreeMap<Deviation, u64>,
    pub(crate) took: Duration,
}

impl Campaign {
    /// Asks both sides.
    pub(crate) fn run(self, oracle: &mut Oracle) -> Tally {
        let started = Instant::now();
        let mut last_line = started;
        let mut tally = Tally::default();
        // A case has one to six nodes, and few are invalid: this many are enough for most of the questions.
        let step = 500;
        while tally.coverage.questions < self.questions {
            let from = tally.cases;
            let cases = (from..from + step).map(|n| {
                let case = generate::case(self.seed, n);
                let mut seen = case.clone();
                (self.meddle)(&mut seen);
                (case, (n, ours::answer(&seen)))
            });
            let each = |case: Case, (n, ours): (u64, Vec<_>), theirs: Answer| {
                tally.count(format!("case-{}-{n}", self.seed), case, &ours, &theirs);
            };
            oracle.ask_all(cases, each).expect("the oracle answers");
            if last_line.elapsed() > Duration::from_secs(15) {
                last_line = Instant::now();
                let Tally { coverage, failed, .. } = &tally;
                let seconds = started.elapsed().as_secs();
                say(&format!("{seconds} s: {} questions, {failed} differ", coverage.questions));
            }
        }
        tally.took = started.elapsed();
        tally
    }

    /// Shrinks the failures, keeps them as regressions, and says so.
    pub(crate) fn explain(self, oracle: &mut Oracle, tally: &Tally) -> String {
        let mut text = format!("{} of {} answers differ", tally.failed, tally.coverage.questions);
        for (kind, times) in &tally.kinds {
            let _ = write!(text, "\n{times} times: {kind}");
        }
        for (name, case, _) in &tally.failures {
            let (case, difference) = self.shrunk(oracle, case);
            let path = keep(name, &Regression { what: difference.to_string(), case });
            let _ = write!(text, "\n\n{name}, {difference}\n  shrunk and kept in {}", path.display());
        }
        text
    }

    /// A small case that differs too, and how it differs.
    pub(crate) fn shrunk(self, oracle: &mut Oracle, case: &Case) -> (Case, Difference) {
        let mut differs = |case: &Case| {
            let theirs = oracle.ask(case).expect("the oracle answers");
            if !theirs.invalid.is_empty() {
                return None;
            }
            let mut seen = case.clone();
            (self.meddle)(&mut seen);
            compare(&ours::answer(&seen), &theirs).differences.into_iter().next()
        };
        let case = shrink(case, |case| differs(case).is_some());
        let difference = differs(&case).expect("it differs still");
        (case, difference)
    }
}

impl Tally {
    fn count(&mut self, name: String, case: Case, ours: &[ours::Answer], theirs: &Answer) {
        self.cases += 1;
        self.invalid += u64::from(!theirs.invalid.is_empty());
        if self.why_invalid.len() < MOST_KEPT {
            self.why_invalid.extend(theirs.invalid.iter().cloned());
        }
        self.coverage.count(theirs);
        let Outcome { differences, deviations } = compare(ours, theirs);
        self.failed += differences.len() as u64;
        for deviation in deviations {
            *self.deviations.entry(deviation).or_default() += 1;
        }
        let Some(first) = differences.into_iter().next() else { return };
        let kind = format!("{} | {}", first.ours, first.theirs);
        let times = self.kinds.entry(kind).or_default();
        *times += 1;
        if *times == 1 && self.failures.len() < MOST_KEPT {
            self.failures.push((name, case, first));
        }
    }
}

/// A line for whoever waits, also while the test harness captures what tests print.
pub(crate) fn say(line: &str) {
    // A closed stderr is no reason to fail.
    let _ = writeln!(stderr(), "scheduler_differential: {line}");
}
