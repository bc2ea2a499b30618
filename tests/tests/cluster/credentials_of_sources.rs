use std::{
    fs,
    net::Ipv4Addr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use anyhow::{Result, ensure};
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use testbed::{
    operator::{NAMESPACE, RELEASE, chart},
    prometheus::Prometheus,
};

use crate::{
    loopback::{Answer, Server},
    sources::{says, scaled_by, source, told, told_of_all},
    stage::{self, Scene, Target},
    workload,
};

/// A fake endpoint knows one token at a time. The Secret beside its address is used, followed when it is rotated, and
/// missed when it is gone, and then the fallback applies; without the chart's value nothing of it is read.
#[tokio::test]
async fn credentials_follow_their_secret() -> Result<()> {
    stage::story("secret", async |scene| {
        let known = Arc::new(Mutex::new("one"));
        let server = guarded(&known).await?;
        scene.create(secret("creds", "one")).await?;
        let address = format!("http://127.0.0.1:{}", server.port);
        let endpoint = json!({"address": address, "bearerToken": {"name": "creds", "key": "token"}});
        scene.create(patient_source("guarded", &endpoint)).await?;
        let way_out = "the chart's value sources.secretNamespaces";
        says(scene, "guarded", "Ready=False MissingSecret", way_out).await?;

        allow_secrets(scene, &scene.namespace).await?;
        told(scene, "guarded", "Ready=True Answered").await?;

        let web = Target::deployment("web");
        workload::deploy(scene.cluster, &scene.namespace, "web", 1, 10).await?;
        let mut spec = scaled_by(&json!({"name": "guarded"}));
        spec["fallback"] = json!({"afterFailures": 2, "behavior": "Static", "replicas": 5});
        // A Secret that was read too slowly is missed for some looks: the fallback must not stay for minutes.
        spec["behavior"] = json!({"scaleDown": {"stabilizationWindowSeconds": 0}});
        scene.scale("web", &web, spec).await?;
        scene.reaches(&web, 3).await?;

        *known.lock().unwrap_or_else(PoisonError::into_inner) = "two";
        let failed = "ScalingActive=False FailedGetPrometheusMetric";
        scene.says("web", failed, "401 Unauthorized: check the credentials").await?;
        let rotated = json!({"stringData": {"token": "two"}});
        scene.api("v1", "Secret").patch("creds", &PatchParams::default(), &Patch::Merge(&rotated)).await?;
        scene.condition("web", "ScalingActive=True ValidMetricFound").await?;

        scene.cluster.kubectl(["delete", "secret", "creds", "--namespace", scene.namespace.name()]).await?;
        let gone = format!("the Secret {}/creds does not exist", scene.namespace);
        scene.says("web", failed, &gone).await?;
        scene.reaches(&web, 5).await
    })
    .await
}

/// A ClusterSource speaks with a Secret of the operator's namespace, and not with one of the same name beside the
/// PodScaler, whose writer is somebody else.
#[tokio::test]
async fn a_cluster_source_has_the_secret_of_the_operators_namespace() -> Result<()> {
    stage::story("everywhere", async |scene| {
        let name = scene.namespace.name();
        let known = Arc::new(Mutex::new("the operator's"));
        let server = guarded(&known).await?;
        scene.create(secret(name, "somebody's")).await?;
        allow_secrets(scene, name).await?;
        let cluster_source = json!({
            "apiVersion": "plimsoll.dev/v1alpha1", "kind": "ClusterSource", "metadata": {"name": name},
            "spec": {"namespaces": [name], "timeoutSeconds": 30, "prometheus": {
                "address": format!("http://127.0.0.1:{}", server.port),
                "bearerToken": {"name": name, "key": "token"},
            }},
        });
        scene.cluster.kubectl_with(["create", "-f", "-"], &cluster_source.to_string()).await?;
        let web = Target::deployment("web");
        workload::deploy(scene.cluster, name, "web", 1, 10).await?;
        scene.scale("web", &web, scaled_by(&json!({"kind": "ClusterSource", "name": name}))).await?;
        let way_out = format!("add {NAMESPACE} to the chart's value sources.secretNamespaces");
        scene.says("web", "ScalingActive=False FailedGetPrometheusMetric", &way_out).await?;

        allow_secrets(scene, NAMESPACE).await?;
        let mut theirs = secret(name, "the operator's");
        theirs["metadata"]["namespace"] = json!(NAMESPACE);
        scene.cluster.kubectl_with(["create", "-f", "-"], &theirs.to_string()).await?;
        told_of_all(scene, name, "Ready=True Answered").await?;
        scene.reaches(&web, 3).await?;
        for gone in [
            ["clustersource", name].as_slice(),
            &["secret", name, "--namespace", NAMESPACE],
            &["role,rolebinding", "plimsoll-sources", "--namespace", NAMESPACE],
        ] {
            scene.cluster.kubectl(["delete"].iter().chain(gone)).await?;
        }
        Ok(())
    })
    .await
}

/// A real Prometheus that takes nobody without a certificate of an authority that the world does not know.
#[tokio::test]
async fn a_source_speaks_tls_with_a_client_certificate() -> Result<()> {
    stage::story("tls", async |scene| {
        let pki = scene.cluster.pki();
        let prometheus = Prometheus::start_with_tls(scene.cluster, &pki).await?;
        let read = |file| fs::read_to_string(pki.join(file));
        let object = |name: &str, kind: &str, data: Value| json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "type": kind, "stringData": data});
        scene.create(object("authority", "Opaque", json!({"ca.crt": read("ca.crt")?}))).await?;
        let pair = json!({"tls.crt": read("admin.crt")?, "tls.key": read("admin.key")?});
        scene.create(object("pair", "kubernetes.io/tls", pair)).await?;
        allow_secrets(scene, &scene.namespace).await?;

        let ca = json!({"name": "authority", "key": "ca.crt"});
        let endpoint = |tls: Value| json!({"address": prometheus.url(), "tls": tls});
        let tls = |name: &str, tls: Value| scene.create(patient_source(name, &endpoint(tls)));
        tls("known", json!({"ca": ca, "clientCertificate": "pair"})).await?;
        told(scene, "known", "Ready=True Answered").await?;
        // Now that it listens, what keeps others out is no refused connection.
        tls("stranger", json!({"clientCertificate": "pair"})).await?;
        tls("nobody", json!({"ca": ca})).await?;
        says(scene, "stranger", "Ready=False NoAnswer", "certificate").await?;
        told(scene, "nobody", "Ready=False NoAnswer").await?;

        let web = Target::deployment("web");
        workload::deploy(scene.cluster, &scene.namespace, "web", 1, 10).await?;
        let mut spec = scaled_by(&json!({"name": "known"}));
        spec["metrics"][0]["prometheus"]["query"] = json!("vector(30)");
        scene.scale("web", &web, spec).await?;
        scene.reaches(&web, 3).await
    })
    .await
}

