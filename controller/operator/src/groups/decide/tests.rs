use std::{collections::BTreeSet, sync::Arc};

use plimsoll_observe::parse_selector;
use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use super::*;
use crate::groups::seen::{OtherBudget, Referenced};

fn owner() -> Owner {
    Owner { namespace: "shop".into(), name: "store".into(), uid: "g".into() }
}

fn service(name: &str, more: Value) -> Value {
    let mut service = json!({ "name": name, "port": 80, "scaling": { "maxReplicas": 4 } });
    let Value::Object(more) = more else { panic!("fields are an object") };
    service.as_object_mut().unwrap().extend(more);
    service
}

fn with_template(name: &str) -> Value {
    let ports = json!([{ "name": "http", "containerPort": 8080 }]);
    service(
        name,
        json!({ "template": {
        "metadata": { "labels": { "app": "web" } },
        "spec": { "containers": [{ "name": "web", "image": "web", "ports": ports }] },
    } }),
    )
}

fn referring(name: &str, kind: &str, workload: &str) -> Value {
    service(name, json!({ "workloadRef": { "kind": kind, "name": workload } }))
}

fn spec(services: &[Value]) -> ServiceGroupSpec {
    serde_json::from_value(json!({ "services": services })).unwrap()
}

fn workload(selector: &str) -> Referenced {
    Referenced { selector: selector.to_owned(), port_names: vec!["http".to_owned()], ..Referenced::default() }
}

/// Deployments that can be referred to.
fn seen(workloads: &[(&str, Referenced)]) -> Seen {
    let reference = |name: &str| WorkloadReference { kind: WorkloadKind::Deployment, name: name.to_owned() };
    let referenced = workloads.iter().map(|(name, workload)| (reference(name), workload.clone()));
    Seen { referenced: referenced.collect(), ..Seen::default() }
}

fn ours() -> At {
    let object = json!({ "metadata": { "name": "x", "uid": "x" } });
    At::Ours(Arc::new(serde_json::from_value(object).unwrap()))
}

/// The objects of the first service, or the reason and the message of what stands in the way.
fn first(services: &[Value], seen: &Seen) -> Result<Vec<String>, (ServiceReason, String)> {
    let decision = decide(&owner(), &spec(services), seen);
    match &decision.services[0].wanted {
        Ok(wanted) => Ok(wanted.objects.iter().map(|object| object.id.to_string()).collect()),
        Err(problem) => Err((problem.reason, problem.message.clone())),
    }
}

fn refused(services: &[Value], seen: &Seen, reason: ServiceReason, parts: &[&str]) {
    let (is, message) = first(services, seen).unwrap_err();
    assert_eq!(is, reason, "{message}");
    for part in parts {
        assert!(message.contains(part), "{part:?} is not in {message:?}");
    }
}

#[test]
fn a_service_with_a_template_has_four_objects() {
    let expected =
        ["Deployment store-get", "PodDisruptionBudget store-get", "Service store-get", "PodScaler store-get"];
    assert_eq!(first(&[with_template("get")], &Seen::default()).unwrap(), expected);
}

#[test]
fn a_workload_that_is_referred_to_has_all_but_a_deployment() {
    let seen = seen(&[("web", workload("app=web,tier in (front)"))]);
    let decision = decide(&owner(), &spec(&[referring("get", "Deployment", "web")]), &seen);
    let wanted = decision.services[0].wanted.as_ref().unwrap();
    let specs: Vec<_> = wanted.objects.iter().map(|object| (object.id.kind, &object.spec)).collect();
    assert_eq!(specs.len(), 3);
    let labels = json!({ "app": "web", "tier": "front" });
    assert_eq!(specs[0].1["selector"]["matchLabels"], labels);
    assert_eq!(specs[1].1["selector"], labels);
    assert_eq!(
        specs[2].1["scaleTargetRef"],
        json!({ "apiVersion": "apps/v1", "kind": "Deployment", "name": "web" })
    );
    assert_eq!(decision.released, []);
}

