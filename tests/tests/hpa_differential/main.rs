//! `plimsoll_core` under `HPA-1.37` against the HPA controller of Kubernetes itself.
//!
//! Both get the same generated cases, and everything that can be seen from outside is compared, and what is remembered
//! too. `cargo test -p plimsoll-tests --test hpa_differential` runs a part; `make conformance` runs the full number and
//! writes `docs/conformance/hpa.md`. `HPA_DIFFERENTIAL_SEED` chooses other cases.

// Helpers outside `#[test]` functions may panic here: the whole file is a test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod answer;
mod branches;
mod campaign;
mod case;
mod compare;
mod deviations;
mod generate;
mod oracle;
mod ours;
mod regressions;
mod report;
mod shrink;

use plimsoll_core::replicas::{Algorithm, Input};
use plimsoll_core::time::Span;

use crate::campaign::{Campaign, Tally, say};
use crate::compare::compare;
use crate::deviations::Deviation;
use crate::oracle::Oracle;
use crate::regressions::Regression;

/// A part that takes seconds. With the default seed it takes every branch.
const PART: Campaign = Campaign { seed: 137, calculations: 4_000, sequences: 600, meddle: |_| () };
/// What `make conformance` runs.
const ALL: Campaign = Campaign { seed: 137, calculations: 100_000, sequences: 10_000, meddle: |_| () };

fn with_seed(campaign: Campaign) -> (Campaign, bool) {
    let Ok(seed) = std::env::var("HPA_DIFFERENTIAL_SEED") else { return (campaign, true) };
    let seed = seed.parse().expect("HPA_DIFFERENTIAL_SEED is a number");
    (Campaign { seed, ..campaign }, false)
}

/// The branches and deviations that were never seen: either the generator is too tame, or a deviation is none any more.
fn unseen(tally: &Tally, deviations: &[Deviation]) -> Vec<String> {
    let deviations = deviations.iter().filter(|deviation| !tally.deviations.contains_key(deviation));
    let deviations = deviations.map(|deviation| format!("the known deviation {deviation:?}"));
    tally.coverage.missing().into_iter().chain(deviations).collect()
}

#[test]
fn decisions_are_those_of_kubernetes() {
    let (campaign, every_branch) = with_seed(PART);
    let Campaign { seed, calculations, sequences, .. } = campaign;
    say(&format!("{calculations} calculations and {sequences} sequences of seed {seed}"));
    let mut oracle = oracle::start();
    let tally = campaign.run(&mut oracle, false);
    print!("{}", tally.coverage.tables());
    assert_eq!(tally.failed, 0, "{}", campaign.explain(&mut oracle, &tally));
    let unseen = unseen(&tally, &[]);
    assert!(unseen.is_empty() || !every_branch, "never seen:\n{}", unseen.join("\n"));
    let (taken, seconds) = (branches::Branch::ALL.len() - unseen.len(), tally.took.as_secs());
    say(&format!("{} syncs agree in {seconds} s, {taken} branches taken", tally.syncs));
}

#[test]
#[ignore = "takes minutes: make conformance"]
fn conformance() {
    let (campaign, _) = with_seed(ALL);
    let Campaign { seed, calculations, sequences, .. } = campaign;
    say(&format!("{calculations} calculations and {sequences} sequences of seed {seed}: some minutes"));
    let versions = report::Versions::now();
    let mut oracle = oracle::start();
    let replayed = replay(&mut oracle);
    let tally = campaign.run(&mut oracle, true);
    assert_eq!(tally.failed, 0, "{}", campaign.explain(&mut oracle, &tally));
    let not_replayed: Vec<_> =
        Deviation::ALL.into_iter().filter(|deviation| !replayed.contains(&Some(*deviation))).collect();
    let unseen = unseen(&tally, &not_replayed);
    assert!(unseen.is_empty(), "never seen:\n{}", unseen.join("\n"));
    let page = report::page(&versions, campaign, &tally, replayed.len());
    let path = testbed::tools::repository().join("docs/conformance/hpa.md");
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, &page).unwrap();
    println!("{page}");
    say(&format!("{} syncs agree in {} s: {}", tally.syncs, tally.took.as_secs(), path.display()));
}

