//! Whom an object says it belongs to.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

/// The controller of an object: the one owner that manages it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// What it is.
    pub kind: OwnerKind,
    /// Its name, in the same namespace.
    pub name: Box<str>,
    /// Its uid, which tells it from another of the same name.
    pub uid: Box<str>,
}

/// The kinds of which it is known what they belong to in turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnerKind {
    /// `apps` `ReplicaSet`.
    ReplicaSet,
    /// `apps` `Deployment`.
    Deployment,
    /// `apps` `StatefulSet`.
    StatefulSet,
    /// Anything else.
    Other,
}

/// The controller of an object, if it has one.
pub fn observe_owner(metadata: &ObjectMeta) -> Option<Owner> {
    let references = metadata.owner_references.as_deref().unwrap_or_default();
    let owner = references.iter().find(|reference| reference.controller == Some(true))?;
    let is_of_apps = owner.api_version.starts_with("apps/");
    let kind = match owner.kind.as_str() {
        "ReplicaSet" if is_of_apps => OwnerKind::ReplicaSet,
        "Deployment" if is_of_apps => OwnerKind::Deployment,
        "StatefulSet" if is_of_apps => OwnerKind::StatefulSet,
        _ => OwnerKind::Other,
    };
    Some(Owner { kind, name: owner.name.as_str().into(), uid: owner.uid.as_str().into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(yaml: &str) -> Option<Owner> {
        observe_owner(&serde_saphyr::from_str(yaml).unwrap())
    }

    #[test]
    fn the_owner_that_controls_counts_and_no_other() {
        let found = owner(
            "ownerReferences:
             - { apiVersion: v1, kind: ConfigMap, name: config, uid: '1' }
             - { apiVersion: apps/v1, kind: ReplicaSet, name: web-7d9, uid: '2', controller: true }",
        );
        assert_eq!(
            found,
            Some(Owner { kind: OwnerKind::ReplicaSet, name: "web-7d9".into(), uid: "2".into() })
        );
        let of_none = owner("ownerReferences: [{ apiVersion: v1, kind: ConfigMap, name: a, uid: '1' }]");
        assert_eq!(of_none, None);
    }

    #[test]
    fn a_kind_of_another_group_is_another_kind() {
        let found = owner(
            "ownerReferences:
             - { apiVersion: apps.example.com/v1, kind: StatefulSet, name: a, uid: '1', controller: true }",
        );
        assert_eq!(found.unwrap().kind, OwnerKind::Other);
    }
}
