//! `plimsoll_core::placement` against the filters of kube-scheduler itself.
//!
//! Both get the same generated clusters, and both say of each node whether a pod may go there.
//! `cargo test -p plimsoll-tests --test scheduler_differential` runs a part; `make conformance` runs the full number and
//! writes `docs/conformance/placement.md`. `SCHEDULER_DIFFERENTIAL_SEED` chooses other cases.

// Helpers outside `#[test]` functions may panic here: the whole file is a test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod answer;
mod campaign;
mod case;
mod compare;
mod coverage;
mod deviations;
mod generate;
mod oracle;
mod ours;
mod regressions;
mod report;
mod shrink;

use crate::campaign::{Campaign, say};
use crate::case::Case;
use crate::compare::compare;
use crate::deviations::Deviation;

/// A part that takes seconds. With the default seed every filter says no.
const PART: Campaign = Campaign { seed: 137, questions: 10_000, meddle: |_| () };
/// What `make conformance` runs.
const ALL: Campaign = Campaign { seed: 137, questions: 100_000, meddle: |_| () };

fn with_seed(campaign: Campaign) -> (Campaign, bool) {
    let Ok(seed) = std::env::var("SCHEDULER_DIFFERENTIAL_SEED") else { return (campaign, true) };
    let seed = seed.parse().expect("SCHEDULER_DIFFERENTIAL_SEED is a number");
    (Campaign { seed, ..campaign }, false)
}

#[test]
fn a_pod_may_go_where_kube_scheduler_lets_it() {
    let (campaign, every_reason) = with_seed(PART);
    say(&format!("{} questions of seed {}", campaign.questions, campaign.seed));
    let mut oracle = oracle::start();
    let tally = campaign.run(&mut oracle);
    print!("{}", tally.coverage.tables());
    assert_eq!(tally.failed, 0, "{}", campaign.explain(&mut oracle, &tally));
    assert!(tally.invalid * 10 < tally.cases, "too many cases are invalid: {:#?}", tally.why_invalid);
    let missing = tally.coverage.missing();
    assert!(missing.is_empty() || !every_reason, "never heard:\n{}", missing.join("\n"));
    say(&format!("{} answers agree in {} s", tally.coverage.questions, tally.took.as_secs()));
}

#[test]
#[ignore = "takes minutes: make conformance"]
fn conformance() {
    let (campaign, _) = with_seed(ALL);
    say(&format!("{} questions of seed {}: some minutes", campaign.questions, campaign.seed));
    let mut oracle = oracle::start();
    let replayed = replay(&mut oracle);
    let tally = campaign.run(&mut oracle);
    assert_eq!(tally.failed, 0, "{}", campaign.explain(&mut oracle, &tally));
    let missing = tally.coverage.missing();
    assert!(missing.is_empty(), "never heard:\n{}", missing.join("\n"));
    let unseen = Deviation::ALL.into_iter().find(|deviation| !tally.deviations.contains_key(deviation));
    assert_eq!(unseen, None, "it is a deviation no more");
    let page = report::page(campaign, &tally, replayed);
    let path = testbed::tools::repository().join("docs/conformance/placement.md");
    std::fs::write(&path, &page).unwrap();
    println!("{page}");
    say(&format!("{} answers agree: {}", tally.coverage.questions, path.display()));
}

#[test]
fn cases_that_failed_once_stay_mended() {
    assert!(replay(&mut oracle::start()) > 0);
}

fn replay(oracle: &mut oracle::Oracle) -> usize {
    let kept = regressions::all();
    for (file, regression) in &kept {
        let theirs = oracle.ask(&regression.case).unwrap();
        assert_eq!(theirs.invalid, Vec::<String>::new(), "{file}");
        assert_eq!(compare(&ours::answer(&regression.case), &theirs).differences, [], "{file}");
    }
    kept.len()
}

/// Every comparison is worth only as much as its power to fail.
#[test]
fn a_rule_that_is_left_out_is_found() {
    type Change = (&'static str, fn(&mut Case));
    let changes: [Change; 12] = [
        ("taints", |case| case.nodes.iter_mut().for_each(|node| spec(node).taints = None)),
        ("cordons", |case| case.nodes.iter_mut().for_each(|node| spec(node).unschedulable = None)),
        ("the node selector", |case| asked(case).node_selector = None),
        ("node affinity", |case| affinity(case).node_affinity = None),
        ("affinity to pods", |case| affinity(case).pod_affinity = None),
        ("affinity against pods", |case| affinity(case).pod_anti_affinity = None),
        ("spread constraints", |case| asked(case).topology_spread_constraints = None),
        ("overhead", |case| asked(case).overhead = None),
        ("init containers", |case| asked(case).init_containers = None),
        ("volumes", |case| asked(case).volumes = None),
        ("scheduling gates", |case| asked(case).scheduling_gates = None),
        ("the pods that are there", |case| case.pods.clear()),
    ];
    let cases = (0..1_200).map(|n| {
        let case = generate::case(PART.seed, n);
        let ours = changes.map(|(_, meddle)| {
            let mut seen = case.clone();
            meddle(&mut seen);
            ours::answer(&seen)
        });
        (case, ours)
    });
    let mut found = changes.map(|_| 0);
    let mut oracle = oracle::start();
    let asked = oracle.ask_all(cases, |_, ours, theirs| {
        for (ours, found) in ours.iter().zip(&mut found) {
            *found += compare(ours, &theirs).differences.len();
        }
    });
    asked.unwrap();
    for ((what, _), found) in changes.iter().zip(found) {
        println!("without {what}: {found} answers differ");
        assert!(found > 0, "{what} went unnoticed");
    }
}

fn spec(node: &mut k8s_openapi::api::core::v1::Node) -> &mut k8s_openapi::api::core::v1::NodeSpec {
    node.spec.get_or_insert_default()
}

fn asked(case: &mut Case) -> &mut k8s_openapi::api::core::v1::PodSpec {
    case.pod.spec.get_or_insert_default()
}

fn affinity(case: &mut Case) -> &mut k8s_openapi::api::core::v1::Affinity {
    asked(case).affinity.get_or_insert_default()
}

#[test]
fn a_failing_case_becomes_a_small_one() {
    let mut oracle = oracle::start();
    let campaign = Campaign { questions: 2_000, meddle: |case| asked(case).tolerations = None, ..PART };
    let tally = campaign.run(&mut oracle);
    let (_, case, _) = tally.failures.first().expect("tolerations matter");
    let (small, difference) = campaign.shrunk(&mut oracle, case);
    println!("{difference}\n{}", serde_json::to_string(&small).unwrap());
    let size = |case: &Case| serde_json::to_string(case).unwrap().len();
    assert!(size(&small) * 2 < size(case), "{} bytes of {}", size(&small), size(case));
}
