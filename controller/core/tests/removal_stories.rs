//! Stories of clusters that shrink, or do not, told plan by plan. `UPDATE_GOLDENS=1` writes them anew.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests")]
#![allow(clippy::disallowed_methods, reason = "goldens are files; the core reads nothing")]

mod cluster;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use cluster::{Cluster, NOW, budget, node, offering, pod, pool, shape};
use plimsoll_core::cluster::{Balance, NodeBudget, Pod, PodShape, Pool, Readiness};
use plimsoll_core::placement::Change;
use plimsoll_core::time::{Span, Timestamp};

/// A cluster of which every plan is audited, told and carried out.
struct Story {
    cluster: Cluster,
    now: Timestamp,
    text: String,
}

impl Story {
    fn new(title: &str, pool: Pool) -> Self {
        let cluster = Cluster { changes: vec![Change::Pool(pool)], ..Cluster::default() };
        Self { cluster, now: NOW, text: format!("# {title}\n") }
    }

    fn nodes(&mut self, zones: &[&str]) {
        let pool = self.pool();
        for zone in zones {
            let offering = pool.offerings.iter().find(|of| &*of.key.zone == *zone).unwrap();
            let name = format!("n{:02}", self.cluster.nodes().len());
            self.cluster.changes.push(Change::Node(node(&name, &pool, offering)));
        }
    }

    fn pods(&mut self, app: &str, cpu: i64, per_node: usize) {
        let shape = Arc::new(shape(app, cpu));
        for node in self.cluster.nodes() {
            for number in 0..per_node {
                self.pod(&format!("{app}-{}-{number}", node.name), app, &shape, &node.name);
            }
        }
    }

    fn pod(&mut self, name: &str, app: &str, shape: &Arc<PodShape>, node: &str) {
        self.cluster.changes.push(Change::Pod(pod(name, app, shape, node)));
    }

    fn pool(&self) -> Pool {
        self.cluster.view().pools().next().unwrap().clone()
    }

    fn tell(&mut self, what: &str) {
        writeln!(self.text, "\n## {what}").unwrap();
    }

    /// Plans after so many seconds, tells the plan, and carries it out.
    fn after(&mut self, seconds: i64) {
        self.now = self.now + Span::from_secs(seconds);
        let plans = self.cluster.plan(self.now);
        let verdict = self.cluster.audit(&plans, self.now);
        assert_eq!(verdict, Ok(()));
        writeln!(self.text, "{} later, {} nodes:", Span::from_secs(seconds), self.cluster.nodes().len())
            .unwrap();
        for removal in &plans.removing.remove {
            writeln!(
                self.text,
                "  {} goes, {} pods move: {}",
                removal.node,
                removal.moves.len(),
                removal.why
            )
            .unwrap();
        }
        for new in plans.adding.add.iter().chain(&plans.removing.add) {
            writeln!(self.text, "  {} of {} come", new.count, new.offering).unwrap();
        }
        let mut stays: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        for stay in &plans.removing.stays {
            stays.entry(stay.why.to_string()).or_default().push(&stay.node);
        }
        for (why, nodes) in stays {
            let names = if nodes.len() > 3 { format!("{} nodes", nodes.len()) } else { nodes.join(", ") };
            writeln!(self.text, "  {names} stay: {why}").unwrap();
        }
        self.cluster = self.cluster.after(&plans);
        for change in &mut self.cluster.changes {
            // What was ordered is there, and younger than what was.
            if let Change::Node(node) = change
                && (node.name.starts_with("add-") || node.name.starts_with("replace-"))
                && node.created == Timestamp::default()
            {
                node.created = self.now;
            }
        }
    }

    /// Pods that are there when this says so.
    fn keep_pods(&mut self, keeps: impl Fn(&Pod) -> bool) {
        self.cluster.changes.retain(|change| !matches!(change, Change::Pod(pod) if !keeps(pod)));
    }

    fn ends(self, name: &str) {
        let file =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/removal_goldens").join(format!("{name}.txt"));
        if std::env::var_os("UPDATE_GOLDENS").is_some() {
            fs::write(&file, &self.text).unwrap();
        }
        pretty_assertions::assert_str_eq!(fs::read_to_string(&file).unwrap_or_default(), self.text);
    }
}

