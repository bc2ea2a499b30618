use super::super::Algorithm::{Hpa137, Plimsoll1};
use super::super::RatePolicy;
use super::super::fixtures::{BOTH, NOW, ago, context, input};
use super::*;

fn rec(replicas: i32, age: i64) -> Recommendation {
    Recommendation { replicas, at: ago(age) }
}

fn remembered(algorithm: super::super::Algorithm, past: &[(i32, i64)], new: i32) -> Vec<(i32, i64)> {
    let input = input(algorithm, 1);
    let recommendations = past.iter().map(|(replicas, age)| rec(*replicas, *age)).collect();
    let mut memory = Memory { recommendations, ..Memory::default() };
    memory.remember(&context(&input), new, |rec| rec.at < ago(300));
    memory.recommendations.iter().map(|rec| (rec.replicas, NOW.since(rec.at).as_secs())).collect()
}

#[test]
fn only_the_first_call_remembers_the_size() {
    let seeded = Memory::default().seeded(7, NOW);
    assert_eq!(seeded.recommendations, [rec(7, 0)]);
    assert_eq!(seeded.seeded(9, NOW), seeded);
}

#[test]
fn hpa_overwrites_the_last_outdated_entry_only() {
    let past = [(1, 500), (2, 400), (3, 100)];
    assert_eq!(remembered(Hpa137, &past, 4), [(1, 500), (4, 0), (3, 100)]);
    assert_eq!(remembered(Hpa137, &[(3, 300)], 4), [(3, 300), (4, 0)], "at the cutoff is not outdated");
}

#[test]
fn compact_memory_keeps_what_can_be_highest_or_lowest() {
    let past = [(1, 500), (9, 290), (5, 250), (6, 240), (2, 200), (5, 100), (5, 50)];
    assert_eq!(remembered(Plimsoll1, &past, 4), [(9, 290), (6, 240), (2, 200), (5, 50), (4, 0)]);
}

#[test]
fn steady_recommendations_take_one_entry() {
    let input = input(Plimsoll1, 1);
    let mut memory = Memory::default().seeded(5, ago(10));
    for _ in 0..1000 {
        memory.remember(&context(&input), 5, |_| false);
    }
    assert_eq!(memory.recommendations.len(), 1);
}

#[test]
fn no_list_grows_without_bound() {
    for algorithm in BOTH {
        let mut input = input(algorithm, 1);
        input.policy.behavior();
        let behavior = input.policy.behavior.clone().expect("has behavior");
        let mut memory = Memory::default();
        for replicas in 0..6000 {
            memory.remember(&context(&input), replicas, |_| false);
            memory.remember_rescale(Rules::of(algorithm), &behavior, (1, 2), NOW);
        }
        assert!(memory.recommendations.len() <= MOST_ENTRIES);
        assert!(memory.scale_ups.len() <= MOST_ENTRIES);
    }
}

/// Growing counts shrinkings too, by the periods of the policies for growing.
#[test]
fn hpa_forgets_shrinkings_that_growing_still_counts() {
    for (algorithm, left) in [(Hpa137, 1), (Plimsoll1, 2)] {
        let mut input = input(algorithm, 1);
        let behavior = input.policy.behavior();
        behavior.scale_up.policies = vec![RatePolicy::pods(1, 600)];
        behavior.scale_down.policies = vec![RatePolicy::pods(1, 15)];
        let mut memory = Memory::default();
        memory.remember_rescale(Rules::of(algorithm), behavior, (5, 4), ago(60));
        memory.remember_rescale(Rules::of(algorithm), behavior, (4, 3), NOW);
        assert_eq!(memory.scale_downs.len(), left, "{algorithm}");
    }
}

#[test]
fn an_event_as_old_as_the_longest_period_is_not_outdated_for_hpa() {
    let mut input = input(Hpa137, 1);
    let behavior = input.policy.behavior();
    behavior.scale_up.policies = vec![RatePolicy::pods(1, 60)];
    let mut memory = Memory::default();
    memory.remember_rescale(Rules::of(Hpa137), behavior, (1, 2), ago(60));
    memory.remember_rescale(Rules::of(Hpa137), behavior, (2, 4), NOW);
    let events: Vec<_> = memory.scale_ups.iter().map(|event| (event.change, event.outdated)).collect();
    assert_eq!(events, [(1, false), (2, false)]);
}

