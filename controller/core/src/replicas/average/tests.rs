use super::super::Algorithm::{Hpa137, Plimsoll1};
use super::super::Basis::{Ratio, Rebalanced, WithinTolerance, WouldTurn};
use super::super::fixtures::{
    BOTH, ago, amounts, cpu_percent, failure, input, load, only_outcome, pod, pods_metric, proposal, sample,
    web,
};
use super::super::{Algorithm, Input, MetricSpec, PodPhase, PodTarget, Reading};

/// `existing` ready pods of 100 m CPU each, `spec` asked for, the first of them with these loads in milli-CPU.
fn cpu(algorithm: Algorithm, spec: i32, existing: usize, percent: i32, loads: &[i64]) -> Input {
    input(algorithm, spec)
        .pods(web(existing))
        .metric(cpu_percent(percent), Reading::Pods(load(loads.iter().copied())))
}

/// The same for a metric of pods with an average target in thousandths.
fn rps(algorithm: Algorithm, spec: i32, existing: usize, average: i64, loads: &[i64]) -> Input {
    input(algorithm, spec)
        .pods(web(existing))
        .metric(pods_metric(average), Reading::Pods(load(loads.iter().copied())))
}

#[test]
fn the_size_follows_the_ratio_of_usage_to_target() {
    let table = [
        ("exactly on target", 50, [50, 50, 50], (3, WithinTolerance)),
        ("end of the tolerance above", 50, [55, 55, 55], (3, WithinTolerance)),
        ("end of the tolerance below", 50, [45, 45, 45], (3, WithinTolerance)),
        ("just above", 50, [56, 56, 56], (4, Ratio)),
        ("just below", 50, [44, 44, 44], (3, Ratio)),
        ("double", 50, [100, 100, 100], (6, Ratio)),
        ("a third", 60, [20, 20, 20], (1, Ratio)),
        ("idle", 50, [0, 0, 0], (0, Ratio)),
        ("uneven pods are averaged", 50, [0, 0, 150], (3, WithinTolerance)),
    ];
    for algorithm in BOTH {
        for (what, percent, loads, expected) in table {
            assert_eq!(proposal(&cpu(algorithm, 3, 3, percent, &loads)), expected, "{algorithm}: {what}");
            let average = rps(algorithm, 3, 3, i64::from(percent), &loads);
            assert_eq!(proposal(&average), expected, "{algorithm}, as an average: {what}");
        }
    }
}

/// 55.9 % is 55 % to HPA, which is within 10 % of 50. Without `utilization_is_exact` Plimsoll-1 stays too.
#[test]
fn hpa_drops_the_fraction_of_a_percent() {
    let exact = |algorithm| {
        let mut input = cpu(algorithm, 1, 1, 50, &[559]);
        input.pods[0].containers[0].requests = amounts("cpu", 1000);
        proposal(&input)
    };
    assert_eq!(exact(Hpa137), (1, WithinTolerance));
    assert_eq!(exact(Plimsoll1), (2, Ratio));
}

/// Four pods at 180 % and four idle ones of a Job are 90 % to HPA. Without `foreign_pods_are_dropped` Plimsoll-1 does not
/// grow either.
#[test]
fn pods_of_others_are_averaged_in_by_hpa_only() {
    for (algorithm, expected) in [(Hpa137, (4, WithinTolerance)), (Plimsoll1, (8, Ratio))] {
        let mut input = cpu(algorithm, 4, 8, 90, &[180, 180, 180, 180, 0, 0, 0, 0]);
        for pod in &mut input.pods[4..] {
            pod.foreign = true;
        }
        assert_eq!(proposal(&input), expected);
        for pod in &mut input.pods[4..] {
            pod.containers[0].requests.clear();
        }
        assert_eq!(only_outcome(&input).proposal.is_ok(), algorithm == Plimsoll1, "a Job without requests");
    }
}

