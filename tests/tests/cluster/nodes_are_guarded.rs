use anyhow::{Context, Result, ensure};
use k8s_openapi::api::{
    admissionregistration::v1::ValidatingAdmissionPolicy,
    apps::v1::Deployment,
    authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec},
    core::v1::{Node, Pod},
};
use kube::{
    Api, Client, Config, ResourceExt,
    api::{DeleteParams, DynamicObject, EvictParams, ListParams, Patch, PatchParams, PostParams},
    config::{KubeConfigOptions, Kubeconfig},
    core::{ApiResource, GroupVersionKind},
};
use serde_json::{Value, json};
use testbed::{
    Cluster, ClusterSpec, eventually,
    operator::{NAMESPACE, RELEASE, chart},
};

use crate::{
    nodes_stage::{is_ready, merge},
    stage::{PATIENCE, Scene, USER},
    workload,
};

/// Who scales nodes.
const NODES_USER: &str = "system:serviceaccount:plimsoll-system:plimsoll-nodes";
const ORDER: &str = "plimsoll.dev/node-order";
const POOL: &str = "plimsoll.dev/capacity-pool";
const DRAINING: &str = "plimsoll.dev/draining";

/// What the chart's admission policies let its two accounts do to nodes, whatever their processes want.
#[tokio::test]
async fn nodes_are_guarded() -> Result<()> {
    let cluster = Cluster::start(ClusterSpec { nodes_per_zone: 1, ..ClusterSpec::default() }).await?;
    install(&cluster).await?;
    let scene = Scene::new(&cluster, "guarded").await?;
    let nodes_user = as_user(&cluster, NODES_USER).await?;
    let guards = Guards { scene: &scene, client: nodes_user };
    rights_are_split(&scene).await?;
    guards.only_marked_nodes().await?;
    guards.only_marks_on_nodes_that_joined().await?;
    guards.only_ends_of_drains_on_nodes_of_others().await?;
    guards.only_evictions_of_a_drain().await?;
    guards.only_one_replica().await?;
    guards.only_nominations().await?;
    guards.only_deletion_costs().await?;
    pods_stay_away_from_nodes(&scene).await?;
    expressions_fit_their_types(&scene).await?;
    cluster.stop().await
}

async fn install(cluster: &Cluster) -> Result<()> {
    cluster.kubectl(["create", "namespace", NAMESPACE]).await?;
    let chart = chart().display().to_string();
    let render =
        ["template", RELEASE, &chart, "--namespace", NAMESPACE, "--set=nodes.enabled=true,replicas=0"];
    let rendered = cluster.helm(render).await?.stdout;
    cluster.kubectl_with(["apply", "-f", "-"], &rendered).await?;
    Ok(())
}

/// A client that acts as this user.
pub(crate) async fn as_user(cluster: &Cluster, user: &str) -> Result<Client> {
    let kubeconfig = Kubeconfig::read_from(cluster.kubeconfig())?;
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
    config.auth_info.impersonate = Some(user.to_owned());
    Ok(Client::try_from(config)?)
}

/// An answer that is a refusal with these words.
pub(crate) fn refused<T>(answer: kube::Result<T>, why: &str) -> Result<()> {
    let told = answer.err().map(|error| error.to_string()).unwrap_or_default();
    ensure!(told.contains(why), "{told:?} does not say {why:?}");
    Ok(())
}

pub(crate) fn try_delete() -> DeleteParams {
    DeleteParams { dry_run: true, ..DeleteParams::default() }
}

pub(crate) fn try_patch() -> PatchParams {
    PatchParams { dry_run: true, ..PatchParams::default() }
}

fn node(name: &str, labels: &Value) -> Result<Node> {
    let size = json!({"cpu": "4", "memory": "8Gi", "pods": "110"});
    Ok(serde_json::from_value(json!({
        "metadata": {"name": name, "labels": labels, "annotations": {"kwok.x-k8s.io/node": "fake"}},
        "status": {"capacity": size, "allocatable": size},
    }))?)
}

struct Guards<'s, 'c> {
    scene: &'s Scene<'c>,
    /// Acts as what scales nodes.
    client: Client,
}