/// Without the mark the event of 100 s ago would be kept, since the period is longer now.
#[test]
fn an_event_that_was_outdated_once_stays_so() {
    let mut input = input(Hpa137, 1);
    let behavior = input.policy.behavior();
    let mut memory = Memory::default();
    let mut grow = |seconds, (from, to), age| {
        behavior.scale_up.policies = vec![RatePolicy::pods(1, seconds)];
        memory.remember_rescale(Rules::of(Hpa137), behavior, (from, to), ago(age));
        memory.scale_ups.iter().map(|event| (event.change, event.outdated)).collect::<Vec<_>>()
    };
    assert_eq!(grow(15, (1, 2), 100), [(1, false)]);
    assert_eq!(grow(15, (2, 4), 90), [(1, false), (2, false)]);
    assert_eq!(grow(15, (4, 7), 60), [(1, true), (3, false)], "both were outdated, the last is replaced");
    assert_eq!(grow(600, (7, 11), 0), [(4, false), (3, false)]);
}

#[test]
fn it_is_stored_compactly_and_read_back() {
    let event = |outdated| ScaleEvent { change: 2, at: ago(0), outdated };
    let memory = Memory {
        recommendations: vec![rec(3, 0)],
        scale_ups: vec![event(false), event(true)],
        ..Memory::default()
    };
    let json = serde_json::to_string(&memory).unwrap();
    assert_eq!(json, r#"{"recs":[[3,1000000000]],"ups":[[2,1000000000],[2,1000000000,true]]}"#);
    assert_eq!(serde_json::from_str::<Memory>(&json).unwrap(), memory);
    assert_eq!(serde_json::from_str::<Memory>("{}").unwrap(), Memory::default());
    let failing = Memory { failures: 2, ..Memory::default() };
    let json = serde_json::to_string(&failing).unwrap();
    assert_eq!(json, r#"{"recs":[],"fails":2}"#);
    assert_eq!(serde_json::from_str::<Memory>(&json).unwrap(), failing);
}

/// Both directions by the longest period of either, here 60 s.
#[test]
fn compact_memory_forgets_changes_that_no_policy_counts() {
    let mut input = input(Plimsoll1, 1);
    let behavior = input.policy.behavior();
    behavior.scale_up.policies = vec![RatePolicy::pods(1, 60)];
    behavior.scale_down.policies = vec![RatePolicy::pods(1, 15)];
    for to in [5, 3] {
        let past = |change| [70, 60, 59].map(|age| ScaleEvent { change, at: ago(age), outdated: false });
        let mut memory =
            Memory { scale_ups: past(1).into(), scale_downs: past(2).into(), ..Memory::default() };
        memory.remember_rescale(Rules::of(Plimsoll1), behavior, (4, to), NOW);
        let ages = |events: &[ScaleEvent]| -> Vec<i64> {
            events.iter().map(|event| NOW.since(event.at).as_secs()).collect()
        };
        let (grown, shrunk) = if to > 4 { (vec![59, 0], vec![59]) } else { (vec![59], vec![59, 0]) };
        assert_eq!((ages(&memory.scale_ups), ages(&memory.scale_downs)), (grown, shrunk), "to {to}");
    }
}

#[test]
fn of_too_many_entries_the_oldest_go() {
    let ages = |recs: &[Recommendation]| -> Vec<i64> {
        recs.iter().map(|rec| NOW.since(rec.at).as_secs()).collect()
    };
    let mut full: Vec<_> = (0..).take(MOST_ENTRIES).map(|age| rec(1, age)).collect();
    let before = ages(&full);
    cap(&mut full, |rec| rec.at);
    assert_eq!(ages(&full), before, "a full list stays as it is");
    full.extend([rec(1, 5000), rec(1, 6000)]);
    cap(&mut full, |rec| rec.at);
    assert_eq!(ages(&full), before.into_iter().rev().collect::<Vec<_>>());
}
