//! F5's NGINX Ingress Controller.

use super::super::settings::{REQUEST, Rendered, Settings};

pub(super) fn annotations(settings: &Settings<'_>, services: &[&str]) -> Rendered {
    let mut rendered = Rendered::default();
    if let Some(affinity) = settings.affinity {
        let expires =
            affinity.max_age_seconds.map_or_else(String::new, |seconds| format!(" expires={seconds}s"));
        let cookie = |service: &&str| {
            let name = &affinity.cookie_name;
            format!("serviceName={service} {name}{expires} httponly path=/")
        };
        let cookies: Vec<_> = services.iter().map(cookie).collect();
        rendered.ingress("nginx.org/sticky-cookie-services", cookies.join(";"));
    }
    if let Some(seconds) = settings.backend {
        rendered.ingress("nginx.org/proxy-read-timeout", format!("{seconds}s"));
    }
    if let Some(bytes) = settings.body {
        rendered.ingress("nginx.org/client-max-body-size", bytes.to_string());
    }
    rendered.not_supported_if(
        settings.request.is_some(),
        REQUEST,
        "NGINX Ingress Controller has none for a whole request: use backendSeconds",
    );
    rendered
}