impl Guards<'_, '_> {
    fn nodes(&self) -> Api<Node> {
        Api::all(self.client.clone())
    }

    async fn only_marked_nodes(&self) -> Result<()> {
        let nodes = self.nodes();
        let params = PostParams::default();
        // A policy holds a moment after it was made.
        eventually("the policies", PATIENCE, async || {
            refused(nodes.delete("zone-a-0", &try_delete()).await, "deletes no node that it has not ordered")
        })
        .await?;
        let touch = Patch::Merge(json!({"metadata": {"annotations": {"a": "b"}}}));
        refused(
            nodes.patch("zone-a-0", &try_patch(), &touch).await,
            "changes no node that it has not ordered",
        )?;
        for labels in [json!({}), json!({ORDER: "", POOL: "general"}), json!({ORDER: "general-1"})] {
            let unmarked = node("unmarked", &labels)?;
            refused(nodes.create(&params, &unmarked).await, "makes no node without the labels")?;
        }
        let control_plane =
            json!({ORDER: "general-1", POOL: "general", "node-role.kubernetes.io/control-plane": ""});
        refused(
            nodes.create(&params, &node("control", &control_plane)?).await,
            "no node of the control plane",
        )?;

        nodes.create(&params, &node("ours", &json!({ORDER: "general-1", POOL: "general"}))?).await?;
        eventually("our node to be Ready", PATIENCE, async || {
            let node = nodes.get("ours").await?;
            let conditions = node.status.and_then(|status| status.conditions).unwrap_or_default();
            let ready = conditions.iter().any(|found| found.type_ == "Ready" && found.status == "True");
            ensure!(ready, "{conditions:?}");
            Ok(())
        })
        .await?;
        refused(nodes.delete("ours", &try_delete()).await, "deletes no node that is Ready and has no taint")?;
        let other_mark = Patch::Merge(json!({"metadata": {"labels": {ORDER: "general-2"}}}));
        refused(
            nodes.patch("ours", &try_patch(), &other_mark).await,
            "may be taken away, and not be changed",
        )?;
        let unmark = Patch::Merge(json!({"metadata": {"labels": {ORDER: null}}}));
        nodes.patch("ours", &try_patch(), &unmark).await.context("a mark stays for ever")?;
        Ok(())
    }

    /// A node that joined by itself is marked as ours: that and what a pool's template adds, and nothing else.
    async fn only_marks_on_nodes_that_joined(&self) -> Result<()> {
        let (nodes, anybody) = (self.nodes(), Api::<Node>::all(self.scene.client.clone()));
        let mut joined = node("joined", &json!({"team": "cloud", "kubernetes.io/os": "linux"}))?;
        let gpu = json!({"key": "gpu", "effect": "NoSchedule"});
        let spec = json!({"providerID": "cloud://1", "taints": [gpu]});
        joined.spec = Some(serde_json::from_value(spec)?);
        anybody.create(&PostParams::default(), &joined).await?;
        // What is patched below has the taints that were read: none of Kubernetes' own may come or go meanwhile.
        eventually("it to be Ready with its own taint alone", PATIENCE, async || {
            let node = anybody.get("joined").await?;
            let taints = node.spec.iter().flat_map(|spec| spec.taints.iter().flatten()).count();
            ensure!(is_ready(&node) && taints == 1, "{:?}", node.spec);
            Ok(())
        })
        .await?;
        let taints = async || -> Result<Vec<Value>> {
            let spec = anybody.get("joined").await?.spec.unwrap_or_default();
            Ok(spec.taints.iter().flatten().map(serde_json::to_value).collect::<Result<_, _>>()?)
        };
        let marked = |more: Value| {
            let mut patch = json!({"metadata": {"labels": {ORDER: "general-1", POOL: "general"}}});
            merge(&mut patch, more);
            Patch::Merge(patch)
        };
        let with = |taint: Value, mut taints: Vec<Value>| {
            taints.push(taint);
            json!({"spec": {"taints": taints}})
        };
        let added =
            json!({"metadata": {"labels": {"team": "shop", "tier": "web"}, "annotations": {"a": "b"}}});
        let shop = with(json!({"key": "shop", "effect": "NoSchedule"}), taints().await?);
        for more in [json!({}), added, shop] {
            nodes.patch("joined", &try_patch(), &marked(more)).await.context("no node can be marked")?;
        }
        refused(
            nodes.patch("zone-a-0", &try_patch(), &marked(json!({}))).await,
            "without a spec.providerID",
        )?;
        let drained = with(json!({"key": DRAINING, "effect": "NoSchedule"}), taints().await?);
        for (more, why) in [
            (json!({"metadata": {"labels": {POOL: null}}}), "without the label plimsoll.dev/capacity-pool"),
            (json!({"metadata": {"labels": {"team": null}}}), "takes no label"),
            (
                json!({"metadata": {"labels": {"kubernetes.io/os": "other"}}}),
                "changes none of Kubernetes' own",
            ),
            (json!({"metadata": {"labels": {DRAINING: ""}}}), "drains none in the same write"),
            (json!({"spec": {"taints": []}}), "takes no taint"),
            (drained, "drains none in the same write"),
            (json!({"spec": {"unschedulable": true}}), "and nothing else"),
        ] {
            let told = nodes.patch("joined", &try_patch(), &marked(more.clone())).await;
            refused(told, why).with_context(|| more.to_string())?;
        }
        let status = nodes.patch_status("joined", &try_patch(), &marked(json!({}))).await;
        ensure!(status.is_err(), "a status is no way to mark a node");
        Ok(())
    }