#[test]
fn a_workload_that_is_not_there_is_named_with_its_field() {
    let services = [referring("get", "StatefulSet", "db")];
    refused(
        &services,
        &Seen::default(),
        ServiceReason::WorkloadNotFound,
        &["spec.services[0].workloadRef", "StatefulSet", "\"db\""],
    );
}

#[test]
fn a_workload_of_another_group_is_refused() {
    let taken = Referenced { of: Some(OfGroup::Other("bank".into())), ..workload("app=web") };
    let services = [referring("get", "Deployment", "web")];
    refused(
        &services,
        &seen(&[("web", taken)]),
        ServiceReason::WorkloadTaken,
        &["spec.services[0].workloadRef", "ServiceGroup bank"],
    );
}

#[test]
fn of_two_services_with_one_workload_the_first_has_it() {
    let services = [referring("get", "Deployment", "web"), referring("post", "Deployment", "web")];
    let seen = seen(&[("web", workload("app=web"))]);
    assert_eq!(first(&services, &seen).unwrap().len(), 3);
    let decision = decide(&owner(), &spec(&services), &seen);
    let problem = decision.services[1].wanted.as_ref().unwrap_err();
    assert_eq!(problem.reason, ServiceReason::WorkloadTaken);
    assert!(
        problem.message.starts_with("spec.services[1].workloadRef")
            && problem.message.contains("service get"),
        "{problem:?}"
    );
}

#[test]
fn the_deployment_of_another_service_is_refused() {
    let own = Referenced { of: Some(OfGroup::This), ..workload("app=web") };
    let services = [referring("post", "Deployment", "store-get"), with_template("get")];
    refused(
        &services,
        &seen(&[("store-get", own)]),
        ServiceReason::WorkloadTaken,
        &["service get of this group"],
    );
}

#[test]
fn an_own_deployment_that_is_only_referred_to_now_is_let_go_of_and_kept() {
    let own = Referenced { of: Some(OfGroup::This), ..workload("app=web") };
    let services = [referring("get", "Deployment", "store-get")];
    let decision = decide(&owner(), &spec(&services), &seen(&[("store-get", own)]));
    assert_eq!(decision.released, [Id::new(OwnedKind::Deployment, "store-get")]);
    assert!(decision.services[0].wanted.is_ok());
    let kept = kept(&owner(), &decision, &BTreeSet::from(["get"]));
    assert!(kept.contains(&Id::new(OwnedKind::Deployment, "store-get")));
}

#[test]
fn a_selector_that_a_service_cannot_have_is_refused() {
    for selector in ["app in (a,b)", "app", "!app", "app=web,tier!=back", ""] {
        let services = [referring("get", "Deployment", "web")];
        let seen = seen(&[("web", workload(selector))]);
        refused(
            &services,
            &seen,
            ServiceReason::UnsupportedSelector,
            &["spec.services[0].workloadRef", "matchLabels"],
        );
    }
}

#[test]
fn a_port_by_name_has_to_be_there_and_one_by_number_has_not() {
    let to = |port: Value| {
        let mut service = with_template("get");
        service["targetPort"] = port;
        service
    };
    assert!(first(&[to(json!("http"))], &Seen::default()).is_ok());
    assert!(first(&[to(json!(9999))], &Seen::default()).is_ok());
    refused(
        &[to(json!("grpc"))],
        &Seen::default(),
        ServiceReason::PortNotFound,
        &["spec.services[0].targetPort", "\"grpc\"", "http"],
    );
}

#[test]
fn a_sidecars_port_counts_and_that_of_an_init_container_that_ends_does_not() {
    let with = |policy: &str| {
        let init = json!([{ "name": "proxy", "restartPolicy": policy, "ports": [{ "name": "mesh", "containerPort": 1 }] }]);
        let template = json!({ "spec": { "initContainers": init, "containers": [{ "name": "web" }] } });
        first(&[service("get", json!({ "template": template, "targetPort": "mesh" }))], &Seen::default())
    };
    assert!(with("Always").is_ok());
    assert!(with("Never").is_err());
}

