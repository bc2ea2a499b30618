//! Which pods of a plan the scheduler can be told of all at once.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Place, Placement};
use crate::cluster::{PodShape, PodState, WhenUnsatisfiable};
use crate::placement::View;

/// Equal pods that are nominated for one node, and how many.
type Nominated = Vec<(Arc<PodShape>, u32)>;

/// Of these placements, in the order of the plan, those whose pods can be nominated for their nodes together.
///
/// When kube-scheduler asks whether a pod may go to a node, it takes all pods that are nominated for that node as if they ran
/// there, also for the pod's spread constraints (`RunFilterPluginsWithNominatedPods`). More of them than `maxSkew` allows over
/// the emptiest domain keep each other waiting for good, although each would be allowed at its turn. So no node gets more
/// nominations than `maxSkew` that a constraint of one of them counts. Then whoever is nominated for a node of the emptiest
/// domain is allowed there, and where the emptiest domain gets no more, the last of a node is allowed what the plan says.
///
/// The others are left to the scheduler, which finds the room that was planned for them.
pub fn together<'p>(view: &View, placements: impl IntoIterator<Item = &'p Placement>) -> Vec<&'p Placement> {
    let mut nodes: BTreeMap<&Place, Nominated> = BTreeMap::new();
    let mut told = Vec::new();
    for placement in placements {
        let Some(pod) = view.pod(&placement.pod) else { continue };
        let nominated =
            nodes.entry(&placement.place).or_insert_with(|| nominated_already(view, &placement.place));
        add(nominated, &pod.shape);
        if is_even(nominated) {
            told.push(placement);
        } else {
            take(nominated, &pod.shape);
        }
    }
    told
}

fn nominated_already(view: &View, place: &Place) -> Nominated {
    let Place::Node(node) = place else { return Nominated::new() };
    let mut nominated = Nominated::new();
    let waits = view.pods_on(node).filter(|pod| matches!(pod.state, PodState::Nominated { .. }));
    waits.for_each(|pod| add(&mut nominated, &pod.shape));
    nominated
}

fn add(nominated: &mut Nominated, shape: &Arc<PodShape>) {
    match nominated.iter_mut().find(|(of, _)| of == shape) {
        Some((_, count)) => *count += 1,
        None => nominated.push((shape.clone(), 1)),
    }
}

fn take(nominated: &mut Nominated, shape: &Arc<PodShape>) {
    if let Some((_, count)) = nominated.iter_mut().find(|(of, _)| of == shape) {
        *count -= 1;
    }
    nominated.retain(|(_, count)| *count > 0);
}

