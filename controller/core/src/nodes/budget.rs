//! How many nodes of a pool may be going at a time.
//!
//! A budget that is limited to reasons or to a window of time binds only then; of those that bind, the smallest counts,
//! and where none does, the one that a pool has where nobody gave it any.
//! Nodes that are on their way count in each of them, for whatever reason they go: a pool can bear only so many.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::words::percent;
use crate::cluster::{BudgetReason, Name, NodeBudget};
use crate::time::Timestamp;
use crate::window::{Cron, time_zone};

/// The budgets of a pool at one moment, and what has been taken of them.
#[derive(Clone, Debug)]
pub(crate) struct Budgets {
    pool: Name,
    bounds: Vec<Bound>,
    /// What binds where none of them does.
    otherwise: Bound,
    /// Nodes that are going.
    used: u32,
    /// When a window may open or close.
    pub(crate) until: Option<Timestamp>,
}

#[derive(Clone, Debug)]
struct Bound {
    budget: NodeBudget,
    most: u32,
    problem: Option<String>,
}

/// A budget that is used up.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BudgetUsed {
    /// The pool.
    pub pool: Name,
    /// The budget in words: `10 %`, `2 nodes`.
    pub budget: String,
    /// How many nodes it allows at a time.
    pub most: u32,
    /// How many are going.
    pub used: u32,
    /// What keeps it from being understood; it then allows none.
    pub problem: Option<String>,
}

impl Budgets {
    /// The budgets of `pool` that bind at `now`, of `size` nodes of which `used` are going already.
    pub(crate) fn of(pool: &Name, budgets: &[NodeBudget], size: u32, used: u32, now: Timestamp) -> Self {
        let mut bounds = Vec::new();
        let mut until: Option<Timestamp> = None;
        for budget in budgets {
            let (open, problem) = match window(budget, now) {
                Ok(state) => {
                    until = until.into_iter().chain(state.until).min();
                    (state.open, None)
                }
                Err(problem) => (true, Some(problem)),
            };
            if open {
                let most = if problem.is_some() { 0 } else { most(budget, size) };
                bounds.push(Bound { budget: budget.clone(), most, problem });
            }
        }
        let default = NodeBudget::default();
        let otherwise = Bound { most: most(&default, size), budget: default, problem: None };
        Self { pool: pool.clone(), bounds, otherwise, used, until }
    }

    /// Whether one node more may go for this reason.
    pub(crate) fn allows(&self, reason: BudgetReason) -> Result<(), BudgetUsed> {
        let bound = self.least(reason);
        if self.used < bound.most {
            return Ok(());
        }
        Err(BudgetUsed {
            pool: self.pool.clone(),
            budget: words(&bound.budget),
            most: bound.most,
            used: self.used,
            problem: bound.problem.clone(),
        })
    }

    /// How many nodes more may go for this reason.
    pub(crate) fn left(&self, reason: BudgetReason) -> u32 {
        self.least(reason).most.saturating_sub(self.used)
    }

    fn least(&self, reason: BudgetReason) -> &Bound {
        let binds =
            |bound: &&Bound| bound.budget.reasons.is_empty() || bound.budget.reasons.contains(&reason);
        self.bounds.iter().filter(binds).min_by_key(|bound| bound.most).unwrap_or(&self.otherwise)
    }

    /// Counts a node that goes.
    pub(crate) fn take(&mut self) {
        self.used = self.used.saturating_add(1);
    }
}

fn window(budget: &NodeBudget, now: Timestamp) -> Result<crate::window::State, String> {
    let Some(schedule) = &budget.schedule else {
        return Ok(crate::window::State { open: true, until: None });
    };
    let zone = time_zone(budget.time_zone.as_deref().unwrap_or("UTC"))?;
    Ok(Cron::parse(schedule, &zone)?.open_for(budget.duration, now))
}

/// A share is rounded up, so that a tenth of three nodes is one and not none. A budget without a number allows none: it
/// was meant to say something.
fn most(budget: &NodeBudget, size: u32) -> u32 {
    let share = budget.share.map(|share| {
        let thousandths = u64::from(size) * u64::try_from(share.clamp(0, 1000)).unwrap_or(0);
        u32::try_from(thousandths.div_ceil(1000)).unwrap_or(u32::MAX)
    });
    budget.nodes.into_iter().chain(share).min().unwrap_or(0)
}

fn words(budget: &NodeBudget) -> String {
    let number = budget.nodes.map(|nodes| format!("{nodes} nodes"));
    let share = budget.share.map(|share| format!("{} %", percent(share)));
    let mut parts: Vec<String> = number.into_iter().chain(share).collect();
    if let Some(schedule) = &budget.schedule {
        parts.push(format!("from {schedule:?} for {}", budget.duration));
    }
    parts.join(" ")
}