    /// A node whose mark somebody took away during its drain: what the drain left on it goes, and nothing else.
    async fn only_ends_of_drains_on_nodes_of_others(&self) -> Result<()> {
        let (nodes, anybody) = (self.nodes(), Api::<Node>::all(self.scene.client.clone()));
        let mut left = node("left", &json!({"team": "cloud", DRAINING: ""}))?;
        left.annotations_mut().insert("plimsoll.dev/drain".to_owned(), "{}".to_owned());
        let gpu = json!({"key": "gpu", "effect": "NoSchedule"});
        let drained = json!({"key": DRAINING, "effect": "NoSchedule"});
        left.spec = Some(serde_json::from_value(json!({"taints": [gpu, drained]}))?);
        anybody.create(&PostParams::default(), &left).await?;
        let taints = async || -> Result<Vec<Value>> {
            let spec = anybody.get("left").await?.spec.unwrap_or_default();
            Ok(spec.taints.iter().flatten().map(serde_json::to_value).collect::<Result<_, _>>()?)
        };
        let others = eventually("our taint and theirs alone", PATIENCE, async || {
            let mut taints = taints().await?;
            ensure!(taints.len() == 2, "{taints:?}");
            taints.retain(|taint| taint["key"] != DRAINING);
            Ok(taints)
        })
        .await?;
        let ended = |more: Value| {
            let mut patch = json!({
                "metadata": {"labels": {DRAINING: null}, "annotations": {"plimsoll.dev/drain": null}},
                "spec": {"taints": others},
            });
            merge(&mut patch, more);
            Patch::Merge(patch)
        };
        for more in [
            json!({"metadata": {"labels": {"team": null}}}),
            json!({"metadata": {"labels": {"team": "shop"}}}),
            json!({"metadata": {"labels": {"tier": "web"}}}),
            json!({"metadata": {"annotations": {"kwok.x-k8s.io/node": null}}}),
            json!({"metadata": {"annotations": {"a": "b"}}}),
            json!({"spec": {"taints": []}}),
            json!({"spec": {"taints": [{"key": "shop", "effect": "NoSchedule"}]}}),
            json!({"spec": {"unschedulable": true}}),
        ] {
            let told = nodes.patch("left", &try_patch(), &ended(more.clone())).await;
            refused(told, "changes no node that it has not ordered").with_context(|| more.to_string())?;
        }
        let params = PatchParams::default();
        nodes.patch("left", &params, &ended(json!({}))).await.context("a drain is left for ever")?;
        ensure!(taints().await? == others, "{:?}", taints().await?);
        anybody.delete("left", &DeleteParams::default()).await?;
        Ok(())
    }

