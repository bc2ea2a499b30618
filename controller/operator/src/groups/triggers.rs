//! What makes a group be looked at, beside a change of its own: changes of what is kept for it, of what it refers to, and
//! of budgets that may select its pods. Those of a quarter of a second are one reason.

use std::{collections::BTreeSet, time::Duration};

use futures::{Stream, StreamExt as _, stream};
use kube::{
    Resource as _, ResourceExt,
    core::DynamicObject,
    runtime::reflector::{ObjectRef, Store},
};
use plimsoll_api::{marks::SERVICE_GROUP, v1alpha1::WorkloadReference};
use tokio::sync::{broadcast, mpsc};

use super::{Group, door, kind::OwnedKind};
use crate::workloads::Changed;

/// How long changes are gathered, since one of a workload seldom comes alone.
const TOGETHER: Duration = Duration::from_millis(250);

/// Something that may concern a group.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Touched {
    /// What is kept for the group of this namespace and name.
    Group(String, String),
    /// What may concern every group of this namespace.
    Namespace(String),
    /// A Deployment or `StatefulSet` of this namespace.
    Workload(String, WorkloadReference),
    /// A front door for these hosts; none is any. It may want what others have.
    FrontDoor(Vec<String>),
    /// Too much to tell.
    Everything,
}

impl Touched {
    /// What a change of an object concerns.
    pub(super) fn by(object: &DynamicObject, kind: OwnedKind) -> Self {
        let namespace = object.namespace().unwrap_or_default();
        match object.labels().get(SERVICE_GROUP) {
            Some(group) if !kind.is_watched_whole() => Self::Group(namespace, group.clone()),
            _ => Self::Namespace(namespace),
        }
    }

    fn concerns(&self, group: &Group) -> bool {
        let is_in = |namespace: &String| group.meta().namespace.as_ref() == Some(namespace);
        match self {
            Self::Everything => true,
            Self::FrontDoor(hosts) => {
                let door = group.0.as_ref().ok().and_then(|group| group.spec.front_door.as_ref());
                door.is_some_and(|door| door::share_hosts(&door.hosts, hosts))
            }
            Self::Namespace(namespace) => is_in(namespace),
            Self::Group(namespace, name) => is_in(namespace) && group.meta().name.as_ref() == Some(name),
            Self::Workload(namespace, workload) => {
                let services =
                    group.0.as_ref().map(|group| group.spec.services.as_slice()).unwrap_or_default();
                is_in(namespace)
                    && services.iter().any(|service| service.workload_ref.as_ref() == Some(workload))
            }
        }
    }
}

/// Passes on which workloads have changed.
pub(super) async fn pass_on(
    mut changes: broadcast::Receiver<Changed>,
    touched: mpsc::UnboundedSender<Touched>,
) {
    loop {
        let touch = match changes.recv().await {
            Ok(Changed { kind, namespace, name }) => {
                Touched::Workload(namespace, WorkloadReference { kind, name })
            }
            Err(broadcast::error::RecvError::Lagged(_)) => Touched::Everything,
            Err(broadcast::error::RecvError::Closed) => return,
        };
        if touched.send(touch).is_err() {
            return;
        }
    }
}

/// The groups that are concerned, each once for the changes that come together.
pub(super) fn groups(
    touched: mpsc::UnboundedReceiver<Touched>,
    groups: Store<Group>,
) -> impl Stream<Item = ObjectRef<Group>> + Send {
    let together = stream::unfold(touched, |mut touched| async move {
        let first = touched.recv().await?;
        tokio::time::sleep(TOGETHER).await;
        let mut all = BTreeSet::from([first]);
        while let Ok(more) = touched.try_recv() {
            all.insert(more);
        }
        Some((all, touched))
    });
    together.flat_map(move |all| {
        let of_interest =
            move |group: &std::sync::Arc<Group>| all.iter().any(|touched| touched.concerns(group));
        let concerned: Vec<_> = groups.state().into_iter().filter(of_interest).collect();
        stream::iter(concerned.into_iter().map(|group| ObjectRef::from_obj(group.as_ref())))
    })
}

#[cfg(test)]
mod tests {
    use kube::{ResourceExt, core::DeserializeGuard};
    use plimsoll_api::v1alpha1::WorkloadKind;
    use serde_json::json;