/// After a deviation was mended, added, or made narrower.
#[test]
#[ignore = "writes regressions/deviation-*.json"]
fn keep_an_example_of_each_deviation() {
    let mut oracle = oracle::start();
    let campaign = Campaign { calculations: 5_000, ..ALL };
    let tally = campaign.run(&mut oracle, true);
    for (deviation, case) in tally.examples {
        // Whether it shows is up to chance.
        if deviation == Deviation::OrderOfScalers {
            continue;
        }
        let case = shrink::shrink(&case, |case| {
            let outcome = compare(case, &ours::run(case, |_| ()), &oracle.ask(case).unwrap());
            outcome.difference.is_none() && outcome.deviations.contains(&deviation)
        });
        let what = deviation.reason().to_owned();
        let name = format!("{deviation:?}");
        regressions::keep(&format!("deviation-{name}"), &Regression { what, deviation: Some(name), case });
    }
}

#[test]
fn cases_that_failed_once_stay_mended() {
    assert!(!replay(&mut oracle::start()).is_empty());
}

/// Replays the kept cases, and says which deviation each of them shows.
fn replay(oracle: &mut Oracle) -> Vec<Option<Deviation>> {
    let kept = regressions::all();
    let mut shown = Vec::new();
    for (file, regression) in &kept {
        let outcome = compare(
            &regression.case,
            &ours::run(&regression.case, |_| ()),
            &oracle.ask(&regression.case).unwrap(),
        );
        assert_eq!(outcome.difference, None, "{file}");
        let expected = regression.deviation.as_ref();
        let seen = outcome.deviations.into_iter().find(|seen| Some(&format!("{seen:?}")) == expected);
        assert_eq!(seen.is_some(), expected.is_some(), "{file}: {expected:?} is a deviation no more");
        shown.push(seen);
    }
    shown
}

/// Every comparison is worth only as much as its power to fail.
#[test]
fn a_small_change_of_the_algorithm_is_found() {
    type Change = (&'static str, fn(&mut Input));
    let changes: [Change; 8] = [
        ("Plimsoll-1", |input| input.policy.algorithm = Algorithm::Plimsoll1),
        ("a tolerance of 0.101", |input| input.settings.tolerance += 0.001),
        ("a window shorter by a millisecond", |input| {
            input.settings.downscale_stabilization =
                input.settings.downscale_stabilization - Span::from_millis(1);
        }),
        ("an initialization period longer by a millisecond", |input| {
            input.settings.cpu_initialization_period =
                input.settings.cpu_initialization_period + Span::from_millis(1);
        }),
        ("a readiness delay longer by a millisecond", |input| {
            input.settings.initial_readiness_delay =
                input.settings.initial_readiness_delay + Span::from_millis(1);
        }),
        ("periods longer by a second", |input| {
            for rules in input.policy.behavior.iter_mut().flat_map(|b| [&mut b.scale_up, &mut b.scale_down]) {
                rules.policies.iter_mut().for_each(|policy| policy.period_seconds += 1);
            }
        }),
        ("status.replicas taken for spec.replicas", |input| {
            input.target.status_replicas = input.target.spec_replicas;
        }),
        ("the memory of zero lost", |input| input.scaled_to_zero = false),
    ];
    let campaign = Campaign { calculations: 1_200, sequences: 250, ..PART };
    let cases = campaign.cases().map(|(_, case)| {
        let ours = changes.map(|(_, meddle)| ours::run(&case, meddle));
        (case, ours)
    });
    let mut found = changes.map(|_| 0);
    let mut oracle = oracle::start();
    let asked = oracle.ask_all(cases, |case, ours, theirs| {
        for (ours, found) in ours.iter().zip(&mut found) {
            *found += u32::from(compare(&case, ours, &theirs).difference.is_some());
        }
    });
    asked.unwrap();
    for ((change, _), found) in changes.iter().zip(found) {
        println!("{change}: {found} cases differ");
        assert!(found > 0, "{change} went unnoticed");
    }
}

#[test]
fn a_failing_case_becomes_a_small_one() {
    let mut oracle = oracle::start();
    let campaign = Campaign {
        calculations: 0,
        sequences: 40,
        meddle: |input| input.policy.algorithm = Algorithm::Plimsoll1,
        ..PART
    };
    let tally = campaign.run(&mut oracle, false);
    let (_, case, _) = tally.failures.first().expect("the algorithms differ");
    let (small, difference) = campaign.shrunk(&mut oracle, case);
    println!("{difference}\n{}", serde_json::to_string(&small).unwrap());
    let size = |case: &case::Case| serde_json::to_string(case).unwrap().len();
    assert!(size(&small) * 4 < size(case), "{} bytes of {}", size(&small), size(case));
}