    async fn only_evictions_of_a_drain(&self) -> Result<()> {
        let scene = self.scene;
        workload::deploy(scene.cluster, &scene.namespace, "web", 2, 100).await?;
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), &scene.namespace);
        let pod = pods.list(&ListParams::default()).await?.items.pop().context("no pod")?;
        // `Api::evict` loses the deleteOptions.
        let evict = async |uid: Option<String>| {
            let options = json!({"preconditions": {"uid": uid}});
            let eviction = json!({
                "apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod.name_any()},
                "deleteOptions": options,
            });
            let params = PostParams { dry_run: true, ..PostParams::default() };
            pods.create_subresource::<Value, Value>("eviction", &pod.name_any(), &params, &eviction).await
        };
        refused(evict(pod.uid()).await, "no params found")?;
        let taint = json!({"key": DRAINING, "effect": "NoSchedule"});
        let drain = json!({"metadata": {"labels": {DRAINING: ""}}, "spec": {"taints": [taint]}});
        // That somebody says so of a node that is not ours is not enough.
        let anybody: Api<Node> = Api::all(scene.client.clone());
        let (label, params) = (json!({"metadata": {"labels": {DRAINING: ""}}}), PatchParams::default());
        anybody.patch("zone-b-0", &params, &Patch::Merge(&label)).await?;
        refused(evict(pod.uid()).await, "no params found")?;
        self.nodes().patch("ours", &params, &Patch::Merge(&drain)).await?;
        eventually("an eviction while a node is drained", PATIENCE, async || {
            evict(pod.uid()).await.map(drop).map_err(Into::into)
        })
        .await?;
        refused(evict(None).await, "has no deleteOptions.preconditions.uid")?;
        refused(pods.delete(&pod.name_any(), &try_delete()).await, "cannot delete resource \"pods\"")?;
        self.nodes().delete("ours", &DeleteParams::default()).await.context("a drained node stays")?;
        eventually("the end of the drain", PATIENCE, async || {
            refused(evict(pod.uid()).await, "no params found")
        })
        .await
    }

    async fn only_one_replica(&self) -> Result<()> {
        let deployments: Api<Deployment> = Api::namespaced(self.client.clone(), &self.scene.namespace);
        for (replicas, may) in [(3, true), (1, true), (4, false), (0, false)] {
            let patch = Patch::Merge(json!({"spec": {"replicas": replicas}}));
            let answer = deployments.patch_scale("web", &try_patch(), &patch).await;
            if may {
                answer.with_context(|| format!("2 replicas may not become {replicas}"))?;
            } else {
                refused(answer, "by one, and never to 0")?;
            }
        }
        Ok(())
    }

    async fn only_nominations(&self) -> Result<()> {
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), &self.scene.namespace);
        // A pod that is bound cannot be nominated, and this one fits nowhere.
        let name = "waiting";
        let resources = json!({"requests": {"cpu": "10000"}});
        let containers = json!([{"name": "app", "image": "app", "resources": resources}]);
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": {"containers": containers},
        });
        self.scene.create(pod).await?;
        let nominate = Patch::Merge(json!({"status": {"nominatedNodeName": "zone-a-0"}}));
        pods.patch_status(name, &try_patch(), &nominate).await.context("a nomination is refused")?;
        let ready = json!([{"type": "Ready", "status": "True"}]);
        for status in [
            json!({"phase": "Failed"}),
            json!({"conditions": ready}),
            json!({"podIP": "10.0.0.1"}),
            json!({"observedGeneration": 99}),
        ] {
            let patch = Patch::Merge(json!({"status": status}));
            refused(pods.patch_status(name, &try_patch(), &patch).await, "but nominatedNodeName")
                .with_context(|| status.to_string())?;
        }
        for metadata in [
            json!({"labels": {"app": "other"}}),
            json!({"annotations": {"a": "b"}}),
            json!({"finalizers": ["example.com/kept"]}),
        ] {
            let patch = Patch::Merge(json!({"metadata": metadata}));
            let told = pods.patch_status(name, &try_patch(), &patch).await;
            refused(told, "no labels, annotations or finalizers").with_context(|| metadata.to_string())?;
        }
        Ok(())
    }
}