#[test]
fn hpa_drops_the_fraction_of_an_average() {
    // 100 and 101 average to 100.5, and the target is 50 with a tolerance that ends at 2.0.
    for algorithm in BOTH {
        let mut input = rps(algorithm, 2, 2, 50, &[100, 101]);
        input.policy.behavior().scale_up.tolerance = Some(1.0);
        assert_eq!(proposal(&input), (2, WithinTolerance), "{algorithm}: averages are whole thousandths");
    }
}

#[test]
fn missing_pods_are_at_full_load_on_the_way_down() {
    let table = [
        // (0 + 0 + 100) / 300 = 33 %, of 50 % is 0.66 times 3 pods.
        ("one of three", 50, vec![0, 0], (2, Rebalanced)),
        // 40, 40 and an assumed 100 are 60 % of 50 %: the other side.
        ("turns the direction", 50, vec![40, 40], (3, WouldTurn)),
        // A target above 100 % is what is assumed: (150 + 150 + 200) / 300 = 166 % of 200 %.
        ("target above 100", 200, vec![150, 150], (3, Rebalanced)),
        ("into the tolerance", 50, vec![25, 25], (3, WithinTolerance)),
    ];
    for algorithm in BOTH {
        for (what, percent, loads, expected) in &table {
            assert_eq!(proposal(&cpu(algorithm, 3, 3, *percent, loads)), *expected, "{algorithm}: {what}");
        }
    }
}

#[test]
fn missing_pods_are_at_the_target_on_the_way_down_of_an_average() {
    for algorithm in BOTH {
        // (0 + 0 + 50) / 3 = 16, of 50 is 0.32 times 3 pods.
        assert_eq!(proposal(&rps(algorithm, 3, 3, 50, &[0, 0])), (1, Rebalanced));
    }
}

#[test]
fn missing_pods_are_idle_on_the_way_up() {
    for algorithm in BOTH {
        // (100 + 100 + 0) / 300 = 66 % of 50 %.
        assert_eq!(proposal(&cpu(algorithm, 3, 3, 50, &[100, 100])), (4, Rebalanced));
        // (60 + 60 + 0) / 300 = 40 % of 50 %: the other side.
        assert_eq!(proposal(&cpu(algorithm, 3, 3, 50, &[60, 60])), (3, WouldTurn));
        assert_eq!(proposal(&rps(algorithm, 3, 3, 50, &[60, 60])), (3, WouldTurn));
    }
}

#[test]
fn missing_pods_are_left_out_exactly_on_target() {
    for algorithm in BOTH {
        assert_eq!(proposal(&cpu(algorithm, 3, 3, 50, &[50])), (3, WithinTolerance));
    }
}

#[test]
fn unready_pods_are_idle_on_the_way_up_and_left_out_on_the_way_down() {
    for algorithm in BOTH {
        let with_one_pending = |loads: &[i64]| {
            let mut input = cpu(algorithm, 3, 3, 50, loads);
            input.pods[2].phase = PodPhase::Pending;
            proposal(&input)
        };
        // (100 + 100 + 0) / 300 = 66 % of 50 %.
        assert_eq!(with_one_pending(&[100, 100, 999]), (4, Rebalanced), "{algorithm}: up");
        // (20 + 20) / 200 = 20 % of 50 %, times the two that are ready.
        assert_eq!(with_one_pending(&[20, 20, 999]), (1, Ratio), "{algorithm}: down");
    }
}

#[test]
fn terminating_pods_are_left_out_of_samples_and_counts() {
    for algorithm in BOTH {
        let mut input = cpu(algorithm, 2, 3, 50, &[100, 100, 0]);
        input.pods[2].deleting = true;
        assert_eq!(proposal(&input), (4, Ratio));
    }
}

