//! Random cases. Case number `n` of a seed is always the same one, whatever came before it.

mod affinity;
#[path = "../../hpa_differential/generate/dice.rs"]
mod dice;
mod nodes;
mod pods;
mod resources;
mod spread;
mod taints;
mod volumes;

use serde_json::{Value, json};

use self::dice::Dice;
use crate::case::Case;

/// The namespaces, and the team whose label they carry.
const NAMESPACES: [(&str, Option<&str>); 3] =
    [("shop", Some("red")), ("bank", Some("blue")), ("attic", None)];
/// The zones of the nodes.
const ZONES: [&str; 3] = ["a", "b", "c"];
const ZONE: &str = "topology.kubernetes.io/zone";
const HOSTNAME: &str = "kubernetes.io/hostname";
/// The labels that nodes are told apart by in more than one way; some nodes lack `rack`.
const DOMAINS: [&str; 5] = [ZONE, ZONE, HOSTNAME, HOSTNAME, "rack"];

/// What a case is about. Everything else happens now and then, so that rules also meet each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Topic {
    Resources,
    Taints,
    NodeAffinity,
    PodAffinity,
    Spread,
    Ports,
    Volumes,
    Nominated,
    Gates,
}

/// The topics of a case.
struct Topics(Vec<Topic>);

impl Topics {
    fn new(dice: &mut Dice) -> Self {
        use Topic as T;
        let all = [
            T::Resources,
            T::Resources,
            T::Taints,
            T::NodeAffinity,
            T::PodAffinity,
            T::PodAffinity,
            T::Spread,
            T::Spread,
            T::Ports,
            T::Volumes,
            T::Volumes,
            T::Nominated,
        ];
        let mut topics: Vec<_> = (0..dice.index(1, 3)).map(|_| dice.of(&all)).collect();
        if dice.chance(2.0) {
            topics.push(T::Gates);
        }
        Self(topics)
    }

    /// True in `percent` of 100 where the case is about it, and rarely elsewhere.
    fn chance(&self, dice: &mut Dice, topic: Topic, percent: f64) -> bool {
        let elsewhere = if topic == Topic::Gates { 0.0 } else { percent / 15.0 };
        dice.chance(if self.0.contains(&topic) { percent } else { elsewhere })
    }
}

/// A small cluster and a pod.
pub(crate) fn case(seed: u64, number: u64) -> Case {
    let of = |stream| Dice::new(seed, number, stream);
    let mut dice = of(0);
    let topics = Topics::new(&mut dice);
    let nodes = nodes::nodes(&mut of(1), &topics);
    let names: Vec<_> = nodes.iter().map(nodes::name).collect();
    let mut pods = of(2);
    let mut cluster = pods::cluster(&mut pods, &topics, &names);
    let mut asked = pods::asked(&mut of(3), &topics);
    let volumes = volumes::volumes(&mut of(4), &topics, &names, &mut cluster, &mut asked);
    let mut case = json!({
        "nodes": nodes,
        "pods": cluster,
        "namespaces": NAMESPACES.map(namespace),
        "pod": asked,
    });
    merge(&mut case, volumes);
    serde_json::from_value(case).expect("objects of Kubernetes")
}

fn namespace((name, team): (&str, Option<&str>)) -> Value {
    let mut labels = json!({ "kubernetes.io/metadata.name": name });
    if let Some(team) = team {
        labels["team"] = team.into();
    }
    json!({ "metadata": { "name": name, "labels": labels } })
}

/// Puts the fields of `from` into `into`.
fn merge(into: &mut Value, from: Value) {
    if let (Some(into), Value::Object(from)) = (into.as_object_mut(), from) {
        into.extend(from);
    }
}