/// Whether no constraint of one of these pods counts more of them than it lets a domain have over another.
fn is_even(nominated: &Nominated) -> bool {
    nominated.iter().all(|(shape, _)| {
        let constraints =
            shape.spread.iter().filter(|spread| spread.when == WhenUnsatisfiable::DoNotSchedule);
        constraints.filter_map(|spread| Some((spread, spread.selector.as_ref()?))).all(
            |(spread, selector)| {
                let counts = |of: &PodShape| of.namespace == shape.namespace && selector.matches(&of.labels);
                let counted = nominated.iter().filter(|(of, _)| counts(of));
                counted.map(|(_, count)| i64::from(*count)).sum::<i64>() <= i64::from(spread.max_skew)
            },
        )
    })
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;
    use crate::cluster::{HOSTNAME, Pod, Spread};
    use crate::nodes::fixtures::{self, pod};
    use crate::placement::Change;

    /// A pod with the label `app`, spread over nodes among those of an app; by how much at the most, or not at all.
    fn of_app(name: &str, app: &str, evenly: Option<(i32, &str)>) -> Pod {
        let mut pod = Pod { state: PodState::Pending, ..pod(name, "none") };
        let shape = Arc::make_mut(&mut pod.shape);
        shape.labels.insert("app".into(), app.into());
        let spread = |(max_skew, among)| Spread { max_skew, ..fixtures::evenly(HOSTNAME, among) };
        shape.spread.extend(evenly.map(spread));
        pod
    }

    /// Which of these pods, planned for these nodes in this order, can be nominated together.
    fn told(pods: &[Pod], planned: &[(&str, &str)]) -> Vec<String> {
        let mut view = View::default();
        for pod in pods {
            view.apply(Change::Pod(pod.clone()));
        }
        let placement = |(pod, node): &(&str, &str)| Placement {
            pod: format!("uid-{pod}").into(),
            count: 1,
            place: Place::Node((*node).into()),
        };
        let placements: Vec<Placement> = planned.iter().map(placement).collect();
        together(&view, &placements).iter().map(|told| told.pod.replace("uid-", "")).collect()
    }

    #[test]
    fn a_node_gets_no_more_nominations_than_a_spread_may_be_uneven() {
        let pods = ["a", "b", "c", "d"].map(|name| of_app(name, "web", Some((2, "web"))));
        let on_one = [("a", "n"), ("b", "n"), ("c", "n")];
        assert_eq!(told(&pods, &on_one), ["a", "b"]);
        let on_two = [("a", "n"), ("b", "n"), ("c", "m"), ("d", "n")];
        assert_eq!(told(&pods, &on_two), ["a", "b", "c"]);
    }

    #[test]
    fn pods_that_are_not_spread_are_all_nominated() {
        let pods = ["a", "b", "c"].map(|name| of_app(name, "web", None));
        assert_eq!(told(&pods, &[("a", "n"), ("b", "n"), ("c", "n")]), ["a", "b", "c"]);
    }

    #[test]
    fn a_spread_that_only_prefers_keeps_nobody_back() {
        let pods = ["a", "b"].map(|name| {
            let mut pod = of_app(name, "web", Some((1, "web")));
            Arc::make_mut(&mut pod.shape).spread[0].when = WhenUnsatisfiable::ScheduleAnyway;
            pod
        });
        assert_eq!(told(&pods, &[("a", "n"), ("b", "n")]), ["a", "b"]);
    }

    #[test]
    fn pods_that_a_spread_of_others_counts_are_kept_back_too() {
        let pods = [
            of_app("watcher", "web", Some((1, "api"))),
            of_app("a", "api", None),
            of_app("b", "api", None),
            of_app("c", "web", None),
        ];
        assert_eq!(
            told(&pods, &[("watcher", "n"), ("a", "n"), ("b", "n"), ("c", "n")]),
            ["watcher", "a", "c"]
        );
        assert_eq!(told(&pods, &[("a", "n"), ("b", "n"), ("watcher", "n")]), ["a", "b"]);
    }

    #[test]
    fn one_that_was_kept_back_counts_for_nobody_after_it() {
        let web = of_app("web", "web", Some((1, "api")));
        let api = ["a", "b", "c"].map(|name| of_app(name, "api", None));
        let pods: Vec<Pod> = api.into_iter().chain([web]).collect();
        assert_eq!(told(&pods, &[("web", "n"), ("a", "n"), ("b", "n"), ("c", "n")]), ["web", "a"]);
        assert_eq!(told(&pods, &[("a", "n"), ("b", "n"), ("web", "n"), ("c", "n")]), ["a", "b", "c"]);
    }

    #[test]
    fn those_of_other_namespaces_are_not_counted() {
        let mut other = of_app("b", "web", None);
        Arc::make_mut(&mut other.shape).namespace = "other".into();
        let pods = [of_app("a", "web", Some((1, "web"))), other];
        assert_eq!(told(&pods, &[("a", "n"), ("b", "n")]), ["a", "b"]);
    }

    #[test]
    fn pods_that_are_nominated_already_count() {
        let mut pods = ["a", "b", "c"].map(|name| of_app(name, "web", Some((2, "web"))));
        pods[0].state = PodState::Nominated { node: "n".into() };
        assert_eq!(told(&pods, &[("b", "n"), ("c", "n")]), ["b"]);
        pods[0].state = PodState::Bound { node: "n".into(), ready: true };
        assert_eq!(told(&pods, &[("b", "n"), ("c", "n")]), ["b", "c"], "one that runs is no nomination");
    }

    #[test]
    fn a_pod_that_is_gone_is_not_nominated() {
        assert_eq!(told(&[], &[("a", "n")]), [""; 0]);
    }
}
