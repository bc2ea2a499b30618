//! What the metrics APIs reported, and one number per pod made of it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::view::Amounts;
use crate::time::{Span, Timestamp};

/// The usage of one pod: an item of the resource metrics API.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PodUsage {
    /// The pod's name.
    pub pod: String,
    /// The end of the interval that was measured.
    pub timestamp: Timestamp,
    /// The length of the interval that was measured.
    pub window: Span,
    /// The usage of each container.
    pub containers: Vec<ContainerUsage>,
}

/// The usage of one container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerUsage {
    /// The container's name.
    pub name: String,
    /// The usage per resource, in thousandths.
    pub usage: Amounts,
}

/// One number for one pod.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// The value in thousandths.
    pub value: i64,
    /// The end of the interval that was measured.
    pub timestamp: Timestamp,
    /// The length of the interval that was measured. HPA takes 60 s for custom metrics that do not say.
    pub window: Span,
}

/// Samples by pod name.
pub type Samples = BTreeMap<String, Sample>;

/// The usage of `resource` per pod: of one container, or summed over all.
///
/// A pod has no sample when the named container, or without a name any container at all, lacks the resource.
/// A pod without containers has none either. As `getPodMetrics` and `getContainerMetrics` of HPA.
pub fn resource_samples<'a>(
    usages: impl IntoIterator<Item = &'a PodUsage>,
    resource: &str,
    container: Option<&str>,
) -> Samples {
    usages
        .into_iter()
        .filter_map(|usage| {
            let value = match container {
                Some(name) => {
                    usage.containers.iter().find(|c| c.name == name)?.usage.get(resource).copied()?
                }
                None if usage.containers.is_empty() => return None,
                None => usage.containers.iter().try_fold(0_i64, |sum, container| {
                    container.usage.get(resource).map(|value| sum.saturating_add(*value))
                })?,
            };
            let sample = Sample { value, timestamp: usage.timestamp, window: usage.window };
            Some((usage.pod.clone(), sample))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(containers: &[(&str, &[(&str, i64)])]) -> PodUsage {
        let containers = containers
            .iter()
            .map(|(name, usage)| ContainerUsage {
                name: (*name).to_owned(),
                usage: usage.iter().map(|(resource, milli)| ((*resource).to_owned(), *milli)).collect(),
            })
            .collect();
        PodUsage {
            pod: "web-0".to_owned(),
            timestamp: Timestamp::from_secs(7),
            window: Span::from_secs(30),
            containers,
        }
    }

    fn value(usage: PodUsage, resource: &str, container: Option<&str>) -> Option<i64> {
        resource_samples(&[usage], resource, container).get("web-0").map(|sample| sample.value)
    }

    #[test]
    fn a_pod_is_the_sum_of_its_containers() {
        let pod = usage(&[("app", &[("cpu", 100), ("memory", 5)]), ("log", &[("cpu", 20), ("memory", 6)])]);
        assert_eq!(value(pod.clone(), "cpu", None), Some(120));
        assert_eq!(value(pod.clone(), "memory", None), Some(11));
        assert_eq!(value(pod, "cpu", Some("log")), Some(20));
    }

    #[test]
    fn one_container_without_the_resource_takes_the_sample_away() {
        let pod = usage(&[("app", &[("cpu", 100)]), ("log", &[("memory", 6)])]);
        assert_eq!(value(pod.clone(), "cpu", None), None);
        assert_eq!(
            value(pod.clone(), "cpu", Some("app")),
            Some(100),
            "except when only another one is asked for"
        );
        assert_eq!(value(pod.clone(), "cpu", Some("log")), None);
        assert_eq!(value(pod, "cpu", Some("no-such-container")), None);
    }

    #[test]
    fn a_pod_without_containers_has_no_sample() {
        assert_eq!(value(usage(&[]), "cpu", None), None);
    }

    #[test]
    fn time_and_window_are_those_of_the_pod() {
        let samples = resource_samples(&[usage(&[("app", &[("cpu", 1)])])], "cpu", None);
        let expected = Sample { value: 1, timestamp: Timestamp::from_secs(7), window: Span::from_secs(30) };
        assert_eq!(samples["web-0"], expected);
    }
}
