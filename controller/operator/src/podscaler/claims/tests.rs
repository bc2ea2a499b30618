use plimsoll_observe::parse_selector;
use pretty_assertions::assert_eq;

use super::*;

fn scaler(target: &str, mode: Mode) -> PodScalerSpec {
    PodScalerSpec {
        scale_target_ref: ObjectReference {
            api_version: Some("apps/v1".into()),
            kind: "Deployment".into(),
            name: target.into(),
        },
        min_replicas: 1,
        max_replicas: 10,
        metrics: Vec::new(),
        behavior: None,
        schedules: Vec::new(),
        fallback: None,
        formula: None,
        pod_deletion_cost: None,
        availability: None,
        sync_period_seconds: None,
        algorithm: plimsoll_api::v1alpha1::Algorithm::default(),
        mode,
    }
}

fn claims(of: &[(&str, &str, Mode)]) -> Claims {
    let claims = Claims::default();
    for (name, target, mode) in of {
        claims.claim("shop", name, &scaler(target, *mode));
    }
    claims
}

#[test]
fn two_on_one_target_are_rivals_of_each_other() {
    let claims =
        claims(&[("a", "web", Mode::Active), ("b", "web", Mode::Active), ("c", "api", Mode::Active)]);
    assert_eq!(claims.rivals("shop", "a"), ["b"]);
    assert_eq!(claims.rivals("shop", "b"), ["a"]);
    assert_eq!(claims.rivals("shop", "c"), Vec::<String>::new());
}

#[test]
fn those_of_a_target_are_known_by_it() {
    let claims = claims(&[("a", "web", Mode::Active), ("b", "web", Mode::Recommend)]);
    assert_eq!(claims.claimants("shop", &scaler("web", Mode::Recommend).scale_target_ref), ["a"]);
    assert_eq!(claims.claimants("shop", &scaler("api", Mode::Active).scale_target_ref), Vec::<String>::new());
    assert_eq!(claims.claimants("bank", &scaler("web", Mode::Active).scale_target_ref), Vec::<String>::new());
}

#[test]
fn one_that_only_recommends_is_nobodys_rival() {
    let claims = claims(&[("a", "web", Mode::Active), ("b", "web", Mode::Recommend)]);
    assert_eq!(claims.rivals("shop", "a"), Vec::<String>::new());
    assert_eq!(claims.rivals("shop", "b"), Vec::<String>::new());
}

#[test]
fn a_rival_that_moves_on_or_goes_is_none_any_more() {
    let claims =
        claims(&[("a", "web", Mode::Active), ("b", "web", Mode::Active), ("c", "web", Mode::Active)]);
    claims.claim("shop", "b", &scaler("api", Mode::Active));
    claims.withdraw("shop", "c");
    assert_eq!(claims.rivals("shop", "a"), Vec::<String>::new());
}

#[test]
fn another_version_of_the_kind_is_the_same_target() {
    let claims = claims(&[("a", "web", Mode::Active)]);
    let mut other = scaler("web", Mode::Active);
    other.scale_target_ref.api_version = Some("apps/v1beta1".into());
    claims.claim("shop", "b", &other);
    assert_eq!(claims.rivals("shop", "a"), ["b"]);
}

#[test]
fn selectors_are_ambiguous_only_over_a_pod_they_share() {
    let claims = claims(&[("a", "web", Mode::Active), ("b", "api", Mode::Active)]);
    let pod = |app: &str| {
        Arc::new(ObservedPod { labels: [("app".into(), app.into())].into(), ..ObservedPod::default() })
    };
    let narrow = parse_selector("app=web").unwrap();
    let wide = parse_selector("app").unwrap();
    assert_eq!(claims.select("shop", "b", &wide, &[]), Vec::<String>::new());
    assert_eq!(claims.select("shop", "a", &narrow, &[]), Vec::<String>::new());
    assert_eq!(claims.select("shop", "a", &narrow, &[pod("web")]), ["b"]);
    assert_eq!(claims.select("shop", "b", &wide, &[pod("db")]), Vec::<String>::new());
}

#[test]
fn a_selector_that_changed_is_no_longer_ambiguous() {
    let claims = claims(&[("a", "web", Mode::Active), ("b", "api", Mode::Active)]);
    let pods =
        [Arc::new(ObservedPod { labels: [("app".into(), "web".into())].into(), ..ObservedPod::default() })];
    let select = |name: &str, text: &str| claims.select("shop", name, &parse_selector(text).unwrap(), &pods);
    select("b", "app=web,tier!=back");
    assert_eq!(select("a", "app=web"), ["b"]);
    select("b", "app in (web,db)");
    assert_eq!(select("a", "app=web"), ["b"]);
    select("b", "app=api");
    assert_eq!(select("a", "app=web"), Vec::<String>::new());
}
