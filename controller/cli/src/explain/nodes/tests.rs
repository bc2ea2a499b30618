//! What is shown of a small cluster, as the core plans it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use plimsoll_core::{
    cluster::{
        Balance, CAPACITY_POOL, CAPACITY_TYPE, Capacity, CapacityType, DisruptionBudget, Eviction, Expander,
        HOSTNAME, INSTANCE_TYPE, Labels, Limits, Name, Node, NodeTemplate, Offering, OfferingKey, Owner,
        OwnerKind, Pod, PodShape, PodState, Pool, Readiness, Record, Resources, ScaleDown, Selector,
        UnhealthyPods, ZONE,
    },
    nodes::{
        add,
        explain::{self, OfferingSaid, OrderSaid, Sight},
        remove,
    },
    placement::{Change, View},
    time::{Span, Timestamp},
};
use serde_json::json;

use super::*;
use crate::{
    fixtures::{START, golden},
    output::{Paint, tests::Kept},
};

fn key(instance_type: &str, zone: &str) -> OfferingKey {
    let capacity_type = CapacityType::OnDemand;
    OfferingKey { instance_type: instance_type.into(), zone: zone.into(), capacity_type }
}

fn labels(key: &OfferingKey) -> Labels {
    let label = |name: &str, value: &str| (Name::from(name), Name::from(value));
    Labels::from([
        label(ZONE, &key.zone),
        label(INSTANCE_TYPE, &key.instance_type),
        label(CAPACITY_TYPE, "on-demand"),
        label(CAPACITY_POOL, "general"),
    ])
}

fn offering(instance_type: &str, zone: &str, cores: i64, price: i64, capacity: Capacity) -> Offering {
    let key = key(instance_type, zone);
    Offering {
        labels: labels(&key),
        key,
        price,
        allocatable: Resources { cpu: cores * 1000, memory: cores << 32, pods: 110, ..Resources::default() },
        taints: Vec::new(),
        attach_limits: BTreeMap::new(),
        capacity,
    }
}

/// Until when zone-b is left alone.
fn until() -> Timestamp {
    START + Span::from_secs(180)
}

fn pool() -> Pool {
    let offerings = ["zone-a", "zone-b"].iter().flat_map(|zone| {
        let capacity = if *zone == "zone-b" { Capacity::AvoidedUntil(until()) } else { Capacity::Unknown };
        [offering("c4.large", zone, 4, 108_000, capacity), offering("c8.large", zone, 8, 216_000, capacity)]
    });
    Pool {
        name: "general".into(),
        weight: 0,
        offerings: offerings.collect(),
        template: NodeTemplate::default(),
        limits: Limits { nodes: Some(5), ..Limits::default() },
        expander: Expander::Price,
        balance: Balance::Zones,
        scale_down: ScaleDown::default(),
        headroom: Vec::new(),
        priority_cutoff: -10,
    }
}

fn ready_node(name: &str, zone: &str) -> Node {
    let mut labels = labels(&key("c4.large", zone));
    labels.insert(HOSTNAME.into(), name.into());
    Node {
        name: name.into(),
        uid: format!("uid-{name}").into(),
        labels,
        allocatable: Resources { cpu: 4000, memory: 16 << 30, pods: 110, ..Resources::default() },
        taints: Vec::new(),
        unschedulable: false,
        readiness: Readiness::Ready,
        created: START - Span::from_secs(7200),
        attach_limits: BTreeMap::new(),
        pool: Some("general".into()),
        order: Some(format!("order-{name}").into()),
        scale_down_disabled: false,
        do_not_disrupt: None,
        interrupted: false,
        ordered: None,
        record: Record::Kept,
        given_back: None,
    }
}

fn pod(name: &str, app: &str, cpu: i64, state: PodState) -> Pod {
    Pod {
        uid: format!("uid-{name}").into(),
        name: name.into(),
        shape: Arc::new(PodShape {
            namespace: "shop".into(),
            labels: Labels::from([(Name::from("app"), Name::from(app))]),
            requests: Resources { cpu, memory: 1 << 30, pods: 1, ..Resources::default() },
            ..PodShape::default()
        }),
        state,
        owner: Some(Owner {
            kind: OwnerKind::ReplicaSet,
            name: app.into(),
            uid: format!("uid-{app}").into(),
        }),
        created: START - Span::from_secs(60),
        unplannable: None,
        eviction: Eviction::default(),
    }
}

