mod balanced;
mod bought;
mod gates;
mod kept_free;
mod looked_at;
mod memory;
mod reasons;
mod replaced;
mod rules;
mod told;
mod unneeded;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::*;
use crate::cluster::{
    Capacity, DisruptionBudget, HOSTNAME, Limits, Node, NodeBudget, Offering, Order, Pod, PodState, Pool,
    Readiness, Record, Resources, ScaleDownMode, Selector, UnhealthyPods, ZONE,
};
use crate::nodes::add;
use crate::nodes::fixtures::{drain, eager_pool, evenly, key, node, offering, pod, pool, term};
use crate::placement::Change;
use crate::time::Span;

const NOW: Timestamp = Timestamp::from_secs(1_000_000);

/// A small cluster of pool `p`, and what it is planned with.
struct World {
    view: View,
    pool: Pool,
    memory: Memory,
    workloads: BTreeMap<Name, Workload>,
    surging: u32,
    now: Timestamp,
}

impl World {
    /// Without waiting and without budgets, unless a test is about them.
    fn new() -> Self {
        Self {
            view: View::default(),
            pool: eager_pool(),
            memory: Memory::default(),
            workloads: BTreeMap::new(),
            surging: 0,
            now: NOW,
        }
    }

    fn pool(mut self, change: impl FnOnce(&mut Pool)) -> Self {
        change(&mut self.pool);
        self
    }

    /// A node with pods of so many thousandths of a core.
    fn node(self, name: &str, zone: &str, cpus: &[i64]) -> Self {
        self.node_as(name, zone, cpus, |_| ())
    }

    fn node_as(mut self, name: &str, zone: &str, cpus: &[i64], change: impl FnOnce(&mut Node)) -> Self {
        let mut node = node(name, zone);
        change(&mut node);
        self.view.apply(Change::Node(node));
        for (index, cpu) in cpus.iter().enumerate() {
            self = self.pod_as(name, &format!("{name}-{index}"), *cpu, |_| ());
        }
        self
    }

    fn pod_as(mut self, node: &str, name: &str, cpu: i64, change: impl FnOnce(&mut Pod)) -> Self {
        let mut pod = pod(name, node);
        Arc::make_mut(&mut pod.shape).requests = Resources { cpu, pods: 1, ..Resources::default() };
        change(&mut pod);
        self.view.apply(Change::Pod(pod));
        self
    }

    /// Nodes `n0` and so on, by zone, with pods by app and thousandths of a core. Those of some apps are spread over zones
    /// or hosts, or keep apart.
    fn of_apps(nodes: &[(&str, &[(&str, i64)])]) -> Self {
        let mut world = Self::new();
        for (index, (zone, pods)) in nodes.iter().enumerate() {
            let name = format!("n{index}");
            world = world.node(&name, zone, &[]);
            for (number, (app, cpu)) in pods.iter().enumerate() {
                world = world.pod_as(&name, &format!("{name}-{number}"), *cpu, |pod| {
                    let shape = Arc::make_mut(&mut pod.shape);
                    shape.labels.insert("app".into(), (*app).into());
                    match *app {
                        "api" | "log" | "job" => shape.spread = vec![evenly(ZONE, app)],
                        "db" | "cache" => shape.spread = vec![evenly(HOSTNAME, app)],
                        "web" => shape.affinity.anti_pods = vec![term(HOSTNAME, app)],
                        _ => {}
                    }
                });
            }
        }
        world
    }

    fn budget(mut self, name: &str, allowed: i32) -> Self {
        self.view.apply(Change::Budget(DisruptionBudget {
            namespace: "shop".into(),
            name: name.into(),
            selector: Some(Selector::default()),
            allowed,
            healthy: 1,
            desired: 2,
            unhealthy: UnhealthyPods::IfHealthyBudget,
            disrupted: std::collections::BTreeSet::new(),
        }));
        self
    }

