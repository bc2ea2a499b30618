//! What becomes of groups, in files that a person can read: objects of a cluster above, the front door below.
//!
//! `UPDATE_GOLDENS=1 cargo test -p plimsoll-operator` writes the lower parts anew, and the diff is the review.

use std::{collections::BTreeSet, fs, path::Path};

use jiff::Timestamp;
use k8s_openapi::api::networking::v1::IngressClass;
use kube::ResourceExt as _;
use plimsoll_api::ServiceGroup;
use pretty_assertions::assert_eq;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::groups::object::Object;

use super::{
    Claimant, Class, Group, design,
    gateway_api::{Gateway, GatewayClass},
    seen::{self, GatewaySeen, Seen, SeenGateway, SeenIngress, SeenRoute, SeenSecret},
};

const MARK: &str = "# The front door\n";

/// What the objects of a file do not say.
#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
struct Given {
    kind: String,
    /// Which `HTTPRoute`s are served: of the `standard` channel, the `experimental` one, or none.
    gateway_api: Option<String>,
    /// Services that have no Service.
    without_service: Vec<String>,
    /// What was found of the Secret: `missing` or `not allowed`.
    secret: Option<String>,
}

#[derive(Default)]
struct Cluster {
    given: Given,
    groups: Vec<ServiceGroup>,
    ingress: SeenIngress,
    gateway: SeenGateway,
}

impl Cluster {
    fn read(text: &str) -> Self {
        let mut cluster = Self::default();
        for document in text.split("\n---\n") {
            cluster.take(&serde_saphyr::from_str(document).unwrap());
        }
        cluster
    }

    fn take(&mut self, object: &Value) {
        match object["kind"].as_str().unwrap() {
            "Given" => self.given = read(object),
            "ServiceGroup" => self.groups.push(read(object)),
            "IngressClass" => self.ingress.classes.push(Class::from(&read::<IngressClass>(object))),
            "Ingress" => {
                self.ingress.class = object["spec"]["ingressClassName"].as_str().map(str::to_owned);
                self.ingress.address = seen::address(&read(object));
            }
            "Gateway" => {
                let gateway: Gateway = read(object);
                let key = (gateway.namespace().unwrap(), gateway.name_any());
                self.gateway.gateways.insert(key, Some(GatewaySeen::of(&gateway)));
            }
            "GatewayClass" => {
                let class: GatewayClass = read(object);
                self.gateway.features.extend(seen::features(&class).map(|names| (class.name_any(), names)));
            }
            "HTTPRoute" => {
                let name = object["metadata"]["name"].as_str().unwrap().to_owned();
                let route = SeenRoute::of(object["metadata"]["generation"].as_i64(), object);
                self.gateway.routes.insert(name, route);
            }
            other => panic!("a {other} means nothing here"),
        }
    }

    fn seen(&self) -> Seen {
        let door = self.groups[0].spec.front_door.as_ref().unwrap();
        if door.gateway.is_none() {
            let secret = match self.given.secret.as_deref() {
                Some("missing") => SeenSecret::Missing,
                Some(why) => SeenSecret::Unread(why.to_owned()),
                None => SeenSecret::NotAsked,
            };
            return Seen::Ingress(SeenIngress { secret, ..self.ingress.clone() });
        }
        let mut gateway = self.gateway.clone();
        for parent in &door.gateway.as_ref().unwrap().parent_refs {
            gateway.gateways.entry(super::parents::key("shop", parent)).or_insert(None);
        }
        gateway.persistence = self.given.gateway_api.as_deref() == Some("experimental");
        Seen::Gateway(self.given.gateway_api.is_some().then_some(gateway))
    }

    fn front_door(&self) -> Value {
        let group = |group: &'_ ServiceGroup| {
            let created = group.metadata.creation_timestamp.as_ref().map_or(Timestamp::UNIX_EPOCH, |at| at.0);
            (created, group.metadata.namespace.clone().unwrap(), group.name_any(), group.spec.clone())
        };
        let groups: Vec<_> = self.groups.iter().map(group).collect();
        let groups: Vec<_> = groups
            .iter()
            .map(|(created, namespace, name, spec)| Group {
                who: Claimant { created: *created, namespace, name },
                spec,
            })
            .collect();
        let names = groups[0].spec.services.iter().map(|service| service.name.clone());
        let services: BTreeSet<_> = names.filter(|name| !self.given.without_service.contains(name)).collect();
        let now = "2026-07-01T00:00:00Z".parse().unwrap();
        let door = design(groups[0], &groups, &services, &self.seen(), now).unwrap();
        let outcome = door.outcome(None);
        let object = |object: &Object| {
            let mut shown = json!({ "kind": object.id.kind.to_string(), "name": object.id.name });
            if !object.annotations.is_empty() {
                shown["annotations"] = json!(object.annotations);
            }
            shown["spec"] = object.spec.clone();
            shown
        };
        let objects = door.objects.map(|objects| objects.iter().map(object).collect::<Vec<_>>());
        json!({
            "condition": {
                "status": match outcome.status { Some(true) => "True", Some(false) => "False", None => "Unknown" },
                "reason": outcome.reason.to_string(),
                "message": outcome.message,
            },
            "address": door.address,
            "othersMayGo": door.settled,
            "annotationsOfServices": door.services,
            "objects": objects,
        })
    }
}

fn read<T: for<'de> Deserialize<'de>>(object: &Value) -> T {
    serde_json::from_value(object.clone()).unwrap()
}

#[test]
fn every_front_door_is_as_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/front_door");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty());
    for file in files {
        let written = fs::read_to_string(&file).unwrap();
        let (above, _) = written.split_once(MARK).unwrap_or((&written, ""));
        let below = serde_saphyr::to_string(&Cluster::read(above).front_door()).unwrap();
        let told = format!("{above}{MARK}{below}");
        if std::env::var_os("UPDATE_GOLDENS").is_some() {
            fs::write(&file, told).unwrap();
        } else {
            assert_eq!(written, told, "{}: UPDATE_GOLDENS=1 if this is meant", file.display());
        }
    }
}
