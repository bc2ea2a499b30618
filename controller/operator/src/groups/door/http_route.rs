//! The `HTTPRoute`s of a group: one, or as many as its limits force.

use std::collections::{BTreeMap, BTreeSet};

use plimsoll_api::v1alpha1::{Method, ParentReference, PathType, SessionAffinity};

use super::{
    gateway_api::{
        BackendRef, CookieConfig, GROUP, HttpPathMatch, HttpRouteMatch, HttpRouteRule, HttpRouteSpec,
        HttpRouteTimeouts, ParentRef, SessionPersistence,
    },
    problem::Problem,
    route::{Route, by_precedence},
    seen::SeenGateway,
    settings::{AFFINITY, BACKEND, BODY, METHODS, REQUEST, Rendered, Settings},
    split::{MOST_MATCHES, Present, split},
};

/// What is known of those who serve the routes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Able<'a> {
    /// Whether the CRD has `sessionPersistence`.
    pub(super) persistence: bool,
    /// Of each class that says so, what it can do, by the class's name.
    pub(super) features: BTreeMap<&'a str, BTreeSet<&'a str>>,
}

/// The specs by their numbers from 1, and what could not be put in.
pub(super) fn make(
    parents: &[ParentReference],
    hosts: &[String],
    settings: &Settings<'_>,
    routes: &[Route],
    able: &Able<'_>,
    present: &Present,
) -> (BTreeMap<usize, HttpRouteSpec>, Vec<Problem>) {
    let (filled, mut problems) = able.fill(settings);
    if routes.iter().any(|route| !route.methods.is_empty()) {
        problems.extend(
            able.lacks("HTTPRouteMethodMatching").map(|why| Problem::NotSupported { field: METHODS, why }),
        );
    }
    let objects = split(routes, present).into_iter().map(|(number, routes)| {
        let spec = HttpRouteSpec {
            parent_refs: parents.iter().map(parent).collect(),
            hostnames: hosts.to_vec(),
            rules: rules(&routes, &filled),
        };
        (number, spec)
    });
    (objects.collect(), problems)
}

/// The name of an object of a group: that of the group, and from the second on with a number after a dot, which no group
/// that can have Services has in its name.
pub(super) fn name(group: &str, number: usize) -> String {
    if number == 1 { group.to_owned() } else { format!("{group}.{number}") }
}

/// The number of the object of this name.
pub(super) fn number(group: &str, name: &str) -> Option<usize> {
    match name.strip_prefix(group)?.strip_prefix('.') {
        None if name == group => Some(1),
        Some(number) => number.parse().ok().filter(|number| *number > 1),
        None => None,
    }
}

impl<'a> Able<'a> {
    /// Of those Gateways that are named and exist.
    pub(super) fn of(seen: &'a SeenGateway) -> Self {
        let features = seen.features.iter();
        let features =
            features.map(|(class, names)| (class.as_str(), names.iter().map(String::as_str).collect()));
        Self { persistence: seen.persistence, features: features.collect() }
    }

    /// Fills a rule with what can be done, and names the rest.
    fn fill(&self, settings: &Settings<'_>) -> (HttpRouteRule, Vec<Problem>) {
        let mut rendered = Rendered::default();
        let mut rule = HttpRouteRule::default();
        let timeouts = HttpRouteTimeouts {
            request: self.duration(settings.request, REQUEST, "HTTPRouteRequestTimeout", &mut rendered),
            backend_request: self.duration(
                settings.backend,
                BACKEND,
                "HTTPRouteBackendTimeout",
                &mut rendered,
            ),
        };
        rule.timeouts = (timeouts != HttpRouteTimeouts::default()).then_some(timeouts);
        match settings.affinity {
            Some(affinity) if self.persistence => rule.session_persistence = Some(persistence(affinity)),
            Some(_) => rendered.not_supported(
                AFFINITY,
                "the HTTPRoute of this cluster has no sessionPersistence, which is in the experimental channel of the \
                 Gateway API",
            ),
            None => {}
        }
        rendered.not_supported_if(
            settings.body.is_some(),
            BODY,
            "the Gateway API has no such limit: use a policy of the Gateway's own controller",
        );
        (rule, rendered.problems)
    }

