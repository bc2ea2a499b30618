//! What a pod asks for, as the scheduler counts it.
//!
//! The rules are those of `PodRequests` in k8s.io/component-helpers 0.37, which kube-scheduler calls: containers add up;
//! an init container needs its own amount and that of the restartable ones before it; the larger of both counts; what the
//! pod asks for as a whole takes the place of cpu, memory and huge pages; the overhead comes on top. What is limited and not
//! requested is requested: the API server writes that into pods, and not into templates.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::core::v1::{Container, ContainerStatus, Pod, PodSpec, PodStatus, ResourceRequirements},
    apimachinery::pkg::api::resource::Quantity as ApiQuantity,
};
use plimsoll_core::{
    cluster::{Name, Resources},
    quantity::Quantity,
};

type List = BTreeMap<String, ApiQuantity>;

/// Amounts in whole units; cpu in thousandths.
type Amounts = BTreeMap<String, i64>;

/// A list of quantities as core values. A quantity that does not parse counts as zero: the API server admits none.
/// Names that the scheduler does not count (`foo`, without a domain) are left out, as it leaves them out.
pub fn observe_resources(list: Option<&List>) -> Resources {
    resources(&amounts(list))
}

/// A list of quantities by the names that it gives, in the units of [`Resources`]: cpu in thousandths, all others whole.
pub fn observe_amounts(list: Option<&List>) -> BTreeMap<Name, i64> {
    amounts(list).into_iter().map(|(name, amount)| (Name::from(name), amount)).collect()
}

/// What a pod asks for. While a container or the pod as a whole is being resized, the largest of what the spec says, what the
/// kubelet has allocated and what is in effect counts; a resize that is infeasible does not.
pub(super) fn requests_of_pod(pod: &Pod) -> Resources {
    let Some(spec) = &pod.spec else { return Resources::default() };
    requests(spec, pod.status.as_ref())
}

/// What a pod of a template asks for.
pub(super) fn requests_of_spec(spec: &PodSpec) -> Resources {
    requests(spec, None)
}

fn requests(spec: &PodSpec, status: Option<&PodStatus>) -> Resources {
    let infeasible = status.is_some_and(resize_is_infeasible);
    let statuses = Statuses(status);
    let aggregate_with = |of: &dyn Fn(&Container) -> Amounts| aggregate(spec, of);
    let allocated = aggregate_with(&|container| statuses.allocated(container, infeasible));
    let actuated = aggregate_with(&|container| statuses.actuated(container, infeasible));
    let mut total = if infeasible { Amounts::new() } else { aggregate_with(&asked) };
    raise(&mut total, &allocated);
    raise(&mut total, &actuated);
    if let Some(of_pod) = &spec.resources {
        total.extend(in_effect(of_whole_pod(of_pod, &aggregate_with(&asked)), status, infeasible));
    }
    add(&mut total, &amounts(spec.overhead.as_ref()));
    Resources { pods: 1, ..resources(&total) }
}

/// Requests of the whole pod. Where it has some, or limits, the API server adds those of which its containers say how much,
/// and after that those that are only limited. Huge pages are never overcommitted: their limit is the request.
fn of_whole_pod(of_pod: &ResourceRequirements, containers: &Amounts) -> Amounts {
    let requests = amounts(of_pod.requests.as_ref());
    let limits = amounts(of_pod.limits.as_ref());
    let mut whole = Amounts::new();
    if !requests.is_empty() || !limits.is_empty() {
        let summed = containers.iter().filter(|(name, _)| *name == "cpu" || *name == "memory");
        whole.extend(summed.map(|(name, amount)| (name.clone(), *amount)));
    }
    for (name, limit) in limits {
        whole.entry(name).or_insert(limit);
    }
    whole.extend(requests);
    whole.retain(|name, _| is_of_whole_pod(name));
    whole
}

/// Requests of the whole pod, with what the kubelet says of it. Where it does not say what is in effect, as one before 1.36
/// does not, the scheduler looks at the spec alone.
fn in_effect(whole: Amounts, status: Option<&PodStatus>, infeasible: bool) -> Amounts {
    let Some(status) = status.filter(|_| !whole.is_empty()) else { return whole };
    let Some(actuated) = &status.resources else { return whole };
    let mut largest = if infeasible { Amounts::new() } else { whole };
    raise(&mut largest, &amounts(actuated.requests.as_ref()));
    raise(&mut largest, &amounts(status.allocated_resources.as_ref()));
    largest.retain(|name, _| is_of_whole_pod(name));
    largest
}

