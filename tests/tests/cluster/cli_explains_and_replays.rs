//! The real `plimsoll` and `kubectl plimsoll`, which ask a real operator through the API server.

use std::{fs, path::Path};

use anyhow::{Context, Result, anyhow, ensure};
use serde_json::{Value, json};
use testbed::{
    Cli, Cluster, ClusterSpec, Load, Operator, Total, eventually,
    operator::{LogTail, NAMESPACE},
};
use tokio::sync::OnceCell;

use crate::{
    hpas,
    stage::{self, FAST, PATIENCE, Scene, Target, utilization},
    workload,
};

/// A cluster whose API server reaches the operator's pods, and two replicas of the operator.
struct Bed {
    cluster: &'static Cluster,
    operator: Operator<'static>,
    cli: Cli,
}

async fn bed() -> Result<(&'static Bed, LogTail)> {
    static BED: OnceCell<Bed> = OnceCell::const_new();
    let bed = BED
        .get_or_try_init(async || {
            let spec = ClusterSpec { nodes_per_zone: 1, pod_network: true, ..ClusterSpec::default() };
            // It ends with this process, as what is shared does.
            let cluster = Box::leak(Box::new(Cluster::start(spec).await?));
            // What is kept for a replay is lost when another replica leads, as it would after a pause of the machine.
            let lease = "--set=leaderElection.leaseDurationSeconds=60";
            let operator = Operator::install(cluster, &[FAST, "--set=hpa.mode=shadow", lease]).await?;
            anyhow::Ok(Bed { cluster, operator, cli: Cli::new(cluster)? })
        })
        .await?;
    Ok((bed, bed.operator.log_tail()))
}

/// Two pods at a load of 190 m, which at 50 m a pod are 3.8 pods.
async fn loaded(scene: &Scene<'_>) -> Result<Load> {
    workload::deploy(scene.cluster, &scene.namespace, "web", 2, 100).await?;
    let total = Total { cpu_milli: 190, memory_mib: 64 };
    Load::start(scene.cluster, &scene.namespace, "app=web", total).await
}

/// The same, scaled to 4 by a PodScaler. That is its maximum, as one sample that is read too high would lead to more, which
/// would stay for minutes.
async fn scaled(scene: &Scene<'_>) -> Result<Load> {
    let load = loaded(scene).await?;
    let web = Target::deployment("web");
    scene.scale("web", &web, json!({"maxReplicas": 4, "metrics": [utilization("cpu", 50)]})).await?;
    scene.reaches(&web, 4).await?;
    Ok(load)
}

/// The decision is the leader's, with what only the operator knows, and it is what the status says.
#[tokio::test]
async fn explain_tells_what_the_leader_decided() -> Result<()> {
    let (bed, _tail) = bed().await?;
    let scene = Scene::new(bed.cluster, "explain").await?;
    let _load = scaled(&scene).await?;

    let explain = ["explain", "podscaler", "web", "--namespace", &scene.namespace];
    let head = format!("PodScaler {}/web (Plimsoll-1, 1 to 4 pods)", scene.namespace);
    // While a look is late, or a metric or a leader is missing, less can be told.
    eventually("the leader's explanation", PATIENCE, async || {
        let told = bed.cli.run(explain).await?;
        ensure!(told.code == Some(0) && told.stderr.is_empty(), "{told:?}");
        for words in [
            head.as_str(),
            "The next look is in ",
            "cpu resource utilization (percentage of request)  ",
            "PODS FOR ",
            "AbleToScale=True ",
        ] {
            ensure!(told.stdout.contains(words), "no {words:?} in {}", told.stdout);
        }
        Ok(())
    })
    .await?;
    eventually("the same in both", PATIENCE, async || {
        let explained: Value =
            serde_json::from_str(&bed.cli.stdout(explain.into_iter().chain(["-o", "json"])).await?)?;
        ensure!(explained["source"] == "operator", "{explained}");
        let status = scene.scaler("web").await?["status"].clone();
        let proposed = &status["lastDecision"]["proposals"][0]["replicas"];
        let pods = explained["explanation"]["metrics"][0]["pods"]["ready"].as_u64();
        let same = &explained["explanation"]["metrics"][0]["proposal"] == proposed;
        // Pods that were counted are in no status.
        if same && pods == Some(4) { Ok(()) } else { Err(anyhow!("{explained:#} and {status:#}")) }
    })
    .await?;
    stage::no_defects(&bed.operator)
}

