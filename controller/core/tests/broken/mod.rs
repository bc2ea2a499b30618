//! A small cluster with a plan that is as it should be, and ways to break either.

#![allow(dead_code, reason = "each test uses its own part")]

use std::sync::Arc;

use plimsoll_core::audit::Invariant;
use plimsoll_core::cluster::{Node, Pod, PodShape, Pool};
use plimsoll_core::nodes::{NewNodes, Place};
use plimsoll_core::placement::Change;

use super::cluster::{Cluster, NOW, Plans, node, offering, pod, pool, shape};

/// n1 in zone a with one small pod of `web`; n2 in b and n3 in c with a pod of `web` and much of `api`.
pub(crate) fn base() -> (Cluster, Plans) {
    let offerings = ["a", "b", "c"].map(|zone| offering("m", zone, 4, 200_000));
    let pool = pool("p", offerings.to_vec());
    let (web, api) = (Arc::new(shape("web", 300)), Arc::new(shape("api", 2500)));
    let mut cluster = Cluster::default();
    for (name, offering) in ["n1", "n2", "n3"].iter().zip(&offerings) {
        cluster.changes.push(Change::Node(node(name, &pool, offering)));
        cluster.changes.push(Change::Pod(pod(&format!("web-{name}"), "web", &web, name)));
    }
    cluster.changes.push(Change::Pod(pod("api-n2", "api", &api, "n2")));
    cluster.changes.push(Change::Pod(pod("api-n3", "api", &api, "n3")));
    cluster.changes.push(Change::Pool(pool));
    let plans = cluster.plan(NOW);
    let gone: Vec<_> = plans.removing.remove.iter().map(|removal| &*removal.node).collect();
    assert_eq!(gone, ["n1"]);
    assert_eq!(cluster.audit(&plans, NOW), Ok(()));
    (cluster, plans)
}

pub(crate) fn on_node(name: &'static str, change: impl Fn(&mut Node) + 'static) -> Break {
    Box::new(move |cluster, _| {
        for of in &mut cluster.changes {
            if let Change::Node(node) = of
                && &*node.name == name
            {
                change(node);
            }
        }
    })
}

pub(crate) fn on_pod(name: &'static str, change: impl Fn(&mut Pod) + 'static) -> Break {
    Box::new(move |cluster, _| {
        for of in &mut cluster.changes {
            if let Change::Pod(pod) = of
                && &*pod.name == name
            {
                change(pod);
            }
        }
    })
}

pub(crate) fn on_shape(name: &'static str, change: impl Fn(&mut PodShape) + 'static) -> Break {
    on_pod(name, move |pod| change(Arc::make_mut(&mut pod.shape)))
}

pub(crate) fn on_pool(change: impl Fn(&mut Pool) + 'static) -> Break {
    Box::new(move |cluster, _| {
        for of in &mut cluster.changes {
            if let Change::Pool(pool) = of {
                change(pool);
            }
        }
    })
}

pub(crate) fn on_plans(change: impl Fn(&mut Plans) + 'static) -> Break {
    Box::new(move |_, plans| change(plans))
}

pub(crate) fn with(change: impl Fn(&mut Cluster) + 'static) -> Break {
    Box::new(move |cluster, _| change(cluster))
}

pub(crate) type Break = Box<dyn Fn(&mut Cluster, &mut Plans)>;

pub(crate) fn new_nodes(count: u32, price: i64) -> NewNodes {
    NewNodes { pool: "p".into(), offering: offering("m", "b", 4, price).key, count, price, pods: 0 }
}

/// To which every pod that moves goes.
pub(crate) fn to(node: &'static str) -> Break {
    on_plans(move |plans| {
        for one in plans.removing.remove.iter_mut().flat_map(|removal| &mut removal.moves) {
            one.to = Place::Node(node.into());
        }
    })
}

/// Each of these is let through.
pub(crate) fn accepts(breaks: Vec<Break>) {
    for (index, broken) in breaks.into_iter().enumerate() {
        let (mut cluster, mut plans) = base();
        broken(&mut cluster, &mut plans);
        assert_eq!(cluster.audit(&plans, NOW), Ok(()), "case {index}");
    }
}

/// Each of these breaks this invariant.
pub(crate) fn refuses(invariant: Invariant, breaks: Vec<Break>) {
    for (index, broken) in breaks.into_iter().enumerate() {
        let (mut cluster, mut plans) = base();
        broken(&mut cluster, &mut plans);
        let verdict = cluster.verdict(&plans);
        assert_eq!(verdict, Err(invariant), "case {index}");
    }
}

/// One break after the other.
pub(crate) trait Then {
    fn then(self, next: Break) -> Break;
}

impl Then for Break {
    fn then(self, next: Break) -> Break {
        Box::new(move |cluster, plans| {
            self(cluster, plans);
            next(cluster, plans);
        })
    }
}