impl Guards<'_, '_> {
    async fn only_deletion_costs(&self) -> Result<()> {
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), &self.scene.namespace);
        let pod = pods.list(&ListParams::default().labels("app=web")).await?.items.pop().context("no pod")?;
        let name = pod.name_any();
        let cost = "controller.kubernetes.io/pod-deletion-cost";
        let annotate = |key: &str, value: Value| json!({"metadata": {"annotations": {key: value}}});
        let may = [annotate(cost, json!("-2147483648")), annotate(cost, json!(null))];
        for patch in may {
            pods.patch(&name, &try_patch(), &Patch::Merge(&patch))
                .await
                .with_context(|| patch.to_string())?;
        }
        let may_not = [
            annotate("cluster-autoscaler.kubernetes.io/safe-to-evict", json!("true")),
            json!({"metadata": {"labels": {"app": "other"}}}),
            json!({"metadata": {"finalizers": ["example.com/kept"]}}),
            json!({"spec": {"activeDeadlineSeconds": 1}}),
        ];
        for patch in may_not {
            refused(pods.patch(&name, &try_patch(), &Patch::Merge(&patch)).await, "but its deletion cost")
                .with_context(|| patch.to_string())?;
        }
        Ok(())
    }
}

/// Even with all rights in the cluster, what scales pods writes no node.
async fn pods_stay_away_from_nodes(scene: &Scene<'_>) -> Result<()> {
    let grant = ["create", "clusterrolebinding", "too-much", "--clusterrole=cluster-admin"];
    let account = format!("--serviceaccount={NAMESPACE}:{RELEASE}");
    scene.cluster.kubectl([&grant[..], &[&account]].concat()).await?;
    let client = as_user(scene.cluster, USER).await?;
    let nodes: Api<Node> = Api::all(client.clone());
    eventually("the rights that somebody grants", PATIENCE, async || {
        refused(nodes.delete("zone-a-0", &try_delete()).await, "what scales pods writes no nodes")
    })
    .await?;
    let touch = Patch::Merge(json!({"metadata": {"annotations": {"a": "b"}}}));
    refused(nodes.patch("zone-a-0", &try_patch(), &touch).await, "what scales pods writes no nodes")?;
    let pods: Api<Pod> = Api::namespaced(client.clone(), &scene.namespace);
    let name = pods.list(&ListParams::default()).await?.items.pop().context("no pod")?.name_any();
    // Two policies forbid it, and either may be the one that is named.
    refused(pods.evict(&name, &EvictParams::default()).await, "denied request")?;
    let kind = ApiResource::from_gvk(&GroupVersionKind::gvk("plimsoll.dev", "v1alpha1", "NodeOrder"));
    let orders: Api<DynamicObject> = Api::all_with(client, &kind);
    let offering = json!({"instanceType": "c4", "zone": "zone-a", "capacityType": "spot", "price": 1});
    let order = json!({
        "apiVersion": "plimsoll.dev/v1alpha1", "kind": "NodeOrder",
        "metadata": {"name": "general-1"},
        "spec": {"pool": "general", "offering": offering, "reason": "none", "fencingToken": 0},
    });
    let order: DynamicObject = serde_json::from_value(order)?;
    refused(orders.create(&PostParams::default(), &order).await, "orders none")
}

