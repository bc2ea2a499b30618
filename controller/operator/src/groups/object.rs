//! An object as it should be, and whether one that was seen still is as it was left.

use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hash, Hasher as _},
};

use kube::{Resource as _, core::DynamicObject};
use plimsoll_api::{
    ServiceGroup,
    marks::{SERVICE, SERVICE_GROUP},
};
use serde_json::{Map, Value, json};

use super::kind::{Id, OwnedKind};

/// A group, as its objects name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// Where it and its objects are.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// What tells it from another of the same name that came before or after it.
    pub uid: String,
}

/// An object that is kept for a group: what is ours of it, and nothing else.
#[derive(Debug, Clone, PartialEq)]
pub struct Object {
    /// What it is, and its name.
    pub id: Id,
    /// The service it belongs to. None: to all of them.
    pub service: Option<String>,
    /// The annotations that are ours.
    pub annotations: BTreeMap<String, String>,
    /// The fields of its spec that are ours.
    pub spec: Value,
}

impl Object {
    /// The object of a service.
    pub(crate) fn of_service(kind: OwnedKind, name: &str, service: &str, spec: Value) -> Self {
        let (id, service) = (Id::new(kind, name), Some(service.to_owned()));
        Self { id, service, annotations: BTreeMap::new(), spec }
    }

    /// What is applied. `uid` is that of the object as it was seen: it keeps us from writing to another of the same name.
    pub fn body(&self, owner: &Owner, uid: Option<&str>) -> Value {
        let resource = self.id.kind.resource();
        let mut labels = BTreeMap::from([
            ("app.kubernetes.io/managed-by", "plimsoll"),
            ("app.kubernetes.io/part-of", owner.name.as_str()),
            (SERVICE_GROUP, owner.name.as_str()),
        ]);
        if let Some(service) = &self.service {
            labels.insert("app.kubernetes.io/name", service);
            labels.insert(SERVICE, service);
        }
        let mut metadata = json!({
            "name": self.id.name,
            "namespace": owner.namespace,
            "labels": labels,
            // Without blockOwnerDeletion, which would take the right to finalizers of groups.
            "ownerReferences": [{
                "apiVersion": ServiceGroup::api_version(&()),
                "kind": ServiceGroup::kind(&()),
                "name": owner.name,
                "uid": owner.uid,
                "controller": true,
            }],
        });
        if !self.annotations.is_empty() {
            metadata["annotations"] = json!(self.annotations);
        }
        if let Some(uid) = uid {
            metadata["uid"] = json!(uid);
        }
        json!({
            "apiVersion": resource.api_version,
            "kind": resource.kind,
            "metadata": metadata,
            "spec": self.spec,
        })
    }

    /// Tells what is applied from what was applied before.
    pub(crate) fn fingerprint(&self, owner: &Owner) -> u64 {
        hash(&self.body(owner, None).to_string())
    }
}

/// Tells an object that somebody has changed from the same object as it was: everything that an apply of ours may have
/// to restore. The replicas of a Deployment are not among that, nor is what its status says.
pub(crate) fn fingerprint(kind: OwnedKind, object: &DynamicObject) -> u64 {
    let metadata = &object.metadata;
    let mut data = object.data.as_object().cloned().unwrap_or_else(Map::new);
    data.remove("status");
    if kind == OwnedKind::Deployment
        && let Some(spec) = data.get_mut("spec").and_then(Value::as_object_mut)
    {
        spec.remove("replicas");
    }
    let seen = json!([metadata.uid, metadata.labels, metadata.annotations, metadata.owner_references, data]);
    hash(&seen.to_string())
}

fn hash(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deployment(change: impl FnOnce(&mut Value)) -> DynamicObject {
        let mut object = json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": { "name": "shop-get", "uid": "d", "resourceVersion": "7", "labels": { "a": "b" } },
            "spec": { "replicas": 2, "strategy": { "type": "RollingUpdate" } },
            "status": { "readyReplicas": 1 },
        });
        change(&mut object);
        serde_json::from_value(object).unwrap()
    }

    #[test]
    fn a_change_that_an_apply_may_have_to_restore_is_told() {
        let print = |change: fn(&mut Value)| fingerprint(OwnedKind::Deployment, &deployment(change));
        let before = print(|_| {});
        assert_ne!(print(|object| object["spec"]["strategy"]["type"] = json!("Recreate")), before);
        assert_ne!(print(|object| object["metadata"]["labels"] = json!({})), before);
        assert_ne!(print(|object| object["metadata"]["ownerReferences"] = json!([])), before);
        assert_ne!(print(|object| object["metadata"]["uid"] = json!("another")), before);
    }

    #[test]
    fn replicas_and_status_are_no_change() {
        let print = |change: fn(&mut Value)| fingerprint(OwnedKind::Deployment, &deployment(change));
        let before = print(|_| {});
        assert_eq!(print(|object| object["spec"]["replicas"] = json!(9)), before);
        assert_eq!(print(|object| object["status"] = json!({})), before);
        assert_eq!(print(|object| object["metadata"]["resourceVersion"] = json!("8")), before);
    }
}
