//! From a case that fails to a small one that fails too.

use plimsoll_core::replicas::{Behavior, Settings};

use crate::case::{Case, Observed, Rival, SELECTOR, ScaleRead, Step, Write};

/// How many cases are tried at most.
const MOST_TRIES: usize = 6_000;

/// Takes away and simplifies as long as `fails`. Every single removal and simplification has been tried on what is
/// returned, unless there were too many.
pub(crate) fn shrink(case: &Case, mut fails: impl FnMut(&Case) -> bool) -> Case {
    let mut smallest = case.clone();
    let mut tries = 0..MOST_TRIES;
    loop {
        let before = smallest.clone();
        let mut at = 0;
        loop {
            let candidate = candidates(&smallest).nth(at);
            let Some(candidate) = candidate else { break };
            if tries.next().is_none() {
                return smallest;
            }
            if fails(&candidate) {
                smallest = candidate;
            } else {
                at += 1;
            }
        }
        if smallest == before {
            return smallest;
        }
    }
}

/// Cases that are a little simpler, the much simpler ones first.
fn candidates(case: &Case) -> impl Iterator<Item = Case> {
    let steps = case.steps.len();
    let last = (1..steps).map(move |keep| edited(case, |case| case.steps.truncate(keep)));
    let without =
        (0..steps).filter(move |_| steps > 1).map(move |at| edited(case, |case| drop(case.steps.remove(at))));
    let whole = [
        edited(case, |case| case.settings = Settings::default()),
        edited(case, |case| case.scaled_to_zero = false),
    ];
    let calmer = (0..steps).flat_map(move |at| {
        simpler(&case.steps[at])
            .into_iter()
            .map(move |step| edited(case, |case| case.steps[at] = step.clone()))
    });
    let same = case.clone();
    last.chain(without).chain(whole).chain(calmer).filter(move |candidate| *candidate != same)
}

fn edited<T: Clone>(of: &T, edit: impl FnOnce(&mut T)) -> T {
    let mut changed = of.clone();
    edit(&mut changed);
    changed
}

fn simpler(step: &Step) -> Vec<Step> {
    let mut found = Vec::new();
    let mut try_edit = |edit: &dyn Fn(&mut Step)| {
        let candidate = edited(step, edit);
        if candidate != *step {
            found.push(candidate);
        }
    };
    try_edit(&|step| SELECTOR.clone_into(&mut step.selector));
    try_edit(&|step| step.rival = Rival::None);
    try_edit(&|step| step.scale = ScaleRead::Works);
    try_edit(&|step| step.write = Write::Works);
    try_edit(&|step| step.status_fails = None);
    try_edit(&|step| step.recreated = false);
    try_edit(&|step| step.pods.truncate(step.pods.len() / 2));
    try_edit(&|step| step.policy.behavior = None);
    try_edit(&|step| step.policy.behavior = step.policy.behavior.as_ref().map(|_| Behavior::default()));
    for metric in 0..step.policy.metrics.len() {
        try_edit(&|step| {
            // An empty list is no simpler case, but another one.
            if step.policy.metrics.len() > 1 {
                step.policy.metrics.remove(metric);
                step.observed.remove(metric);
            }
        });
        fewer_samples(&step.observed[metric], |fewer| {
            try_edit(&|step| step.observed[metric] = fewer.clone());
        });
    }
    for pod in 0..step.pods.len() {
        try_edit(&|step| drop(step.pods.remove(pod)));
        try_edit(&|step| step.pods[pod].init_containers.clear());
        try_edit(&|step| step.pods[pod].pod_requests.clear());
        try_edit(&|step| step.pods[pod].overhead.clear());
        try_edit(&|step| step.pods[pod].containers.truncate(1));
    }
    try_edit(&|step| step.policy.min_replicas = 1);
    try_edit(&|step| step.policy.max_replicas = 100);
    try_edit(&|step| step.target.status_replicas = step.target.spec_replicas);
    for up in [true, false] {
        let rules = |step: &mut Step, edit: &dyn Fn(&mut plimsoll_core::replicas::ScalingRules)| {
            if let Some(behavior) = &mut step.policy.behavior {
                edit(if up { &mut behavior.scale_up } else { &mut behavior.scale_down });
            }
        };
        try_edit(&|step| rules(step, &|rules| rules.tolerance = None));
        try_edit(&|step| rules(step, &|rules| rules.policies.truncate(1)));
        try_edit(&|step| rules(step, &|rules| rules.select_policy = <_>::default()));
        try_edit(&|step| rules(step, &|rules| rules.stabilization_window_seconds = Some(0)));
    }
    found
}

/// The same with fewer, and rounder, samples.
fn fewer_samples(observed: &Observed, mut each: impl FnMut(Observed)) {
    match observed {
        Observed::Usages(usages) => {
            for at in 0..usages.len() {
                each(Observed::Usages(edited(usages, |usages| drop(usages.remove(at)))));
            }
        }
        Observed::Custom(samples) => {
            for name in samples.keys() {
                each(Observed::Custom(edited(samples, |samples| samples.retain(|other, _| other != name))));
            }
        }
        Observed::Series(series) => {
            for at in 0..series.len() {
                let without = [&series[..at], &series[at + 1..]].concat();
                each(Observed::Series(without));
                for round in rounder(series[at]) {
                    each(Observed::Series(edited(series, |series| series[at] = round)));
                }
            }
        }
        Observed::Value(value) => rounder(*value).for_each(|round| each(Observed::Value(round))),
        Observed::Fails(_) => {}
    }
}

fn rounder(value: i64) -> impl Iterator<Item = i64> {
    let shorter = [1_000_000, 10_000, 100, 10].map(|unit| value / unit * unit);
    [0].into_iter().chain(shorter).filter(move |round| round.unsigned_abs() < value.unsigned_abs())
}