/// Defaults, but for what a story is about.
fn defaults(change: impl FnOnce(&mut Pool)) -> Pool {
    let offerings = ["a", "b", "c"].map(|zone| offering("m", zone, 4, 200_000));
    let mut pool = pool("general", offerings.to_vec());
    pool.scale_down = plimsoll_core::cluster::ScaleDown::default();
    change(&mut pool);
    pool
}

fn half_at_a_time(pool: &mut Pool) {
    pool.scale_down.budgets = vec![NodeBudget { share: Some(500), ..NodeBudget::default() }];
}

#[test]
fn seven_of_ten_pods_go() {
    let mut story = Story::new("Seven of ten pods go, from nodes in three zones", defaults(half_at_a_time));
    story.nodes(&["a", "b", "c", "a", "b", "c", "a", "b", "c", "a", "b", "c"]);
    story.pods("web", 700, 5);
    story.after(0);
    story.tell("From each node go three or four of five");
    story.keep_pods(|pod| pod.name.ends_with("-0") || (pod.name.ends_with("-1") && pod.name.contains('5')));
    for seconds in [60, 540, 60, 60, 600] {
        story.after(seconds);
    }
    story.ends("scale_in");
}

#[test]
fn a_sawtooth_moves_nothing() {
    let mut story = Story::new("Load comes and goes every five minutes", defaults(half_at_a_time));
    story.nodes(&["a", "b", "c"]);
    story.pods("base", 2000, 1);
    let shape = Arc::new(shape("wave", 1800));
    for tooth in 0..3 {
        story.tell(if tooth == 0 { "The first wave" } else { "Another wave" });
        for node in ["n00", "n01", "n02"] {
            story.pod(&format!("wave-{node}"), "wave", &shape, node);
        }
        story.after(300);
        story.keep_pods(|pod| !pod.name.starts_with("wave"));
        story.after(300);
    }
    story.ends("sawtooth");
}

#[test]
fn a_partition_removes_nothing() {
    let mut story = Story::new("Half of the nodes fall silent", defaults(half_at_a_time));
    story.nodes(&["a", "b", "c", "a", "b", "c"]);
    let silent = |story: &mut Story, readiness| {
        for change in &mut story.cluster.changes {
            if let Change::Node(node) = change
                && ["n00", "n01", "n02"].contains(&&*node.name)
            {
                node.readiness = readiness;
            }
        }
    };
    let since = story.now + Span::from_secs(600);
    story.after(0);
    silent(&mut story, Readiness::Unknown { since });
    story.after(600);
    story.after(3600);
    story.tell("They are back");
    silent(&mut story, Readiness::Ready);
    story.after(60);
    story.ends("partition");
}

#[test]
fn a_budget_that_forbids_keeps_its_nodes() {
    let mut story = Story::new("A PodDisruptionBudget forbids, then allows one", defaults(half_at_a_time));
    story.nodes(&["a", "b", "c", "a"]);
    story.pods("web", 300, 1);
    story.cluster.changes.push(Change::Budget(budget("web", 0)));
    story.after(0);
    story.after(3600);
    story.tell("It allows one");
    story.cluster.changes.push(Change::Budget(budget("web", 1)));
    story.after(60);
    story.after(600);
    story.ends("pod_budget");
}

#[test]
fn cheaper_nodes_replace_dear_ones_where_that_saves_enough() {
    let cheaper = |price: i64| {
        move |pool: &mut Pool| {
            half_at_a_time(pool);
            pool.balance = Balance::Off;
            pool.offerings.push(offering("s", "a", 3, price));
        }
    };
    let mut story = Story::new("A type that is 9 % cheaper", defaults(cheaper(182_000)));
    story.nodes(&["a", "a"]);
    story.pods("web", 2500, 1);
    story.after(0);
    story.after(600);
    story.tell("It is 20 % cheaper");
    story.cluster.changes.push(Change::Pool(defaults(cheaper(160_000))));
    for seconds in [60, 600, 600, 600] {
        story.after(seconds);
    }
    story.ends("savings");
}
