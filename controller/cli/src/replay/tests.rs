use std::path::PathBuf;

use super::*;
use crate::{
    fixtures::{golden, history},
    output::tests::Kept as Written,
};

fn replayed(history: &History) -> (End, Written) {
    let mut output = Written::default();
    let end = again(history, &mut output).unwrap();
    (end, output)
}

fn file(text: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    fs::write(&path, text).unwrap();
    (folder, path)
}

#[test]
fn decisions_are_reproduced_to_the_byte() {
    let (end, output) = replayed(&history());
    assert_eq!(end, End::Well);
    golden("replay", &output.stdout);
}

#[test]
fn what_was_saved_is_replayed_as_what_was_fetched() {
    let (_folder, path) = file(&serde_json::to_string_pretty(&history()).unwrap());
    let (read, _) = History::read(&path).unwrap();
    assert_eq!(replayed(&read).0, End::Well);
}

/// One size that is not what the rules say, and one byte that changes no value.
#[test]
fn a_decision_that_is_not_reproduced_is_shown_with_its_difference() {
    let forge = |from: &str, to: &str| {
        let text = serde_json::to_string(&history()).unwrap();
        assert!(text.contains(from));
        serde_json::from_str::<History>(&text.replacen(from, to, 1)).unwrap()
    };
    let (end, output) = replayed(&forge(r#""desired":7,"reason""#, r#""desired":6,"reason""#));
    assert_eq!(end, End::Amiss);
    assert!(output.stdout.contains("DIFFERENT"), "{}", output.stdout);
    assert!(output.stdout.contains("-   \"desired\": 6,\n+   \"desired\": 7,\n"), "{}", output.stdout);
    assert!(output.stderr.contains("a decision was not reproduced"), "{}", output.stderr);

    let (end, _) = replayed(&forge(r#""decision":{"current":7,"#, r#""decision":{"current":7, "#));
    assert_eq!(end, End::Amiss, "a byte more is a difference");
}

#[test]
fn decisions_of_another_version_are_named_as_such() {
    let mut history = history();
    history.version = "0.0.9".to_owned();
    history.decisions[0].decision = serde_json::from_str("{}").unwrap();
    let (_, output) = replayed(&history);
    assert!(output.stderr.contains("it was taken by Plimsoll 0.0.9"), "{}", output.stderr);
}

fn under(policy: &str) -> (Written, Vec<(i32, Option<i32>)>) {
    let (_folder, path) = file(policy);
    let policy = super::policy(&path).unwrap();
    let history = history();
    let mut output = Written::default();
    what_if::show(&history, &policy, &mut output).unwrap();
    let records: Vec<_> = history.decisions.iter().rev().collect();
    let moments = what_if::replay(&records, &policy).unwrap();
    let sizes = moments.iter().map(|moment| (moment.old.desired, moment.new.as_ref().map(|new| new.desired)));
    (output, sizes.collect())
}

const POLICY: &str = "
apiVersion: plimsoll.dev/v1alpha1
kind: PodScaler
metadata: {name: web}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
  minReplicas: 2
  maxReplicas: 20
  metrics:
  - type: Resource
    resource: {name: cpu, target: {type: Utilization, averageUtilization: 70}}
";

#[test]
fn another_policy_is_shown_beside_the_old_one() {
    let (output, sizes) = under(POLICY);
    assert_eq!(sizes, [(3, Some(3)), (3, None), (7, Some(6)), (7, Some(9))], "9 is still in the window");
    golden("replay_policy", &output.stdout);
    assert!(output.stderr.contains("2 of 4 decisions differ"), "{}", output.stderr);
}

#[test]
fn a_metric_that_was_not_read_is_said_to_fail() {
    let memory = "\n  - type: Resource\n    resource: {name: memory, target: {type: AverageValue, averageValue: 1Gi}}\n";
    let (output, sizes) = under(&format!("{}{memory}", POLICY.trim_end()));
    assert!(output.stderr.contains("note: memory resource was not read"), "{}", output.stderr);
    assert_eq!(sizes[2], (7, Some(6)), "the other metric still grows it");
}

#[test]
fn a_policy_may_be_that_of_an_hpa() {
    let (_folder, path) = file(
        "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: web}\n\
         spec: {scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}, maxReplicas: 4}\n",
    );
    assert_eq!(super::policy(&path).unwrap().max_replicas, 4);
    let (_folder, path) = file("apiVersion: v1\nkind: ConfigMap\n");
    let error = super::policy(&path).unwrap_err().to_string();
    assert!(error.contains("has 0 PodScalers and HorizontalPodAutoscalers"), "{error}");
}