fn is_of_whole_pod(name: &str) -> bool {
    name == "cpu" || name == "memory" || name.starts_with("hugepages-")
}

fn resize_is_infeasible(status: &PodStatus) -> bool {
    let conditions = status.conditions.as_deref().unwrap_or_default();
    let pending = conditions.iter().find(|condition| condition.type_ == "PodResizePending");
    pending.is_some_and(|condition| condition.reason.as_deref() == Some("Infeasible"))
}

fn asked(container: &Container) -> Amounts {
    let Some(resources) = &container.resources else { return Amounts::new() };
    let mut asked = amounts(resources.limits.as_ref());
    asked.extend(amounts(resources.requests.as_ref()));
    asked
}

/// What the kubelet says of containers.
struct Statuses<'a>(Option<&'a PodStatus>);

impl Statuses<'_> {
    fn of(&self, container: &Container) -> Option<&ContainerStatus> {
        let status = self.0?;
        let lists = [&status.container_statuses, &status.init_container_statuses];
        lists.into_iter().flatten().flatten().find(|status| status.name == container.name)
    }

    fn allocated(&self, container: &Container, infeasible: bool) -> Amounts {
        match self.of(container).and_then(|status| status.allocated_resources.as_ref()) {
            Some(allocated) => amounts(Some(allocated)),
            None if infeasible => Amounts::new(),
            None => asked(container),
        }
    }

    fn actuated(&self, container: &Container, infeasible: bool) -> Amounts {
        let status = self.of(container);
        match status.and_then(|status| status.resources.as_ref()?.requests.as_ref()) {
            Some(actuated) => amounts(Some(actuated)),
            None => self.allocated(container, infeasible),
        }
    }
}

fn aggregate(spec: &PodSpec, of: &dyn Fn(&Container) -> Amounts) -> Amounts {
    let mut total = Amounts::new();
    for container in &spec.containers {
        add(&mut total, &of(container));
    }
    let (mut sidecars, mut starting) = (Amounts::new(), Amounts::new());
    for container in spec.init_containers.iter().flatten() {
        let own = of(container);
        if container.restart_policy.as_deref() == Some("Always") {
            add(&mut total, &own);
            add(&mut sidecars, &own);
            raise(&mut starting, &sidecars);
        } else {
            let mut beside_sidecars = own;
            add(&mut beside_sidecars, &sidecars);
            raise(&mut starting, &beside_sidecars);
        }
    }
    raise(&mut total, &starting);
    total
}

fn add(to: &mut Amounts, more: &Amounts) {
    for (name, amount) in more {
        let sum = to.entry(name.clone()).or_default();
        *sum = sum.saturating_add(*amount);
    }
}

fn raise(to: &mut Amounts, at_least: &Amounts) {
    for (name, amount) in at_least {
        let largest = to.entry(name.clone()).or_default();
        *largest = (*largest).max(*amount);
    }
}

fn amounts(list: Option<&List>) -> Amounts {
    list.into_iter().flatten().map(|(name, quantity)| (name.clone(), amount(name, quantity))).collect()
}

/// Rounded up, as the scheduler does.
fn amount(name: &str, quantity: &ApiQuantity) -> i64 {
    let nano = Quantity::parse(&quantity.0).map_or(0, Quantity::nano);
    let unit = if name == "cpu" { 1_000_000 } else { 1_000_000_000 };
    let whole = nano.div_euclid(unit) + i128::from(nano.rem_euclid(unit) != 0);
    i64::try_from(whole).unwrap_or(if whole < 0 { i64::MIN } else { i64::MAX })
}

fn resources(amounts: &Amounts) -> Resources {
    let mut resources = Resources::default();
    for (name, amount) in amounts {
        match name.as_str() {
            "cpu" => resources.cpu = *amount,
            "memory" => resources.memory = *amount,
            "ephemeral-storage" => resources.ephemeral_storage = *amount,
            "pods" => resources.pods = *amount,
            name if *amount != 0 && is_counted(name) => {
                resources.extended.insert(Name::from(name), *amount);
            }
            _ => {}
        }
    }
    resources
}

