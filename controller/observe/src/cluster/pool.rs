//! A `CapacityPool`, as the planner wants to know it.

use std::collections::BTreeSet;

use k8s_openapi::apimachinery::pkg::{api::resource::Quantity as ApiQuantity, util::intstr::IntOrString};
use plimsoll_api::v1alpha1 as api;
use plimsoll_core::{
    cluster::{
        Balance, Breaker, BudgetReason, Drain, Expander, Headroom, HeadroomSize, Limits, Name, NodeBudget,
        NodeTemplate, Offering, Operator, Pool, Requirement, ScaleDown, ScaleDownMode, Taint,
    },
    quantity::Quantity,
    time::Span,
};

use super::{
    affinity::observe_effect,
    requests::{observe_amounts, observe_resources},
    requirement::observe_labels,
};

/// A pool with these offerings of its provider: those that its requirements rule out are left out, what the kubelet
/// keeps for itself is taken off, and each has the labels and taints of the pool's template.
pub fn observe_pool(name: &str, spec: &api::CapacityPoolSpec, offerings: Vec<Offering>) -> Pool {
    let template = spec.template.as_ref().map(template).unwrap_or_default();
    let requirements: Vec<Requirement> = spec.requirements.iter().map(requirement).collect();
    let mut taken: Vec<Offering> = offerings
        .into_iter()
        .filter(|offering| requirements.iter().all(|requirement| requirement.matches(&offering.labels)))
        .map(|offering| with_reservations(offering, spec))
        .collect();
    taken.sort_by(|one, other| one.key.cmp(&other.key));
    Pool {
        name: name.into(),
        weight: spec.weight,
        offerings: taken,
        template,
        limits: limits(&spec.limits),
        expander: match spec.expander {
            api::Expander::LeastPrice | api::Expander::Price => Expander::Price,
            api::Expander::LeastWaste => Expander::LeastWaste,
            api::Expander::MostPods => Expander::MostPods,
            api::Expander::Priority => Expander::Priority,
            api::Expander::Random => Expander::Random,
        },
        balance: if spec.balance_zones { Balance::Zones } else { Balance::Off },
        scale_down: scale_down(spec),
        headroom: spec.headroom.iter().map(headroom).collect(),
        priority_cutoff: spec.priority_cutoff,
    }
}

fn requirement(requirement: &api::Requirement) -> Requirement {
    let values = || requirement.values.iter().map(|value| Name::from(value.as_str())).collect();
    let bound = || requirement.values.first().and_then(|value| value.parse().ok());
    let operator = match requirement.operator {
        api::RequirementOperator::In => Operator::In(values()),
        api::RequirementOperator::NotIn => Operator::NotIn(values()),
        api::RequirementOperator::Exists => Operator::Exists,
        api::RequirementOperator::DoesNotExist => Operator::DoesNotExist,
        api::RequirementOperator::Gt => bound().map_or(Operator::Invalid, Operator::Gt),
        api::RequirementOperator::Lt => bound().map_or(Operator::Invalid, Operator::Lt),
    };
    Requirement { key: requirement.key.as_str().into(), operator }
}

fn template(template: &api::NodeTemplate) -> NodeTemplate {
    let taints = |taints: &[api::NodeTaint]| {
        let taint = |taint: &api::NodeTaint| {
            let effect = observe_effect(taint.effect.as_str())?;
            Some(Taint { key: taint.key.as_str().into(), value: taint.value.as_str().into(), effect })
        };
        taints.iter().filter_map(taint).collect()
    };
    NodeTemplate {
        labels: observe_labels(Some(&template.labels)),
        taints: taints(&template.taints),
        startup_taints: taints(&template.startup_taints),
    }
}

fn with_reservations(mut offering: Offering, spec: &api::CapacityPoolSpec) -> Offering {
    if let Some(kubelet) = spec.template.as_ref().and_then(|template| template.kubelet.as_ref()) {
        offering.allocatable.subtract(&observe_resources(Some(&kubelet.reserved)));
        if let Some(most) = kubelet.max_pods {
            offering.allocatable.pods = offering.allocatable.pods.min(most.into());
        }
    }
    offering
}

fn limits(limits: &api::PoolLimits) -> Limits {
    let bounds = |cpu: Option<&ApiQuantity>, memory: Option<&ApiQuantity>| {
        let named = [("cpu", cpu), ("memory", memory)];
        let named = named.into_iter().filter_map(|(name, bound)| Some((name.to_owned(), bound?.clone())));
        observe_amounts(Some(&named.collect()))
    };
    let per_zone = limits
        .zones
        .iter()
        .map(|zone| (Name::from(zone.zone.as_str()), bounds(zone.cpu.as_ref(), zone.memory.as_ref())));
    let zones = |of: fn(&api::ZoneLimits) -> Option<i32>| {
        limits.zones.iter().filter_map(|zone| Some((zone.zone.as_str().into(), whole(of(zone)?)))).collect()
    };
    Limits {
        nodes: limits.nodes.map(whole),
        resources: bounds(limits.cpu.as_ref(), limits.memory.as_ref()),
        resources_per_zone: per_zone.filter(|(_, bounds)| !bounds.is_empty()).collect(),
        nodes_per_zone: zones(|zone| zone.nodes),
        min_per_zone: zones(|zone| zone.min_nodes),
    }
}