/// Where the installer has said which hosts may be asked, no other one is, and no Secret is read for it.
#[tokio::test]
async fn only_hosts_that_the_installer_allows_are_asked() -> Result<()> {
    stage::story("addresses", async |scene| {
        let asked = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&asked);
        let server = Server::start(Ipv4Addr::LOCALHOST, 0, move |_| {
            counted.fetch_add(1, Ordering::Relaxed);
            Answer::scalar(30.0)
        })
        .await?;
        let mut requests = scene.requests()?;
        scene.create(secret("creds", "one")).await?;
        allow_secrets(scene, &scene.namespace).await?;
        let token = json!({"name": "creds", "key": "token"});
        // The shared operator is told `--source-addresses=127.0.0.1`.
        let endpoint = json!({"address": format!("http://localhost:{}", server.port), "bearerToken": token});
        scene.create(source("elsewhere", &endpoint)).await?;
        let message = told(scene, "elsewhere", "Ready=False AddressNotAllowed").await?;
        ensure!(message.contains("the host localhost is not among those that may be asked"), "{message}");
        workload::deploy(scene.cluster, &scene.namespace, "web", 1, 10).await?;
        scene.scale("web", &Target::deployment("web"), scaled_by(&json!({"name": "elsewhere"}))).await?;
        scene.says("web", "ScalingActive=False FailedGetPrometheusMetric", "--source-addresses").await?;
        ensure!(asked.load(Ordering::Relaxed) == 0, "it was asked");
        let reads = requests.all()?.iter().filter(|request| request.is("get", "secrets")).count();
        ensure!(reads == 0, "the Secret was read {reads} times");
        Ok(())
    })
    .await
}

/// A Source whose answers are waited for: one that comes late is taken for a source that hangs.
fn patient_source(name: &str, prometheus: &Value) -> Value {
    let mut source = source(name, prometheus);
    source["spec"]["timeoutSeconds"] = json!(30);
    source
}

/// A Secret with a token.
fn secret(name: &str, token: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": {"token": token}})
}

/// A fake endpoint that knows one token at a time.
async fn guarded(known: &Arc<Mutex<&'static str>>) -> Result<Server> {
    let known = Arc::clone(known);
    Server::start(Ipv4Addr::LOCALHOST, 0, move |request| {
        let expected =
            format!("authorization: Bearer {}\r\n", known.lock().unwrap_or_else(PoisonError::into_inner));
        if request.contains(&expected) {
            Answer::scalar(30.0)
        } else {
            Answer::Body(401, "text/plain", String::new())
        }
    })
    .await
}

/// Does what `helm upgrade --set sources.secretNamespaces={…}` adds.
async fn allow_secrets(scene: &Scene<'_>, namespace: &str) -> Result<()> {
    let template = [
        "template".to_owned(),
        RELEASE.to_owned(),
        chart().display().to_string(),
        format!("--namespace={NAMESPACE}"),
        "--show-only=templates/sources.yaml".to_owned(),
        format!("--set=sources.secretNamespaces={{{namespace}}}"),
    ];
    let rendered = scene.cluster.helm(template).await?;
    scene.cluster.kubectl_with(["create", "-f", "-"], &rendered.stdout).await.map(drop)
}
