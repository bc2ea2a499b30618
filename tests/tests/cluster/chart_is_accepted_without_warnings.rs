use std::{path::PathBuf, process::Command};

use anyhow::{Context, Result};
use testbed::{
    Cluster, ClusterSpec,
    operator::{NAMESPACE, RELEASE, chart},
    tools::{Tools, monitoring_crds},
};

#[test]
fn helm_lint_finds_nothing() -> Result<()> {
    for values in [None, Some(everything())] {
        let mut command = Command::new(Tools::ensure()?.program("helm"));
        command.args(["lint", "--strict"]).arg(chart());
        if let Some(values) = values {
            command.arg("--values").arg(values);
        }
        let output = command.output()?;
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && !said.contains("[WARNING]"), "{command:?}: {said}");
    }
    Ok(())
}

/// Everything the chart can render, with all values switched on, in a namespace that warns of whatever the
/// restricted Pod Security level forbids.
#[tokio::test]
async fn chart_is_accepted_without_warnings() -> Result<()> {
    let cluster = Cluster::start(ClusterSpec { nodes_per_zone: 1, ..ClusterSpec::default() }).await?;
    for crd in monitoring_crds()? {
        // Too big for what a plain apply notes down about it.
        cluster.kubectl(["create", "-f", crd.to_str().context("not UTF-8")?]).await?;
    }
    cluster.serves_what_is_defined().await?;
    cluster.kubectl(["create", "namespace", NAMESPACE]).await?;
    let levels = ["warn", "enforce"].map(|mode| format!("pod-security.kubernetes.io/{mode}=restricted"));
    cluster.kubectl(["label", "namespace", NAMESPACE, &levels[0], &levels[1]]).await?;

    for values in [None, Some(everything())] {
        let mut args = vec!["template".to_owned(), RELEASE.to_owned(), chart().display().to_string()];
        args.extend(["--namespace", NAMESPACE].map(str::to_owned));
        args.extend(values.iter().map(|values| format!("--values={}", values.display())));
        let rendered = cluster.helm(args).await?.stdout;
        let dry_run = ["apply", "--dry-run=server", "--validate=strict", "-f", "-"];
        let output = cluster.kubectl_with(dry_run, &rendered).await?;
        assert_eq!(output.stderr, "", "with {values:?}");
        let accepted = output.stdout.lines().count();
        assert_eq!(accepted, rendered.matches("\nkind: ").count(), "{}", output.stdout);
        let optional = ["servicemonitor", "prometheusrule"].iter().all(|kind| output.stdout.contains(kind));
        assert_eq!(optional, values.is_some(), "{}", output.stdout);
    }
    cluster.stop().await
}

/// Values that switch everything on.
fn everything() -> PathBuf {
    chart().join("tests/everything.yaml")
}
