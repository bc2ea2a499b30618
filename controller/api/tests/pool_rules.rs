//! The rules of `CapacityPool` and `NodeOrder`, evaluated here as the API server evaluates them.

// A test that cannot go on should say where.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use kube::core::cel::{validate_cel, validate_cel_update};
use plimsoll_api::{CapacityPool, NodeOrder, marks};
use serde_json::{Value, json};

fn kwok(changes: Value) -> Value {
    let mut kwok = json!({
        "zones": ["zone-a", "zone-b"],
        "instanceTypes": [{"name": "c4", "capacity": {"cpu": 4, "memory": "8Gi"}, "price": "0.1"}],
    });
    merge(&mut kwok, changes);
    json!({"provider": {"kwok": kwok}})
}

fn instance_type(changes: Value) -> Value {
    let mut kind = json!({"name": "c4", "capacity": {"cpu": 4, "memory": "8Gi"}, "price": "0.1"});
    merge(&mut kind, changes);
    kwok(json!({"instanceTypes": [kind]}))
}

fn grpc(changes: Value) -> Value {
    let mut grpc = json!({"address": "nodes.kube-system.svc:8086"});
    merge(&mut grpc, changes);
    json!({"provider": {"externalGrpc": grpc}})
}

fn merge(into: &mut Value, changes: Value) {
    let Value::Object(changes) = changes else { panic!("changes are an object") };
    for (field, value) in changes {
        into[field] = value;
    }
}

fn pool(spec: Value) -> CapacityPool {
    let mut pool = json!({
        "apiVersion": "plimsoll.dev/v1alpha1", "kind": "CapacityPool", "metadata": {"name": "general"},
        "spec": kwok(json!({})),
    });
    merge(&mut pool["spec"], spec);
    serde_json::from_value(pool).unwrap()
}

fn refusals(spec: Value) -> String {
    validate_cel(&pool(spec)).err().map(|errors| format!("{errors:?}")).unwrap_or_default()
}

/// Each of these is refused with its message.
fn refused(cases: Vec<(Value, &str)>) {
    for (spec, message) in cases {
        let told = refusals(spec.clone());
        assert!(told.contains(message), "{spec}: {told:?} is not {message:?}");
    }
}

#[test]
fn a_plain_pool_is_accepted() {
    assert_eq!(refusals(json!({})), "");
    assert_eq!(refusals(grpc(json!({}))), "");
}

#[test]
fn a_pool_has_exactly_one_provider() {
    let both = json!({"kwok": kwok(json!({}))["provider"]["kwok"], "externalGrpc": {"address": "a:1"}});
    for provider in [json!({}), both] {
        refused(vec![(json!({"provider": provider}), "set exactly one of kwok and externalGrpc")]);
    }
}

#[test]
fn zones_that_the_provider_does_not_have_are_refused() {
    let zone = "topology.kubernetes.io/zone";
    refused(vec![
        (kwok(json!({"zones": ["zone-a", "zone-a"]})), "each zone may be named once only"),
        (instance_type(json!({"zones": ["zone-x"]})), "sold in a zone that zones does not name"),
        (
            instance_type(
                json!({"zones": ["zone-a"], "offerings": [{"zone": "zone-b", "capacityType": "on-demand"}]}),
            ),
            "a zone in which its instance type is not sold",
        ),
        (
            json!({"limits": {"zones": [{"zone": "zone-x"}]}}),
            "limits.zones names a zone that the provider does not have",
        ),
        (
            json!({"requirements": [{"key": zone, "operator": "In", "values": ["zone-x"]}]}),
            "requirements name a zone that the provider does not have",
        ),
    ]);
    // What a server has is known only when it is asked.
    let mut elsewhere = grpc(json!({}));
    merge(&mut elsewhere, json!({"limits": {"zones": [{"zone": "zone-x"}]}}));
    assert_eq!(refusals(elsewhere), "");
}

