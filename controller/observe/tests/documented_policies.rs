//! What `docs/policies.md` shows is understood: times, zones and formulas, which the schema cannot check.

// A test that cannot go on should say where.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::Path;

use plimsoll_api::PodScaler;
use plimsoll_observe::observe_policy;

#[test]
fn every_example_is_understood() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/policies.md");
    let page = std::fs::read_to_string(page).unwrap();
    let examples: Vec<&str> =
        page.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    let policies: Vec<_> = examples
        .iter()
        .map(|example| {
            let scaler: PodScaler = serde_saphyr::from_str(example).unwrap();
            observe_policy(&scaler.spec).unwrap_or_else(|error| panic!("{error} in\n{example}"))
        })
        .collect();
    assert!(policies.iter().any(|policy| policy.schedules.len() == 2));
    assert!(policies.iter().any(|policy| policy.fallback.is_some()));
    assert!(policies.iter().any(|policy| policy.formula.is_some()));
    assert!(
        policies
            .iter()
            .any(|policy| policy.metric_options.iter().any(|options| options.activation == Some(10)))
    );
}