/// Trap 1.12 #1. Without `direction_is_guarded_everywhere` Plimsoll-1 answers like HPA.
#[test]
fn a_surge_below_target_grows_hpa_only() {
    for (algorithm, expected) in [(Hpa137, (12, Ratio)), (Plimsoll1, (10, WouldTurn))] {
        assert_eq!(proposal(&cpu(algorithm, 10, 13, 100, &[85; 13])), expected);
        assert_eq!(proposal(&rps(algorithm, 10, 13, 100, &[85; 13])), expected);
    }
}

#[test]
fn pods_that_were_not_created_yet_shrink_hpa_only() {
    for (algorithm, expected) in [(Hpa137, (6, Ratio)), (Plimsoll1, (10, WouldTurn))] {
        assert_eq!(proposal(&cpu(algorithm, 10, 5, 100, &[120; 5])), expected);
    }
}

#[test]
fn after_assumptions_even_hpa_guards_the_direction() {
    for algorithm in BOTH {
        // One of 13 is missing: (12 * 80 + 100) / 1300 = 81 %, times 13 is 11, above the 10 asked for.
        assert_eq!(proposal(&cpu(algorithm, 10, 13, 100, &[80; 12])), (10, WouldTurn));
    }
}

/// Samples of pods that are not in the list. Without `unknown_pods_are_dropped` Plimsoll-1 answers like HPA.
#[test]
fn strangers_are_averaged_by_hpa_only() {
    let with_stranger = |mut input: Input| {
        if let Reading::Pods(samples) = &mut input.readings[0] {
            samples.insert("stranger".to_owned(), sample(400));
        }
        proposal(&input)
    };
    for algorithm in BOTH {
        let utilization = with_stranger(cpu(algorithm, 2, 2, 100, &[100, 100]));
        assert_eq!(utilization, (2, WithinTolerance), "no request, so no part in utilization");
    }
    assert_eq!(with_stranger(rps(Hpa137, 2, 2, 100, &[100, 100])), (4, Ratio));
    assert_eq!(with_stranger(rps(Plimsoll1, 2, 2, 100, &[100, 100])), (2, WithinTolerance));
}

#[test]
fn strangers_count_as_pods_once_hpa_has_assumed_something() {
    let mut input = cpu(Hpa137, 3, 3, 50, &[100, 100]);
    if let Reading::Pods(samples) = &mut input.readings[0] {
        samples.insert("stranger".to_owned(), sample(0));
    }
    // 66 % of 50 % is 1.32, times 4 entries instead of 3.
    assert_eq!(proposal(&input), (6, Rebalanced));
    input.policy.algorithm = Plimsoll1;
    assert_eq!(proposal(&input), (4, Rebalanced));
}

/// Without `sample_is_stale` the idle hour-old samples would shrink Plimsoll-1 like HPA.
#[test]
fn an_old_sample_is_not_low_load() {
    for (algorithm, expected) in [(Hpa137, (2, Ratio)), (Plimsoll1, (4, WouldTurn))] {
        let mut input = cpu(algorithm, 4, 4, 50, &[45, 45, 5, 5]);
        if let Reading::Pods(samples) = &mut input.readings[0] {
            for pod in ["web-2", "web-3"] {
                samples.entry(pod.to_owned()).and_modify(|sample| sample.timestamp = ago(3600));
            }
            for pod in ["web-0", "web-1"] {
                samples.entry(pod.to_owned()).and_modify(|sample| sample.value = 40);
            }
        }
        assert_eq!(proposal(&input), expected);
    }
}

/// Without `negative_is_no_load` one pod at -100 % hides another at 200 %.
#[test]
fn a_negative_sample_is_no_sample() {
    assert_eq!(proposal(&rps(Hpa137, 2, 2, 100, &[200, -200])), (0, Ratio));
    assert_eq!(proposal(&rps(Plimsoll1, 2, 2, 100, &[200, -200])), (2, WithinTolerance));
    assert_eq!(
        failure(&rps(Plimsoll1, 2, 2, 100, &[-1, -200])),
        "did not receive metrics for targeted pods (pods might be unready); the samples of 2 pods are negative, and a \
         load cannot be"
    );
}