#[test]
fn limits_that_contradict_each_other_are_refused() {
    let zones = |zones: Value| json!({"limits": {"nodes": 3, "zones": zones}});
    assert_eq!(
        refusals(zones(
            json!([{"zone": "zone-a", "minNodes": 2, "nodes": 2}, {"zone": "zone-b", "minNodes": 1}])
        )),
        ""
    );
    let ruled_out = |operator: &str, value: &str| {
        json!({
            "limits": {"zones": [{"zone": "zone-a", "minNodes": 1}]},
            "requirements": [{"key": "topology.kubernetes.io/zone", "operator": operator, "values": [value]}],
        })
    };
    assert_eq!(refusals(ruled_out("In", "zone-a")), "");
    assert_eq!(refusals(ruled_out("NotIn", "zone-b")), "");
    refused(vec![
        (
            zones(json!([{"zone": "zone-a", "minNodes": 2, "nodes": 1}])),
            "minNodes must not be larger than nodes of the same zone",
        ),
        (
            zones(json!([{"zone": "zone-a", "minNodes": 2}, {"zone": "zone-b", "minNodes": 2}])),
            "nodes must not be less than the minNodes of all zones together",
        ),
        (zones(json!([{"zone": "zone-a"}, {"zone": "zone-a"}])), "each zone may be named once only"),
        (ruled_out("In", "zone-b"), "in a zone that requirements rule out"),
        (ruled_out("NotIn", "zone-a"), "in a zone that requirements rule out"),
        (json!({"limits": {"cpu": "-1"}}), "cpu must be a quantity of at least 0"),
        (json!({"limits": {"memory": "lots"}}), "memory must be a quantity of at least 0"),
        (zones(json!([{"zone": "zone-a", "cpu": "-1"}])), "cpu must be a quantity of at least 0"),
        (zones(json!([{"zone": "zone-a", "memory": "-1"}])), "memory must be a quantity of at least 0"),
    ]);
}

#[test]
fn prices_and_capacities_that_cannot_be_are_refused() {
    assert_eq!(refusals(instance_type(json!({"price": "0", "spotPrice": "0.0000001"}))), "");
    let offering = |fields: Value| {
        let mut offering = json!({"zone": "zone-a", "capacityType": "spot"});
        merge(&mut offering, fields);
        instance_type(json!({"offerings": [offering]}))
    };
    assert_eq!(refusals(offering(json!({"price": "1", "nodes": 0}))), "");
    refused(vec![
        (instance_type(json!({"price": "-0.1"})), "price must be a quantity of at least 0"),
        (instance_type(json!({"price": "cheap"})), "price must be a quantity of at least 0"),
        (instance_type(json!({"spotPrice": "-1"})), "spotPrice must be a quantity of at least 0"),
        (offering(json!({"price": "-1"})), "price must be a quantity of at least 0"),
        (offering(json!({})), "needs a price, or the instance type a spotPrice"),
        (instance_type(json!({"capacity": {"cpu": 4}})), "capacity must name cpu and memory"),
        (
            instance_type(json!({"capacity": {"cpu": -4, "memory": "8Gi"}})),
            "capacity must be quantities of at least 0",
        ),
        (
            grpc(json!({"nodeGroups": [{"name": "a", "price": "-1"}]})),
            "price must be a quantity of at least 0",
        ),
    ]);
}

#[test]
fn an_address_is_a_host_and_a_port() {
    for address in ["cloud:8086", "10.0.0.1:8086", "[::1]:8086"] {
        assert_eq!(refusals(grpc(json!({"address": address}))), "");
    }
    for address in ["cloud", "https://cloud:8086", "user@cloud:8086", "cloud:port", "cloud:8086/path"] {
        refused(vec![(grpc(json!({"address": address})), "address must be a host and a port")]);
    }
}

#[test]
fn names_that_overlap_are_refused() {
    let percentage = json!({"name": "a", "percentage": 10});
    let budget = json!({"name": "a", "nodes": 1});
    refused(vec![
        (json!({"headroom": [percentage, percentage]}), "each name may be given to one headroom only"),
        (json!({"scaleDown": {"budgets": [budget, budget]}}), "each name may be given to one budget only"),
        (
            grpc(json!({"nodeGroups": [{"name": "a"}, {"name": "a"}]})),
            "each node group may be named once only",
        ),
        (
            json!({"scaleDown": {"budgets": [{"name": "a", "nodes": 1, "reasons": ["Empty", "Empty"]}]}}),
            "each reason may be named once only",
        ),
    ]);
}

#[test]
fn a_requirement_has_the_values_of_its_operator() {
    let of = |operator: &str, values: Value| json!({"requirements": [{"key": "cpus", "operator": operator, "values": values}]});
    for (operator, values) in
        [("In", json!(["a"])), ("Exists", json!([])), ("Gt", json!(["4"])), ("Lt", json!(["-1"]))]
    {
        assert_eq!(refusals(of(operator, values)), "");
    }
    let capacity = |value: &str| json!({"requirements": [{"key": "plimsoll.dev/capacity-type", "operator": "In", "values": [value]}]});
    assert_eq!(refusals(capacity("spot")), "");
    refused(vec![
        (of("In", json!([])), "values must not be empty for the operators In and NotIn"),
        (of("NotIn", json!([])), "values must not be empty for the operators In and NotIn"),
        (of("Exists", json!(["a"])), "values must be left out for the operators Exists and DoesNotExist"),
        (of("Gt", json!(["4", "5"])), "values must be one whole number"),
        (of("Lt", json!(["4.5"])), "values must be one whole number"),
        (capacity("reserved"), "values of plimsoll.dev/capacity-type must be on-demand or spot"),
        (json!({"requirements": [{"key": "a b", "operator": "Exists"}]}), "key must be a label"),
    ]);
}

