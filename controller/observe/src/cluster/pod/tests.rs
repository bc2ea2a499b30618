use plimsoll_core::cluster::Selector;
use pretty_assertions::assert_eq;

use super::*;

fn observed(yaml: &str) -> Option<Pod> {
    observe_cluster_pod(&serde_saphyr::from_str(yaml).unwrap(), &Storage::default())
}

fn why_not(spec: &str) -> Option<Unplannable> {
    observed(&format!("{{ metadata: {{ name: a }}, spec: {{ containers: [], {spec} }} }}"))
        .unwrap()
        .unplannable
}

#[test]
fn a_pod_that_has_ended_holds_no_room() {
    for phase in ["Succeeded", "Failed"] {
        assert_eq!(
            observed(&format!("{{ spec: {{ containers: [] }}, status: {{ phase: {phase} }} }}")),
            None
        );
    }
}

#[test]
fn where_a_pod_stands() {
    let state = |spec: &str, status: &str, metadata: &str| {
        let yaml = format!(
            "{{ metadata: {{ name: a{metadata} }}, spec: {{ containers: []{spec} }}, status: {{ {status} }} }}"
        );
        observed(&yaml).unwrap().state
    };
    let unschedulable = "conditions: [{ type: PodScheduled, status: 'False', reason: Unschedulable,
        lastTransitionTime: '1970-01-01T00:00:05Z' }]";
    let node = Name::from("n");
    assert_eq!(state("", "", ""), PodState::Pending);
    assert_eq!(state("", unschedulable, ""), PodState::Unschedulable { since: Timestamp::from_secs(5) });
    assert_eq!(state("", "nominatedNodeName: n", ""), PodState::Nominated { node: node.clone() });
    assert_eq!(state(", nodeName: n", "", ""), PodState::Bound { node: node.clone(), ready: false });
    assert_eq!(
        state(", nodeName: n", "", ", deletionTimestamp: '1970-01-01T00:00:30Z'"),
        PodState::Terminating { node, until: Timestamp::from_secs(30) }
    );
}

#[test]
fn a_pod_that_was_deleted_before_it_had_a_node_gets_none() {
    for status in ["", "nominatedNodeName: n"] {
        let yaml = format!(
            "{{ metadata: {{ name: a, deletionTimestamp: '1970-01-01T00:00:30Z', finalizers: [shop.example.com/done] }},
               spec: {{ containers: [] }}, status: {{ {status} }} }}"
        );
        assert_eq!(observed(&yaml), None, "{status}");
    }
}

#[test]
fn what_we_cannot_reason_about_is_left_alone_with_its_reason() {
    assert_eq!(why_not("schedulerName: volcano"), Some(Unplannable::ForeignScheduler("volcano".into())));
    assert_eq!(
        why_not("resourceClaims: [{ name: gpu, resourceClaimName: g }]"),
        Some(Unplannable::ResourceClaims)
    );
    assert_eq!(
        why_not("schedulingGates: [{ name: example.com/quota }]"),
        Some(Unplannable::Gated("example.com/quota".into()))
    );
    let missing = "volumes: [{ name: v, persistentVolumeClaim: { claimName: absent } }]";
    assert_eq!(why_not(missing), Some(Unplannable::Claim("absent".into())));
    assert_eq!(why_not("priority: 0"), None);
}

#[test]
fn a_pod_on_a_node_no_longer_waits_and_is_as_hard_to_place_elsewhere_as_before() {
    let on_node = |spec: &str| why_not(&format!("nodeName: n, {spec}"));
    let missing = "volumes: [{ name: v, persistentVolumeClaim: { claimName: absent } }]";
    assert_eq!(on_node(missing), None);
    assert_eq!(on_node("schedulingGates: [{ name: example.com/quota }]"), None);
    assert_eq!(on_node("schedulerName: volcano"), Some(Unplannable::ForeignScheduler("volcano".into())));
    assert_eq!(
        on_node("resourceClaims: [{ name: gpu, resourceClaimName: g }]"),
        Some(Unplannable::ResourceClaims)
    );
}

#[test]
fn terms_name_their_namespaces() {
    let pod = observed(
        "
         metadata: { namespace: shop, name: a, labels: { app: web } }
         spec:
           containers: [{ name: a, ports: [{ containerPort: 80, hostPort: 8080 }] }]
           affinity:
             podAntiAffinity:
               requiredDuringSchedulingIgnoredDuringExecution:
               - { topologyKey: kubernetes.io/hostname, labelSelector: { matchLabels: { app: web } } }
               - { topologyKey: kubernetes.io/hostname, labelSelector: {}, namespaceSelector: {} }",
    )
    .unwrap();
    let [own, all] = &pod.shape.affinity.anti_pods[..] else { panic!("two terms") };
    assert_eq!(own.namespaces, ["shop".into()].into());
    assert_eq!((all.namespaces.len(), all.namespace_selector.clone()), (0, Some(Selector::default())));
    let port = HostPort { ip: "0.0.0.0".into(), protocol: "TCP".into(), port: 8080 };
    assert_eq!(pod.shape.host_ports, [port].into());
}

#[test]
fn pods_of_a_template_have_the_shape_of_the_pods_it_makes() {
    let template: PodTemplateSpec = serde_saphyr::from_str(
        "
         metadata: { labels: { app: web } }
         spec: { containers: [{ name: a, resources: { requests: { cpu: 100m } } }], nodeSelector: { disk: ssd } }",
    )
    .unwrap();
    let (of_template, why_not) = observe_template(&"shop".into(), &template, &Storage::default()).unwrap();
    let pod = observed(
        "
         metadata: { namespace: shop, name: web-1, labels: { app: web } }
         spec: { containers: [{ name: a, resources: { requests: { cpu: 100m } } }], nodeSelector: { disk: ssd } }",
    );
    assert_eq!((of_template, why_not), ((*pod.unwrap().shape).clone(), None));
}

#[test]
fn pods_of_a_template_on_the_network_of_their_node_take_the_ports_of_their_containers() {
    let ports = |on_host: bool| {
        let template: PodTemplateSpec = serde_saphyr::from_str(&format!(
            "spec: {{ hostNetwork: {on_host}, containers: [{{ name: a, ports: [{{ containerPort: 9100 }}] }}] }}"
        ))
        .unwrap();
        let (shape, _) = observe_template(&"shop".into(), &template, &Storage::default()).unwrap();
        shape.host_ports.iter().map(|port| port.port).collect::<Vec<_>>()
    };
    assert_eq!((ports(true), ports(false)), (vec![9100], Vec::new()));
}

#[test]
fn a_static_pod_belongs_to_its_node() {
    let pod = observed(
        "
         metadata: { name: etcd-n, annotations: { kubernetes.io/config.mirror: abc } }
         spec: { nodeName: n, containers: [] }",
    );
    assert_eq!(pod.unwrap().owner.map(|owner| owner.kind), Some(OwnerKind::Node));
}
