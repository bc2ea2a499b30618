//! Claims and volumes, and the provisioner that the bed lacks: it makes a volume in the zone of the node that the scheduler
//! has chosen, as a CSI driver does.

use anyhow::{Context, Result};
use futures::{StreamExt as _, future::ready};
use k8s_openapi::api::core::v1::{Node, PersistentVolume, PersistentVolumeClaim};
use kube::{
    Api, Client, ResourceExt as _,
    api::PostParams,
    runtime::{WatchStreamExt as _, watcher},
};
use serde_json::{Value, json};

use crate::generate::ZONE;

/// The class of volumes that are made where their first consumer goes.
pub(crate) const CLASS: &str = "bound-zonal";
/// Where the scheduler says for which node it wants the volume.
const CHOSEN: &str = "volume.kubernetes.io/selected-node";

/// A claim, and the zone of its volume where it has one already.
#[derive(Clone, Debug)]
pub(crate) struct Claim {
    pub(crate) name: String,
    pub(crate) zone: Option<String>,
}

/// The storage class.
pub(crate) fn class() -> Value {
    json!({
        "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass",
        "metadata": { "name": CLASS },
        "provisioner": "disk.example.com",
        "volumeBindingMode": "WaitForFirstConsumer",
    })
}

impl Claim {
    /// The claim, and its volume where it has one.
    pub(crate) fn objects(
        &self,
        namespace: &str,
    ) -> Result<(PersistentVolumeClaim, Option<PersistentVolume>)> {
        let mut claim = json!({
            "metadata": { "name": self.name },
            "spec": {
                "accessModes": ["ReadWriteOnce"], "storageClassName": CLASS,
                "resources": { "requests": { "storage": "1Gi" } },
            },
        });
        if self.zone.is_some() {
            claim["spec"]["volumeName"] = self.name.clone().into();
        }
        let of = json!({
            "apiVersion": "v1", "kind": "PersistentVolumeClaim", "namespace": namespace, "name": self.name,
        });
        let volume = self.zone.as_ref().map(|zone| volume(&self.name, zone, &of));
        Ok((serde_json::from_value(claim)?, volume.map(serde_json::from_value).transpose()?))
    }
}

fn volume(name: &str, zone: &str, of: &Value) -> Value {
    let in_zone = json!({ "key": ZONE, "operator": "In", "values": [zone] });
    json!({
        "apiVersion": "v1", "kind": "PersistentVolume",
        "metadata": { "name": name },
        "spec": {
            "accessModes": ["ReadWriteOnce"], "storageClassName": CLASS,
            "capacity": { "storage": "1Gi" },
            "persistentVolumeReclaimPolicy": "Retain",
            "csi": { "driver": "disk.example.com", "volumeHandle": name },
            "claimRef": of,
            "nodeAffinity": { "required": { "nodeSelectorTerms": [{ "matchExpressions": [in_zone] }] } },
        },
    })
}

/// Makes volumes for claims whose node is chosen, for ever.
pub(crate) async fn provision(client: Client) {
    let claims = watcher(Api::<PersistentVolumeClaim>::all(client.clone()), watcher::Config::default());
    let claims = claims.default_backoff().applied_objects().filter_map(|claim| ready(claim.ok()));
    claims
        .for_each_concurrent(16, async |claim| {
            // A claim that is gone by now needs none; whoever waits for it says so.
            let _ = make(&client, &claim).await;
        })
        .await;
}

async fn make(client: &Client, claim: &PersistentVolumeClaim) -> Result<()> {
    let chosen = claim.annotations().get(CHOSEN);
    let has = claim.spec.as_ref().is_some_and(|spec| spec.volume_name.is_some());
    let Some(node) = chosen.filter(|_| !has) else { return Ok(()) };
    let node = Api::<Node>::all(client.clone()).get(node).await?;
    let zone = node.labels().get(ZONE).context("a node without a zone")?;
    let of = json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "namespace": claim.namespace(), "name": claim.name_any(), "uid": claim.uid(),
    });
    let volume = serde_json::from_value(volume(&claim.name_any(), zone, &of))?;
    Api::<PersistentVolume>::all(client.clone()).create(&PostParams::default(), &volume).await?;
    Ok(())
}