/// What scales pods has no right on nodes, and what scales nodes none on the sizes and secrets of others.
async fn rights_are_split(scene: &Scene<'_>) -> Result<()> {
    let (pods, nodes) = (USER, NODES_USER);
    let cases = [
        (pods, "patch apps deployments/scale -", true),
        (pods, "patch plimsoll.dev podscalers/status -", true),
        (pods, "update coordination.k8s.io leases plimsoll-operator", true),
        (pods, "create - nodes -", false),
        (pods, "patch - nodes -", false),
        (pods, "delete - nodes -", false),
        (pods, "create - pods/eviction -", false),
        (pods, "patch - pods/status -", false),
        (pods, "create plimsoll.dev nodeorders -", false),
        (pods, "patch plimsoll.dev capacitypools/status -", false),
        (pods, "update coordination.k8s.io leases plimsoll-nodes", false),
        (pods, "patch - configmaps plimsoll-nodes-memory-0", false),
        (pods, "patch autoscaling.x-k8s.io capacitybuffers/status -", false),
        (nodes, "delete - nodes -", true),
        (nodes, "create - pods/eviction -", true),
        (nodes, "update coordination.k8s.io leases plimsoll-nodes", true),
        (nodes, "patch - configmaps plimsoll-nodes-memory-0", true),
        (nodes, "get - replicationcontrollers/scale -", true),
        (nodes, "list - resourcequotas -", true),
        (nodes, "patch autoscaling.x-k8s.io capacitybuffers/status -", true),
        (nodes, "patch autoscaling.x-k8s.io capacitybuffers -", false),
        (nodes, "deletecollection - nodes -", false),
        (nodes, "delete - pods -", false),
        // Only the deletion cost: a policy says so.
        (nodes, "patch - pods -", true),
        (nodes, "get - configmaps plimsoll-nodes-memory-7", true),
        (nodes, "get - configmaps plimsoll-memory-0", false),
        (nodes, "patch - configmaps plimsoll-memory-0", false),
        (nodes, "get - configmaps of-somebody", false),
        (nodes, "create - configmaps -", false),
        (nodes, "list - configmaps -", false),
        (nodes, "patch apps deployments -", false),
        (nodes, "patch apps statefulsets/scale -", false),
        (nodes, "patch plimsoll.dev podscalers/status -", false),
        (nodes, "patch plimsoll.dev capacitypools -", false),
        (nodes, "update coordination.k8s.io leases plimsoll-operator", false),
        (nodes, "get - secrets cloud-tls", false),
        (nodes, "get - pods -", false),
        (nodes, "get plimsoll.dev nodeorders -", false),
        (nodes, "update apps deployments/scale -", false),
        (nodes, "list plimsoll.dev podscalers -", false),
        (nodes, "list - replicationcontrollers -", false),
        (nodes, "list batch jobs -", false),
    ];
    let reviews: Api<SubjectAccessReview> = Api::all(scene.client.clone());
    for (user, ask, may) in cases {
        let words: Vec<_> =
            ask.split(' ').map(|word| if word == "-" { "" } else { word }.to_owned()).collect();
        let [verb, group, resource, name] = words.try_into().map_err(|words| anyhow::anyhow!("{words:?}"))?;
        let (resource, subresource) = match resource.split_once('/') {
            Some((resource, subresource)) => (resource.to_owned(), Some(subresource.to_owned())),
            None => (resource, None),
        };
        let attributes = ResourceAttributes {
            verb: Some(verb),
            group: Some(group),
            resource: Some(resource),
            subresource,
            namespace: Some(NAMESPACE.to_owned()),
            name: Some(name),
            ..ResourceAttributes::default()
        };
        let spec = SubjectAccessReviewSpec {
            user: Some(user.to_owned()),
            resource_attributes: Some(attributes),
            ..SubjectAccessReviewSpec::default()
        };
        let review = SubjectAccessReview { spec, ..SubjectAccessReview::default() };
        eventually(&format!("{user}: {ask} is {may}"), PATIENCE, async || {
            let answer = reviews.create(&PostParams::default(), &review).await?;
            let allowed = answer.status.context("a review without an answer")?.allowed;
            ensure!(allowed == may, "{allowed}");
            Ok(())
        })
        .await?;
    }
    Ok(())
}

/// The API server checks the expressions against its own schemas, and has nothing to say.
async fn expressions_fit_their_types(scene: &Scene<'_>) -> Result<()> {
    let policies: Api<ValidatingAdmissionPolicy> = Api::all(scene.client.clone());
    eventually("eight checked policies", PATIENCE, async || {
        let policies = policies.list(&ListParams::default()).await?.items;
        ensure!(policies.len() == 8, "{}", policies.len());
        for policy in policies {
            let checked = policy.status.and_then(|status| status.type_checking).context("not yet checked")?;
            let warnings = checked.expression_warnings.unwrap_or_default();
            ensure!(warnings.is_empty(), "{warnings:?}");
        }
        Ok(())
    })
    .await
}
