//! Random stories: load comes and goes, people edit specs and sizes, and things fail.

use plimsoll_core::replicas::{Policy, Settings, TargetView};
use plimsoll_core::time::{Span, Timestamp};

use super::dice::Dice;
use super::load::{self, Demand};
use super::pods::Template;
use super::{Streams, plain_step, pods_of, size, spec, trouble};
use crate::case::{Case, START, Step, Write};
use crate::ours::Operator;

/// What goes on from one sync to the next.
struct Story {
    settings: Settings,
    policy: Policy,
    template: Template,
    now: Timestamp,
    target: TargetView,
    /// How many pods there is work for, per metric.
    demand: Vec<f64>,
    failing: f64,
    missing: f64,
    /// In percent and sync.
    edits: f64,
    troubles: f64,
    /// How many writes met conflicts. HPA's clock moves meanwhile, by less than [`SHIFT`], so the syncs before, at and
    /// after such a write are kept away from the edges of each other's windows and periods.
    conflicts: i64,
}

/// In milliseconds. Longer than all tries of a write take.
const SHIFT: i64 = 100;
/// With two shifts for each, the sum stays below a second.
const MOST_CONFLICTS: i64 = 4;

/// A sequence of syncs.
pub(crate) fn sequence(seed: u64, number: u64) -> Case {
    let mut streams = Streams::new(seed, 1, number);
    let settings = spec::settings(&mut streams.spec);
    let mut policy = spec::policy(&mut streams.spec);
    policy.metrics.truncate(3);
    let spec_replicas = size(&mut streams.story, &policy).min(60);
    let mut story = Story {
        settings,
        demand: policy.metrics.iter().map(|_| f64::from(spec_replicas.max(1))).collect(),
        policy,
        template: Template::new(&mut streams.pods),
        now: START + Span::from_secs(3_600),
        target: TargetView { spec_replicas, status_replicas: spec_replicas },
        failing: streams.story.of(&[0.0, 0.0, 2.0, 10.0]),
        missing: streams.story.of(&[0.0, 0.0, 5.0]),
        edits: streams.story.of(&[0.0, 3.0, 12.0, 30.0]),
        troubles: streams.story.of(&[0.0, 0.0, 0.3, 3.0]),
        conflicts: 0,
    };
    story.template.odd = story.template.odd.min(20.0);
    let scaled_to_zero = spec_replicas == 0 && streams.story.chance(75.0);
    let mut case = Case { settings, scaled_to_zero, steps: Vec::new() };
    let mut operator = Operator::new(&case);
    for _ in 0..streams.story.index(4, 16) {
        let step = story.step(&mut streams);
        let synced = operator.sync(&step);
        if let Some(written) = synced.answer.written {
            story.target.spec_replicas = written;
        }
        case.steps.push(step);
        story.go_on(&mut streams);
    }
    case
}

impl Story {
    fn step(&mut self, streams: &mut Streams) -> Step {
        let mut step = Step { now: self.now, target: self.target, ..plain_step(self.policy.clone()) };
        let count = usize::try_from(self.target.status_replicas.clamp(0, 30)).unwrap_or_default();
        step.pods = pods_of(streams, &self.template, count, &step, &self.settings);
        step.observed = (self.policy.metrics.iter().zip(&self.demand))
            .map(|(metric, wanted)| {
                let pods = f64::from(self.target.status_replicas.max(1));
                let demand = Demand {
                    factor: wanted / pods,
                    pods,
                    noise: 0.05,
                    failing: self.failing,
                    missing: self.missing,
                    request: self.template.request,
                };
                load::observe(&mut streams.load, metric, demand, &step.pods, self.now)
            })
            .collect();
        trouble(&mut streams.story, &mut step, self.troubles);
        step.recreated = streams.story.chance(self.troubles / 2.0);
        if matches!(step.write, Write::Conflicts(1..)) {
            if self.conflicts < MOST_CONFLICTS {
                step.now = step.now + Span::from_millis(SHIFT);
                self.conflicts += 1;
            } else {
                step.write = Write::Works;
            }
        }
        step
    }

    fn go_on(&mut self, streams: &mut Streams) {
        self.now = self.now + Span::from_millis(self.pause(&mut streams.story));
        let whole_seconds = Span::from_secs(self.now.since(START).as_secs());
        self.now = START + whole_seconds + Span::from_millis(2 * SHIFT * self.conflicts);
        let dice = &mut streams.story;
        self.move_target(dice);
        for wanted in &mut self.demand {
            *wanted = match dice.index(0, 9) {
                0 => 0.0,
                1 => f64::from(dice.within_i32(0, 40)),
                2 => *wanted * 3.0 + 1.0,
                3 => *wanted / 3.0,
                4 | 5 => *wanted * dice.of(&[0.9, 1.1, 0.85, 1.15, 1.3, 0.7]),
                _ => *wanted,
            }
            .min(300.0);
        }
        if dice.chance(self.edits) {
            self.edit(&mut streams.spec);
        }
    }

    /// Milliseconds until the next sync: a period, or to the edge of a window or of a period of a policy.
    fn pause(&self, dice: &mut Dice) -> i64 {
        let rules = self.policy.behavior.iter().flat_map(|b| [&b.scale_up, &b.scale_down]);
        let mut edges: Vec<i64> = rules
            .flat_map(|rules| {
                let periods = rules.policies.iter().map(|policy| policy.period_seconds);
                periods.chain(rules.stabilization_window_seconds).map(i64::from).collect::<Vec<_>>()
            })
            .filter(|seconds| *seconds > 0)
            .collect();
        edges.push((self.settings.downscale_stabilization.as_millis() / 1000).max(1));
        let seconds = match dice.index(0, 19) {
            0..11 => 15,
            11 | 12 => dice.of(&[1, 5, 30]),
            13..16 => dice.of(&edges),
            16 => dice.of(&edges) + 1,
            17 => (dice.of(&edges) - 15).max(1),
            18 => dice.of(&[60, 120, 300]),
            _ => dice.of(&[600, 3600, 1801]),
        };
        seconds * 1000
    }

    /// Pods come and go, and people change the size.
    fn move_target(&mut self, dice: &mut Dice) {
        let spec = self.target.spec_replicas;
        self.target.status_replicas = match dice.index(0, 19) {
            0 => self.target.status_replicas,
            1 => spec + dice.within_i32(1, 4),
            _ => spec,
        };
        if dice.chance(self.edits / 2.0) {
            self.target.spec_replicas = match dice.index(0, 3) {
                0 => 0,
                1 => size(dice, &self.policy).min(60),
                _ => (spec + dice.within_i32(-3, 6)).max(0),
            };
        }
    }

    /// Somebody edits the spec.
    fn edit(&mut self, dice: &mut Dice) {
        let fresh = spec::policy(dice);
        match dice.index(0, 5) {
            0 => self.policy.min_replicas = fresh.min_replicas,
            1 => self.policy.max_replicas = fresh.max_replicas,
            2 | 3 => self.policy.behavior = fresh.behavior,
            _ => {
                if let (Some(old), Some(new)) = (self.policy.metrics.first_mut(), fresh.metrics.first()) {
                    *old = new.clone();
                }
            }
        }
        self.policy.max_replicas = self.policy.max_replicas.max(self.policy.min_replicas).max(1);
    }
}