#[test]
fn labels_and_taints_of_others_are_left_to_them() {
    let template = |template: Value| json!({"template": template});
    let taint = |key: &str| template(json!({"taints": [{"key": key, "effect": "NoSchedule"}]}));
    assert_eq!(refusals(template(json!({"labels": {"team": "shop", "example.com/gpu": "yes"}}))), "");
    assert_eq!(refusals(taint("node.cilium.io/agent-not-ready")), "");
    refused(vec![
        (template(json!({"labels": {"plimsoll.dev/node-order": "x"}})), "labels must leave plimsoll.dev/*"),
        (
            template(json!({"labels": {"topology.kubernetes.io/zone": "x"}})),
            "labels must leave plimsoll.dev/*",
        ),
        (template(json!({"labels": {"a b": "x"}})), "labels must have keys such as"),
        (template(json!({"annotations": {"plimsoll.dev/x": "x"}})), "annotations must leave plimsoll.dev/*"),
        (taint("plimsoll.dev/draining"), "key must leave plimsoll.dev/* to Plimsoll"),
        (taint("node.kubernetes.io/unreachable"), "node.kubernetes.io/* to Kubernetes"),
        (taint("a b"), "key must be like dedicated"),
        (
            template(json!({"kubelet": {"reserved": {"cpu": "-1"}}})),
            "reserved must be quantities of at least 0",
        ),
    ]);
}

#[test]
fn thresholds_are_shares() {
    for (field, value) in
        [("utilizationThreshold", "1.1"), ("utilizationThreshold", "-0.1"), ("savingsThreshold", "half")]
    {
        refused(vec![(json!({"scaleDown": {field: value}}), &format!("{field} must be from 0 to 1"))]);
    }
    assert_eq!(refusals(json!({"scaleDown": {"utilizationThreshold": 1, "savingsThreshold": "0"}})), "");
    let said = "savingsPerEviction must be a price of 0 or more";
    refused(vec![
        (json!({"scaleDown": {"savingsPerEviction": "-0.1"}}), said),
        (json!({"scaleDown": {"savingsPerEviction": "much"}}), said),
    ]);
    assert_eq!(refusals(json!({"scaleDown": {"savingsPerEviction": "1.5"}})), "");
}

#[test]
fn headroom_is_of_pods_or_of_a_percentage() {
    let of = |fields: Value| {
        let mut headroom = json!({"name": "a"});
        merge(&mut headroom, fields);
        json!({"headroom": [headroom]})
    };
    assert_eq!(refusals(of(json!({"pods": {"count": 1, "requests": {"cpu": "500m"}}}))), "");
    refused(vec![
        (of(json!({})), "set exactly one of pods and percentage"),
        (
            of(json!({"percentage": 5, "pods": {"count": 1, "requests": {"cpu": 1}}})),
            "set exactly one of pods and percentage",
        ),
        (of(json!({"pods": {"count": 1, "requests": {}}})), "requests must name at least one resource"),
        (
            of(json!({"pods": {"count": 1, "requests": {"cpu": 0}}})),
            "requests must be quantities greater than 0",
        ),
    ]);
}

#[test]
fn a_window_that_cannot_be_meant_is_refused() {
    let of = |start: &str, zone: &str| {
        let window = json!({"start": start, "durationSeconds": 3600, "timeZone": zone});
        json!({"scaleDown": {"budgets": [{"name": "a", "nodes": "10%", "window": window}]}})
    };
    assert_eq!(refusals(of("0 8 * * MON-FRI", "Europe/Berlin")), "");
    refused(vec![
        (of("0 8 * *", "UTC"), "start must be a cron expression of five fields"),
        (of("@daily 0 0 0 0", "UTC"), "start must be a cron expression of five fields"),
        (of("0 8 * * *", "+02:00"), "timeZone must be a name of the IANA database"),
    ]);
}

