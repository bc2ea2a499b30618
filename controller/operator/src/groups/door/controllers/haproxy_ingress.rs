//! `HAProxy` Ingress, of its community.

use super::super::settings::{MAX_AGE, REQUEST, Rendered, Settings};

pub(super) fn annotations(settings: &Settings<'_>) -> Rendered {
    let mut rendered = Rendered::default();
    if let Some(affinity) = settings.affinity {
        rendered.ingress("haproxy-ingress.github.io/affinity", "cookie");
        rendered.ingress("haproxy-ingress.github.io/session-cookie-name", affinity.cookie_name.as_str());
        rendered.not_supported_if(
            affinity.max_age_seconds.is_some(),
            MAX_AGE,
            "the cookies of HAProxy Ingress end with the browser: leave it out",
        );
    }
    if let Some(seconds) = settings.backend {
        rendered.ingress("haproxy-ingress.github.io/timeout-server", format!("{seconds}s"));
    }
    if let Some(bytes) = settings.body {
        rendered.ingress("haproxy-ingress.github.io/proxy-body-size", bytes.to_string());
    }
    rendered.not_supported_if(
        settings.request.is_some(),
        REQUEST,
        "HAProxy Ingress has none for a whole request: use backendSeconds",
    );
    rendered
}
