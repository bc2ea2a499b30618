use k8s_openapi::api::core::v1::Pod;
use plimsoll_core::cluster::{Effect, TolerationOperator};
use pretty_assertions::assert_eq;

use super::*;

/// A pod of `app: web` with this in its spec.
fn pod(spec: &str) -> (PodSpec, Labels) {
    let lines = spec.trim().replace('\n', "\n  ");
    let text = format!("metadata: {{ name: web-1, labels: {{ app: web }} }}\nspec:\n  {lines}\n");
    let pod: Pod = serde_saphyr::from_str(&text).unwrap();
    let labels = observe_labels(pod.metadata.labels.as_ref());
    (pod.spec.unwrap(), labels)
}

fn manner(spec: &str) -> Manner {
    let (spec, labels) = pod(spec);
    observe_manner(&spec, &labels)
}

fn needs(spec: &str) -> Option<Box<NodeNeeds>> {
    observe_node_needs(&pod(spec).0)
}

const BARE: &str = "containers: [{ name: app }]";

/// What a ServiceGroup writes into its templates.
const GOOD: &str = r"
terminationGracePeriodSeconds: 45
containers: [{ name: app, ports: [{ containerPort: 80 }], lifecycle: { preStop: { sleep: { seconds: 15 } } } }]
topologySpreadConstraints:
- { topologyKey: topology.kubernetes.io/zone, maxSkew: 1, whenUnsatisfiable: DoNotSchedule, nodeTaintsPolicy: Honor, labelSelector: { matchLabels: { app: web } } }
- { topologyKey: kubernetes.io/hostname, maxSkew: 1, whenUnsatisfiable: ScheduleAnyway, nodeTaintsPolicy: Honor, labelSelector: { matchLabels: { app: web } } }
";

fn zones(constraints: &[&str]) -> SpreadOver {
    let lines = constraints.iter().map(|of| {
        format!("- {{ topologyKey: topology.kubernetes.io/zone, maxSkew: 1, whenUnsatisfiable: DoNotSchedule, {of} }}")
    });
    manner(&format!("{BARE}\ntopologySpreadConstraints:\n{}", lines.collect::<Vec<_>>().join("\n"))).zones
}

#[test]
fn a_pod_of_which_nothing_is_said_is_not_spread_and_leaves_at_once() {
    assert_eq!(manner(BARE), Manner { grace: 30, ..Manner::default() });
}

#[test]
fn what_is_written_into_templates_of_groups_is_seen_in_their_pods() {
    let spread = SpreadOver { is_there: true, binds: true, honors_taints: true, has_min_domains: false };
    assert_eq!(
        manner(GOOD),
        Manner { zones: spread, hosts: SpreadOver { binds: false, ..spread }, pre_stop: Some(15), grace: 45 }
    );
}

#[test]
fn a_constraint_counts_only_if_it_selects_the_pod_itself() {
    let of = |selector: &str| zones(&[&format!("labelSelector: {selector}")]).is_there;
    assert!(of("{ matchLabels: { app: web } }"));
    assert!(of("{ matchExpressions: [{ key: app, operator: In, values: [web, db] }] }"));
    assert!(!of("{ matchLabels: { app: db } }"), "it spreads others");
    assert!(!zones(&["nodeTaintsPolicy: Honor"]).is_there, "without a selector it counts no pods");
}

#[test]
fn of_several_constraints_each_must_leave_tainted_nodes_out() {
    const WEB: &str = "labelSelector: { matchLabels: { app: web } }";
    let honors = format!("{WEB}, nodeTaintsPolicy: Honor");
    let ignores = format!("{WEB}, nodeTaintsPolicy: Ignore");
    assert!(zones(&[&honors]).honors_taints);
    for constraints in [[&honors, &ignores], [&ignores, &honors], [&honors, &WEB.to_owned()]] {
        let constraints = constraints.map(String::as_str);
        assert!(!zones(&constraints).honors_taints, "{constraints:?}");
    }
    let one = format!("{honors}, minDomains: 3");
    assert!(zones(&[&honors, &one]).has_min_domains && !zones(&[&honors]).has_min_domains);
}

#[test]
fn the_shortest_sleep_of_those_that_serve_counts() {
    let pre_stop = |containers: &str| manner(&format!("containers:\n{containers}")).pre_stop;
    let sleeps = "lifecycle: { preStop: { sleep: { seconds: 20 } } }";
    let runs = "lifecycle: { preStop: { exec: { command: [drain] } } }";
    let ports = "ports: [{ containerPort: 80 }]";
    for (containers, expected) in [
        (format!("- {{ name: a, {ports}, {sleeps} }}"), Some(20)),
        (format!("- {{ name: a, {ports}, {sleeps} }}\n- {{ name: b }}"), Some(20)),
        (format!("- {{ name: a, {ports}, {sleeps} }}\n- {{ name: b, {ports} }}"), None),
        (format!("- {{ name: a, {ports}, {runs} }}\n- {{ name: b, {ports}, {sleeps} }}"), Some(20)),
        (format!("- {{ name: a, {ports}, {runs} }}"), Some(i64::MAX)),
        (format!("- {{ name: a, {sleeps} }}"), Some(20)),
        (format!("- {{ name: a, {sleeps} }}\n- {{ name: b }}"), None),
        (
            format!("- {{ name: a, {ports}, lifecycle: {{ postStart: {{ sleep: {{ seconds: 9 }} }} }} }}"),
            None,
        ),
    ] {
        assert_eq!(pre_stop(&containers), expected, "{containers}");
    }
}

#[test]
fn a_pod_that_takes_any_node_without_a_taint_needs_nothing_of_it() {
    assert_eq!(needs(BARE), None);
    let patience = "tolerations:\n- { key: node.kubernetes.io/not-ready, operator: Exists, effect: NoExecute, tolerationSeconds: 300 }\n- { key: node.kubernetes.io/unreachable, operator: Exists, effect: NoExecute, tolerationSeconds: 300 }";
    assert_eq!(needs(&format!("{BARE}\n{patience}")), None, "a dead node takes no pod for that");
}

#[test]
fn what_a_pod_asks_of_nodes_is_kept() {
    let needs = needs(&format!(
        "{BARE}\nnodeSelector: {{ disk: ssd }}\ntolerations: [{{ key: gpu, operator: Exists, effect: NoSchedule }}]\naffinity: {{ nodeAffinity: {{ requiredDuringSchedulingIgnoredDuringExecution: {{ nodeSelectorTerms: [{{ matchExpressions: [{{ key: arch, operator: In, values: [arm64] }}] }}] }} }} }}"
    ))
    .unwrap();
    assert_eq!(needs.selector, Labels::from([("disk".into(), "ssd".into())]));
    assert_eq!(needs.terms.as_ref().map(Vec::len), Some(1));
    let toleration = &needs.tolerations[0];
    assert_eq!(
        (&*toleration.key, toleration.operator, toleration.effect),
        ("gpu", TolerationOperator::Exists, Some(Effect::NoSchedule))
    );
}
