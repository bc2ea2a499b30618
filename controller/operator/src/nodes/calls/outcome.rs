//! What came of a call, and how the planner hears of it.

use plimsoll_api::{NodeOrder, v1alpha1::NodeOrderStatus};
use plimsoll_providers::ProviderError;
use tokio::sync::mpsc;

use super::NODE;
use crate::nodes::{
    feed::Change,
    fulfil::over,
    record,
    world::{Failure, World},
};

/// What came of a call.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// The order as it was written.
    pub(super) written: Option<NodeOrder>,
    /// Why the provider did not do it.
    pub(super) failure: Option<Failure>,
    /// Whether it is tried again, but not at once.
    pub(super) is_to_rest: bool,
}

impl Outcome {
    pub(super) async fn of(client: &kube::Client, order: &NodeOrder, status: &NodeOrderStatus) -> Self {
        Self { written: over(client, order, status).await.ok(), ..Self::default() }
    }

    pub(super) fn failed() -> Self {
        Self { is_to_rest: true, ..Self::default() }
    }

    pub(super) fn refused(self, order: &NodeOrder, error: ProviderError) -> Self {
        let (pool, offering) = (order.spec.pool.clone(), record::offering(order));
        Self { failure: Some(Failure { pool, offering, error, asks_after: false }), ..self }
    }

    pub(super) fn unsettled(order: &NodeOrder, error: ProviderError) -> Self {
        let refused = Self::failed().refused(order, error);
        let failure = refused.failure.map(|failure| Failure { asks_after: true, ..failure });
        Self { failure, ..refused }
    }

    fn apply(self, world: &mut World, key: String, pool: &str) {
        world.calls.remove(&key);
        world.outdate(pool);
        world.failures.extend(self.failure);
        if let Some(written) = self.written {
            world.set_order(written);
        }
        if self.is_to_rest {
            if let Some(node) = key.strip_prefix(NODE) {
                world.to_give_back.insert(node.into());
            }
            world.rest(key);
        }
    }
}

/// Tells the planner that a call has ended when it is dropped: also where the call panicked, since until then nothing else is
/// done about its order.
pub(super) struct Ending {
    key: String,
    pool: String,
    outcome: Outcome,
    changes: mpsc::UnboundedSender<Change>,
}

impl Ending {
    /// The end of a call that has failed, as far as is known.
    pub(super) fn new(key: String, pool: String, changes: mpsc::UnboundedSender<Change>) -> Self {
        Self { key, pool, outcome: Outcome::failed(), changes }
    }

    /// Waits for what comes of the call, then tells it.
    pub(super) async fn of(mut self, call: impl Future<Output = Outcome>) {
        self.outcome = call.await;
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        let (key, pool) = (std::mem::take(&mut self.key), std::mem::take(&mut self.pool));
        let outcome = std::mem::take(&mut self.outcome);
        let ended: Change = Box::new(move |world| outcome.apply(world, key, &pool));
        // A planner that is gone needs no answer.
        let _ = self.changes.send(ended);
    }
}
