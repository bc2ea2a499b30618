//! Traefik: its annotations of Ingresses and Services know cookies, and neither time-outs nor bodies.

use super::super::settings::{BACKEND, BODY, REQUEST, Rendered, Settings};

pub(super) const STICKY: &str = "traefik.ingress.kubernetes.io/service.sticky.cookie";

pub(super) fn annotations(settings: &Settings<'_>) -> Rendered {
    let mut rendered = Rendered::default();
    if settings.tls {
        // Without it the certificate is loaded, and the router does not speak TLS unless its entry point does.
        rendered.ingress("traefik.ingress.kubernetes.io/router.tls", "true");
    }
    if let Some(affinity) = settings.affinity {
        rendered.services(STICKY, "true");
        rendered.services(&format!("{STICKY}.name"), affinity.cookie_name.as_str());
        rendered.services(&format!("{STICKY}.httponly"), "true");
        if let Some(seconds) = affinity.max_age_seconds {
            rendered.services(&format!("{STICKY}.maxage"), seconds.to_string());
        }
    }
    rendered.not_supported_if(
        settings.request.is_some(),
        REQUEST,
        "Traefik has it for a whole entry point: entryPoints.NAME.transport.respondingTimeouts of its configuration",
    );
    rendered.not_supported_if(
        settings.backend.is_some(),
        BACKEND,
        "Traefik has it in a ServersTransport: make one, and name it in the Service's annotation \
         traefik.ingress.kubernetes.io/service.serverstransport",
    );
    rendered.not_supported_if(
        settings.body.is_some(),
        BODY,
        "Traefik has it in a Middleware: make one with buffering.maxRequestBodyBytes, and name it in \
         spec.frontDoor.ingress.annotations as traefik.ingress.kubernetes.io/router.middlewares",
    );
    rendered
}
