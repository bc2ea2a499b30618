//! `plimsoll diff`: what the operator would do in the place of the built-in controller, HPA by HPA.

use anyhow::{Context as _, Result, bail};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    End,
    args::{Connection, Diff, Format},
    output::{Output, Paint, Table},
};

/// What the operator answers at `/shadow`.
#[derive(Deserialize)]
struct Shadows {
    leader: bool,
    hpas: Vec<Shadow>,
}

/// How the answers compare for one HPA.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Shadow {
    namespace: String,
    name: String,
    theirs: Option<i32>,
    ours: Option<i32>,
    reason: String,
    different_since: Option<Timestamp>,
    looks: Looks,
}

/// How comparisons of the same moment ended.
#[derive(Deserialize)]
struct Looks {
    equal: u64,
    different: u64,
    undecided: u64,
}

/// Shows both answers for each HPA in shadow.
pub(crate) async fn run(args: &Diff, connection: &Connection, output: &mut impl Output) -> Result<End> {
    let operator = connection.operator().await?;
    let Some(text) = operator.get("/shadow").await? else { bail!("this operator knows no shadow of HPAs") };
    show(args, connection.namespace.as_deref(), &text, output)
}

fn show(args: &Diff, namespace: Option<&str>, text: &str, output: &mut impl Output) -> Result<End> {
    let shadows: Shadows = serde_json::from_str(text).context("the operator's answer")?;
    let wanted = |shadow: &&Shadow| namespace.is_none_or(|namespace| shadow.namespace == namespace);
    if !shadows.leader {
        bail!("this replica of the operator does not lead, so it compares nothing: ask the leader");
    }
    if args.output == Format::Json {
        output.print(&of_namespace(text, namespace)?)?;
    }
    let shadows: Vec<&Shadow> = shadows.hpas.iter().filter(wanted).collect();
    let differ = shadows.iter().filter(|shadow| shadow.different_since.is_some()).count();
    if shadows.is_empty() {
        output.note("There is no HPA in shadow: the operator compares them when it runs with --hpa=shadow.");
    } else if args.output == Format::Text {
        output.print(&table(&shadows, output.paint()).render())?;
        output.note(&format!("{differ} of {} differ", shadows.len()));
    }
    Ok(if args.exit_code && differ > 0 { End::Amiss } else { End::Well })
}

/// The operator's answer with all that it knows, but without the HPAs of other namespaces.
fn of_namespace(text: &str, namespace: Option<&str>) -> Result<String> {
    let mut answer: Value = serde_json::from_str(text).context("the operator's answer")?;
    if let (Some(namespace), Some(hpas)) = (namespace, answer.get_mut("hpas").and_then(Value::as_array_mut)) {
        hpas.retain(|hpa| hpa["namespace"] == json!(namespace));
    }
    Ok(format!("{}\n", serde_json::to_string_pretty(&answer)?))
}

fn table(shadows: &[&Shadow], paint: Paint) -> Table {
    let head = ["HPA", "THEIRS", "OURS", "DIFFER SINCE", "LOOKS", "WHY OURS"];
    let mut table = Table::new(&head, paint);
    let size =
        |replicas: Option<i32>| replicas.map_or_else(|| "-".to_owned(), |replicas| replicas.to_string());
    for shadow in shadows {
        let Looks { equal, different, undecided } = shadow.looks;
        let since =
            shadow.different_since.map(|since| paint.bad(&since.strftime("%Y-%m-%d %H:%M:%SZ").to_string()));
        table.row([
            format!("{}/{}", shadow.namespace, shadow.name),
            size(shadow.theirs),
            size(shadow.ours),
            since.unwrap_or_default(),
            format!("{equal} equal, {different} different, {undecided} undecided"),
            shadow.reason.clone(),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{fixtures::golden, output::tests::Kept as Written};

    const ANSWER: &str = r#"{"leader": true, "hpas": [
        {"namespace": "shop", "name": "db", "algorithm": "HPA-1.37", "theirs": 3, "ours": 3,
         "reason": "all metrics within tolerance", "differentSince": null,
         "lookedAt": "2026-11-24T08:01:00Z", "shadowedSince": "2026-11-24T07:00:00Z",
         "looks": {"equal": 240, "different": 0, "undecided": 0}},
        {"namespace": "shop", "name": "web", "algorithm": "HPA-1.37", "theirs": 4, "ours": 5,
         "reason": "cpu resource utilization (percentage of request) above target",
         "differentSince": "2026-11-24T08:00:30Z",
         "lookedAt": "2026-11-24T08:01:00Z", "shadowedSince": "2026-11-24T07:00:00Z",
         "looks": {"equal": 237, "different": 3, "undecided": 0}},
        {"namespace": "till", "name": "pay", "algorithm": "HPA-1.37", "theirs": null, "ours": null,
         "reason": "selector is required", "differentSince": null,
         "lookedAt": "2026-11-24T08:01:00Z", "shadowedSince": "2026-11-24T07:00:00Z",
         "looks": {"equal": 0, "different": 0, "undecided": 240}}
    ]}"#;

    fn shown(namespace: Option<&str>, exit_code: bool) -> (End, Written) {
        let mut output = Written::default();
        let args = Diff { exit_code, output: Format::Text };
        let end = show(&args, namespace, ANSWER, &mut output).unwrap();
        (end, output)
    }

    #[test]
    fn both_answers_stand_beside_each_other() {
        let (end, output) = shown(None, false);
        assert_eq!((end, output.stderr.as_str()), (End::Well, "1 of 3 differ\n"));
        golden("diff", &output.stdout);
    }

    #[test]
    fn a_difference_is_an_exit_code_where_that_was_asked_for() {
        assert_eq!(shown(Some("shop"), true).0, End::Amiss);
        let (end, output) = shown(Some("till"), true);
        assert_eq!((end, output.stderr.as_str()), (End::Well, "0 of 1 differ\n"));
    }

    #[test]
    fn programs_get_the_same_hpas_with_all_that_is_known_of_them() {
        let mut output = Written::default();
        let args = Diff { exit_code: false, output: Format::Json };
        show(&args, Some("till"), ANSWER, &mut output).unwrap();
        let shown: Value = serde_json::from_str(&output.stdout).unwrap();
        let all: Value = serde_json::from_str(ANSWER).unwrap();
        assert_eq!(shown, json!({ "leader": true, "hpas": [all["hpas"][2]] }));
    }

    #[test]
    fn nothing_to_compare_is_said() {
        assert!(shown(Some("none"), true).1.stderr.contains("--hpa=shadow"));
        let args = Diff { exit_code: true, output: Format::Text };
        let follower = r#"{"leader": false, "hpas": []}"#;
        let error = show(&args, None, follower, &mut Written::default()).unwrap_err().to_string();
        assert!(error.contains("does not lead"), "{error}");
    }
}