fn is_counted(name: &str) -> bool {
    name.contains('/') || name.starts_with("hugepages-") || name.starts_with("attachable-volumes-")
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    fn of(yaml: &str) -> Resources {
        requests_of_pod(&serde_saphyr::from_str(yaml).unwrap())
    }

    fn cpu_memory(cpu: i64, memory: i64) -> Resources {
        Resources { cpu, memory, pods: 1, ..Resources::default() }
    }

    #[test]
    fn containers_add_up_and_a_larger_init_container_counts_alone() {
        let pod = of("spec:
             containers:
             - { name: a, resources: { requests: { cpu: 100m, memory: 64Mi } } }
             - { name: b, resources: { requests: { cpu: '0.25' } } }
             initContainers:
             - { name: i, resources: { requests: { cpu: 200m, memory: 128Mi } } }");
        assert_eq!(pod, cpu_memory(350, 128 << 20));
    }

    #[test]
    fn a_sidecar_runs_beside_the_containers_and_beside_later_init_containers() {
        let pod = of("spec:
             containers: [{ name: a, resources: { requests: { cpu: 100m } } }]
             initContainers:
             - { name: first, resources: { requests: { cpu: 550m } } }
             - { name: proxy, restartPolicy: Always, resources: { requests: { cpu: 200m } } }
             - { name: last, resources: { requests: { cpu: 400m } } }");
        assert_eq!(pod.cpu, 600, "proxy 200 and last 400 at a time");
    }

    #[test]
    fn requests_of_the_whole_pod_take_the_place_of_cpu_and_memory_and_overhead_comes_on_top() {
        let pod = of("spec:
             overhead: { cpu: 10m }
             resources: { requests: { cpu: '1', example.com/gpu: '9' } }
             containers: [{ name: a, resources: { requests: { cpu: 100m, memory: 1Mi, example.com/gpu: '2' } } }]");
        let gpus = BTreeMap::from([("example.com/gpu".into(), 2)]);
        assert_eq!(pod, Resources { extended: gpus, ..cpu_memory(1010, 1 << 20) });
    }

    #[test]
    fn what_is_limited_and_not_requested_is_requested() {
        let pod = of("spec:
             containers: [{ name: a, resources: { limits: { cpu: '2', memory: 2Mi }, requests: { memory: 1Mi } } }]");
        assert_eq!(pod, cpu_memory(2000, 1 << 20));
        let whole = of("spec:
             resources: { limits: { cpu: '2', memory: 2Mi } }
             containers: [{ name: a, resources: { requests: { memory: 1Mi } } }]");
        assert_eq!(whole, cpu_memory(2000, 1 << 20), "the containers say how much memory");
    }

    #[test]
    fn a_fraction_is_rounded_up_and_an_unknown_name_is_not_counted() {
        let pod = of(
            "spec: { containers: [{ name: a, resources: { requests: { cpu: 100u, memory: 1500m, foo: 3 } } }] }",
        );
        assert_eq!(pod, cpu_memory(1, 2));
    }

    #[test]
    fn while_a_container_is_resized_the_larger_size_counts() {
        let pod = |spec: &str, now: &str, condition: &str| {
            of(&format!(
                "spec: {{ containers: [{{ name: a, resources: {{ requests: {{ cpu: {spec} }} }} }}] }}
                 \nstatus:
                 \n  conditions: [{condition}]
                 \n  containerStatuses:
                 \n  - {{ name: a, image: '', imageID: '', ready: true, restartCount: 0,
                 \n      allocatedResources: {{ cpu: {now} }}, resources: {{ requests: {{ cpu: {now} }} }} }}"
            ))
            .cpu
        };
        assert_eq!((pod("200m", "100m", ""), pod("100m", "200m", "")), (200, 200));
        let infeasible = "{ type: PodResizePending, status: 'True', reason: Infeasible }";
        assert_eq!(pod("900m", "100m", infeasible), 100);
    }

    #[test]
    fn while_the_whole_pod_is_resized_the_larger_size_counts() {
        let pod = |spec: &str, allocated: &str, actuated: &str, condition: &str| {
            of(&format!(
                "spec: {{ containers: [{{ name: a }}], resources: {{ requests: {{ cpu: {spec} }} }} }}
                 \nstatus:
                 \n  conditions: [{condition}]
                 \n  allocatedResources: {{ cpu: {allocated}, example.com/gpu: '1' }}
                 \n  resources: {{ requests: {{ cpu: {actuated} }} }}"
            ))
        };
        assert_eq!(pod("300m", "200m", "100m", ""), cpu_memory(300, 0));
        assert_eq!(pod("100m", "300m", "200m", ""), cpu_memory(300, 0));
        assert_eq!(pod("100m", "200m", "300m", ""), cpu_memory(300, 0));
        let infeasible = "{ type: PodResizePending, status: 'True', reason: Infeasible }";
        assert_eq!(pod("900m", "100m", "100m", infeasible), cpu_memory(100, 0));
    }
}
