//! What each pod requests, as `calculateRequests` of HPA.

use std::collections::BTreeMap;

use super::Context;
use super::failure::Failure;
use super::grouping::is_ignored;
use super::view::{Amounts, PodView};

/// The requests by pod name, in thousandths.
pub(super) type Requests<'a> = BTreeMap<&'a str, i64>;

/// What every pod requests of `resource`, or what its container `container` does. One pod without a request makes
/// this fail; the first by name is reported, so that the order of pods does not matter.
pub(super) fn requests<'a>(
    ctx: &Context<'a>,
    resource: &str,
    container: Option<&str>,
) -> Result<Requests<'a>, Failure> {
    let pods: BTreeMap<&str, &PodView> = ctx.pods.iter().map(|pod| (pod.name.as_str(), *pod)).collect();
    pods.into_iter()
        .filter(|(_, pod)| !(ctx.rules.ignored_pods_need_no_request() && is_ignored(ctx, pod)))
        .map(|(name, pod)| {
            let request = match container {
                Some(container) => of_container(pod, resource, container)?,
                None if has_pod_level_requests(pod) => of_pod(ctx, pod, resource)?,
                None => sum_of_containers(ctx, pod, resource)?,
            };
            Ok((name, request))
        })
        .collect()
}

/// The containers that run for the pod's whole life, in the order in which HPA looks at them.
fn long_running(pod: &PodView) -> impl Iterator<Item = (&str, &Amounts)> {
    let sidecars = pod.init_containers.iter().filter(|init| init.restartable);
    let containers = pod.containers.iter().map(|c| (c.name.as_str(), &c.requests));
    containers.chain(sidecars.map(|init| (init.name.as_str(), &init.requests)))
}

fn of_container(pod: &PodView, resource: &str, container: &str) -> Result<i64, Failure> {
    let Some((_, amounts)) = long_running(pod).find(|(name, _)| *name == container) else {
        return Err(Failure::ContainerNotFound { container: container.to_owned(), pod: pod.name.clone() });
    };
    amounts.get(resource).copied().ok_or_else(|| missing(pod, resource, container))
}

/// The plain sum; overhead does not belong to it.
fn sum_of_containers(ctx: &Context<'_>, pod: &PodView, resource: &str) -> Result<i64, Failure> {
    long_running(pod).try_fold(0, |sum, (name, amounts)| {
        let request = amounts.get(resource).ok_or_else(|| missing(pod, resource, name))?;
        Ok(ctx.rules.add_milli(sum, *request))
    })
}

fn missing(pod: &PodView, resource: &str, container: &str) -> Failure {
    Failure::MissingRequest {
        resource: resource.to_owned(),
        container: container.to_owned(),
        pod: pod.name.clone(),
    }
}

/// Resources that can be requested for a pod as a whole.
fn is_pod_level(resource: &str) -> bool {
    matches!(resource, "cpu" | "memory") || resource.starts_with("hugepages-")
}

fn has_pod_level_requests(pod: &PodView) -> bool {
    pod.pod_requests.keys().any(|resource| is_pod_level(resource))
}

/// The effective request of the pod as the scheduler sees it, overhead included.
fn of_pod(ctx: &Context<'_>, pod: &PodView, resource: &str) -> Result<i64, Failure> {
    let own = pod.pod_requests.get(resource).filter(|_| is_pod_level(resource)).copied();
    let request = own.or_else(|| aggregate(ctx, pod, resource));
    let overhead = pod.overhead.get(resource).copied();
    match (request, overhead) {
        (None, None) => {
            Err(Failure::MissingPodRequest { resource: resource.to_owned(), pod: pod.name.clone() })
        }
        (request, overhead) => {
            Ok(ctx.rules.add_milli(request.unwrap_or_default(), overhead.unwrap_or_default()))
        }
    }
}

