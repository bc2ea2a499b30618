//! Random cases. Case number `n` of a seed is always the same one, whatever came before it.

mod dice;
mod load;
mod pods;
mod sequence;
mod spec;

use plimsoll_core::replicas::{PodView, Policy, Settings, TargetView};
use plimsoll_core::time::Span;

use self::dice::Dice;
use self::load::Demand;
use self::pods::Template;
pub(crate) use self::sequence::sequence;
use crate::case::{BAD_SELECTORS, Case, Rival, SELECTOR, START, ScaleRead, Step, Write};

/// What a case is drawn from: one stream for each part of it.
struct Streams {
    spec: Dice,
    pods: Dice,
    load: Dice,
    story: Dice,
}

impl Streams {
    fn new(seed: u64, kind: u64, number: u64) -> Self {
        let of = |stream| Dice::new(seed, number, kind * 4 + stream);
        Self { spec: of(0), pods: of(1), load: of(2), story: of(3) }
    }
}

/// One sync of a controller that has just started: what the calculator makes of pods, samples and targets.
pub(crate) fn calculation(seed: u64, number: u64) -> Case {
    let mut streams = Streams::new(seed, 0, number);
    let settings = spec::settings(&mut streams.spec);
    let policy = spec::policy(&mut streams.spec);
    let story = &mut streams.story;
    let spec_replicas = size(story, &policy);
    let status_replicas = match story.index(0, 9) {
        0 => story.within_i32(0, 12),
        1 => 0,
        2 => spec_replicas.saturating_add(story.of(&[1, 3, -1])).max(0),
        _ => spec_replicas,
    };
    let count = match story.index(0, 9) {
        0 => 0,
        1 | 2 => story.index(0, 20),
        3 => story.index(1, 4),
        _ => usize::try_from(spec_replicas.min(25)).unwrap_or_default(),
    };
    let target = TargetView { spec_replicas, status_replicas };
    let template = Template::new(&mut streams.pods);
    let mut step =
        Step { now: START + Span::from_secs(3_600), target, observed: Vec::new(), ..plain_step(policy) };
    step.pods = pods_of(&mut streams, &template, count, &step, &settings);
    observe(&mut streams, &template, &mut step);
    trouble(&mut streams.story, &mut step, 0.4);
    Case { settings, scaled_to_zero: spec_replicas == 0 && streams.story.chance(75.0), steps: vec![step] }
}

/// A size: mostly within the bounds.
fn size(dice: &mut Dice, policy: &Policy) -> i32 {
    let (min, max) = (policy.min_replicas, policy.max_replicas);
    match dice.index(0, 99) {
        0..9 => 0,
        9..12 => max.saturating_add(dice.within_i32(1, 5)),
        12..15 => (min - 1).max(0),
        15 if max == i32::MAX => dice.of(&[1 << 30, (1 << 30) + 1, i32::MAX, 1 << 29]),
        _ => dice.within_i32(min, max.min(min.saturating_add(25))),
    }
}

/// Nothing is odd, and nothing is observed yet.
fn plain_step(policy: Policy) -> Step {
    Step {
        now: START,
        policy,
        target: TargetView::default(),
        pods: Vec::new(),
        observed: Vec::new(),
        selector: SELECTOR.to_owned(),
        rival: Rival::None,
        scale: ScaleRead::Works,
        write: Write::Works,
        status_fails: None,
        recreated: false,
    }
}

fn pods_of(
    streams: &mut Streams,
    template: &Template,
    count: usize,
    step: &Step,
    settings: &Settings,
) -> Vec<PodView> {
    (0..count).map(|n| template.pod(&mut streams.pods, n, step.now, settings)).collect()
}

/// What the metrics APIs answer in a calculation: anything.
fn observe(streams: &mut Streams, template: &Template, step: &mut Step) {
    let dice = &mut streams.load;
    let missing = dice.of(&[0.0, 0.0, 0.0, 3.0, 15.0, 60.0]);
    let failing = dice.of(&[0.0, 0.0, 0.0, 10.0]);
    let noise = dice.of(&[0.0, 0.0, 0.05, 0.5]);
    step.observed = (step.policy.metrics.iter())
        .map(|metric| {
            let pods = f64::from(step.target.status_replicas.max(1));
            let request = template.request;
            let demand = Demand { factor: load::factor(dice), pods, noise, failing, missing, request };
            load::observe(dice, metric, demand, &step.pods, step.now)
        })
        .collect();
}

/// What may be in the way, each in `percent` of 100, and some a little more often.
fn trouble(dice: &mut Dice, step: &mut Step, percent: f64) {
    if dice.chance(percent) {
        step.selector.clear();
    }
    if dice.chance(percent) {
        dice.of(&BAD_SELECTORS).0.clone_into(&mut step.selector);
    }
    if dice.chance(2.0 * percent) {
        step.rival = dice.of(&[Rival::Apart, Rival::Overlapping, Rival::Overlapping, Rival::Waiting]);
    }
    if dice.chance(2.0 * percent) {
        step.scale = dice.of(&[
            ScaleRead::FallsBack,
            ScaleRead::Fails("deployments.apps \"web\" not found".to_owned()),
            ScaleRead::Unmapped("Widget".to_owned()),
            ScaleRead::BadVersion("apps/v1/web".to_owned()),
        ]);
    }
    if dice.chance(3.0 * percent) {
        step.write = match dice.index(0, 3) {
            0 | 1 => Write::Fails("admission webhook \"guard\" denied the request".to_owned()),
            2 => Write::Conflicts(5),
            _ => Write::Conflicts(u32::try_from(dice.index(1, 4)).unwrap_or(1)),
        };
    }
    if dice.chance(percent) {
        step.status_fails = Some("etcdserver: request timed out".to_owned());
    }
}