    use super::*;

    fn group(name: &str, deployment: &str) -> Group {
        let group = json!({
            "apiVersion": "plimsoll.dev/v1alpha1", "kind": "ServiceGroup",
            "metadata": { "name": name, "namespace": "shop" },
            "spec": { "services": [{
                "name": "get", "port": 80, "scaling": { "maxReplicas": 2 },
                "workloadRef": { "kind": "Deployment", "name": deployment },
            }] },
        });
        DeserializeGuard(serde_json::from_value(group).map_err(|error| panic!("{error}")))
    }

    #[test]
    fn a_change_concerns_the_groups_that_it_may_matter_to() {
        let groups = [group("store", "web"), group("bank", "api")];
        let concerned = |touched: &Touched| {
            let concerned = groups.iter().filter(|group| touched.concerns(group));
            concerned.map(ResourceExt::name_any).collect::<Vec<_>>()
        };
        let workload = |kind| WorkloadReference { kind, name: "web".into() };
        let text = str::to_owned;
        assert_eq!(concerned(&Touched::Group(text("shop"), text("bank"))), ["bank"]);
        assert_eq!(concerned(&Touched::Namespace(text("shop"))), ["store", "bank"]);
        assert_eq!(
            concerned(&Touched::Workload(text("shop"), workload(WorkloadKind::Deployment))),
            ["store"]
        );
        let none: [&str; 0] = [];
        assert_eq!(concerned(&Touched::Workload(text("shop"), workload(WorkloadKind::StatefulSet))), none);
        assert_eq!(concerned(&Touched::Namespace(text("elsewhere"))), none);
        assert_eq!(concerned(&Touched::Everything), ["store", "bank"]);
        assert_eq!(concerned(&Touched::FrontDoor(vec![])), none);
    }

    #[test]
    fn a_front_door_may_matter_to_others_of_its_hosts() {
        let with_door = |name: &str, hosts: &[&str]| {
            let mut group = group(name, "web");
            let door = json!({ "hosts": hosts, "ingress": {} });
            group.0.as_mut().unwrap().spec.front_door = Some(serde_json::from_value(door).unwrap());
            group
        };
        let groups = [with_door("store", &["shop.com"]), with_door("bank", &["bank.com"])];
        let concerned = |hosts: &[&str]| {
            let touched = Touched::FrontDoor(hosts.iter().map(|host| (*host).to_owned()).collect());
            let concerned = groups.iter().filter(|group| touched.concerns(group));
            concerned.map(ResourceExt::name_any).collect::<Vec<_>>()
        };
        assert_eq!(concerned(&["*.com"]), ["store", "bank"]);
        assert_eq!(concerned(&["bank.com"]), ["bank"]);
        assert_eq!(concerned(&[]), ["store", "bank"]);
    }

    #[test]
    fn a_budget_may_matter_to_every_group_of_its_namespace() {
        let object = json!({
            "apiVersion": "policy/v1", "kind": "PodDisruptionBudget",
            "metadata": { "name": "all", "namespace": "shop", "labels": { SERVICE_GROUP: "store" } },
        });
        let object: DynamicObject = serde_json::from_value(object).unwrap();
        assert_eq!(
            Touched::by(&object, OwnedKind::PodDisruptionBudget),
            Touched::Namespace("shop".to_owned())
        );
        assert_eq!(Touched::by(&object, OwnedKind::Service), Touched::Group("shop".into(), "store".into()));
    }

    #[tokio::test(start_paused = true)]
    async fn changes_that_come_together_are_one_reason() {
        let (store, mut writer) = kube::runtime::reflector::store::<Group>();
        for event in [
            kube::runtime::watcher::Event::Init,
            kube::runtime::watcher::Event::InitApply(group("store", "web")),
            kube::runtime::watcher::Event::InitDone,
        ] {
            writer.apply_watcher_event(&event);
        }
        let (touch, touched) = mpsc::unbounded_channel();
        for _ in 0..3 {
            touch.send(Touched::Namespace("shop".into())).unwrap();
            touch.send(Touched::Everything).unwrap();
        }
        drop(touch);
        let all: Vec<_> = groups(touched, store).collect().await;
        assert_eq!(all.iter().map(|group| group.name.as_str()).collect::<Vec<_>>(), ["store"]);
    }
}
