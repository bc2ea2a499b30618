//! Groups for tests.

use plimsoll_api::v1alpha1::{
    FrontDoor, GatewayDoor, GroupService, IngressDoor, ParentReference, PathMatch, PathType, ServiceGroupSpec,
};
use proptest::test_runner::{Config, RngSeed};
use serde_json::json;

/// A group with hosts, services, and a door written as `NAME: ingress` or `NAME: gateway`.
pub(crate) fn group(hosts: &[&str], door: &str, services: Vec<GroupService>) -> ServiceGroupSpec {
    let (name, kind) = door.split_once(": ").unwrap();
    let parent = ParentReference { name: name.to_owned(), ..ParentReference::default() };
    let is_ingress = kind == "ingress";
    let class_name = (!name.is_empty()).then(|| name.to_owned());
    let front_door = FrontDoor {
        hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
        ingress: is_ingress.then(|| IngressDoor { class_name, ..IngressDoor::default() }),
        gateway: (!is_ingress).then(|| GatewayDoor { parent_refs: vec![parent] }),
        ..FrontDoor::default()
    };
    let mut spec: ServiceGroupSpec = serde_json::from_value(json!({ "services": [] })).unwrap();
    spec.front_door = Some(front_door);
    spec.services = services;
    spec
}

/// A service at port 80 with these prefixes.
pub(crate) fn service(name: &str, paths: &[&str]) -> GroupService {
    let mut service: GroupService = serde_json::from_value(json!({
        "name": name, "port": 80, "template": {}, "scaling": { "maxReplicas": 3 },
    }))
    .unwrap();
    let path = |path: &&str| PathMatch { path: (*path).to_owned(), r#type: PathType::Prefix };
    service.paths = paths.iter().map(path).collect();
    service
}

/// The same cases on every machine; `PROPTEST_CASES` and `PROPTEST_RNG_SEED` look for others.
pub(crate) fn same_everywhere(least: u32) -> Config {
    let given = Config::default();
    let rng_seed = match given.rng_seed {
        RngSeed::Random => RngSeed::Fixed(1),
        fixed @ RngSeed::Fixed(_) => fixed,
    };
    Config { cases: given.cases.max(least), rng_seed, failure_persistence: None, ..given }
}
