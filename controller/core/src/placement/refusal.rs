//! Why a pod may not run on a node.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::cluster::{HostPort, Name, Resource, Taint};

/// Why a pod may not run on a node: the first rule that says no, in the order of this list.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Refusal {
    /// There is no such node.
    NoSuchNode,
    /// The node is being drained or will be taken away, so nothing is planned for it.
    Going,
    /// The node is cordoned.
    Unschedulable,
    /// A taint that the pod does not tolerate.
    Taint(Taint),
    /// Node selector or required node affinity.
    NodeAffinity,
    /// A port of the host that another pod has.
    HostPort(HostPort),
    /// Too little of a resource is free.
    Lacks(Resource),
    /// A volume that only one pod at a time may have, and another has.
    VolumeInUse(Name),
    /// More volumes of a CSI driver than the node may attach.
    AttachLimit(Name),
    /// A volume cannot be reached from there.
    VolumeElsewhere(Name),
    /// The node lacks the label that a spread constraint or an affinity counts by.
    NoTopology(Name),
    /// It would make the skew over the domains of this label too large.
    Spread(Name),
    /// No pod that its affinity asks for runs in this domain of this label.
    PodAffinity(Name),
    /// A pod that its anti-affinity forbids runs in this domain of this label.
    PodAntiAffinity(Name),
    /// A pod whose anti-affinity forbids it runs in this domain of this label.
    ExistingAntiAffinity(Name),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchNode => f.write_str("do not exist"),
            Self::Going => f.write_str("are going away"),
            Self::Unschedulable => f.write_str("are cordoned"),
            Self::Taint(taint) if taint.value.is_empty() => write!(f, "have the taint {}", taint.key),
            Self::Taint(taint) => write!(f, "have the taint {}={}", taint.key, taint.value),
            Self::NodeAffinity => f.write_str("do not match the node selector or node affinity"),
            Self::HostPort(port) => write!(f, "have the host port {}/{} in use", port.port, port.protocol),
            Self::Lacks(Resource::Pods) => f.write_str("have as many pods as they may"),
            Self::Lacks(resource) => write!(f, "lack {resource}"),
            Self::VolumeInUse(volume) => {
                write!(f, "cannot have the volume {volume}, which one pod at a time may use")
            }
            Self::AttachLimit(driver) => write!(f, "have as many volumes of {driver} as they may"),
            Self::VolumeElsewhere(volume) => write!(f, "cannot reach the volume {volume}"),
            Self::NoTopology(key) => write!(f, "lack the label {key}"),
            Self::Spread(key) => write!(f, "would spread the pods unevenly over {key}"),
            Self::PodAffinity(key) => write!(f, "have no pod of its affinity in the same {key}"),
            Self::PodAntiAffinity(key) => write!(f, "have a pod of its anti-affinity in the same {key}"),
            Self::ExistingAntiAffinity(key) => write!(f, "have a pod that keeps it away in the same {key}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::Effect;

    #[test]
    fn a_refusal_reads_as_what_is_said_of_nodes() {
        let taint = |value: &str| {
            Refusal::Taint(Taint { key: "gpu".into(), value: value.into(), effect: Effect::NoSchedule })
        };
        let port = HostPort { ip: "".into(), protocol: "TCP".into(), port: 80 };
        for (refusal, text) in [
            (Refusal::Unschedulable, "are cordoned"),
            (taint(""), "have the taint gpu"),
            (taint("yes"), "have the taint gpu=yes"),
            (Refusal::HostPort(port), "have the host port 80/TCP in use"),
            (Refusal::Lacks(Resource::Pods), "have as many pods as they may"),
            (Refusal::Lacks(Resource::Cpu), "lack cpu"),
            (Refusal::NoTopology("rack".into()), "lack the label rack"),
        ] {
            assert_eq!(refusal.to_string(), text);
        }
    }
}