    /// Deployment `web`, which has all of its two replicas.
    fn add_deployment(&mut self) {
        let workload = Workload {
            owner: "uid-web".into(),
            namespace: "shop".into(),
            deployment: Some("web".into()),
            replicas: 2,
            available: 2,
            in_rollout: false,
        };
        self.workloads.insert("uid-web".into(), workload);
    }

    fn with_input<T>(&mut self, ask: impl FnOnce(&Input<'_>, &Memory) -> T) -> T {
        self.view.apply(Change::Pool(self.pool.clone()));
        let settings = Settings::default();
        let adding = add::plan(&self.view, &settings, self.now);
        let input = Input {
            view: &self.view,
            adding: &adding,
            settings: &settings,
            workloads: &self.workloads,
            surging: self.surging,
            now: self.now,
        };
        ask(&input, &self.memory)
    }

    fn plan(&mut self) -> RemovalPlan {
        let (plan, memory) = self.with_input(plan);
        self.memory = memory;
        plan
    }

    /// Which nodes go.
    fn goes(&mut self) -> Vec<String> {
        self.plan().remove.iter().map(|removal| removal.node.to_string()).collect()
    }

    /// Why a node stays.
    fn stays(&mut self, node: &str) -> String {
        let plan = self.plan();
        let found = plan.stays.iter().find(|stays| &*stays.node == node);
        found.map_or_else(|| "goes".to_owned(), |stays| stays.why.to_string())
    }
}

/// A budget of so many nodes, whatever they go for.
fn at_most(nodes: u32) -> Vec<NodeBudget> {
    vec![NodeBudget { nodes: Some(nodes), share: None, ..NodeBudget::default() }]
}

/// An order of pool `p` of which so many nodes are still to come to a zone.
fn coming(zone: &str, missing: u32) -> Change {
    let (name, pool) = (format!("to-{zone}").into(), "p".into());
    Change::Order(Order { name, pool, offering: key("m", zone), missing, asked: NOW })
}

fn kept(node: &mut Node) {
    node.scale_down_disabled = true;
}

fn interrupted(node: &mut Node) {
    node.interrupted = true;
}

fn waits(pod: &mut Pod) {
    pod.state = PodState::Unschedulable { since: NOW };
}

/// Nothing goes before, and then this node.
fn goes_after_ten_minutes(world: &mut World, node: &str) {
    world.now = NOW + Span::from_secs(599);
    assert!(world.goes().is_empty());
    world.now = NOW + Span::from_secs(600);
    assert_eq!(world.goes(), [node]);
}

/// Changes what is offered in a zone.
fn offered_in(zone: &'static str, change: impl Fn(&mut Offering)) -> impl Fn(&mut Pool) {
    move |pool| pool.offerings.iter_mut().filter(|offering| &*offering.key.zone == zone).for_each(&change)
}

#[test]
fn an_empty_node_goes_once_it_was_unneeded_for_long_enough() {
    let mut world = World::new()
        .pool(|pool| pool.scale_down.unneeded_for = Span::from_secs(600))
        .node("n1", "a", &[])
        .node("n2", "b", &[3000]);
    assert_eq!(
        world.stays("n1"),
        "it is not needed since 1970-01-12T13:46:40Z, and has to be for 10m",
        "its time begins with the first look"
    );
    assert_eq!(world.plan().next_look, Some(NOW + Span::from_secs(600)));
    goes_after_ten_minutes(&mut world, "n1");
}

#[test]
fn the_time_of_a_node_that_was_needed_again_begins_anew() {
    let mut world = World::new()
        .pool(|pool| pool.scale_down.unneeded_for = Span::from_secs(600))
        .node("n1", "a", &[])
        .node("n2", "b", &[3000]);
    world.plan();
    world = world.pod_as("n1", "x", 3000, |_| ());
    world.now = NOW + Span::from_secs(300);
    world.plan();
    world.view.apply(Change::PodGone("uid-x".into()));
    world.now = NOW + Span::from_secs(600);
    assert!(world.goes().is_empty());
    world.now = NOW + Span::from_secs(1200);
    assert_eq!(world.goes(), ["n1"]);
}

#[test]
fn an_underused_node_goes_where_its_pods_fit_elsewhere() {
    let mut world = World::new().node("n1", "a", &[500, 400]).node("n2", "b", &[3000]);
    let plan = world.plan();
    assert_eq!(plan.remove.len(), 1);
    let removal = &plan.remove[0];
    assert_eq!(
        (&*removal.node, removal.why.to_string().as_str()),
        ("n1", "its pods ask for 22.5 % of it and fit elsewhere")
    );
    let to: Vec<_> = removal.moves.iter().map(|moved| (&*moved.pod, moved.to.clone())).collect();
    let n2 = crate::nodes::Place::Node("n2".into());
    assert_eq!(to, [("uid-n1-0", n2.clone()), ("uid-n1-1", n2)]);
}

#[test]
fn a_node_stays_where_a_pod_fits_nowhere_else() {
    let mut world = World::new().node("n1", "a", &[1500, 400]).node("n2", "b", &[3000]);
    assert_eq!(world.stays("n1"), "pod shop/n1-0 fits nowhere else: 1 nodes lack cpu");
}

#[test]
fn pods_are_not_moved_to_nodes_that_go_as_well() {
    let mut world = World::new()
        .node("n1", "a", &[400])
        .node("n2", "a", &[400])
        .node("n3", "b", &[400])
        .node("n4", "c", &[2900]);
    let plan = world.plan();
    let gone: Vec<&str> = plan.remove.iter().map(|removal| &*removal.node).collect();
    assert_eq!(gone.len(), 2, "two fit on n4, the third has only itself: {gone:?}");
    for moved in plan.remove.iter().flat_map(|removal| &removal.moves) {
        assert_eq!(moved.to, crate::nodes::Place::Node("n4".into()));
    }
}

#[test]
fn pods_that_were_moved_are_moved_on_when_their_node_goes_too() {
    // Whoever takes first, in the end one node has all.
    let mut world = World::new();
    for (index, zone) in ["a", "b", "c", "a", "b", "c"].into_iter().enumerate() {
        world = world.node(&format!("n{index}"), zone, &[300]);
    }
    let plan = world.plan();
    assert_eq!(plan.remove.len(), 5);
    let to: std::collections::BTreeSet<_> = plan
        .remove
        .iter()
        .flat_map(|removal| removal.moves.iter().map(|moved| format!("{:?}", moved.to)))
        .collect();
    assert_eq!(to.len(), 1, "{to:?}");
}

/// What a move makes of the domains can forbid one that was made before. Then the node that it was made for stays, and the
/// plan is made anew without it, as often as that takes.
#[test]
fn only_nodes_whose_pods_would_break_a_rule_in_the_end_are_kept() {
    let big = ("big", 2500);
    let job = ("job", 1000);
    let goes = |nodes: &[(&str, &[(&str, i64)])]| World::of_apps(nodes).goes();
    assert_eq!(
        goes(&[
            ("a", &[("api", 500), ("web", 1000), ("db", 100)]),
            ("a", &[("web", 1000)]),
            ("a", &[("api", 500)])
        ]),
        ["n1", "n0"]
    );
    assert_eq!(goes(&[("a", &[("log", 1000)]), ("a", &[job, ("log", 1000)]), ("a", &[job, big])]), ["n2"]);
    let (web, free) = (("web", 500), ("free", 1000));
    assert_eq!(
        goes(&[
            ("a", &[job, free, web]),
            ("a", &[job, web, free]),
            ("a", &[free, web, big]),
            ("c", &[job, free]),
            ("c", &[job, job, free]),
        ]),
        ["n2"]
    );
    let (half, little) = (("half", 500), ("little", 100));
    assert_eq!(
        goes(&[
            ("b", &[half, job, big]),
            ("b", &[half, job]),
            ("b", &[job, job]),
            ("a", &[half, half, job]),
            ("b", &[half, little, half, big]),
            ("b", &[job, half, job]),
            ("b", &[little, job, job]),
        ]),
        ["n4"]
    );
}

/// A fifth and a sixth look would let `n9` and `n8` go, whose pods depend on others as well.
#[test]
fn after_four_plans_that_broke_a_rule_every_node_with_pods_that_depend_on_others_is_kept() {
    let (db, cache, web, big) = (("db", 500), ("cache", 1000), ("web", 1000), ("big", 2500));
    let mut world = World::of_apps(&[
        ("c", &[]),
        ("a", &[db, cache, db]),
        ("a", &[cache, cache, db]),
        ("b", &[db]),
        ("a", &[db, cache]),
        ("c", &[db, cache]),
        ("c", &[cache, web]),
        ("b", &[db, web, big]),
        ("a", &[cache, big]),
        ("a", &[cache]),
        ("c", &[cache, web]),
    ]);
    assert_eq!(world.goes(), ["n0"]);
    let why = world.stays("n9");
    assert!(
        why.ends_with("depends on pods that would move as well, and no plan was right for all of them"),
        "{why}"
    );
}

#[test]
fn the_zone_with_the_most_nodes_loses_first() {
    let mut world = World::new().pool(|pool| {
        pool.scale_down.budgets = at_most(2);
    });
    for name in ["a1", "b1", "b2", "b3", "c1", "c2"] {
        world = world.node(name, &name[..1], &[]);
    }
    assert_eq!(world.goes(), ["b1", "b2"]);
    world.pool.balance = crate::cluster::Balance::Off;
    assert_eq!(world.goes(), ["a1", "b1"]);
}

#[test]
fn a_zone_keeps_its_least_size() {
    let mut world = World::new()
        .pool(|pool| {
            pool.limits = Limits { min_per_zone: BTreeMap::from([("a".into(), 1)]), ..Limits::default() };
        })
        .node("n1", "a", &[])
        .node("n2", "a", &[])
        .node("n3", "b", &[]);
    assert_eq!(world.goes(), ["n1", "n3"]);
    assert_eq!(world.stays("n2"), "zone a has to keep 1 nodes of its pool");
}

#[test]
fn budgets_count_nodes_that_are_going() {
    let mut world = World::new()
        .pool(|pool| pool.scale_down.budgets = vec![NodeBudget { share: Some(500), ..NodeBudget::default() }])
        .node("n1", "a", &[])
        .node("n2", "b", &[])
        .node_as("n3", "c", &[], drain);
    assert_eq!(world.goes(), ["n1"]);
    assert_eq!(world.stays("n2"), "budget 50 % of pool p is used by 2 nodes");
    assert_eq!(world.stays("n3"), "it is being drained");
}

#[test]
fn a_pool_that_has_grown_lately_keeps_its_nodes() {
    let mut world = World::new()
        .pool(|pool| pool.scale_down.delay_after_add = Span::from_secs(600))
        .node("n1", "a", &[])
        .node_as("n2", "b", &[3000], |node| node.created = NOW - Span::from_secs(599));
    assert_eq!(world.stays("n1"), "its pool has grown lately, nothing goes until 1970-01-12T13:46:41Z");
    world.now = NOW + Span::from_secs(1);
    assert_eq!(world.goes(), ["n1"]);
}

#[test]
fn pods_claim_their_budgets_once_for_all_nodes() {
    let mut world = World::new().budget("web", 1).node("n1", "a", &[400]).node("n2", "a", &[400]).node(
        "n3",
        "b",
        &[2000],
    );
    assert_eq!(world.goes(), ["n1"]);
    assert_eq!(
        world.stays("n2"),
        "pod shop/n2-0 has to wait: all 1 disruptions that PodDisruptionBudget web allows are taken by other nodes"
    );
}

#[test]
fn a_budget_that_forbids_keeps_the_node_unless_its_deployment_can_surge() {
    let mut world = World::new().budget("web", 0).node("n1", "a", &[400]).node("n3", "b", &[3000]);
    assert_eq!(
        world.stays("n1"),
        "pod shop/n1-0 may not be evicted: PodDisruptionBudget web allows no disruption"
    );
    world.add_deployment();
    assert!(world.goes().is_empty(), "no surge is allowed");
    world.pool.scale_down.drain.max_surge = 1;
    let plan = world.plan();
    assert_eq!((plan.remove.len(), &plan.remove[0].surges), (1, &vec![Name::from("uid-web")]));
    for workload in world.workloads.values_mut() {
        workload.in_rollout = true;
    }
    assert!(world.goes().is_empty());
}

#[test]
fn nothing_goes_while_much_of_the_pool_is_not_ready() {
    let not_ready = |node: &mut Node| node.readiness = Readiness::Unknown { since: NOW };
    let mut world =
        World::new().node("n1", "a", &[]).node_as("n2", "b", &[500], not_ready).node("n3", "c", &[3000]);
    assert_eq!(world.stays("n1"), "nothing is removed: 1 of 3 nodes of pool p are not ready, more than 20 %");
}

#[test]
fn a_node_that_is_taken_away_goes_at_once_whatever_holds_others() {
    let mut world = World::new()
        .pool(|pool| {
            pool.scale_down.unneeded_for = Span::from_secs(600);
            pool.scale_down.budgets = at_most(0);
        })
        .budget("web", 0)
        .node_as("n1", "a", &[400], interrupted)
        .node_as("n2", "b", &[], |node| node.readiness = Readiness::NotReady { since: NOW })
        .node("n3", "c", &[3000]);
    let plan = world.plan();
    assert_eq!(plan.remove.len(), 1);
    assert_eq!((&*plan.remove[0].node, &plan.remove[0].why), ("n1", &WhyRemoved::Interrupted));
    assert_eq!(plan.remove[0].moves.len(), 1, "the plan for new nodes has found room for its pod");
}

#[test]
fn a_drifted_node_is_replaced_by_a_new_one_where_its_pods_fit_nowhere() {
    let mut world = World::new()
        .pool(|pool| {
            pool.offerings = vec![offering("m2", "a", 4, 300_000), offering("m2", "b", 4, 250_000)];
        })
        .node("n1", "a", &[3500]);
    let plan = world.plan();
    assert_eq!(plan.remove[0].why.to_string(), "its pool no longer offers on-demand m in a");
    assert_eq!(
        (plan.add.len(), &*plan.add[0].offering.zone, plan.remove[0].needs.clone()),
        (1, "b", vec![0])
    );
}

/// That somebody wants it gone needs no time to prove itself; budgets and annotations hold as for every other.
#[test]
fn a_node_whose_order_was_deleted_is_replaced_at_once_within_budgets() {
    let deleted = |node: &mut Node| node.record = Record::Deleted;
    let world = |budgets: Vec<NodeBudget>| {
        let pool = |pool: &mut Pool| {
            pool.scale_down.unneeded_for = Span::from_secs(600);
            pool.scale_down.delay_after_add = Span::from_secs(2_000_000);
            pool.scale_down.budgets = budgets;
        };
        World::new().pool(pool).node_as("n1", "a", &[3500], deleted).node_as("n2", "b", &[3500], deleted)
    };
    let plan = world(at_most(1)).plan();
    let removed: Vec<_> = plan.remove.iter().map(|removal| (&*removal.node, removal.why.clone())).collect();
    assert_eq!(removed, [("n1", WhyRemoved::OrderDeleted("order-n1".into()))]);
    assert_eq!((plan.add.len(), plan.remove[0].needs.clone()), (1, vec![0]));
    assert!(world(at_most(0)).plan().remove.is_empty());
    let mut keeps = world(at_most(2)).pool(|pool| pool.scale_down.mode = ScaleDownMode::Never);
    assert_eq!(keeps.stays("n1"), "pool p keeps all its nodes");
}

#[test]
fn sets_are_replaced_by_cheaper_nodes_where_that_saves_enough() {
    let cheaper = |price| move |pool: &mut Pool| pool.offerings.push(offering("s", "b", 3, price));
    let world = |price| World::new().pool(cheaper(price)).node("n1", "a", &[2500]);
    assert_eq!(world(181_000).stays("n1"), "to move its pods saves 9.5 %, less than 10 %");
    let plan = world(180_000).plan();
    assert_eq!(plan.remove[0].why, WhyRemoved::Replaced { nodes: 1, by: 1, saving: 100 });
    assert_eq!((plan.add[0].count, plan.add[0].price), (1, 180_000));
    let mut worth = world(180_000).pool(|pool| pool.scale_down.savings_per_eviction = 20_001);
    assert_eq!(
        worth.stays("n1"),
        "removing it saves 20000 millionths per hour and eviction, less than 20001"
    );
}

#[test]
fn three_nodes_become_two_larger_ones_where_these_are_cheaper() {
    let mut world = World::new().pool(|pool| pool.offerings.push(offering("l", "a", 8, 220_000)));
    for (name, zone) in [("n1", "a"), ("n2", "b"), ("n3", "c"), ("n4", "a")] {
        world = world.node(name, zone, &[1300, 1300, 1300]);
    }
    let plan = world.plan();
    let count: u32 = plan.add.iter().map(|new| new.count).sum();
    assert_eq!((plan.remove.len(), count), (4, 2), "{plan:?}");
}

#[test]
fn zones_are_balanced_again_by_nodes_that_cost_no_more() {
    let world = |zones: &[&str]| {
        let mut world = World::new();
        for (index, zone) in zones.iter().enumerate() {
            world = world.node(&format!("n{index}"), zone, &[3500]);
        }
        world
    };
    assert!(world(&["a", "a", "b", "b", "c"]).goes().is_empty());
    let mut uneven = world(&["a", "a", "a", "b", "b", "c"]);
    let plan = uneven.plan();
    assert_eq!(plan.remove.len(), 1);
    assert_eq!(plan.remove[0].why.to_string(), "zone a has more nodes of its pool than zone c");
    assert_eq!(&*plan.add[0].offering.zone, "c");
    let out = |pool: &mut Pool| {
        for offering in &mut pool.offerings {
            if &*offering.key.zone == "c" {
                offering.capacity = Capacity::AvoidedUntil(NOW + Span::from_secs(60));
            }
        }
    };
    assert!(world(&["a", "a", "b", "b"]).pool(out).goes().is_empty(), "a zone that is out is nobody's goal");
}

#[test]
fn a_node_with_room_that_was_promised_stays() {
    let mut world = World::new().node("n1", "a", &[]);
    world = world.pod_as("n1", "new", 500, |pod| pod.state = PodState::Pending);
    assert_eq!(world.stays("n1"), "1 pods that wait for a node have room on it");
}

#[test]
fn headroom_keeps_nodes() {
    let spare = |count| {
        move |pool: &mut Pool| {
            pool.headroom.push(crate::cluster::Headroom {
                name: "burst".into(),
                size: crate::cluster::HeadroomSize::Pods {
                    count,
                    requests: Resources { cpu: 1000, ..Resources::default() },
                },
                schedule: None,
                time_zone: None,
                duration: Span::ZERO,
            });
        }
    };
    let world = |count| World::new().pool(spare(count)).node("n1", "a", &[]).node("n2", "b", &[2000]);
    assert_eq!(world(2).goes(), ["n1"]);
    assert!(world(3).goes().is_empty());
    assert_eq!(
        world(3).stays("n1"),
        "headroom burst of pool p keeps room free on it, and has none elsewhere: 1 nodes lack cpu"
    );
}

#[test]
fn a_drain_that_was_given_up_is_not_tried_again_at_once() {
    let mut world = World::new().node("n1", "a", &[]).node("n2", "a", &[3000]);
    world.memory.gave_up("uid-n1".into(), NOW, "it took too long".to_owned());
    assert_eq!(
        world.stays("n1"),
        "its drain was given up and is tried again at 1970-01-12T13:56:40Z: it took too long"
    );
    world.now = NOW + Span::from_secs(600);
    assert_eq!(world.goes(), ["n1"]);
}
