//! Our side: the objects of a case as `plimsoll_observe` sees them, and what `plimsoll_core::placement` says of them.

use plimsoll_core::cluster::{Pod, PodState, Unplannable};
use plimsoll_core::placement::{Change, Refusal, View, fits};
use plimsoll_observe::cluster::{Storage, observe_cluster_pod, observe_node};

use crate::case::Case;
use crate::deviations::Deviation;

/// Whether the pod may go to a node.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Answer {
    pub(crate) node: String,
    /// Why not.
    pub(crate) refusal: Option<No>,
    /// The deviation that may show here.
    pub(crate) may_deviate: Option<Deviation>,
}

/// A no.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct No {
    pub(crate) reason: String,
    /// The filters whose rule it is; one of them must say no. Empty where any may.
    pub(crate) filters: &'static [&'static str],
}

/// One answer for each node, in the order of the case.
pub(crate) fn answer(case: &Case) -> Vec<Answer> {
    let storage = storage(case);
    let mut view = view(case, &storage);
    let asked = observe_cluster_pod(&case.pod, &storage).expect("it has not ended");
    view.apply(Change::Pod(asked.clone()));
    let names = case.nodes.iter().map(|node| node.metadata.name.clone().unwrap_or_default());
    if let Some(reason) = &asked.unplannable {
        let no = No { reason: reason.to_string(), filters: filters_of_unplannable(reason) };
        return names.map(|node| Answer { node, refusal: Some(no.clone()), may_deviate: None }).collect();
    }
    let fits = |view: &View, node: &str| fits(view, &asked, node).err();
    let refused: Vec<_> = names.map(|node| (fits(&view, &node), node)).collect();
    let is_nominated = |pod: &&Pod| matches!(pod.state, PodState::Nominated { .. });
    let nominated: Vec<_> = view.pods().filter(is_nominated).map(|pod| pod.uid.clone()).collect();
    let are_nominated = !nominated.is_empty();
    for uid in nominated {
        view.apply(Change::PodGone(uid));
    }
    let answers = refused.into_iter().map(|(refusal, node)| Answer {
        may_deviate: match &refusal {
            None => Deviation::of_yes(&asked, are_nominated),
            Some(Refusal::ExistingAntiAffinity(_) | Refusal::VolumeInUse(_))
                if fits(&view, &node).is_none() =>
            {
                Some(Deviation::OnlyNominatedForbids)
            }
            Some(_) => None,
        },
        refusal: refusal.map(|no| No { reason: no.to_string(), filters: filters_of(&no) }),
        node,
    });
    answers.collect()
}

fn filters_of_unplannable(reason: &Unplannable) -> &'static [&'static str] {
    match reason {
        Unplannable::Gated(_) => &["SchedulingGates"],
        // Which filter is the first to miss it depends on what is missing.
        Unplannable::Claim(_) => &[],
        _ => panic!("no case has this: {reason}"),
    }
}

fn filters_of(refusal: &Refusal) -> &'static [&'static str] {
    match refusal {
        Refusal::NoSuchNode | Refusal::Going => panic!("all nodes are there and stay"),
        Refusal::Unschedulable => &["NodeUnschedulable"],
        Refusal::Taint(_) => &["TaintToleration"],
        Refusal::NodeAffinity => &["NodeAffinity"],
        Refusal::HostPort(_) => &["NodePorts"],
        Refusal::Lacks(_) => &["NodeResourcesFit"],
        Refusal::VolumeInUse(_) => &["VolumeRestrictions"],
        Refusal::AttachLimit(_) => &["NodeVolumeLimits"],
        Refusal::VolumeElsewhere(_) => &["VolumeBinding", "VolumeZone"],
        Refusal::NoTopology(_) => &["PodTopologySpread", "InterPodAffinity"],
        Refusal::Spread(_) => &["PodTopologySpread"],
        Refusal::PodAffinity(_) | Refusal::PodAntiAffinity(_) | Refusal::ExistingAntiAffinity(_) => {
            &["InterPodAffinity"]
        }
    }
}

fn storage(case: &Case) -> Storage {
    let mut storage = Storage::default();
    case.storage_classes.iter().for_each(|class| drop(storage.apply_class(class)));
    case.persistent_volumes.iter().for_each(|volume| drop(storage.apply_volume(volume)));
    case.persistent_volume_claims.iter().for_each(|claim| drop(storage.apply_claim(claim)));
    storage
}

fn view(case: &Case, storage: &Storage) -> View {
    let mut view = View::default();
    for namespace in &case.namespaces {
        let name = namespace.metadata.name.as_deref().unwrap_or_default();
        let labels = namespace.metadata.labels.iter().flatten();
        let labels = labels.map(|(key, value)| (key.as_str().into(), value.as_str().into())).collect();
        view.apply(Change::Namespace(name.into(), labels));
    }
    for node in &case.nodes {
        let attached = case.csi_nodes.iter().find(|csi| csi.metadata.name == node.metadata.name);
        let seen = observe_node(node, attached);
        view.apply(Change::Node(seen));
    }
    let pods = case.pods.iter().filter_map(|pod| observe_cluster_pod(pod, storage));
    pods.for_each(|pod| view.apply(Change::Pod(pod)));
    view
}