#[test]
fn only_old_samples_are_no_samples() {
    let mut input = cpu(Plimsoll1, 1, 1, 50, &[1]);
    if let Reading::Pods(samples) = &mut input.readings[0] {
        samples.entry("web-0".to_owned()).and_modify(|sample| sample.timestamp = ago(3600));
    }
    assert_eq!(
        failure(&input),
        "failed to get cpu utilization: did not receive metrics for targeted pods (pods might be unready); \
         the samples of 1 pods are too old: check that the metrics server still scrapes"
    );
    input.policy.algorithm = Hpa137;
    assert_eq!(proposal(&input), (1, Ratio));
}

#[test]
fn failures_are_worded_as_by_hpa() {
    for algorithm in BOTH {
        let none = input(algorithm, 1).metric(cpu_percent(50), Reading::Pods(load([1])));
        assert_eq!(
            failure(&none),
            "failed to get cpu utilization: no pods returned by selector while calculating replica count"
        );
        assert_eq!(
            failure(&cpu(algorithm, 1, 1, 50, &[])),
            "failed to get cpu utilization: did not receive metrics for targeted pods (pods might be unready)"
        );
        let mut free = cpu(algorithm, 1, 1, 50, &[10]);
        free.pods[0].containers[0].requests = amounts("cpu", 0);
        assert_eq!(failure(&free), "failed to get cpu utilization: no metrics returned matched known pods");
        let mut wordless = cpu(algorithm, 1, 1, 50, &[10]);
        wordless.pods[0].containers[0].requests.clear();
        assert_eq!(
            failure(&wordless),
            "failed to get cpu utilization: missing request for cpu in container app of Pod web-0"
        );
    }
}

#[test]
fn the_status_shows_the_first_pass() {
    for algorithm in BOTH {
        let status = only_outcome(&cpu(algorithm, 3, 3, 50, &[100, 51])).status.expect("has a status");
        assert_eq!((status.average_utilization, status.average_value), (Some(75), Some(75)));
        let status = only_outcome(&rps(algorithm, 3, 3, 50, &[100, 51])).status.expect("has a status");
        assert_eq!((status.average_utilization, status.average_value), (None, Some(75)));
    }
}

#[test]
fn a_tolerance_of_one_never_shrinks() {
    for algorithm in BOTH {
        let mut input = cpu(algorithm, 3, 3, 50, &[0, 0, 0]);
        input.policy.behavior().scale_down.tolerance = Some(1.0);
        assert_eq!(proposal(&input), (3, WithinTolerance));
    }
}

#[test]
fn a_container_is_measured_alone() {
    for algorithm in BOTH {
        let metric = MetricSpec::ContainerResource {
            name: "cpu".to_owned(),
            container: "app".to_owned(),
            target: PodTarget::Utilization(50),
        };
        let mut two = pod("web-0");
        two.containers.push(super::super::ContainerView { name: "log".to_owned(), ..Default::default() });
        let input = input(algorithm, 1).pods([two]).metric(metric, Reading::Pods(load([100])));
        assert_eq!(proposal(&input), (2, Ratio), "the other container needs no request");
    }
}

#[test]
fn memory_ignores_readiness() {
    for algorithm in BOTH {
        let metric = MetricSpec::Resource { name: "memory".to_owned(), target: PodTarget::AverageValue(100) };
        let mut input = input(algorithm, 2).pods(web(2)).metric(metric, Reading::Pods(load([300, 300])));
        input.pods[1].ready = None;
        assert_eq!(proposal(&input), (6, Ratio));
    }
}

/// HPA's product wraps around; which way is arithmetic, not judgement.
#[test]
fn huge_loads_wrap_around_for_hpa_only() {
    let mut input = cpu(Plimsoll1, 1, 1, 50, &[i64::MAX]);
    assert_eq!(proposal(&input), (i32::MAX, Ratio));
    input.policy.algorithm = Hpa137;
    assert_ne!(proposal(&input).0, i32::MAX);
}
