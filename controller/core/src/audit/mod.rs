//! Whether a plan of nodes may be carried out, by code that did not make it.
//!
//! [`Audit`] keeps its own sums, change by change, and shares nothing with the planner but the values of
//! [`cluster`](crate::cluster) and the plan itself: every rule is written a second time here, and more simply. A plan that
//! breaks one is refused with the [`Invariant`]'s name; then nothing of it is carried out.
//!
//! What is checked is the state after the plan: pods of nodes that go are where the plan puts them. Resources cost as much
//! as the plan has pods; spread constraints and affinities of those pods are counted over the shapes of all pods, since
//! they look at the whole cluster, and judged pod by pod in the order of the plan; limits and breakers are counted over nodes. While nothing changes nothing is done.

mod after;
mod books;
mod breach;
mod coming;
mod kept;
mod node_rules;
mod orders;
mod removals;
mod rules;
mod social;
mod spot;
mod world;

use crate::nodes::NodePlan;
use crate::nodes::remove::RemovalPlan;
use crate::placement::Change;
use crate::time::Timestamp;

pub use breach::{Breach, Invariant};

use after::After;
use books::Books;

/// The cluster as the audit knows it.
#[derive(Clone, Debug, Default)]
pub struct Audit {
    books: Books,
}

/// A plan, and what it was made under.
#[derive(Clone, Copy, Debug)]
pub struct Audited<'a> {
    /// What is to be ordered for pods.
    pub adding: &'a NodePlan,
    /// What is to be removed or replaced.
    pub removing: &'a RemovalPlan,
    /// The most nodes of the cluster. None for no bound.
    pub most_nodes: Option<u32>,
    /// The moment.
    pub now: Timestamp,
}

impl Audit {
    /// Takes a change in: the same ones as the planner's view.
    pub fn apply(&mut self, change: &Change) {
        self.books.apply(change);
    }

    /// The first invariant that a plan breaks, if it breaks one.
    pub fn check(&self, plan: &Audited<'_>) -> Result<(), Breach> {
        removals::nodes_are_ours(&self.books, plan)?;
        removals::nothing_goes_in_a_partition(&self.books, plan)?;
        removals::zones_keep_their_least_size(&self.books, plan)?;
        removals::budgets_of_pools_are_kept(&self.books, plan)?;
        kept::pods_may_be_evicted(&self.books, plan)?;
        kept::budgets_of_pods_are_kept(&self.books, plan)?;
        orders::can_be_had(&self.books, plan)?;
        orders::limits_are_kept(&self.books, plan)?;
        orders::replacements_are_cheaper(&self.books, plan)?;
        let after = After::of(&self.books, plan)?;
        after.nothing_is_overcommitted()?;
        node_rules::nodes_allow_their_pods(&self.books, &after)?;
        social::pods_allow_each_other(&self.books, &after)
    }
}