/// A person needs no more than the page says, and is told what is missing where it is less.
#[tokio::test]
async fn two_rights_are_enough_to_ask() -> Result<()> {
    let (bed, _tail) = bed().await?;
    let scene = Scene::new(bed.cluster, "rights").await?;
    let _load = scaled(&scene).await?;
    let kubectl = async |args: &[&str]| bed.cluster.kubectl(args).await;
    let name = scene.namespace.name();
    kubectl(&["create", "serviceaccount", "person", "--namespace", name]).await?;
    let account = format!("--serviceaccount={name}:person");
    kubectl(&["create", "role", "scalers", "--namespace", name, "--verb=get", "--resource=podscalers"])
        .await?;
    kubectl(&["create", "rolebinding", "person", "--namespace", name, "--role=scalers", &account]).await?;
    let token = kubectl(&["create", "token", "person", "--namespace", name]).await?.stdout;
    let kubeconfig = bed.cluster.state().join(format!("{name}.kubeconfig"));
    fs::copy(bed.cluster.kubeconfig(), &kubeconfig)?;
    let file = kubeconfig.display().to_string();
    let set = |args: &[&str]| {
        let args: Vec<_> =
            ["config", "--kubeconfig", &file].iter().chain(args).map(ToString::to_string).collect();
        async move { bed.cluster.kubectl(args).await }
    };
    set(&["set-credentials", "person", &format!("--token={}", token.trim())]).await?;
    set(&["set-context", "--current", "--user=person", &format!("--namespace={name}")]).await?;
    let person = bed.cli.with(&kubeconfig);

    eventually("the status", PATIENCE, async || {
        let told = person.run(["explain", "podscaler", "web"]).await?;
        ensure!(told.code == Some(0) && told.stdout.contains("cpu resource utilization"), "{told:?}");
        ensure!(told.stderr.contains("which names the operator's leader"), "{told:?}");
        ensure!(told.stderr.contains("cannot get resource \"leases\""), "{told:?}");
        Ok(())
    })
    .await?;
    let told = person.run(["replay", "web"]).await?;
    ensure!(told.code == Some(1) && told.stderr.contains("cannot get resource \"leases\""), "{told:?}");

    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "rules": [
            {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["get"]},
            {"apiGroups": [""], "resources": ["pods/proxy"], "verbs": ["get"]},
        ],
    });
    bed.cluster.kubectl_with(["create", "-f", "-"], &role.to_string()).await?;
    let role = format!("--role={name}");
    kubectl(&["create", "rolebinding", name, "--namespace", NAMESPACE, &role, &account]).await?;
    eventually("the operator's own decision", PATIENCE, async || {
        let told = person.run(["explain", "podscaler", "web"]).await?;
        if told.stderr.is_empty() && told.stdout.contains("PODS FOR") {
            Ok(())
        } else {
            Err(anyhow!("{told:?}"))
        }
    })
    .await
}

