//! `HAProxy` Kubernetes Ingress Controller, of `HAProxy` Technologies.

use super::super::settings::{BODY, MAX_AGE, REQUEST, Rendered, Settings};

pub(super) const COOKIE: &str = "haproxy.org/cookie-persistence";

pub(super) fn annotations(settings: &Settings<'_>) -> Rendered {
    let mut rendered = Rendered::default();
    if let Some(affinity) = settings.affinity {
        // On an Ingress it is ignored: a backend is shared by all Ingresses that name its Service.
        rendered.services(COOKIE, affinity.cookie_name.as_str());
        rendered.not_supported_if(
            affinity.max_age_seconds.is_some(),
            MAX_AGE,
            "the cookies of HAProxy Kubernetes Ingress Controller end with the browser: leave it out",
        );
    }
    if let Some(seconds) = settings.backend {
        rendered.ingress("haproxy.org/timeout-server", format!("{seconds}s"));
    }
    rendered.not_supported_if(
        settings.request.is_some(),
        REQUEST,
        "HAProxy Kubernetes Ingress Controller has none for a whole request: use backendSeconds",
    );
    rendered.not_supported_if(
        settings.body.is_some(),
        BODY,
        "HAProxy Kubernetes Ingress Controller has no annotation for it: use haproxy.org/backend-config-snippet in \
         spec.frontDoor.ingress.annotations",
    );
    rendered
}