/// What the containers need together: the sum of those that run side by side, or the peak while an init container
/// runs beside the sidecars started before it. `None` when no container asks for the resource.
fn aggregate(ctx: &Context<'_>, pod: &PodView, resource: &str) -> Option<i64> {
    let running: Vec<i64> =
        long_running(pod).filter_map(|(_, amounts)| amounts.get(resource).copied()).collect();
    let steady = running.iter().copied().reduce(|a, b| ctx.rules.add_milli(a, b));
    let mut sidecars: Option<i64> = None;
    let mut peak: Option<i64> = None;
    for init in &pod.init_containers {
        let own = init.requests.get(resource).copied();
        let together = match (own, sidecars) {
            (Some(own), Some(sidecars)) => Some(ctx.rules.add_milli(own, sidecars)),
            (own, sidecars) => own.or(sidecars),
        };
        if init.restartable {
            sidecars = together;
        }
        peak = peak.max(together);
    }
    steady.max(peak)
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{BOTH, amounts, context, input, pod, web};
    use super::super::view::{ContainerView, InitContainerView, PodPhase};
    use super::super::{Algorithm, Input};
    use super::*;

    fn request(pod: PodView, resource: &str, container: Option<&str>) -> Result<i64, String> {
        let input = input(Algorithm::Hpa137, 1).pods([pod]);
        let requests =
            requests(&context(&input), resource, container).map_err(|failure| failure.to_string())?;
        Ok(requests["web-0"])
    }

    fn container(name: &str, cpu: i64) -> ContainerView {
        ContainerView { name: name.to_owned(), requests: amounts("cpu", cpu) }
    }

    fn init(name: &str, restartable: bool, cpu: i64) -> InitContainerView {
        InitContainerView { name: name.to_owned(), restartable, requests: amounts("cpu", cpu) }
    }

    fn two_containers_and_two_inits() -> PodView {
        PodView {
            containers: vec![container("app", 100), container("log", 20)],
            init_containers: vec![init("mesh", true, 7), init("migrate", false, 5000)],
            overhead: amounts("cpu", 1),
            ..pod("web-0")
        }
    }

    #[test]
    fn containers_and_sidecars_are_summed_without_init_containers_and_overhead() {
        assert_eq!(request(two_containers_and_two_inits(), "cpu", None), Ok(127));
    }

    #[test]
    fn a_named_container_may_be_a_sidecar_but_no_init_container() {
        let pod = two_containers_and_two_inits;
        assert_eq!(request(pod(), "cpu", Some("log")), Ok(20));
        assert_eq!(request(pod(), "cpu", Some("mesh")), Ok(7));
        let missing = Err("container migrate not found in Pod web-0".to_owned());
        assert_eq!(request(pod(), "cpu", Some("migrate")), missing);
    }

    #[test]
    fn one_container_without_a_request_is_an_error() {
        let mut pod = two_containers_and_two_inits();
        pod.containers[1].requests.clear();
        let missing = Err("missing request for cpu in container log of Pod web-0".to_owned());
        assert_eq!(request(pod.clone(), "cpu", None), missing);
        assert_eq!(request(pod, "cpu", Some("app")), Ok(100), "but only if it is asked for");
    }

    #[test]
    fn requests_of_the_pod_win_and_bring_the_overhead() {
        let mut pod = two_containers_and_two_inits();
        pod.pod_requests = amounts("cpu", 300);
        assert_eq!(request(pod.clone(), "cpu", None), Ok(301));
        assert_eq!(request(pod, "cpu", Some("app")), Ok(100), "not for a named container");
    }

    #[test]
    fn with_pod_level_memory_cpu_is_what_the_scheduler_counts() {
        let mut pod = two_containers_and_two_inits();
        pod.pod_requests = amounts("memory", 1);
        // The init container runs beside the sidecar that was started before it: 7 + 5000, and the overhead.
        assert_eq!(request(pod.clone(), "cpu", None), Ok(5008));
        pod.overhead.clear();
        let missing = Err("missing pod-level request for nvidia.com/gpu in Pod web-0".to_owned());
        assert_eq!(request(pod.clone(), "nvidia.com/gpu", None), missing);
        pod.pod_requests = amounts("example.com/unknown", 1);
        assert_eq!(request(pod, "cpu", None), Ok(127), "what cannot be requested for a pod does not count");
    }

    #[test]
    fn a_failed_pod_without_requests_breaks_the_metric_of_hpa_only() {
        let mut failed = pod("web-9");
        failed.phase = PodPhase::Failed;
        failed.containers[0].requests.clear();
        for algorithm in BOTH {
            let input: Input = input(algorithm, 2).pods(web(2)).pods([failed.clone()]);
            let found = requests(&context(&input), "cpu", None).map(|requests| requests.len());
            match algorithm {
                Algorithm::Hpa137 => assert!(found.is_err()),
                Algorithm::Plimsoll1 => assert_eq!(found, Ok(2)),
            }
        }
    }
}