/// One node with a pod that a budget keeps, one that is empty; pods that wait and fit a new node, and one that fits
/// nothing; and a zone out of machines.
fn told<T>(ask: impl FnOnce(&Sight<'_>) -> T) -> T {
    let mut view = View::default();
    let bound = |node: &str| PodState::Bound { node: node.into(), ready: true };
    let waits = || PodState::Unschedulable { since: START - Span::from_secs(20) };
    let changes = [
        Change::Pool(pool()),
        Change::Node(ready_node("general-1", "zone-a")),
        Change::Node(ready_node("general-2", "zone-a")),
        Change::Pod(pod("db-0", "db", 500, bound("general-1"))),
        Change::Pod(pod("web-1", "web", 3000, bound("general-1"))),
        Change::Pod(pod("web-2", "web", 3000, waits())),
        Change::Pod(pod("web-3", "web", 3000, waits())),
        Change::Pod(pod("huge-1", "huge", 64_000, waits())),
        Change::Budget(DisruptionBudget {
            namespace: "shop".into(),
            name: "db".into(),
            selector: Some(Selector(vec![plimsoll_core::cluster::Requirement {
                key: "app".into(),
                operator: plimsoll_core::cluster::Operator::In(BTreeSet::from([Name::from("db")])),
            }])),
            allowed: 0,
            healthy: 1,
            desired: 1,
            unhealthy: UnhealthyPods::IfHealthyBudget,
            disrupted: BTreeSet::new(),
        }),
    ];
    for change in changes {
        view.apply(change);
    }
    let settings = add::Settings::default();
    let plan = add::plan(&view, &settings, START);
    let workloads = BTreeMap::new();
    let input = remove::Input {
        view: &view,
        adding: &plan,
        settings: &settings,
        workloads: &workloads,
        surging: 0,
        now: START,
    };
    let (removal, memory) = remove::plan(&input, &remove::Memory::default());
    let failed = OrderSaid {
        pool: "general".into(),
        offering: key("c4.large", "zone-b"),
        count: 2,
        created: START - Span::from_secs(30),
        phase: "Failed".to_owned(),
        message: Some("no more c4.large in zone-b".to_owned()),
    };
    let error = OfferingSaid {
        error: "no more c4.large in zone-b".to_owned(),
        failures: 1,
        last: START - Span::from_secs(1),
        until: until(),
    };
    ask(&Sight {
        view: &view,
        plan: &plan,
        removal: &removal,
        planned: START,
        refused: None,
        workloads: &workloads,
        memory: &memory,
        drains: &BTreeMap::new(),
        waits: &BTreeMap::new(),
        orders: &BTreeMap::from([("general-18f-0".into(), failed)]),
        errors: &BTreeMap::from([(("general".into(), key("c4.large", "zone-b")), error)]),
        now: START,
    })
}

const PLAIN: Paint = Paint { colours: false };

fn now() -> Timestamp {
    START + Span::from_secs(4)
}

fn pod_told(name: &str) -> PodExplained {
    told(|sight| explain::pod(sight, "shop", name)).unwrap()
}

#[test]
fn a_pod_that_fits_nothing_is_told_what_refuses_it() {
    golden("explain_pod_refused", &text::pod(&pod_told("huge-1"), now(), PLAIN));
}

#[test]
fn a_pod_that_gets_a_node_is_told_which_and_why() {
    golden("explain_pod_placed", &text::pod(&pod_told("web-3"), now(), PLAIN));
}

#[test]
fn a_node_that_a_budget_keeps_says_so_first_and_then_all_else() {
    let explained = told(|sight| explain::node(sight, "general-1")).unwrap();
    golden("explain_node", &text::node(&explained, now(), PLAIN));
}

#[test]
fn a_pool_shows_its_zones_limits_offerings_and_what_it_cannot_get() {
    let mut explained = told(|sight| explain::pool(sight, "general")).unwrap();
    explained.conditions = vec!["Ready=True Offered: 4 offerings can be ordered".to_owned()];
    golden("explain_pool", &text::pool(&explained, now(), PLAIN));
}

#[test]
fn colours_change_no_word_of_pods_nodes_and_pools() {
    let texts = |paint: Paint| {
        [
            text::pod(&pod_told("huge-1"), now(), paint),
            text::node(&told(|sight| explain::node(sight, "general-1")).unwrap(), now(), paint),
            text::pool(&told(|sight| explain::pool(sight, "general")).unwrap(), now(), paint),
        ]
    };
    for (plain, coloured) in texts(PLAIN).iter().zip(texts(Paint { colours: true })) {
        assert!(coloured.contains('\u{1b}'));
        assert_eq!(console::strip_ansi_codes(&coloured), *plain);
    }
}

/// The leader's answer crosses the API server as JSON.
#[test]
fn what_crosses_the_wire_comes_out_the_same() {
    let pod = pod_told("huge-1");
    assert_eq!(read::<PodExplained>(serde_json::to_value(&pod).unwrap()).unwrap(), pod);
    let node = told(|sight| explain::node(sight, "general-1")).unwrap();
    assert_eq!(read::<NodeExplained>(serde_json::to_value(&node).unwrap()).unwrap(), node);
    let pool = told(|sight| explain::pool(sight, "general")).unwrap();
    assert_eq!(read::<PoolExplained>(serde_json::to_value(&pool).unwrap()).unwrap(), pool);
    let error = read::<PodExplained>(json!({ "name": "a" })).unwrap_err().to_string();
    assert!(error.contains("try -o json"), "{error}");
}

/// A leader that answers each path with what is given, once.
async fn leader(code: u16, body: String) -> Connection {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let operator = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut asked = vec![0; 4096];
        let _ = stream.read(&mut asked).await.unwrap();
        let head =
            format!("HTTP/1.1 {code} x\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
        stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
    });
    Connection { operator: Some(operator), namespace: Some("shop".to_owned()), ..Connection::default() }
}

#[tokio::test]
async fn a_name_that_nobody_has_is_an_error_that_says_what_to_do() {
    for (object, words) in [
        (Object::Pod("web".into()), "no pod shop/web is planned with"),
        (Object::Node("a".into()), "there is no node a"),
        (Object::Pool("p".into()), "kubectl describe capacitypool p"),
    ] {
        let connection = leader(404, "unknown\n".to_owned()).await;
        let error = run(&object, Format::Text, &connection, &mut Kept::default()).await.unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[tokio::test]
async fn programs_get_what_the_leader_said() {
    let node = told(|sight| explain::node(sight, "general-1")).unwrap();
    let said = serde_json::to_value(&node).unwrap();
    let connection = leader(200, said.to_string()).await;
    let mut kept = Kept::default();
    run(&Object::Node("general-1".into()), Format::Json, &connection, &mut kept).await.unwrap();
    assert_eq!(serde_json::from_str::<Value>(&kept.stdout).unwrap(), said);
}
