//! Many cases on one bed, some at a time.

use std::{
    io::{Write as _, stderr},
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use futures::{TryStreamExt as _, stream};
use testbed::Namespace;
use tokio::sync::Mutex;

use crate::{
    bed::{Bed, Told},
    generate,
    outcome::Tally,
};

/// Cases at the same time, each in a namespace of its own.
const AT_ONCE: usize = 16;

/// What to run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Campaign {
    pub(crate) seed: u64,
    pub(crate) from: u64,
    pub(crate) cases: u64,
}

impl Campaign {
    pub(crate) fn of_environment(cases: u64) -> Result<Self> {
        let number = |name: &str, otherwise: u64| match std::env::var(name) {
            Ok(text) => text.parse().with_context(|| format!("{name} is no number")),
            Err(_) => Ok(otherwise),
        };
        Ok(Self {
            seed: number("SCHEDULER_BINDS_SEED", 137)?,
            from: number("SCHEDULER_BINDS_FROM", 0)?,
            cases: number("SCHEDULER_BINDS_CASES", cases)?,
        })
    }

    pub(crate) async fn run(self, told: Told) -> Result<Tally> {
        say(&format!("{} cases of seed {}, pods told: {told:?}", self.cases, self.seed));
        let bed = Bed::start().await?;
        let started = Instant::now();
        let free: Mutex<Vec<Namespace>> = Mutex::default();
        for _ in 0..AT_ONCE {
            free.lock().await.push(bed.cluster.namespace("bound").await?);
        }
        let done = Mutex::new((Tally::default(), started));
        stream::iter((self.from..self.from + self.cases).map(Ok::<_, anyhow::Error>))
            .try_for_each_concurrent(AT_ONCE, async |number| {
                let case = generate::case(self.seed, number);
                let namespace = free.lock().await.pop().context("a namespace for each")?;
                let outcome = bed.run(&case, &namespace, told).await;
                free.lock().await.push(namespace);
                let outcome = outcome
                    .with_context(|| format!("case {number} of seed {}: {:?}", self.seed, case.wishes))?;
                let (tally, last) = &mut *done.lock().await;
                tally.count(&case, outcome);
                if last.elapsed() > Duration::from_secs(15) {
                    *last = Instant::now();
                    say(&format!("{} s: {tally}", started.elapsed().as_secs()));
                }
                Ok(())
            })
            .await?;
        let (tally, _) = done.into_inner();
        say(&format!("{} s: {tally}", started.elapsed().as_secs()));
        drop(free);
        Ok(tally)
    }
}

/// A line for whoever waits, also while the test harness captures what tests print.
pub(crate) fn say(line: &str) {
    // A closed stderr is no reason to fail.
    let _ = writeln!(stderr(), "scheduler_binds: {line}");
}
