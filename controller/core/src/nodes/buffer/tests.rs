use pretty_assertions::assert_eq;

use super::*;

fn limits(amounts: &[(&str, i64)]) -> BTreeMap<Name, i64> {
    amounts.iter().map(|(name, amount)| ((*name).into(), *amount)).collect()
}

fn ask(replicas: Option<i32>, percentage: Option<i32>, amounts: &[(&str, i64)]) -> Ask {
    Ask { replicas, percentage, limits: limits(amounts) }
}

fn half_a_core() -> Resources {
    Resources { cpu: 500, memory: 1 << 30, pods: 1, ..Resources::default() }
}

fn count(ask: &Ask, scale: Option<i32>) -> u32 {
    size(ask, scale, &half_a_core(), &[]).expect("makes sense").count
}

fn told(ask: &Ask, scale: Option<i32>) -> String {
    size(ask, scale, &half_a_core(), &[]).expect_err("makes no sense").to_string()
}

#[test]
fn the_larger_of_replicas_and_percentage_counts() {
    for (replicas, percentage, scale, expected) in [
        (Some(3), None, None, 3),
        (Some(0), None, None, 0),
        (None, Some(20), Some(10), 2),
        // Rounded up, and at least one, also of a workload that is at zero.
        (None, Some(21), Some(10), 3),
        (None, Some(1), Some(10), 1),
        (None, Some(20), Some(0), 1),
        (None, Some(0), Some(10), 0),
        (Some(5), Some(20), Some(10), 5),
        (Some(1), Some(20), Some(10), 2),
        (Some(1), Some(20), None, 1),
        (None, Some(250), Some(4), 10),
        (Some(10_000), None, None, MOST_PODS),
        (Some(10_001), None, None, MOST_PODS),
        (None, Some(i32::MAX), Some(i32::MAX), MOST_PODS),
    ] {
        assert_eq!(
            count(&ask(replicas, percentage, &[]), scale),
            expected,
            "{replicas:?} {percentage:?} {scale:?}"
        );
    }
}

#[test]
fn limits_cut_what_is_asked_for_and_fill_what_is_not() {
    let cpu = |amount| ask(Some(10), None, &[("cpu", amount)]);
    assert_eq!((count(&cpu(2000), None), count(&cpu(2499), None), count(&cpu(9000), None)), (4, 4, 10));
    assert_eq!(count(&cpu(500), None), 1, "one that fits exactly");
    assert_eq!(count(&ask(None, None, &[("cpu", 3000), ("memory", 4 << 30)]), None), 4, "memory is less");
    assert_eq!(
        count(&ask(None, None, &[("cpu", 3000), ("example.com/gpu", 1)]), None),
        6,
        "nobody asks for gpus"
    );
    assert_eq!(
        count(&ask(None, None, &[("cpu", 3000), ("example.com/gpu", 0)]), None),
        6,
        "none is a limit too"
    );
}

#[test]
fn quotas_cut_what_is_left_and_are_named() {
    let quota = |name: &str, cpu| Quota { name: name.into(), left: limits(&[("cpu", cpu)]) };
    let of =
        |quotas: &[Quota]| size(&ask(Some(4), None, &[]), None, &half_a_core(), quotas).expect("makes sense");
    let cut = of(&[quota("small", 1600), quota("large", 9000), quota("less", 700)]);
    assert_eq!(cut, Size { count: 1, asked: 4, cut_from: None, cut_by: vec!["less".into(), "small".into()] });
    assert_eq!(of(&[quota("over", -100)]).count, 0);
    assert_eq!(of(&[quota("large", 2000)]), Size { count: 4, asked: 4, cut_from: None, cut_by: Vec::new() });
}

#[test]
fn what_one_buffer_takes_of_a_quota_is_not_there_for_the_next() {
    let mut quota = Quota { name: "team".into(), left: limits(&[("cpu", 1600), ("example.com/gpu", 1)]) };
    quota.take(2, &half_a_core());
    assert_eq!(quota.left, limits(&[("cpu", 600), ("example.com/gpu", 1)]));
    quota.take(u32::MAX, &half_a_core());
    let cut = size(&ask(Some(4), None, &[]), None, &half_a_core(), &[quota]).expect("makes sense");
    assert_eq!((cut.count, cut.asked), (0, 4));
}

#[test]
fn a_buffer_that_asks_for_more_than_any_gets_says_how_much() {
    let of = |replicas| size(&ask(Some(replicas), None, &[]), None, &half_a_core(), &[]).unwrap().cut_from;
    assert_eq!((of(10_000), of(10_001)), (None, Some(10_001)));
}

#[test]
fn what_makes_no_sense_names_its_field() {
    for (ask, scale, starts) in [
        (ask(Some(-1), None, &[]), None, "spec.replicas is -1"),
        (ask(None, Some(-5), &[]), Some(3), "spec.percentage is -5"),
        (ask(None, None, &[("cpu", -1)]), None, "spec.limits.cpu is -1"),
        (ask(None, Some(10), &[]), None, "spec.percentage is a share of what spec.scalableRef has"),
        (ask(None, None, &[]), Some(3), "no field says how much room"),
        (ask(None, None, &[("example.com/gpu", 4)]), None, "spec.limits names no resource"),
        (ask(Some(2), None, &[("cpu", 499)]), None, "spec.limits.cpu is 499m, less than the 500m"),
        (ask(None, None, &[("memory", 1)]), None, "spec.limits.memory is 1, less than the 1Gi"),
    ] {
        let told = told(&ask, scale);
        assert!(told.starts_with(starts), "{told}");
    }
}

#[test]
fn each_problem_has_a_word_of_its_own_for_conditions() {
    let name = || Name::from("x");
    let problems = [
        (Problem::BothRefs, "BothReferences"),
        (Problem::NoRef, "NoReference"),
        (Problem::NoTemplate(name()), "PodTemplateNotFound"),
        (Problem::EmptyTemplate(name()), "EmptyPodTemplate"),
        (Problem::NoScalable(name(), name()), "ScalableNotFound"),
        (Problem::NotScalable(String::new()), "NotScalable"),
        (Problem::NoPods(name(), name()), "NoPodsYet"),
        (Problem::Negative { field: name(), value: -1 }, "NegativeValue"),
        (Problem::PercentageOfNothing, "PercentageWithoutScalable"),
        (Problem::NoSize, "NoSize"),
        (Problem::LimitTooSmall { resource: name(), limit: 1, request: 2 }, "LimitTooSmall"),
        (Problem::NothingLimited, "NothingLimited"),
        (Problem::Unplannable(Unplannable::Gang), "NotPlannedFor"),
    ];
    for (problem, word) in problems {
        assert_eq!(problem.word(), word);
    }
}
