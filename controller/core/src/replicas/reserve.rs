//! Replicas that are there for the loss of a zone or a node.
//!
//! The metrics say how many replicas the load needs, `n`. Of `R` replicas, the loss of the domain with most of them takes
//! `L(R)`, and `R - L(R)` are left. The size is the smallest `R` with `R - L(R) >= n`. Spread evenly over `Z` domains,
//! `L(R) = ceil(R / Z)`: with 3 zones, `n` = 4 takes 6 replicas (2, 2, 2) and `n` = 6 takes 9; with 2 zones 4 takes 8.
//!
//! **Tolerance, and every other rule that compares with the target.** With 6 replicas where 4 would do, the usage is two
//! thirds of the target for ever: a tolerance around 1 would never apply, and noise between 3.9 and 4.1 would move the size
//! between 6 and 8 at each look. And a rule that holds the size, such as the one for pods that have just started, would
//! hand those 6 on as what the load needs, and the next answer would be 9, then 14, up to the maximum. So the metrics are
//! judged as if the largest domain were lost already: the same load on the `H = R - L(R)` replicas that would be left.
//! There `ratio' = ratio * R / H`, so 6 replicas at two thirds of the target are at 1, and "hold" means `H`, which leads
//! back to the present `R` exactly.
//!
//! **Skew.** How pods lie may be worse than even. With `m` pods in the fullest domain,
//! `L(R) = max(ceil(R / Z), min(m, ceil(R / 2)))`, since new pods go where there are fewest: 3 + 3 + 0 in 3 zones with `n` = 4 takes
//! 7, as the seventh goes to the empty zone. The fullest domain is counted with at most half of all pods, and so `R <= 2n`:
//! where pods do not spread at all, each replica more would only make the fullest domain fuller, without end. `R - L(R)`
//! never falls as `R` grows, as `L` grows by at most 1 with it, so the smallest `R` is well defined, grows with `n`, and is
//! found by bisection.
//!
//! **Lost domains.** `Z` counts the domains that take pods now. With one of 3 zones lost, the reserve is that of 2: `n` = 4
//! takes 8, since the next loss would be that of half. With fewer than two left, no reserve helps, and none is added; but
//! what is there stays, up to that of 2, as a partition looks the same and ends. Where there was never more than one, the
//! loss cannot be survived, and the size is `n`. Pods that wait for a node count as spread evenly; whether they are ready
//! is the concern of `loss.rs`.
//!
//! **Bounds.** The reserve is within `minReplicas` and `maxReplicas`, and windows and rate policies apply to the whole. A
//! workload that may not go to zero has at least one left after the loss, and so at least 2.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Context;
use super::bounds::Bounds;
use super::decision::{Decision, LimitKind};
use super::domains::{Domains, Survive};
use super::input::Input;
use super::proposal::Basis;
use crate::numeric::saturate_to_i32;

/// The rule for one decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reserve {
    against: Option<Survive>,
    state: ReserveState,
    /// Over how many domains new pods spread, 2 or more; 1 where there is no reserve.
    domains: i64,
    /// How many pods the fullest domain has.
    most: i64,
    /// The present size.
    current: i32,
    /// The least that must be left: 1, or 0 for a workload that may go to zero.
    least: i32,
}

/// Whether there can be a reserve.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReserveState {
    /// There can.
    Kept,
    /// Fewer than two domains take pods now, of several: what is there stays, and nothing is added.
    Held,
    /// There is only one domain.
    OneOnly,
    /// No node says in which domain it is.
    NoneKnown,
    /// Nodes are not watched.
    NotWatched,
}

impl Reserve {
    pub(super) fn of(input: &Input, bounds: &Bounds) -> Self {
        let against = input.policy.survive;
        let domains = match against {
            Some(Survive::Zone) => input.zones.as_ref(),
            Some(Survive::Node) => input.nodes.as_ref(),
            None => None,
        };
        let state = match domains {
            None => ReserveState::NotWatched,
            Some(Domains { known: 0, .. }) => ReserveState::NoneKnown,
            Some(Domains { known: 1, .. }) => ReserveState::OneOnly,
            Some(Domains { open: 0 | 1, .. }) => ReserveState::Held,
            Some(_) => ReserveState::Kept,
        };
        let (open, most) = domains.map_or((0, 0), |domains| (domains.open, domains.most()));
        Self {
            against,
            state,
            domains: if state.can_be() { i64::from(open).max(2) } else { 1 },
            most: most.into(),
            current: input.target.spec_replicas,
            least: bounds.min_replicas.clamp(0, 1),
        }
    }

    fn applies(self) -> bool {
        self.against.is_some() && self.state.can_be()
    }

    /// How many of `replicas` are left after the loss.
    fn left_of(self, replicas: i64) -> i64 {
        let even = replicas.div_euclid(self.domains) + i64::from(replicas.rem_euclid(self.domains) > 0);
        replicas - even.max(self.most.min(replicas - replicas.div_euclid(2)))
    }