/// Every kept decision comes out again to the byte, also from a file without any cluster, and another policy has its
/// own answers.
#[tokio::test]
async fn replay_reproduces_each_decision_and_tries_another_policy() -> Result<()> {
    let (bed, _tail) = bed().await?;
    let scene = Scene::new(bed.cluster, "replay").await?;
    let _load = scaled(&scene).await?;
    let folder = bed.cluster.state().join(scene.namespace.name());
    fs::create_dir_all(&folder)?;
    let saved = folder.join("incident.json");

    let told = eventually("two decisions, one of them on the new size", PATIENCE, async || {
        let replay = ["replay", "web", "--namespace", &scene.namespace, "--save", text(&saved)?];
        let told = bed.cli.run(replay).await?;
        ensure!(told.stderr.contains("saved ") && told.stdout.lines().skip(1).count() > 1, "{told:?}");
        ensure!(told.stdout.lines().any(|row| row.contains("2 -> 4")), "{}", told.stdout);
        Ok(told)
    })
    .await?;
    let is_the_same = |row: &str| row.ends_with("the same");
    ensure!(told.code == Some(0) && told.stdout.lines().skip(1).all(is_the_same), "{told:?}");

    let nowhere = bed.cli.with(Path::new("/dev/null"));
    let again = nowhere.stdout(["replay", "--file", text(&saved)?]).await?;
    ensure!(again == told.stdout, "{again} and {}", told.stdout);

    // At 25 m a pod the load is one of 7.6 pods, and from 2 one step leads to 6.
    let new = stage::pod_scaler(
        "web",
        &Target::deployment("web"),
        json!({"maxReplicas": 9, "metrics": [utilization("cpu", 25)], "behavior": {
            "scaleUp": {"policies": [{"type": "Pods", "value": 4, "periodSeconds": 15}]}}}),
    );
    let policy = folder.join("new.json");
    fs::write(&policy, new.to_string())?;
    let other = nowhere.run(["replay", "--file", text(&saved)?, "--policy", text(&policy)?]).await?;
    // While the load comes up an earlier decision may differ as well.
    let mut rows = other.stdout.lines().filter(|row| row.contains("2 -> 4"));
    let is_other = |row: &str| row.contains("2 -> 6") && row.contains("at most 4 pods per 15s");
    ensure!(rows.any(is_other), "{}", other.stdout);
    ensure!(other.code == Some(0) && other.stderr.contains(" decisions differ."), "{other:?}");

    let mut changed: Value = serde_json::from_str(&fs::read_to_string(&saved)?)?;
    changed["decisions"][0]["decision"]["desired"] = json!(8);
    fs::write(&saved, changed.to_string())?;
    let told = nowhere.run(["replay", "--file", text(&saved)?]).await?;
    ensure!(told.code == Some(1) && told.stdout.contains("DIFFERENT"), "{told:?}");
    Ok(())
}

/// What a whole cluster of HPAs converts to is accepted as it is, decides what the HPA decided, and stands aside
/// until the HPA is gone.
#[tokio::test]
async fn converted_hpas_are_applied_and_take_over() -> Result<()> {
    let (bed, _tail) = bed().await?;
    let scene = Scene::new(bed.cluster, "convert").await?;
    let _load = loaded(&scene).await?;
    let behavior = json!({"scaleDown": {"stabilizationWindowSeconds": 60, "policies": [
        {"type": "Percent", "value": 50, "periodSeconds": 60}]}});
    let spec = json!({"maxReplicas": 4, "metrics": [utilization("cpu", 50)], "behavior": behavior});
    hpas::create(&scene, &Target::deployment("web"), spec).await?;
    // The HPA's defaults are the API server's to fill in.
    workload::deploy(scene.cluster, &scene.namespace, "idle", 1, 100).await?;
    hpas::create(&scene, &Target::deployment("idle"), json!({"maxReplicas": 3})).await?;
    hpas::until(&scene, "web", |hpa| hpa["status"]["desiredReplicas"] == 4).await?;

    let told = bed.cli.run(["convert", "--all"]).await?;
    ensure!(told.code == Some(0), "{told:?}");
    for name in ["web", "idle"] {
        let words = format!("{}/{name} is converted. With `algorithm: Plimsoll-1`", scene.namespace);
        ensure!(told.stderr.contains(&words), "no {words:?} in {}", told.stderr);
    }
    let here = ["convert", "--all", "--namespace", &scene.namespace];
    let converted = bed.cli.stdout(here).await?;
    ensure!(converted.matches("kind: PodScaler").count() == 2, "{converted}");
    let apply = ["apply", "--validate=strict", "-f", "-"];
    let applied = bed.cluster.kubectl_with(apply, &converted).await?;
    ensure!(applied.stderr.is_empty(), "{}", applied.stderr);

    let told = scene.condition("web", "AbleToScale=False Conflicting").await?;
    ensure!(told.contains("a HorizontalPodAutoscaler has the same target: web"), "{told}");
    let mut requests = scene.requests()?;
    bed.cluster.kubectl(["delete", "hpa", "--all", "--namespace", &scene.namespace]).await?;
    let active = scene
        .until("web", |scaler| {
            stage::conditions(scaler).iter().any(|(told, _)| told == "AbleToScale=True ReadyForNewScale")
        })
        .await?;
    ensure!(active["status"]["desiredReplicas"] == 4, "{active}");
    let writes = requests.all()?.iter().filter(|request| request.is("patch", "deployments/scale")).count();
    ensure!(writes == 0, "{writes} writes of a size that was right all the time");
    let again = bed.cluster.kubectl_with(apply, &converted).await?.stdout;
    ensure!(again.matches(" unchanged").count() == 2, "{again}");
    Ok(())
}

