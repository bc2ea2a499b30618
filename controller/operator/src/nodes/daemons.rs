//! What daemons take on a new node: as their templates say, or as the newest of their pods do.
//!
//! Admission changes pods and not templates: it sets the requests that a `LimitRange` has in place of none, those that a
//! vertical autoscaler recommends, sidecars, and host ports of pods in the network of their node. What is planned with the
//! template alone would then find less room than planned, and order again.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use plimsoll_core::{
    cluster::{Daemon, HostPort, Name, OwnerKind, Pod, PodShape, PodState, Resources},
    time::Timestamp,
};

/// The version of the template that a pod of a daemon was made from.
const GENERATION: &str = "pod-template-generation";

/// The daemons of the cluster.
#[derive(Debug, Default)]
pub(crate) struct Daemons {
    /// As their templates say, with the versions of these, by uid.
    templates: BTreeMap<Name, (Daemon, Option<Name>)>,
    /// The newest pod of each, by the uid of the daemon.
    newest: BTreeMap<Name, Made>,
}

#[derive(Debug)]
struct Made {
    created: Timestamp,
    generation: Option<Name>,
    requests: Resources,
    host_ports: BTreeSet<HostPort>,
}

impl Daemons {
    /// Learns of a daemon, with the version of its template; as it is to be planned with.
    pub(crate) fn apply(&mut self, daemon: Daemon, generation: Option<Name>) -> Daemon {
        let uid = daemon.uid.clone();
        let planned = as_made(&daemon, generation.as_ref(), self.newest.get(&uid));
        self.templates.insert(uid, (daemon, generation));
        planned
    }

    /// Forgets a daemon.
    pub(crate) fn gone(&mut self, uid: &str) {
        self.templates.remove(uid);
        self.newest.remove(uid);
    }

    /// Learns of a pod; its daemon, where that is to be planned with otherwise now.
    pub(crate) fn pod_came(&mut self, pod: &Pod) -> Option<Daemon> {
        let owner = pod.owner.as_ref().filter(|owner| owner.kind == OwnerKind::DaemonSet)?;
        let newest = self.newest.get(&owner.uid);
        let is_newest = newest.is_none_or(|known| known.created <= pod.created);
        if matches!(pod.state, PodState::Terminating { .. }) || !is_newest {
            return None;
        }
        let made = Made {
            created: pod.created,
            generation: pod.shape.labels.get(GENERATION).cloned(),
            requests: pod.shape.requests.clone(),
            host_ports: pod.shape.host_ports.clone(),
        };
        let template = self.templates.get(&owner.uid);
        let planned = template.and_then(|(daemon, generation)| {
            let planned = as_made(daemon, generation.as_ref(), Some(&made));
            (planned != as_made(daemon, generation.as_ref(), newest)).then_some(planned)
        });
        self.newest.insert(owner.uid.clone(), made);
        planned
    }
}

/// A daemon whose pods take what the newest of them does, if that is of the present template.
fn as_made(daemon: &Daemon, generation: Option<&Name>, newest: Option<&Made>) -> Daemon {
    let is_present = |made: &&Made| generation.is_none() || made.generation.as_ref() == generation;
    let Some(made) = newest.filter(is_present) else { return daemon.clone() };
    let shape = PodShape {
        requests: made.requests.clone(),
        host_ports: made.host_ports.clone(),
        ..(*daemon.shape).clone()
    };
    Daemon { shape: Arc::new(shape), ..daemon.clone() }
}

#[cfg(test)]
mod tests {
    use plimsoll_core::cluster::Owner;
    use pretty_assertions::assert_eq;

    use super::*;

    fn asking(cpu: i64) -> Arc<PodShape> {
        let requests = Resources { cpu, ..Resources::default() };
        Arc::new(PodShape { requests, ..PodShape::default() })
    }

    fn daemon(cpu: i64) -> Daemon {
        Daemon { uid: "d".into(), name: "agent".into(), shape: asking(cpu) }
    }

    /// A pod of the daemon, of so many seconds after the first and of this version of the template.
    fn pod(second: i64, generation: &str, cpu: i64) -> Pod {
        let mut shape = asking(cpu);
        Arc::make_mut(&mut shape).labels.insert(GENERATION.into(), generation.into());
        Pod {
            uid: format!("{second}").into(),
            name: "agent".into(),
            shape,
            state: PodState::Bound { node: "n".into(), ready: true },
            owner: Some(Owner { kind: OwnerKind::DaemonSet, name: "agent".into(), uid: "d".into() }),
            created: Timestamp::from_secs(second),
            unplannable: None,
            eviction: plimsoll_core::cluster::Eviction::default(),
        }
    }

    fn cpu(daemon: Option<Daemon>) -> Option<i64> {
        daemon.map(|daemon| daemon.shape.requests.cpu)
    }

    #[test]
    fn a_daemon_takes_what_the_newest_of_its_pods_does_whichever_is_seen_first() {
        let mut seen = Daemons::default();
        assert_eq!(cpu(Some(seen.apply(daemon(0), Some("1".into())))), Some(0));
        assert_eq!(cpu(seen.pod_came(&pod(10, "1", 500))), Some(500));
        assert_eq!(cpu(seen.pod_came(&pod(10, "1", 500))), None, "nothing else is to be planned with");
        assert_eq!(cpu(seen.pod_came(&pod(5, "1", 400))), None, "an older one says nothing");
        assert_eq!(cpu(seen.pod_came(&pod(20, "1", 300))), Some(300));

        let mut seen = Daemons::default();
        assert_eq!(cpu(seen.pod_came(&pod(10, "1", 500))), None);
        assert_eq!(cpu(Some(seen.apply(daemon(0), Some("1".into())))), Some(500));
    }

    #[test]
    fn pods_of_a_former_template_say_nothing_of_the_present_one() {
        let mut seen = Daemons::default();
        seen.apply(daemon(100), Some("1".into()));
        seen.pod_came(&pod(10, "1", 500));
        assert_eq!(cpu(Some(seen.apply(daemon(900), Some("2".into())))), Some(900));
        assert_eq!(cpu(seen.pod_came(&pod(11, "1", 500))), None);
        assert_eq!(cpu(seen.pod_came(&pod(12, "2", 1000))), Some(1000));
    }

    #[test]
    fn a_pod_that_ends_says_nothing() {
        let mut seen = Daemons::default();
        seen.apply(daemon(100), None);
        let until = Timestamp::from_secs(30);
        let ending = Pod { state: PodState::Terminating { node: "n".into(), until }, ..pod(10, "1", 500) };
        assert_eq!(cpu(seen.pod_came(&ending)), None);
    }
}