impl fmt::Display for BudgetUsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pool, budget, most, used, problem } = self;
        match problem {
            Some(problem) => {
                write!(f, "a budget of pool {pool} is not understood and allows none: {problem}")
            }
            None if *most == 0 => write!(f, "budget {budget} of pool {pool} allows no node to go"),
            None => write!(f, "budget {budget} of pool {pool} is used by {used} nodes"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::time::Span;

    /// Monday 2026-11-23, 10:00 in UTC.
    const NOW: Timestamp = Timestamp::from_secs(1_795_428_000);

    fn share(share: i64) -> NodeBudget {
        NodeBudget { share: Some(share), ..NodeBudget::default() }
    }

    fn nodes(nodes: u32) -> NodeBudget {
        NodeBudget { nodes: Some(nodes), share: None, ..NodeBudget::default() }
    }

    fn left(budgets: &[NodeBudget], size: u32, used: u32) -> u32 {
        Budgets::of(&"p".into(), budgets, size, used, NOW).left(BudgetReason::Empty)
    }

    #[test]
    fn a_share_is_rounded_up_and_the_smallest_budget_counts() {
        let neither = NodeBudget { share: None, ..NodeBudget::default() };
        for (budgets, size, used, expected) in [
            (vec![share(100)], 0, 0, 0),
            (vec![share(100)], 1, 0, 1),
            (vec![share(100)], 3, 1, 0),
            (vec![share(100)], 11, 1, 1),
            (vec![share(2000)], 3, 0, 3),
            (vec![share(-5)], 3, 0, 0),
            (vec![share(500), nodes(2)], 10, 0, 2),
            (vec![NodeBudget { nodes: Some(4), ..share(100) }], 10, 0, 1),
            (vec![nodes(0)], 10, 0, 0),
            (vec![nodes(2)], 10, 5, 0),
            (vec![neither], 10, 0, 0),
        ] {
            assert_eq!(left(&budgets, size, used), expected, "{budgets:?} of {size}");
        }
    }

    #[test]
    fn where_no_budget_binds_a_tenth_may_go() {
        let by_night = NodeBudget {
            schedule: Some("0 22 * * *".to_owned()),
            duration: Span::from_secs(3600),
            ..nodes(0)
        };
        let replaced = NodeBudget { reasons: BTreeSet::from([BudgetReason::Replaced]), ..nodes(9) };
        for (budgets, size, used, expected) in [
            (vec![], 20, 0, 2),
            (vec![by_night.clone()], 20, 0, 2),
            (vec![by_night, replaced.clone()], 20, 1, 1),
            (vec![replaced, nodes(5)], 20, 0, 5),
        ] {
            assert_eq!(left(&budgets, size, used), expected, "{budgets:?} of {size}");
        }
    }

    #[test]
    fn a_budget_binds_in_its_window_and_for_its_reasons() {
        let frozen = |schedule: &str, zone: &str| NodeBudget {
            schedule: Some(schedule.to_owned()),
            time_zone: Some(zone.to_owned()),
            duration: Span::from_secs(3600),
            ..nodes(0)
        };
        assert_eq!(left(&[frozen("0 10 * * *", "UTC"), nodes(7)], 9, 0), 0);
        assert_eq!(left(&[frozen("0 11 * * *", "Europe/Berlin"), nodes(7)], 9, 0), 0);
        assert_eq!(left(&[frozen("0 11 * * *", "UTC"), nodes(7)], 9, 0), 7);
        let replaced = NodeBudget { reasons: BTreeSet::from([BudgetReason::Replaced]), ..nodes(0) };
        assert_eq!(left(&[replaced, nodes(7)], 9, 0), 7);
    }

    #[test]
    fn what_is_used_up_says_so() {
        let used = |budget: NodeBudget, used| {
            let budgets = Budgets::of(&"general".into(), &[budget], 20, used, NOW);
            budgets.allows(BudgetReason::Empty).expect_err("is used up").to_string()
        };
        assert_eq!(used(share(100), 2), "budget 10 % of pool general is used by 2 nodes");
        assert_eq!(used(nodes(0), 2), "budget 0 nodes of pool general allows no node to go");
        let broken = NodeBudget { schedule: Some("8 o'clock".to_owned()), ..share(100) };
        assert!(
            used(broken, 0)
                .starts_with("a budget of pool general is not understood and allows none: \"8 o'c")
        );
    }
}
