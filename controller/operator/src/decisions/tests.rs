use std::borrow::Cow;

use plimsoll_core::replicas::{
    Asked, Input, Memory, Obstacle, PodView, Policy, Settings, TargetView, blocked, decide,
};

use super::*;

const ROOMY: Bounds = Bounds { decisions: 20, bytes: 1 << 20 };

/// A decision `secs` after the beginning that leaves the size as it is.
fn keep(decisions: &Decisions, name: &str, secs: i64, current: i32, outcome: Outcome) {
    let obstacle = Obstacle::FailedGetScale(format!("{name} at {secs}"));
    let decision = blocked(&obstacle, current);
    let now = Timestamp::from_secs(secs);
    let asked = Asked::Blocked { now, obstacle: Cow::Owned(obstacle), current };
    decisions.keep("shop", name, &Record { asked, decision: &decision, outcome });
}

/// The moments of what is kept, newest first, in seconds.
fn moments(decisions: &Decisions, name: &str) -> Vec<i64> {
    let jsons = decisions.of("shop", name).unwrap_or_default();
    let record = |json: &Vec<u8>| serde_json::from_slice::<Record<'_>>(json).unwrap();
    jsons.iter().map(|json| record(json).asked.now().as_millis() / 1000).collect()
}

#[test]
fn the_newest_of_each_are_kept() {
    let decisions = Decisions::new(Bounds { decisions: 3, ..ROOMY });
    for secs in 0..5 {
        keep(&decisions, "web", secs, i32::try_from(secs).unwrap(), Outcome::Nothing);
    }
    keep(&decisions, "db", 9, 1, Outcome::Nothing);
    assert_eq!(moments(&decisions, "web"), [4, 3, 2]);
    assert_eq!(moments(&decisions, "db"), [9]);
    let index: Vec<_> = decisions.index().into_iter().map(|entry| (entry.name, entry.decisions)).collect();
    assert_eq!(index, [("db".to_owned(), 1), ("web".to_owned(), 3)]);
}

#[test]
fn the_oldest_of_all_go_when_there_is_no_room() {
    let decisions = Decisions::new(ROOMY);
    keep(&decisions, "web", 0, 1, Outcome::Nothing);
    // Room for four, which do not all take the same.
    let room = decisions.bytes() * 9 / 2;
    let decisions = Decisions::new(Bounds { bytes: room, ..ROOMY });
    for secs in 0..9 {
        let name = if secs % 2 == 0 { "web" } else { "db" };
        keep(&decisions, name, secs, i32::try_from(secs).unwrap(), Outcome::Nothing);
        assert!(decisions.bytes() <= room);
    }
    assert_eq!((moments(&decisions, "web"), moments(&decisions, "db")), (vec![8, 6], vec![7, 5]));
    let counted: usize = decisions.index().iter().map(|entry| entry.bytes).sum();
    assert_eq!(decisions.bytes(), counted);
}

#[test]
fn of_repeats_one_a_minute_stays_beside_the_newest() {
    let decisions = Decisions::new(ROOMY);
    for secs in (0..=150).step_by(10) {
        keep(&decisions, "web", secs, 3, Outcome::Nothing);
    }
    assert_eq!(moments(&decisions, "web"), [150, 120, 60, 0]);
    keep(&decisions, "web", 151, 4, Outcome::Nothing);
    keep(&decisions, "web", 152, 4, Outcome::Written);
    keep(&decisions, "web", 153, 4, Outcome::Nothing);
    assert_eq!(moments(&decisions, "web"), [153, 152, 151, 150, 120, 60, 0], "changes are all kept");
}

#[test]
fn decisions_alike_take_little_room_and_come_back_to_the_byte() {
    let decisions = Decisions::new(ROOMY);
    let mut jsons = Vec::new();
    for secs in 1..=4 {
        let pods = (0..3).map(|pod| PodView { name: format!("web-{secs}-{pod}"), ..PodView::default() });
        let input = Input {
            now: Timestamp::from_secs(secs * 100),
            settings: Settings::default(),
            namespace: "shop".into(),
            policy: Policy { min_replicas: 1, max_replicas: 9, ..Policy::default() },
            target: TargetView { spec_replicas: 3, status_replicas: 3 },
            pods: pods.collect(),
            readings: Vec::new(),
            scaled_to_zero: false,
            obstacle: None,
            zones: None,
            nodes: None,
        };
        let memory = Memory::default();
        let (decision, _) = decide(&input, &memory);
        let asked = Asked::Decide { input: Cow::Owned(input), memory: Cow::Owned(memory) };
        let record = Record { asked, decision: &decision, outcome: Outcome::Written };
        jsons.insert(0, serde_json::to_vec(&record).unwrap());
        decisions.keep("shop", "web", &record);
    }
    assert_eq!(decisions.of("shop", "web"), Some(jsons.clone()));
    let alone = packed(PLAIN, &lz4_flex::compress_prepend_size(&jsons[0])).len();
    assert!(decisions.bytes() < alone * 2, "{} bytes, one alone {alone}", decisions.bytes());
}

#[test]
fn what_is_gone_is_forgotten() {
    let decisions = Decisions::new(ROOMY);
    keep(&decisions, "web", 0, 1, Outcome::Nothing);
    keep(&decisions, "db", 1, 1, Outcome::Nothing);
    decisions.forget("shop", "web");
    assert_eq!(decisions.of("shop", "web"), None);
    decisions.clear();
    assert_eq!((decisions.index(), decisions.bytes()), (vec![], 0));
}

#[test]
fn nothing_is_kept_when_it_is_switched_off() {
    let decisions = Decisions::new(Bounds { decisions: 0, ..ROOMY });
    keep(&decisions, "web", 0, 1, Outcome::Nothing);
    assert_eq!(decisions.index(), []);
}