#[test]
fn a_name_that_something_else_has_is_left_alone() {
    for kind in OwnedKind::OF_SERVICE {
        let id = Id::new(kind, "store-get");
        let others = At::Others("belongs to ServiceGroup bank".to_owned());
        let seen = Seen { at: [(id.clone(), others)].into(), ..Seen::default() };
        let parts = ["spec.services[0].name", &id.to_string(), "belongs to ServiceGroup bank"];
        refused(&[with_template("get")], &seen, ServiceReason::NameTaken, &parts);
    }
    let seen = Seen { at: [(Id::new(OwnedKind::Service, "store-get"), ours())].into(), ..Seen::default() };
    assert!(first(&[with_template("get")], &seen).is_ok());
}

#[test]
fn what_could_not_be_read_is_not_taken_for_free() {
    let id = Id::new(OwnedKind::Service, "store-get");
    let seen = Seen { at: [(id, At::Unread("time-out".into()))].into(), ..Seen::default() };
    refused(&[with_template("get")], &seen, ServiceReason::Unread, &["time-out"]);
}

fn budget(selector: &str) -> Seen {
    let selector = parse_selector(selector).unwrap();
    Seen { budgets: vec![OtherBudget { name: "theirs".into(), selector }], ..Seen::default() }
}

#[test]
fn pods_under_a_budget_already_get_no_second_one() {
    let has_budget = |selector: &str| {
        let objects = first(&[with_template("get")], &budget(selector)).unwrap();
        objects.iter().any(|object| object.starts_with("PodDisruptionBudget"))
    };
    assert!(!has_budget("app=web") && !has_budget("") && !has_budget("plimsoll.dev/service=get"));
    assert!(has_budget("app=db") && has_budget("app!=web"));
}

#[test]
fn the_labels_of_pods_that_run_count_for_budgets_too() {
    let pods = vec![[("app".to_owned(), "web".to_owned()), ("tier".to_owned(), "front".to_owned())].into()];
    let running = Referenced { pods, ..workload("app=web") };
    for (workload, objects) in [(running, 2), (workload("app=web"), 3)] {
        let seen = Seen { budgets: budget("tier=front").budgets, ..seen(&[("web", workload)]) };
        assert_eq!(first(&[referring("get", "Deployment", "web")], &seen).unwrap().len(), objects);
    }
}

#[test]
fn a_service_that_is_refused_does_not_stop_the_others() {
    let services = [referring("get", "Deployment", "gone"), with_template("post")];
    let decision = decide(&owner(), &spec(&services), &Seen::default());
    assert!(decision.services[0].wanted.is_err());
    assert!(decision.services[1].wanted.is_ok());
}

#[test]
fn nothing_of_a_service_goes_before_it_has_all_that_it_should() {
    let seen = seen(&[("web", workload("app=web"))]);
    let decision = decide(&owner(), &spec(&[referring("get", "Deployment", "web")]), &seen);
    let deployment = Id::new(OwnedKind::Deployment, "store-get");
    let is_kept =
        |done: &[&str]| kept(&owner(), &decision, &done.iter().copied().collect()).contains(&deployment);
    assert!(is_kept(&[]), "its Deployment of before serves on");
    assert!(!is_kept(&["get"]));
    let decision = decide(&owner(), &spec(&[referring("get", "Deployment", "gone")]), &seen);
    let done = kept(&owner(), &decision, &BTreeSet::from(["get"]));
    assert!(done.contains(&deployment), "what it should have instead is not there");
}

#[test]
fn a_service_that_left_the_list_keeps_nothing() {
    let decision = decide(&owner(), &spec(&[with_template("post")]), &Seen::default());
    let kept = kept(&owner(), &decision, &BTreeSet::new());
    assert!(kept.iter().all(|id| id.name == "store-post"), "{kept:?}");
}