#[test]
fn what_is_left_out_has_the_documented_default() {
    let spec = pool(json!({})).spec;
    let written = serde_json::to_value(&spec).unwrap();
    assert_eq!(
        written["scaleDown"],
        json!({
            "policy": "WhenUnderutilized", "utilizationThreshold": "0.5", "unneededSeconds": 600,
            "delayAfterAddSeconds": 600, "savingsThreshold": "0.1", "savingsPerEviction": "0",
        })
    );
    assert_eq!(
        written["drain"],
        json!({"maxGracePeriodSeconds": 600, "timeoutSeconds": 1800, "maxSurge": 0})
    );
    assert_eq!(written["maxUnavailable"], "20%");
    assert_eq!(written["provisionTimeoutSeconds"], 900);
    assert_eq!(written["priorityCutoff"], -10);
    assert_eq!(written["expander"], "least-price");
    assert_eq!(written["balanceZones"], true);
}

/// A default that the API server fills in, and one that we assume, must not differ.
#[test]
fn defaults_of_the_schema_are_those_of_the_types() {
    let definitions = plimsoll_api::crds::all().unwrap();
    let pool_definition =
        definitions.iter().find(|crd| crd["spec"]["names"]["kind"] == "CapacityPool").unwrap();
    let fields = &pool_definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"];
    let written = serde_json::to_value(pool(json!({})).spec).unwrap();
    let mut compared = 0;
    for (field, schema) in fields.as_object().unwrap() {
        if let Some(default) = schema.get("default") {
            assert_eq!(&written[field], default, "{field}");
            compared += 1;
        }
    }
    assert_eq!(compared, 9);
}

fn order(changes: Value) -> NodeOrder {
    let mut order = json!({
        "apiVersion": "plimsoll.dev/v1alpha1", "kind": "NodeOrder", "metadata": {"name": "general-1"},
        "spec": {
            "pool": "general", "count": 2, "reason": "2 pods of shop/store-get", "fencingToken": 3,
            "offering": {"instanceType": "c4", "zone": "zone-a", "capacityType": "spot", "price": "0.04"},
        },
    });
    merge(&mut order["spec"], changes);
    serde_json::from_value(order).unwrap()
}

#[test]
fn an_order_never_changes() {
    let before = order(json!({}));
    assert!(validate_cel_update(&before, &before).is_ok());
    let told = format!("{:?}", validate_cel_update(&order(json!({"count": 3})), &before).unwrap_err());
    assert!(told.contains("the spec of a NodeOrder never changes"), "{told}");
    // Its status does.
    let mut later = before.clone();
    later.status = Some(serde_json::from_value(json!({"phase": "Asked"})).unwrap());
    assert!(validate_cel_update(&later, &before).is_ok());
}

#[test]
fn an_order_has_as_many_names_as_nodes() {
    assert!(validate_cel(&order(json!({"names": ["a", "b"]}))).is_ok());
    let told = format!("{:?}", validate_cel(&order(json!({"names": ["a"]}))).unwrap_err());
    assert!(told.contains("names must be as many as count says"), "{told}");
}

#[test]
fn an_order_has_a_price_that_can_be() {
    let offering = json!({"instanceType": "c4", "zone": "zone-a", "capacityType": "spot", "price": "-1"});
    let told = format!("{:?}", validate_cel(&order(json!({"offering": offering}))).unwrap_err());
    assert!(told.contains("price must be a quantity of at least 0"), "{told}");
}

/// Nodes carry both names as labels.
#[test]
fn a_name_that_is_no_label_is_refused() {
    let mut pool = pool(json!({}));
    let mut order = order(json!({}));
    for (length, fits) in [(63, true), (64, false)] {
        pool.metadata.name = Some("a".repeat(length));
        order.metadata.name = Some("a".repeat(length));
        assert_eq!(validate_cel(&pool).is_ok(), fits);
        assert_eq!(validate_cel(&order).is_ok(), fits);
    }
}

/// What is written on nodes, and what the chart's policies look for, must not differ.
#[test]
fn the_policies_of_the_chart_look_for_our_marks() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../charts/plimsoll/templates/nodeguard.yaml");
    let policies = std::fs::read_to_string(file).unwrap();
    for (mark, uses) in [
        (marks::NODE_ORDER, format!("expression: '\"{}\"'", marks::NODE_ORDER)),
        (marks::CAPACITY_POOL, format!("\"{}\" in variables.after", marks::CAPACITY_POOL)),
        (marks::DRAINING, format!("t.key == \"{}\"", marks::DRAINING)),
        (marks::DRAINING, format!("key: {}, operator: Exists", marks::DRAINING)),
    ] {
        assert!(policies.contains(&uses), "{mark}");
    }
}
