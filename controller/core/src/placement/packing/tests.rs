use pretty_assertions::assert_eq;

use super::*;
use crate::cluster::{HOSTNAME, Labels, Pod, PodState, ZONE};
use crate::nodes::fixtures::{evenly, node, pod, term};
use crate::placement::class::ClassKey;
use crate::placement::{Change, View};

/// Nodes n of zone a and m of zone b, with a pod of web on n; pods of web keep apart by host and even over zones. Gives the
/// numbers of the nodes, and the class of a pod of web that looks for room.
fn running() -> (Packing, [NodeIx; 2], ClassId) {
    let mut web = pod("web", "n");
    let shape = Arc::make_mut(&mut web.shape);
    shape.labels = Labels::from([("app".into(), "web".into())]);
    shape.affinity.anti_pods = vec![term(HOSTNAME, "web")];
    shape.spread = vec![evenly(ZONE, "web")];
    let waits = Pod { uid: "waits".into(), state: PodState::Pending, ..web.clone() };
    let mut view = View::default();
    for change in
        [Change::Node(node("n", "a")), Change::Node(node("m", "b")), Change::Pod(web), Change::Pod(waits)]
    {
        view.apply(change);
    }
    let dense = view.dense();
    let (class, _) = *dense.waiting.keys().next().unwrap();
    (view.packing(), ["n", "m"].map(|name| dense.node(name).unwrap()), class)
}

/// What is done to a packing.
type Do<'a> = &'a dyn Fn(&mut Packing);

/// All that is decided by.
fn seen(packing: &Packing) -> String {
    let nodes = packing.nodes.iter().enumerate().map(|(at, node)| {
        let counts: Vec<u32> =
            (0..packing.tallies.len()).map(|tally| packing.tallied(id(tally), id(at))).collect();
        format!("{:?} {:?} {} {} {counts:?}", node.free, node.residents, node.present, node.open)
    });
    let tallies =
        packing.tallies.iter().map(|of| (of.total(), of.occupied(), of.least(1), of.least(2), of.least(3)));
    let (nodes, tallies): (Vec<_>, Vec<_>) = (nodes.collect(), tallies.collect());
    format!("{nodes:#?} {tallies:?} {:?} {}", packing.population, packing.hosts)
}

#[test]
fn what_was_done_can_be_undone_step_by_step() {
    let (mut packing, [n, m], class) = running();
    let resident = packing.residents(n)[0].0;
    let like = packing.nodes[m as usize].clone();
    let another = packing.state(like.facts.clone(), like.free.clone(), like.attach_limits.clone(), false);
    let stand_in = packing.state(like.facts.clone(), like.free.clone(), like.attach_limits.clone(), true);
    let one = packing.class(class).ask.clone();
    let steps: [(Do<'_>, &str); 12] = [
        (&|packing| packing.put(m, class, 2), "pods of a class that was not there"),
        (&|packing| packing.put(n, resident, 1), "one more of a class that was there"),
        (&|packing| packing.take(n, resident, 1), "one of two goes"),
        (&|packing| packing.take(n, resident, 1), "the last of a class goes"),
        (&|packing| packing.set_open(m, false), "closed"),
        (&|packing| packing.resize(n, one.clone()), "enlarged"),
        (&|packing| assert!(packing.come(another.clone()) > m), "a node comes"),
        (&|packing| assert!(packing.come(stand_in.clone()) > m), "a stand-in comes"),
        (&|packing| packing.remove_node(m), "an empty node goes"),
        (&|packing| packing.return_node(m), "it comes back"),
        (&|packing| packing.put(n, class, 3), "pods that look for room"),
        (&|packing| packing.remove_node(n), "a node goes with its pods"),
    ];
    let mut history = Vec::new();
    for (step, what) in steps {
        let before = seen(&packing);
        history.push((packing.mark(), before.clone()));
        step(&mut packing);
        assert_ne!(seen(&packing), before, "{what}");
    }
    for (mark, before) in history.into_iter().rev() {
        packing.undo(mark);
        assert_eq!(seen(&packing), before);
    }
}

#[test]
fn each_node_that_may_come_is_a_host_of_its_own() {
    let (mut packing, [n, m], class) = running();
    packing.put(m, class, 1);
    let like = packing.nodes[n as usize].clone();
    let nameless = Facts { name: "".into(), ..(*like.facts).clone() };
    let come = |packing: &mut Packing| {
        let state = packing.state(nameless.clone().into(), like.free.clone(), Arc::default(), false);
        packing.come(state)
    };
    let (first, second) = (come(&mut packing), come(&mut packing));
    assert_eq!(packing.refusal(class, first), None, "each node that is there has a pod of web");
    packing.put(first, class, 1);
    packing.put(m, class, 1);
    let refused = |packing: &Packing, node: NodeIx| packing.refusal(class, node).is_some();
    assert_eq!([first, second].map(|node| refused(&packing, node)), [true, false]);
}

#[test]
fn nothing_is_counted_on_the_host_of_a_stand_in() {
    let (mut packing, [n, _], class) = running();
    let mut shape = (*packing.class(class).shape).clone();
    shape.spread = vec![evenly(HOSTNAME, "web")];
    let class = packing.intern(ClassKey { shape: shape.into(), leaving: false });
    let like = packing.nodes[n as usize].clone();
    let nameless = Facts { name: "".into(), ..(*like.facts).clone() };
    let state = packing.state(nameless.into(), like.free.clone(), Arc::default(), true);
    let stand_in = packing.come(state);
    assert_eq!(packing.refusal(class, stand_in), None);
    packing.put(stand_in, class, 3);
    assert_eq!(packing.refusal(class, stand_in), None, "it stands for as many nodes as are needed");
}
