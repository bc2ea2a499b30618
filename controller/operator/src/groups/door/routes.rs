//! From the services of a group to the routes that it may have, and why not the others.

use std::collections::BTreeSet;

use plimsoll_api::v1alpha1::GroupService;

use super::{
    claims::{Claim, Grants, Owner},
    paths,
    problem::Problem,
    route::Route,
};

/// The routes of the claim `mine` beside all claims that there are, in the order of its spec.
///
/// `services` are those that have a Service: an Ingress that names one which does not exist is refused whole by some
/// controllers.
pub(super) fn routes<'a>(
    mine: &'a Claim<'a>,
    all: impl IntoIterator<Item = &'a Claim<'a>>,
    services: &BTreeSet<String>,
) -> (Vec<Route>, Vec<Problem>) {
    let mut problems = Vec::new();
    for (number, service) in mine.services.iter().enumerate() {
        problems.extend(impossible(mine, number, service));
    }
    let mut grants = Grants::new(all);
    let mut routes = Vec::new();
    for wanted in mine.wanted() {
        let (number, at) = wanted.at;
        let field = format!("spec.services[{number}].paths[{at}]");
        let path = wanted.path.path.clone();
        match grants.owner(mine.who, &wanted) {
            Some(Owner::Group(other, host)) => {
                let name = |who: super::Claimant<'_>| format!("{}/{}", who.namespace, who.name);
                let (group, other) = (name(mine.who), name(other));
                problems.push(Problem::TakenByAnotherGroup { field, path, host, group, other });
            }
            Some(Owner::Service(service)) => {
                problems.push(Problem::SamePath { field, path, service: service.to_owned() });
            }
            None if !services.contains(&wanted.service.name) => {
                let problem = Problem::ServiceMissing(wanted.service.name.clone());
                if !problems.contains(&problem) {
                    problems.push(problem);
                }
            }
            None => routes.push(Route {
                service: wanted.service.name.clone(),
                backend: format!("{}-{}", mine.who.name, wanted.service.name),
                port: wanted.service.port,
                path: wanted.path.clone(),
                methods: in_order(wanted.service),
            }),
        }
    }
    (routes, problems)
}

/// What of a service cannot be asked for at all.
fn impossible(mine: &Claim<'_>, number: usize, service: &GroupService) -> Vec<Problem> {
    if !service.methods.is_empty() && !mine.can_tell_methods() {
        return vec![Problem::MethodsNeedGateway(format!("spec.services[{number}].methods"))];
    }
    let refused = service.paths.iter().enumerate().filter_map(|(at, path)| {
        let why = paths::why_refused(&path.path)?;
        let field = format!("spec.services[{number}].paths[{at}].path");
        Some(Problem::InvalidPath { field, path: path.path.clone(), why })
    });
    refused.collect()
}

fn in_order(service: &GroupService) -> Vec<plimsoll_api::v1alpha1::Method> {
    let methods: BTreeSet<_> = service.methods.iter().copied().collect();
    methods.into_iter().collect()
}
