use super::*;

fn held_by(holder: &str) -> LeaseSpec {
    LeaseSpec {
        holder_identity: Some(holder.into()),
        lease_duration_seconds: Some(15),
        ..LeaseSpec::default()
    }
}

#[test]
fn a_lease_that_does_not_exist_is_taken() {
    assert_eq!(next(None, Duration::ZERO, "a"), Step::Take);
}

#[test]
fn a_lease_that_was_let_go_is_taken_at_once() {
    assert_eq!(next(Some(&LeaseSpec::default()), Duration::ZERO, "a"), Step::Take);
    assert_eq!(next(Some(&held_by("")), Duration::ZERO, "a"), Step::Take);
}

#[test]
fn our_own_lease_is_renewed_however_old_it_is() {
    assert_eq!(next(Some(&held_by("a")), Duration::from_secs(99), "a"), Step::Renew);
}

#[test]
fn the_lease_of_another_is_waited_for_until_it_expires() {
    let wait = next(Some(&held_by("b")), Duration::from_secs(4), "a");
    assert_eq!(wait, Step::Wait(Duration::from_secs(11)));
    assert_eq!(next(Some(&held_by("b")), Duration::from_secs(15), "a"), Step::Take);
}

#[test]
fn a_lease_without_a_duration_has_expired() {
    let lease = LeaseSpec { lease_duration_seconds: None, ..held_by("b") };
    assert_eq!(next(Some(&lease), Duration::ZERO, "a"), Step::Take);
}

#[tokio::test(start_paused = true)]
async fn leadership_ends_when_the_lease_may_have_expired() {
    let until = Instant::now() + Duration::from_secs(15);
    let (publish, held) = watch::channel(Some(Held { until, term: 1, token: 0 }));
    let leadership = Leadership { held, other: watch::channel(None).1 };
    assert!(leadership.is_leader());
    assert!(leadership.outlives(Duration::from_secs(14)));
    assert!(!leadership.outlives(Duration::from_secs(15)));
    tokio::time::advance(Duration::from_secs(15)).await;
    assert!(!leadership.is_leader());
    drop(publish);
}
