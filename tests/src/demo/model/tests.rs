use super::*;

const AT: Duration = Duration::from_secs(3);

fn told(desired: u32, scale_time: &str, reason: &str) -> Scaler {
    Scaler {
        desired,
        scale_time: Some(scale_time.to_owned()),
        why: Why { reason: reason.to_owned(), ..Why::default() },
        ..Scaler::default()
    }
}

fn reasons(model: &Model) -> Vec<Option<&str>> {
    let changes = &model.services[0].changes;
    changes.iter().map(|change| change.why.as_ref().map(|why| why.reason.as_str())).collect()
}

#[test]
fn a_change_gets_its_reason_whichever_is_seen_first() {
    let mut model = Model::new(&["web"]);
    model.wants("web", AT, 1);
    model.wants("web", AT, 2);
    assert_eq!(reasons(&model), [None]);
    model.scaler("web", told(2, "noon", "below minimum"));
    assert_eq!(reasons(&model), [Some("below minimum")]);
    model.scaler("web", told(11, "later", "above target"));
    model.wants("web", AT, 11);
    assert_eq!(reasons(&model), [Some("below minimum"), Some("above target")]);
    assert_eq!(model.journal[1].text, "web: 2 -> 11 replicas: above target");
}

#[test]
fn a_change_that_no_scaler_speaks_of_has_no_reason() {
    let mut model = Model::new(&["web"]);
    model.wants("web", AT, 2);
    model.scaler("web", told(2, "noon", "below minimum"));
    model.scaler("web", told(2, "noon", "within tolerance"));
    model.wants("web", AT, 7);
    assert_eq!(reasons(&model), [None]);
}

#[test]
fn a_reason_is_not_kept_for_a_later_change() {
    let mut model = Model::new(&["web"]);
    model.scaler("web", told(2, "before anybody watched", "below minimum"));
    model.wants("web", AT, 2);
    model.wants("web", AT, 11);
    model.scaler("web", told(11, "noon", "above target"));
    model.wants("web", AT, 2);
    assert_eq!(reasons(&model), [Some("above target"), None]);
    model.scaler("web", told(2, "later", "below target"));
    assert_eq!(reasons(&model), [Some("above target"), Some("below target")]);
}

#[test]
fn limits_follow_the_reason() {
    let why = Why {
        reason: "above target".to_owned(),
        recommendation: Some(9),
        limits: vec!["9 -> 8: maxReplicas".to_owned()],
    };
    assert_eq!(why.to_string(), "above target; 9 -> 8: maxReplicas");
}