fn scale_down(spec: &api::CapacityPoolSpec) -> ScaleDown {
    let api::CapacityPoolSpec { scale_down, drain, max_unavailable: breaker, .. } = spec;
    let seconds = |seconds: i32| Span::from_secs(seconds.into());
    ScaleDown {
        mode: match scale_down.policy {
            api::ScaleDownPolicy::Never => ScaleDownMode::Never,
            api::ScaleDownPolicy::WhenEmpty => ScaleDownMode::WhenEmpty,
            api::ScaleDownPolicy::WhenUnderutilized => ScaleDownMode::WhenUnderutilized,
        },
        utilization_below: thousandths(&scale_down.utilization_threshold),
        unneeded_for: seconds(scale_down.unneeded_seconds),
        delay_after_add: seconds(scale_down.delay_after_add_seconds),
        savings_at_least: thousandths(&scale_down.savings_threshold),
        savings_per_eviction: millionths(&scale_down.savings_per_eviction),
        budgets: scale_down.budgets.iter().filter_map(budget).collect(),
        breaker: match share(breaker) {
            (Some(nodes), _) => Breaker::Nodes(nodes),
            (None, Some(share)) => Breaker::Share(share),
            (None, None) => ScaleDown::default().breaker,
        },
        drain: Drain {
            max_grace: seconds(drain.max_grace_period_seconds),
            time_out: seconds(drain.timeout_seconds),
            max_surge: whole(drain.max_surge),
        },
    }
}

/// None for a budget that is for interrupted nodes only.
fn budget(budget: &api::Budget) -> Option<NodeBudget> {
    let (nodes, share) = share(&budget.nodes);
    let window = budget.window.as_ref();
    let reasons: BTreeSet<BudgetReason> =
        budget.reasons.iter().filter_map(|reason| budget_reason(*reason)).collect();
    if reasons.is_empty() && !budget.reasons.is_empty() {
        return None;
    }
    Some(NodeBudget {
        nodes,
        share,
        reasons,
        schedule: window.map(|window| window.start.clone()),
        time_zone: window.map(|window| window.time_zone.clone()),
        duration: window.map(|window| Span::from_secs(window.duration_seconds.into())).unwrap_or_default(),
    })
}

/// Nodes that are interrupted go whatever a budget says.
fn budget_reason(reason: api::DisruptionReason) -> Option<BudgetReason> {
    match reason {
        api::DisruptionReason::Empty => Some(BudgetReason::Empty),
        api::DisruptionReason::Underutilized => Some(BudgetReason::Underutilized),
        api::DisruptionReason::Replaced => Some(BudgetReason::Replaced),
        api::DisruptionReason::Interrupted => None,
    }
}

fn headroom(headroom: &api::Headroom) -> Headroom {
    let window = headroom.window.as_ref();
    let size = match &headroom.pods {
        Some(pods) => {
            let requests = observe_resources(Some(&pods.requests));
            let requests = plimsoll_core::cluster::Resources { pods: 1, ..requests };
            HeadroomSize::Pods { count: whole(pods.count), requests }
        }
        None => HeadroomSize::Share(i64::from(headroom.percentage.unwrap_or(0)) * 10),
    };
    Headroom {
        name: headroom.name.as_str().into(),
        size,
        schedule: window.map(|window| window.start.clone()),
        time_zone: window.map(|window| window.time_zone.clone()),
        duration: window.map(|window| Span::from_secs(window.duration_seconds.into())).unwrap_or_default(),
    }
}

/// A number of nodes, or a share in thousandths.
fn share(given: &IntOrString) -> (Option<u32>, Option<i64>) {
    match given {
        IntOrString::Int(nodes) => (Some(whole(*nodes)), None),
        IntOrString::String(text) => {
            match text.strip_suffix('%').and_then(|percent| percent.parse::<i64>().ok()) {
                Some(percent) => (None, Some(percent.saturating_mul(10))),
                None => (text.parse().ok(), None),
            }
        }
    }
}

fn thousandths(quantity: &ApiQuantity) -> i64 {
    Quantity::parse(&quantity.0).map_or(0, Quantity::milli)
}

fn millionths(quantity: &ApiQuantity) -> i64 {
    Quantity::parse(&quantity.0).map_or(0, |price| i64::try_from(price.nano() / 1000).unwrap_or(i64::MAX))
}

