//! How each controller of Ingresses is told what an Ingress itself cannot say: a file per controller.
//!
//! What is written here stands in the controller's own documentation; docs/front-door.md names the page of each.

mod aws;
mod haproxy;
mod haproxy_ingress;
mod nginx;
mod traefik;

use std::collections::BTreeMap;

use super::settings::{Rendered, Settings};

/// What annotations of ours on a Service begin with.
const OF_SERVICE: [&str; 2] = [traefik::STICKY, haproxy::COOKIE];

/// Those annotations of a Service that are written for a controller. While it is not known which, they stay.
pub fn ours_of_service(annotations: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let ours = annotations.iter().filter(|(key, _)| OF_SERVICE.iter().any(|prefix| key.starts_with(prefix)));
    ours.map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// Whose controller a class is, by `spec.controller` of its `IngressClass`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Controller<'a> {
    /// Traefik.
    Traefik,
    /// `HAProxy` Technologies' `HAProxy` Kubernetes Ingress Controller.
    Haproxy,
    /// The community's `HAProxy` Ingress.
    HaproxyIngress,
    /// AWS Load Balancer Controller.
    Aws,
    /// F5's NGINX Ingress Controller.
    Nginx,
    /// One that we know nothing of.
    Other(&'a str),
}

impl<'a> Controller<'a> {
    pub(super) fn named(name: &'a str) -> Self {
        match name {
            "traefik.io/ingress-controller" => Self::Traefik,
            "haproxy.org/ingress-controller" => Self::Haproxy,
            _ if name.starts_with("haproxy.org/ingress-controller/") => Self::Haproxy,
            "haproxy-ingress.github.io/controller" => Self::HaproxyIngress,
            "ingress.k8s.aws/alb" => Self::Aws,
            "nginx.org/ingress-controller" => Self::Nginx,
            _ => Self::Other(name),
        }
    }

    /// The annotations that ask it for `settings`, for an Ingress in front of these Services.
    pub(super) fn annotations(self, settings: &Settings<'_>, services: &[&str]) -> Rendered {
        match self {
            Self::Traefik => traefik::annotations(settings),
            Self::Haproxy => haproxy::annotations(settings),
            Self::HaproxyIngress => haproxy_ingress::annotations(settings),
            Self::Aws => aws::annotations(settings),
            Self::Nginx => nginx::annotations(settings, services),
            Self::Other(name) => other(settings, name),
        }
    }
}

fn other(settings: &Settings<'_>, name: &str) -> Rendered {
    let mut rendered = Rendered::default();
    for field in settings.fields() {
        let why = format!(
            "the controller {name:?} of this class is not known: use its annotations in \
             spec.frontDoor.ingress.annotations"
        );
        rendered.not_supported(field, why);
    }
    rendered
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn controllers_are_known_by_the_names_that_they_listen_to() {
        let known = [
            ("traefik.io/ingress-controller", Controller::Traefik),
            ("haproxy.org/ingress-controller", Controller::Haproxy),
            ("haproxy.org/ingress-controller/haproxy", Controller::Haproxy),
            ("haproxy-ingress.github.io/controller", Controller::HaproxyIngress),
            ("ingress.k8s.aws/alb", Controller::Aws),
            ("nginx.org/ingress-controller", Controller::Nginx),
            ("k8s.io/ingress-nginx", Controller::Other("k8s.io/ingress-nginx")),
            ("haproxy.org/ingress-controllers", Controller::Other("haproxy.org/ingress-controllers")),
        ];
        for (name, controller) in known {
            assert_eq!(Controller::named(name), controller, "{name}");
        }
    }
}
