//! What becomes of an order of nodes: from its record to the last of its nodes.
//!
//! Pure, as everything here: what the record says, what the provider says and what the cluster shows go in; what to do
//! next comes out. The record is written before the provider is asked, so whoever reads it after a crash can tell what
//! may have been asked, and finds out before asking again.

mod claim;
mod outcome;
mod state;
mod step;
mod words;

pub use claim::{Claimant, Unclaimed, claims};
pub use outcome::{Action, OrderStep, Phase, Why};
pub use state::{
    Answer, Instance, InstanceFault, NodePhase, OrderNode, OrderState, Registered, Seen, Settings,
};
pub use step::step;
