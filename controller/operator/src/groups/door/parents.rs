//! What Gateways say of the routes of a group.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use plimsoll_api::v1alpha1::ParentReference;

use super::{
    gateway_api::{ParentRef, RouteParentStatus},
    problem::{Problem, Verdict},
    seen::{Gateways, SeenRoute},
};

/// What is said of one route.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Said<'a> {
    /// What the route's spec was when it was read.
    pub(super) generation: i64,
    pub(super) parents: &'a [RouteParentStatus],
}

impl<'a> Said<'a> {
    pub(super) fn of(route: &'a SeenRoute) -> Self {
        Self { generation: route.generation, parents: &route.parents }
    }
}

/// The namespace and the name of a Gateway.
pub(super) fn key(namespace: &str, parent: &ParentReference) -> (String, String) {
    let home = parent.namespace.as_deref().unwrap_or(namespace);
    (home.to_owned(), parent.name.clone())
}

/// What keeps the routes from being served. A route that is not there yet is None.
pub(super) fn problems(
    namespace: &str,
    parents: &[ParentReference],
    gateways: &Gateways,
    routes: &[Option<Said<'_>>],
) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (number, parent) in parents.iter().enumerate() {
        let (home, name) = key(namespace, parent);
        let gateway = format!("{home}/{name}");
        if let Some(None) = gateways.get(&(home, name)) {
            let field = format!("spec.frontDoor.gateway.parentRefs[{number}]");
            problems.push(Problem::GatewayMissing { field, gateway });
            continue;
        }
        for route in routes {
            let found = route.and_then(|said| verdict(namespace, parent, &gateway, said));
            let found = match found {
                Some(Ok(())) => None,
                Some(Err(problem)) => Some(problem),
                None => Some(Problem::Pending(format!("the Gateway {gateway} has not answered yet"))),
            };
            problems.extend(found.filter(|problem| !problems.contains(problem)));
        }
    }
    problems
}

/// None: the Gateway has not looked at this generation.
fn verdict(
    namespace: &str,
    parent: &ParentReference,
    gateway: &str,
    said: Said<'_>,
) -> Option<Result<(), Problem>> {
    let of_parent = |status: &&RouteParentStatus| is(namespace, parent, &status.parent_ref);
    let conditions = &said.parents.iter().find(of_parent)?.conditions;
    let find = |kind: &str| {
        let current = |condition: &&Condition| {
            condition.type_ == kind
                && condition.observed_generation.is_none_or(|seen| seen >= said.generation)
        };
        conditions.iter().find(current)
    };
    let verdict = |condition: &Condition| Verdict {
        gateway: gateway.to_owned(),
        reason: condition.reason.clone(),
        message: condition.message.clone(),
    };
    let accepted = find("Accepted")?;
    if accepted.status != "True" {
        return Some(Err(Problem::NotAccepted(verdict(accepted))));
    }
    match find("ResolvedRefs") {
        Some(refs) if refs.status != "True" => Some(Err(Problem::RefsNotResolved(verdict(refs)))),
        _ => Some(Ok(())),
    }
}

fn is(namespace: &str, parent: &ParentReference, named: &ParentRef) -> bool {
    let home = |namespace_: Option<&String>| namespace_.map_or(namespace, String::as_str).to_owned();
    named.name == parent.name
        && home(named.namespace.as_ref()) == home(parent.namespace.as_ref())
        && named.section_name == parent.section_name
        && named.port == parent.port
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;
    use serde_json::{Value, json};

    use super::{super::seen::GatewaySeen, *};

    fn parent(name: &str) -> ParentReference {
        ParentReference { name: name.into(), ..ParentReference::default() }
    }

    fn gateways(names: &[&str]) -> Gateways {
        let there = |name: &&str| (("shop".to_owned(), (*name).to_owned()), Some(GatewaySeen::default()));
        names.iter().map(there).collect()
    }

    fn status(name: &str, conditions: &[(&str, &str, i64)]) -> RouteParentStatus {
        let condition = |(kind, status, generation): &(&str, &str, i64)| -> Value {
            json!({ "type": kind, "status": status, "observedGeneration": generation, "reason": "Because",
                "message": "of this", "lastTransitionTime": "2026-01-01T00:00:00Z" })
        };
        let conditions: Vec<_> = conditions.iter().map(condition).collect();
        serde_json::from_value(json!({ "parentRef": { "name": name }, "conditions": conditions })).unwrap()
    }

    fn found(parents: &[RouteParentStatus]) -> Vec<String> {
        let said = Said { generation: 2, parents };
        let problems = problems("shop", &[parent("web")], &gateways(&["web"]), &[Some(said)]);
        problems.iter().map(|problem| format!("{}: {problem}", problem.reason())).collect()
    }

    const WAITING: &str = "Pending: the Gateway shop/web has not answered yet";

    #[test]
    fn what_a_gateway_says_of_the_present_spec_counts() {
        let fine = [("Accepted", "True", 2), ("ResolvedRefs", "True", 2)];
        assert_eq!(found(&[status("web", &fine)]), Vec::<String>::new());
        let refused = [("Accepted", "False", 2), ("ResolvedRefs", "True", 2)];
        assert_eq!(
            found(&[status("web", &refused)]),
            ["NotAccepted: the Gateway shop/web says Because: of this"]
        );
        let lost = [("Accepted", "True", 2), ("ResolvedRefs", "False", 2)];
        assert_eq!(
            found(&[status("web", &lost)]),
            ["RefsNotResolved: the Gateway shop/web says Because: of this"]
        );
        assert_eq!(found(&[status("web", &[("Accepted", "False", 1)])]), [WAITING]);
        assert_eq!(found(&[status("other", &fine)]), [WAITING]);
        assert_eq!(found(&[]), [WAITING]);
    }

    #[test]
    fn a_gateway_that_does_not_exist_is_named_and_not_waited_for() {
        let gateways = Gateways::from([(("infra".into(), "web".into()), None)]);
        let parent = ParentReference { namespace: Some("infra".into()), ..parent("web") };
        let expected = Problem::GatewayMissing {
            field: "spec.frontDoor.gateway.parentRefs[0]".into(),
            gateway: "infra/web".into(),
        };
        assert_eq!(problems("shop", &[parent], &gateways, &[None]), [expected]);
    }

    #[test]
    fn a_route_that_is_not_there_yet_is_waited_for() {
        let problems = problems("shop", &[parent("web")], &gateways(&["web"]), &[None, None]);
        assert_eq!(problems, [Problem::Pending("the Gateway shop/web has not answered yet".into())]);
    }
}