fn whole(number: i32) -> u32 {
    u32::try_from(number).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use plimsoll_core::cluster::{Capacity, CapacityType, Labels, OfferingKey, Resources, ZONE};
    use pretty_assertions::assert_eq;

    use super::*;

    fn offering(zone: &str) -> Offering {
        Offering {
            key: OfferingKey {
                instance_type: "m4".into(),
                zone: zone.into(),
                capacity_type: CapacityType::OnDemand,
            },
            price: 96_000,
            allocatable: Resources { cpu: 4000, memory: 16 << 30, pods: 110, ..Resources::default() },
            labels: Labels::from([(ZONE.into(), zone.into())]),
            taints: Vec::new(),
            attach_limits: BTreeMap::new(),
            capacity: Capacity::Unknown,
        }
    }

    fn pool(spec: &str) -> Pool {
        let yaml = format!("provider: {{ externalGrpc: {{ address: 'cloud:8086' }} }}\n{spec}");
        observe_pool("general", &serde_saphyr::from_str(&yaml).unwrap(), vec![offering("b"), offering("a")])
    }

    #[test]
    fn requirements_choose_offerings_and_the_kubelet_keeps_its_share() {
        let pool = pool(
            "requirements: [{ key: topology.kubernetes.io/zone, operator: NotIn, values: [b] }]
template: { kubelet: { reserved: { cpu: 100m, memory: 1Gi }, maxPods: 20 } }",
        );
        let [only] = &pool.offerings[..] else { panic!("one zone") };
        assert_eq!(&*only.key.zone, "a");
        assert_eq!(
            (only.allocatable.cpu, only.allocatable.memory, only.allocatable.pods),
            (3900, 15 << 30, 20)
        );
    }

    #[test]
    fn without_a_word_a_tenth_of_the_pool_may_go_at_a_time() {
        let pool = pool("");
        assert_eq!(pool.offerings.iter().map(|offering| &*offering.key.zone).collect::<Vec<_>>(), ["a", "b"]);
        let default = ScaleDown::default();
        assert_eq!(pool.scale_down, ScaleDown { budgets: Vec::new(), ..default });
        assert_eq!((pool.balance, pool.expander), (Balance::Zones, Expander::Price));
    }

    #[test]
    fn limits_and_budgets_are_read_in_their_units() {
        let pool = pool(
            "limits: { nodes: 20, cpu: '400', zones: [{ zone: a, minNodes: 2, nodes: 9 }, { zone: b, cpu: 1500m, memory: 2Gi }] }
maxUnavailable: 30%
scaleDown: { savingsThreshold: '0.25', savingsPerEviction: '0.02', budgets: [{ name: day, nodes: 5%, reasons: [Underutilized],
  window: { start: 0 8 * * *, durationSeconds: 3600, timeZone: Europe/Berlin } }, { name: few, nodes: 3 }] }",
        );
        assert_eq!(pool.limits.nodes, Some(20));
        assert_eq!(pool.limits.resources, BTreeMap::from([("cpu".into(), 400_000)]));
        let of_b = BTreeMap::from([("cpu".into(), 1500), ("memory".into(), 2 << 30)]);
        assert_eq!(pool.limits.resources_per_zone, BTreeMap::from([("b".into(), of_b)]));
        assert_eq!((pool.limits.nodes_per_zone["a"], pool.limits.min_per_zone["a"]), (9, 2));
        assert_eq!((pool.scale_down.breaker, pool.scale_down.savings_at_least), (Breaker::Share(300), 250));
        assert_eq!(pool.scale_down.savings_per_eviction, 20_000, "millionths");
        let [day, few] = &pool.scale_down.budgets[..] else { panic!("two budgets") };
        assert_eq!((day.share, day.nodes, few.share, few.nodes), (Some(50), None, None, Some(3)));
        assert_eq!((day.time_zone.as_deref(), day.duration), (Some("Europe/Berlin"), Span::from_secs(3600)));
    }

    #[test]
    fn a_breaker_may_be_a_number_of_nodes() {
        for (given, breaker) in
            [("0", Breaker::Nodes(0)), ("3", Breaker::Nodes(3)), ("0%", Breaker::Share(0))]
        {
            let pool = pool(&format!("maxUnavailable: {given}"));
            assert_eq!(pool.scale_down.breaker, breaker, "{given}");
        }
    }

    /// One that is for them only must not become one for all reasons.
    #[test]
    fn a_budget_holds_no_nodes_that_are_interrupted() {
        let budgets = |reasons: &str| {
            let spec = format!("scaleDown: {{ budgets: [{{ name: a, nodes: 0, reasons: [{reasons}] }}] }}");
            pool(&spec).scale_down.budgets.into_iter().map(|budget| budget.reasons).collect::<Vec<_>>()
        };
        assert_eq!(budgets("Interrupted"), []);
        assert_eq!(budgets("Interrupted, Replaced"), [BTreeSet::from([BudgetReason::Replaced])]);
    }
}