    fn duration(
        &self,
        seconds: Option<i32>,
        field: &'static str,
        feature: &str,
        rendered: &mut Rendered,
    ) -> Option<String> {
        let seconds = seconds?;
        if let Some(why) = self.lacks(feature) {
            rendered.not_supported(field, why);
            return None;
        }
        Some(duration(seconds))
    }

    /// Who of those that say what they can do does not name a feature.
    fn lacks(&self, feature: &str) -> Option<String> {
        let (class, _) = self.features.iter().find(|(_, features)| !features.contains(feature))?;
        Some(format!("the GatewayClass {class} does not name {feature} among the features that it supports"))
    }
}

fn persistence(affinity: &SessionAffinity) -> SessionPersistence {
    let lifetime = if affinity.max_age_seconds.is_some() { "Permanent" } else { "Session" };
    SessionPersistence {
        session_name: Some(affinity.cookie_name.clone()),
        r#type: Some("Cookie".to_owned()),
        absolute_timeout: affinity.max_age_seconds.map(duration),
        cookie_config: Some(CookieConfig { lifetime_type: Some(lifetime.to_owned()) }),
    }
}

/// A duration as the API takes it: at most five digits before a unit.
fn duration(seconds: i32) -> String {
    const MOST: i32 = 99_999;
    if seconds <= MOST { format!("{seconds}s") } else { format!("{}h{}s", seconds / 3600, seconds % 3600) }
}

fn parent(parent: &ParentReference) -> ParentRef {
    ParentRef {
        group: Some(GROUP.to_owned()),
        kind: Some("Gateway".to_owned()),
        namespace: parent.namespace.clone(),
        name: parent.name.clone(),
        section_name: parent.section_name.clone(),
        port: parent.port,
    }
}

/// A rule per service, in the order of the routes; a further one where a service has too many matches.
fn rules(routes: &[Route], filled: &HttpRouteRule) -> Vec<HttpRouteRule> {
    let mut services: Vec<Vec<Route>> = Vec::new();
    for route in routes {
        let same = |routes: &&mut Vec<Route>| routes.iter().any(|other| other.service == route.service);
        match services.iter_mut().find(same) {
            Some(routes) => routes.push(route.clone()),
            None => services.push(vec![route.clone()]),
        }
    }
    let mut rules = Vec::new();
    for mut routes in services {
        by_precedence(&mut routes);
        let backend_refs =
            routes.first().map(|first| BackendRef { name: first.backend.clone(), port: Some(first.port) });
        let matches: Vec<_> = routes.iter().flat_map(matches).collect();
        for matches in matches.chunks(MOST_MATCHES) {
            rules.push(HttpRouteRule {
                matches: matches.to_vec(),
                backend_refs: backend_refs.iter().cloned().collect(),
                ..filled.clone()
            });
        }
    }
    rules
}

fn matches(route: &Route) -> Vec<HttpRouteMatch> {
    let r#type = match route.path.r#type {
        PathType::Exact => "Exact",
        PathType::Prefix => "PathPrefix",
    };
    let path = HttpPathMatch { r#type: r#type.to_owned(), value: route.path.path.clone() };
    let by = |method| HttpRouteMatch { path: Some(path.clone()), method };
    if route.methods.is_empty() {
        return vec![by(None)];
    }
    route.methods.iter().map(|method| by(Some(word(*method).to_owned()))).collect()
}

fn word(method: Method) -> &'static str {
    match method {
        Method::Get => "GET",
        Method::Head => "HEAD",
        Method::Post => "POST",
        Method::Put => "PUT",
        Method::Delete => "DELETE",
        Method::Connect => "CONNECT",
        Method::Options => "OPTIONS",
        Method::Trace => "TRACE",
        Method::Patch => "PATCH",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_of_objects_belong_together() {
        for (at, written) in [(1, "shop"), (2, "shop.2"), (12, "shop.12")] {
            assert_eq!(name("shop", at), written);
            assert_eq!(number("shop", written), Some(at));
        }
        for foreign in ["shop.1", "shop.x", "shop-2", "shopping", "other"] {
            assert_eq!(number("shop", foreign), None, "{foreign}");
        }
    }

    #[test]
    fn durations_have_five_digits_at_most() {
        let written = [(1, "1s"), (99_999, "99999s"), (100_000, "27h2800s"), (31_536_000, "8760h0s")];
        for (seconds, text) in written {
            assert_eq!(duration(seconds), text);
        }
    }
}
