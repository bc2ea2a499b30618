//! The Ingress of a group.

use std::collections::BTreeMap;

use k8s_openapi::api::networking::v1::{
    HTTPIngressPath, HTTPIngressRuleValue, IngressBackend, IngressRule, IngressServiceBackend, IngressSpec,
    IngressTLS, ServiceBackendPort,
};
use plimsoll_api::v1alpha1::{IngressDoor, PathType};

use super::{
    controllers::Controller,
    problem::Problem,
    route::{Route, by_precedence},
    settings::Settings,
};

/// An Ingress, and what of its settings could not be put in.
#[derive(Debug, PartialEq)]
pub(super) struct Made {
    pub(super) annotations: BTreeMap<String, String>,
    /// Annotations of each Service behind it.
    pub(super) services: BTreeMap<String, String>,
    pub(super) spec: IngressSpec,
    pub(super) problems: Vec<Problem>,
}

/// The Ingress of these routes. There must be a route.
pub(super) fn make(
    door: &IngressDoor,
    class: &str,
    controller: Controller<'_>,
    hosts: &[String],
    settings: &Settings<'_>,
    mut routes: Vec<Route>,
) -> Made {
    by_precedence(&mut routes);
    let mut backends: Vec<_> = routes.iter().map(|route| route.backend.as_str()).collect();
    backends.sort_unstable();
    backends.dedup();
    let rendered = controller.annotations(settings, &backends);
    let mut annotations = rendered.ingress;
    // Who writes one knows better.
    annotations.extend(door.annotations.clone());
    let paths: Vec<_> = routes.into_iter().map(path).collect();
    let rule = |host: Option<&String>| IngressRule {
        host: host.cloned(),
        http: Some(HTTPIngressRuleValue { paths: paths.clone() }),
    };
    let rules =
        if hosts.is_empty() { vec![rule(None)] } else { hosts.iter().map(|host| rule(Some(host))).collect() };
    let tls = door.tls.as_ref().map(|tls| IngressTLS {
        hosts: (!hosts.is_empty()).then(|| hosts.to_vec()),
        secret_name: Some(tls.secret_name.clone()),
    });
    let spec = IngressSpec {
        default_backend: None,
        ingress_class_name: Some(class.to_owned()),
        rules: Some(rules),
        tls: tls.map(|tls| vec![tls]),
    };
    Made { annotations, services: rendered.services, spec, problems: rendered.problems }
}

fn path(route: Route) -> HTTPIngressPath {
    let path_type = match route.path.r#type {
        PathType::Exact => "Exact",
        PathType::Prefix => "Prefix",
    };
    let port = ServiceBackendPort { name: None, number: Some(route.port) };
    HTTPIngressPath {
        path: Some(route.path.path),
        path_type: path_type.to_owned(),
        backend: IngressBackend {
            resource: None,
            service: Some(IngressServiceBackend { name: route.backend, port: Some(port) }),
        },
    }
}