/// In shadow both answers stand beside each other, for one namespace or all.
#[tokio::test]
async fn diff_shows_both_answers_of_an_hpa_in_shadow() -> Result<()> {
    let (bed, _tail) = bed().await?;
    let scene = Scene::new(bed.cluster, "diff").await?;
    let _load = loaded(&scene).await?;
    let spec = json!({"maxReplicas": 4, "metrics": [utilization("cpu", 50)]});
    hpas::create(&scene, &Target::deployment("web"), spec).await?;
    let diff = ["diff", "--exit-code", "--namespace", &scene.namespace];
    let shown = eventually("4 by both", PATIENCE, async || {
        let told = bed.cli.run(diff).await?;
        let name = format!("{}/web", scene.namespace);
        let row =
            told.stdout.lines().find(|row| row.starts_with(&name)).with_context(|| format!("{told:?}"))?;
        let cells: Vec<_> = row.split_whitespace().collect();
        let agree = cells[1..3] == ["4", "4"] && told.stderr == "0 of 1 differ\n" && told.code == Some(0);
        ensure!(agree, "{told:?}");
        let shown = bed.cli.stdout(diff.into_iter().chain(["-o", "json"])).await?;
        Ok(serde_json::from_str::<Value>(&shown)?)
    })
    .await?;
    let hpas = shown["hpas"].as_array().context("no list")?;
    ensure!(hpas.len() == 1 && hpas[0]["namespace"] == scene.namespace.name(), "{shown}");
    Ok(())
}

/// kubectl finds the plugin, which speaks of itself as it was called.
#[tokio::test]
async fn kubectl_has_it_as_a_plugin() -> Result<()> {
    let (bed, _tail) = bed().await?;
    let scene = Scene::new(bed.cluster, "plugin").await?;
    let _load = scaled(&scene).await?;
    let plugins = bed.cli.kubectl(["plugin", "list"]).await?;
    ensure!(plugins.stdout.contains("/kubectl-plimsoll"), "{plugins:?}");

    eventually("the leader's answers", PATIENCE, async || {
        let told = bed.cli.kubectl(["plimsoll", "explain", "podscaler/web", "-n", &scene.namespace]).await?;
        ensure!(told.code == Some(0) && told.stderr.is_empty(), "{told:?}");
        ensure!(told.stdout.starts_with(&format!("PodScaler {}/web (", scene.namespace)), "{told:?}");
        let told = bed.cli.kubectl(["plimsoll", "replay", "web", "-n", &scene.namespace]).await?;
        ensure!(told.code == Some(0) && told.stdout.contains("the same"), "{told:?}");
        Ok(())
    })
    .await?;
    let told = bed.cli.kubectl(["plimsoll", "replay"]).await?;
    ensure!(told.code != Some(0) && told.stderr.contains("Usage: kubectl plimsoll replay"), "{told:?}");
    Ok(())
}

/// At an address of its own, as after a port-forward, the leader answers and a follower names it.
#[tokio::test]
async fn a_replica_can_be_asked_at_its_own_address() -> Result<()> {
    let (bed, _tail) = bed().await?;
    let scene = Scene::new(bed.cluster, "forward").await?;
    let _load = scaled(&scene).await?;
    eventually("the answers of a leader and a follower", PATIENCE, async || {
        let mut ended = Vec::new();
        for replica in bed.operator.processes() {
            let url = replica.http_url();
            let told = bed.cli.run(["replay", "web", "-n", &scene.namespace, "--operator", &url]).await?;
            ended.push((replica.pod(), told));
        }
        let (leaders, followers): (Vec<_>, Vec<_>) = ended.iter().partition(|(_, told)| told.code == Some(0));
        let ([(leader, told)], [(_, refused)]) = (leaders.as_slice(), followers.as_slice()) else {
            return Err(anyhow!("{ended:?}"));
        };
        ensure!(told.stdout.contains("the same"), "{told:?}");
        ensure!(refused.stderr.contains(&format!("the leader is {leader}")), "{refused:?}");
        Ok(())
    })
    .await
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().context("a path that is no text")
}
