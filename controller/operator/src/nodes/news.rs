//! Events on `CapacityPools` and `NodeOrders`: what `kubectl describe` shows of what happened to them.

use k8s_openapi::api::core::v1::ObjectReference;
use kube::{Resource, ResourceExt as _, runtime::events::EventType};
use plimsoll_api::{CapacityPool, NodeOrder};
use plimsoll_core::{cluster::OfferingKey, time::Timestamp};
use plimsoll_observe::from_core_time;

use super::planner::Planner;

/// Something that happened, to be told once.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct News {
    type_: EventType,
    reason: String,
    note: String,
    regarding: ObjectReference,
}

impl Planner {
    /// Nodes were ordered from a pool.
    pub(super) fn news_of_order(&mut self, order: &NodeOrder) {
        let (name, spec) = (order.name_any(), &order.spec);
        let offering = &spec.offering;
        let note = format!(
            "ordered {} × {} {} in {} by {name}: {}",
            spec.count,
            offering.capacity_type.as_str(),
            offering.instance_type,
            offering.zone,
            spec.reason
        );
        self.news_of_pool(&spec.pool, EventType::Normal, "NodesOrdered", note);
    }

    /// An offering of a pool failed and is left alone for a while.
    pub(super) fn news_of_failure(&mut self, pool: &str, offering: &OfferingKey, why: &str, now: Timestamp) {
        let until = self.backoffs.until(pool, offering, now);
        let until =
            until.map(|until| format!(" until {}", from_core_time(until).0.strftime("%Y-%m-%dT%H:%M:%SZ")));
        let note = format!("{offering} is avoided{}: {why}", until.unwrap_or_default());
        self.news_of_pool(pool, EventType::Warning, "OfferingAvoided", note);
    }

    /// An order did not become what it was meant to.
    pub(super) fn news_of_trouble(&mut self, order: &NodeOrder, reason: &str, why: &str) {
        let regarding = order.object_ref(&());
        let news =
            News { type_: EventType::Warning, reason: reason.to_owned(), note: why.to_owned(), regarding };
        self.news.push(news);
    }

    fn news_of_pool(&mut self, pool: &str, type_: EventType, reason: &str, note: String) {
        let Some(Ok(object)) = self.world.pools.get(pool).map(|pool| &**pool) else { return };
        let regarding = CapacityPool::object_ref(object, &());
        self.news.push(News { type_, reason: reason.to_owned(), note, regarding });
    }

    /// Tells what happened since the last pass.
    pub(super) async fn tell_news(&mut self) {
        for News { type_, reason, note, regarding } in std::mem::take(&mut self.news) {
            self.publish(type_, &reason, note, regarding).await;
        }
    }
}
