//! Answers to `/plan/pods/…`, `/plan/nodes/…` and `/plan/pools/…`: the world belongs to the loop, so the loop is asked.

use std::collections::BTreeMap;

use kube::ResourceExt as _;
use plimsoll_core::{
    cluster::Name,
    nodes::explain::{self, OrderSaid, Sight},
    time::Timestamp,
};
use plimsoll_observe::observe_time;
use serde_json::Value;
use tokio::sync::oneshot;

use super::{planner::Planner, record};

/// What is to be explained.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Object {
    /// A pod, by namespace and name.
    Pod(String, String),
    /// A node.
    Node(String),
    /// A `CapacityPool`.
    Pool(String),
}

/// A question, and where the answer goes.
pub(crate) struct Question {
    pub(crate) object: Object,
    pub(crate) answer: oneshot::Sender<Answer>,
}

/// What is answered.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Answer {
    /// All that is said about it.
    Explained(Value),
    /// There is no such object, or nothing to say about it, in words.
    Unknown(String),
    /// Nothing was planned yet.
    NoPlan,
}

impl Planner {
    /// Answers a question about one object.
    pub(super) fn answer(&self, question: Question, now: Timestamp) {
        // Whoever asked may be gone.
        let _ = question.answer.send(self.explain(&question.object, now));
    }

    fn explain(&self, object: &Object, now: Timestamp) -> Answer {
        let Some(dated) = self.shown.get() else { return Answer::NoPlan };
        let (orders, errors) = (self.orders_said(), self.backoffs.said());
        let sight = Sight {
            view: &self.world.view,
            plan: &dated.plan,
            removal: &dated.removal,
            planned: dated.at,
            refused: dated.refused.as_deref(),
            workloads: &self.world.workloads.of_replica_sets(),
            memory: &self.memory,
            drains: &self.world.drains,
            waits: &self.waits,
            orders: &orders,
            errors: &errors,
            now,
        };
        match object {
            Object::Pod(namespace, name) => told(explain::pod(&sight, namespace, name)).unwrap_or_else(|| {
                Answer::Unknown(format!(
                    "no pod {namespace}/{name} is known here: either there is none, or it has ended and needs no node"
                ))
            }),
            Object::Node(name) => told(explain::node(&sight, name))
                .unwrap_or_else(|| Answer::Unknown(format!("no node {name} is known here"))),
            Object::Pool(name) => self.explain_pool(&sight, name),
        }
    }

    fn explain_pool(&self, sight: &Sight<'_>, name: &str) -> Answer {
        let status = match self.world.pools.get(name).map(|pool| &**pool) {
            None => return Answer::Unknown(format!("there is no CapacityPool {name}")),
            Some(Err(error)) => {
                return Answer::Unknown(format!("the CapacityPool {name} cannot be read: {error}"));
            }
            Some(Ok(pool)) => pool.status.clone().unwrap_or_default(),
        };
        let conditions = status.conditions.iter().map(|condition| {
            format!("{}={} {}: {}", condition.type_, condition.status, condition.reason, condition.message)
        });
        let conditions: Vec<String> = conditions.collect();
        match explain::pool(sight, name) {
            Some(mut explained) => {
                explained.conditions = conditions;
                told(Some(explained)).unwrap_or(Answer::NoPlan)
            }
            None => Answer::Unknown(format!(
                "the CapacityPool {name} is not planned with yet: {}",
                if conditions.is_empty() { "it has no status".to_owned() } else { conditions.join("; ") }
            )),
        }
    }

    fn orders_said(&self) -> BTreeMap<Name, OrderSaid> {
        let said = self.world.orders.iter().map(|(name, order)| {
            let status = order.status.clone().unwrap_or_default();
            let said = OrderSaid {
                pool: order.spec.pool.as_str().into(),
                offering: record::offering(order),
                count: record::count(order),
                created: order.creation_timestamp().as_ref().map(observe_time).unwrap_or_default(),
                phase: status.phase.unwrap_or_default().as_str().to_owned(),
                message: status.message,
            };
            (Name::from(name.as_str()), said)
        });
        said.collect()
    }
}

fn told<T: serde::Serialize>(explained: Option<T>) -> Option<Answer> {
    serde_json::to_value(explained?).ok().map(Answer::Explained)
}
