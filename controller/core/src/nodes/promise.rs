//! Whether a node is what was offered. Pods were promised a place on what the offering says; where nodes keep coming with
//! less, or with a taint that nobody spoke of, the pods stay without one, and more nodes would be ordered for them for ever.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::words::quantity;
use crate::cluster::{Effect, Node, Offering, Pool, Resource, Resources, Taint};
use crate::placement::is_starting_taint;

/// Of what a template says a real node may have a twentieth less: images and kernels keep a little more or less for
/// themselves, and templates are estimates.
const A_LITTLE: i64 = 20;

/// What a node has less than its offering, or more.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Broken {
    /// A taint that neither the offering nor the pool's template has.
    Taint(Taint),
    /// Less of a resource: what it has, and what was offered, in the units of [`Resources`].
    Less(Resource, i64, i64),
}

/// What a node that takes pods lacks of what was offered, if it does. Its drain, what Kubernetes says of its health by
/// taints, and those that every node starts with are no part of the offer. Before it takes pods its devices may be missing.
pub fn broken(node: &Node, offering: &Offering, pool: &Pool) -> Option<Broken> {
    let template = &pool.template;
    let told = || offering.taints.iter().chain(&template.taints).chain(&template.startup_taints);
    let is_told = |taint: &Taint| told().any(|of| of.key == taint.key && of.effect == taint.effect);
    let is_news = |taint: &&Taint| {
        taint.effect != Effect::PreferNoSchedule
            && !taint.key.starts_with("node.kubernetes.io/")
            && !taint.key.starts_with("plimsoll.dev/")
            && !is_starting_taint(taint)
            && !is_told(taint)
    };
    if let Some(taint) = node.taints.iter().find(is_news) {
        return Some(Broken::Taint(taint.clone()));
    }
    let offered = &offering.allocatable;
    let mut least = offered.clone();
    least.subtract(&share(offered));
    let lacking = node.allocatable.lacks(&least)?;
    let name = lacking.to_string();
    let (has, wanted) = (node.allocatable.named(&name), offered.named(&name));
    Some(Broken::Less(lacking, has, wanted))
}

fn share(of: &Resources) -> Resources {
    Resources {
        cpu: of.cpu / A_LITTLE,
        memory: of.memory / A_LITTLE,
        ephemeral_storage: of.ephemeral_storage / A_LITTLE,
        pods: of.pods / A_LITTLE,
        // Devices are there or not.
        ..Resources::default()
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Taint(taint) => write!(
                f,
                "it has the taint {} that neither its offering nor template.taints of its pool has: add it to one of them, \
                 or to template.startupTaints if somebody takes it away again",
                taint.key
            ),
            Self::Less(resource, has, offered) => {
                let told = |amount: i64| quantity(&resource.to_string(), amount);
                write!(f, "it has {} of {resource} for pods, and {} were offered", told(*has), told(*offered))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nodes::fixtures::{node, pool};

    fn taint(key: &str, effect: Effect) -> Taint {
        Taint { key: key.into(), value: "".into(), effect }
    }

    #[test]
    fn a_node_keeps_the_promise_unless_it_has_a_taint_or_lacks_what_was_offered() {
        let pool = pool();
        let mut node = node("n", "a");
        let offering = pool.offerings.iter().find(|of| Some(&of.key) == node.offering().as_ref()).unwrap();
        node.allocatable = offering.allocatable.clone();
        assert_eq!(broken(&node, offering, &pool), None);

        for (key, effect, kept) in [
            ("node.kubernetes.io/not-ready", Effect::NoSchedule, true),
            ("node.cloudprovider.kubernetes.io/uninitialized", Effect::NoSchedule, true),
            ("plimsoll.dev/draining", Effect::NoSchedule, true),
            ("crowded", Effect::PreferNoSchedule, true),
            ("gpu", Effect::NoSchedule, false),
            ("gpu", Effect::NoExecute, false),
        ] {
            let mut tainted = node.clone();
            tainted.taints.push(taint(key, effect));
            let expected = (!kept).then(|| Broken::Taint(taint(key, effect)));
            assert_eq!(broken(&tainted, offering, &pool), expected, "{key}");
            let mut told = pool.clone();
            told.template.startup_taints.push(taint(key, effect));
            assert_eq!(broken(&tainted, offering, &told), None, "{key} that was spoken of");
            let mut other = pool.clone();
            other.template.startup_taints.push(taint("other", effect));
            other.template.startup_taints.push(taint(key, Effect::PreferNoSchedule));
            assert_eq!(broken(&tainted, offering, &other), expected, "{key}, and others were spoken of");
        }

        let mut less = node.clone();
        less.allocatable.memory = offering.allocatable.memory / 20 * 19 + 20;
        assert_eq!(broken(&less, offering, &pool), None, "a little less");
        less.allocatable.memory /= 2;
        let (has, offered) = (less.allocatable.memory, offering.allocatable.memory);
        assert_eq!(broken(&less, offering, &pool), Some(Broken::Less(Resource::Memory, has, offered)));
    }

    #[test]
    fn a_twentieth_less_of_a_resource_is_no_broken_promise() {
        let pool = pool();
        let mut offering = pool.offerings[0].clone();
        offering.allocatable = Resources {
            cpu: 4000,
            memory: 16_000,
            ephemeral_storage: 20_000,
            pods: 100,
            ..Resources::default()
        };
        let has = |cpu, memory, ephemeral_storage, pods| {
            let mut node = node("n", "a");
            node.allocatable = Resources { cpu, memory, ephemeral_storage, pods, ..Resources::default() };
            broken(&node, &offering, &pool)
        };
        assert_eq!(has(3800, 15_200, 19_000, 95), None);
        for (broken, resource, less, offered) in [
            (has(3799, 16_000, 20_000, 100), Resource::Cpu, 3799, 4000),
            (has(4000, 15_199, 20_000, 100), Resource::Memory, 15_199, 16_000),
            (has(4000, 16_000, 18_999, 100), Resource::EphemeralStorage, 18_999, 20_000),
            (has(4000, 16_000, 20_000, 94), Resource::Pods, 94, 100),
        ] {
            assert_eq!(broken, Some(Broken::Less(resource, less, offered)));
        }
    }

    #[test]
    fn what_breaks_a_promise_is_said_with_what_to_do() {
        let taint = Broken::Taint(taint("gpu", Effect::NoSchedule));
        assert_eq!(
            taint.to_string(),
            "it has the taint gpu that neither its offering nor template.taints of its pool has: add it to one of them, \
             or to template.startupTaints if somebody takes it away again"
        );
        assert_eq!(
            Broken::Less(Resource::Memory, 7 << 30, 8 << 30).to_string(),
            "it has 7Gi of memory for pods, and 8Gi were offered"
        );
    }
}
