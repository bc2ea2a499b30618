//! An order of which nobody knows whether it is recorded, since the API server gave no answer.
//!
//! Its pods planned anew under another name, both might be recorded, and both be asked for. So the same record is created
//! once more before anything else is ordered: of one name there is one. If it is there, the API server is asked for it, since
//! the watch may stand still.

use std::time::Duration;

use kube::{
    Api, ResourceExt as _,
    api::{ListParams, PostParams},
};
use plimsoll_api::NodeOrder;
use plimsoll_core::{
    nodes::{NewNodes, backoff::OfferingError},
    time::Timestamp,
};
use tokio::time::{Instant, timeout};

use super::{planner::Planner, record};
use crate::targets::WRITE_TIME;

/// When it is created again though nothing changes.
const AGAIN: Duration = Duration::from_secs(2);
/// For how long an answer is waited for. One record that no API server can take must not keep all others from being ordered:
/// its offering is left alone for a while then.
const ANSWERED_WITHIN: Duration = Duration::from_mins(5);

/// An order of which nobody knows whether it is recorded.
#[derive(Debug)]
pub(super) struct Unanswered {
    order: NodeOrder,
    /// When it was created first.
    since: Instant,
}

impl Unanswered {
    pub(super) fn new(order: NodeOrder) -> Self {
        Self { order, since: Instant::now() }
    }
}

impl Planner {
    /// Finds out whether the order is recorded of which that is not known; answers when to look again though nothing changes.
    pub(super) async fn settle_unanswered(&mut self, now: Timestamp) -> Duration {
        let Some(asked) = self.unanswered.take() else { return Duration::MAX };
        let name = asked.order.name_any();
        if self.world.orders.contains_key(&name) {
            return Duration::MAX;
        }
        if asked.since.elapsed() >= ANSWERED_WITHIN {
            let why = "the API server gives no answer when an order of it is recorded";
            let (pool, offering) = (&asked.order.spec.pool, record::offering(&asked.order));
            self.leave_alone(pool, &offering, OfferingError::Other, why, now);
            tracing::warn!(
                order = name,
                pool,
                "it is not known whether an order is recorded: it is forgotten"
            );
            return Duration::MAX;
        }
        if self.leadership.outlives(WRITE_TIME) {
            self.create(asked).await;
        } else {
            self.unanswered = Some(asked);
        }
        if self.unanswered.is_some() { AGAIN } else { Duration::MAX }
    }

    /// Whether such nodes may be ordered by an order of which that is not known.
    pub(super) fn may_be_recorded(&self, new: &NewNodes) -> bool {
        self.unanswered.as_ref().is_some_and(|asked| {
            asked.order.spec.pool == *new.pool && record::offering(&asked.order) == new.offering
        })
    }

    /// Records an order; false where that was not done, or where it is not known whether it was.
    pub(super) async fn create(&mut self, asked: Unanswered) -> bool {
        if !self.leadership.outlives(WRITE_TIME) {
            return false;
        }
        let api: Api<NodeOrder> = Api::all(self.client.clone());
        let (order, pool) = (asked.order.name_any(), asked.order.spec.pool.clone());
        let answer = timeout(WRITE_TIME, api.create(&PostParams::default(), &asked.order)).await;
        match answer {
            Ok(Ok(created)) => {
                self.is_recorded(created);
                return true;
            }
            Ok(Err(kube::Error::Api(status))) if status.is_already_exists() => {
                // An earlier request has made it, of ours or of the client's own: nobody else uses the name.
                if let Some(found) = find(&api, &order).await {
                    self.is_recorded(found);
                    return true;
                }
                tracing::info!(order, pool, "an order is recorded already, and looked for again");
                self.unanswered = Some(asked);
            }
            Ok(Err(error)) if may_be_done(&error) => {
                tracing::warn!(order, pool, %error, "it is not known whether an order was recorded, and nothing is ordered until it is");
                self.unanswered = Some(asked);
            }
            Ok(Err(error)) => {
                tracing::warn!(order, pool, %error, "an order was not recorded, so nothing was asked for");
            }
            Err(_) => {
                tracing::warn!(
                    order,
                    pool,
                    "the API server did not answer in time when an order was recorded, and nothing is ordered until it does"
                );
                self.unanswered = Some(asked);
            }
        }
        false
    }

    fn is_recorded(&mut self, order: NodeOrder) {
        let nodes = u64::try_from(order.spec.count).unwrap_or(0);
        self.metrics.ordered.with_label_values(&[&order.spec.pool]).inc_by(nodes);
        self.news_of_order(&order);
        // Planned with from now on, although no watch has shown it.
        self.world.set_order(order);
    }
}

/// The order of this name, if the API server says so in time.
async fn find(api: &Api<NodeOrder>, name: &str) -> Option<NodeOrder> {
    let of_name = ListParams::default().fields(&format!("metadata.name={name}"));
    timeout(WRITE_TIME, api.list(&of_name)).await.ok()?.ok()?.items.pop()
}

/// Whether what was refused with this error may have been done all the same: not where the API server understood and did not
/// want it, or was never asked.
pub(super) fn may_be_done(error: &kube::Error) -> bool {
    match error {
        kube::Error::Api(status) => status.code >= 500,
        kube::Error::BuildRequest(_) => false,
        _ => true,
    }
}
