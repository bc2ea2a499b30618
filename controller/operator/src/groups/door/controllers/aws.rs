//! AWS Load Balancer Controller, which makes an Application Load Balancer.

use super::super::settings::{BACKEND, BODY, COOKIE, MAX_AGE, REQUEST, Rendered, Settings, TLS};

/// The seconds for which a cookie of the load balancer may last.
const LONGEST_COOKIE: i32 = 604_800;

/// The seconds for which a connection may be idle.
const LONGEST_IDLE: i32 = 4_000;

pub(super) fn annotations(settings: &Settings<'_>) -> Rendered {
    let mut rendered = Rendered::default();
    // The Services of a group have no ports on nodes, and cookies lead to pods only where pods are the targets.
    rendered.ingress("alb.ingress.kubernetes.io/target-type", "ip");
    if let Some(affinity) = settings.affinity {
        let mut attributes = "stickiness.enabled=true,stickiness.type=lb_cookie".to_owned();
        match affinity.max_age_seconds {
            Some(seconds) if seconds > LONGEST_COOKIE => {
                rendered.not_supported(
                    MAX_AGE,
                    format!("a cookie of the load balancer lasts at most {LONGEST_COOKIE} s"),
                );
            }
            Some(seconds) => attributes += &format!(",stickiness.lb_cookie.duration_seconds={seconds}"),
            None => {}
        }
        rendered.ingress("alb.ingress.kubernetes.io/target-group-attributes", attributes);
        if affinity.cookie_name != plimsoll_api::v1alpha1::SessionAffinity::COOKIE_NAME {
            rendered.not_supported(COOKIE, "the cookie of the load balancer is always AWSALB: leave it out");
        }
    }
    match settings.backend {
        Some(seconds) if seconds > LONGEST_IDLE => {
            rendered.not_supported(BACKEND, format!("the load balancer waits for {LONGEST_IDLE} s at most"));
        }
        Some(seconds) => rendered.ingress(
            "alb.ingress.kubernetes.io/load-balancer-attributes",
            format!("idle_timeout.timeout_seconds={seconds}"),
        ),
        None => {}
    }
    rendered.not_supported_if(
        settings.request.is_some(),
        REQUEST,
        "an Application Load Balancer has none for a whole request: use backendSeconds",
    );
    rendered.not_supported_if(
        settings.body.is_some(),
        BODY,
        "an Application Load Balancer has no such limit: let a rule of AWS WAF look at the size of bodies",
    );
    if settings.tls {
        rendered.not_supported(
            TLS,
            "an Application Load Balancer takes certificates from AWS Certificate Manager and never from a Secret: \
             leave tls out, and name one in spec.frontDoor.ingress.annotations as \
             alb.ingress.kubernetes.io/certificate-arn",
        );
    }
    rendered
}