    /// The size at which the metrics hold: how many of the present replicas would be left. Without a reserve, all.
    pub(super) fn hold(self) -> i32 {
        if self.applies() { saturate_to_i32(self.left_of(self.current.into()).into()) } else { self.current }
    }

    /// The ratio of usage to target if the largest domain were lost. Without a reserve, the ratio itself.
    pub(super) fn judged(self, ratio: f64) -> f64 {
        if !self.applies() || self.current == 0 || ratio == 0.0 {
            return ratio;
        }
        ratio * f64::from(self.current) / f64::from(self.hold())
    }

    /// The smallest size of which at least `needed` are left.
    fn smallest(self, needed: i64) -> i64 {
        let (mut low, mut high) = (needed, needed.saturating_mul(2));
        while low < high {
            let middle = low + (high - low) / 2;
            if self.left_of(middle) >= needed { high = middle } else { low = middle + 1 }
        }
        low
    }

    /// The size for a load that needs `needed` replicas; `holds` if that is the answer of a rule that holds the size.
    fn size_for(self, needed: i32, holds: bool) -> i32 {
        if !self.applies() {
            return needed;
        }
        if holds && needed == self.hold() && needed >= self.least {
            return self.current;
        }
        let needed = needed.max(self.least);
        let size = saturate_to_i32(self.smallest(needed.into()).into());
        if self.state == ReserveState::Held { needed.max(size.min(self.current)) } else { size }
    }
}

impl ReserveState {
    const fn can_be(self) -> bool {
        matches!(self, Self::Kept | Self::Held)
    }
}

impl Context<'_> {
    /// The size for a load that needs `needed` replicas by the metrics of `decision`.
    pub(super) fn size_for(&self, decision: &Decision, needed: i32) -> i32 {
        let holds = decision
            .metrics
            .iter()
            .any(|metric| metric.proposal == Ok(needed) && metric.basis.is_some_and(Basis::holds_the_size));
        self.reserve.size_for(needed, holds)
    }
}

/// How many replicas of a decision are there for a loss. Its `Display` is a sentence without a full stop.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// What may be lost.
    pub against: Survive,
    /// Whether there can be a reserve.
    pub state: ReserveState,
    /// Over how many domains pods can go.
    pub domains: u32,
    /// The replicas that the load needs.
    pub needed: i32,
    /// The replicas that it takes to have as many left after the loss. Before windows and limits.
    pub wanted: i32,
    /// The replicas that were decided.
    pub desired: i32,
    /// What cut `wanted`, if something did.
    pub cut_by: Option<LimitKind>,
}

impl Kept {
    /// What there is to say of a decision whose load needs `needed`; None where nothing is to be survived.
    pub(super) fn of(ctx: &Context<'_>, needed: i32, wanted: i32) -> Option<Self> {
        let Reserve { against, state, domains, .. } = ctx.reserve;
        Some(Self {
            against: against?,
            state,
            domains: u32::try_from(domains).unwrap_or(u32::MAX),
            needed,
            wanted,
            desired: wanted,
            cut_by: None,
        })
    }

    /// After windows and limits.
    pub(super) fn settle(&mut self, desired: i32, last: Option<&LimitKind>) {
        self.desired = desired;
        self.cut_by = last.filter(|_| desired < self.wanted).cloned();
    }

    /// How many replicas are there for the loss, 0 or more.
    pub fn replicas(&self) -> i32 {
        if self.state.can_be() { self.desired.saturating_sub(self.needed).max(0) } else { 0 }
    }
}

impl fmt::Display for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { against, state, domains, needed, wanted, desired, cut_by } = self;
        let kept = self.replicas();
        let are = if kept == 1 { "is" } else { "are" };
        match state {
            ReserveState::Kept => {
                write!(
                    f,
                    "{kept} of {desired} replicas {are} there for the loss of the largest of {domains} {against}s"
                )?;
            }
            ReserveState::Held => {
                write!(
                    f,
                    "{kept} of {desired} replicas {are} kept for the loss of a {against}, and none is added: fewer than two \
                     {against}s take pods now"
                )?;
            }
            ReserveState::OneOnly => {
                return write!(f, "no replica is there for the loss of a {against}: there is only one");
            }
            ReserveState::NoneKnown => {
                return write!(
                    f,
                    "no replica is there for the loss of a {against}: no node has a label that says its {against}"
                );
            }
            ReserveState::NotWatched => {
                return write!(
                    f,
                    "no replica is there for the loss of a {against}: the operator may not watch nodes, see the chart's \
                     value availability.enabled"
                );
            }
        }
        match cut_by {
            Some(cut) => write!(f, ", of the {} that it takes: {cut}", wanted.saturating_sub(*needed)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
