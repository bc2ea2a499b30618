//! What was asked of the front door beyond routes, and what of it cannot be done.

use std::collections::BTreeMap;

use plimsoll_api::v1alpha1::{FrontDoor, SessionAffinity};
use plimsoll_core::quantity::Quantity;

use super::problem::Problem;

pub(super) const AFFINITY: &str = "spec.frontDoor.sessionAffinity";
pub(super) const COOKIE: &str = "spec.frontDoor.sessionAffinity.cookieName";
pub(super) const MAX_AGE: &str = "spec.frontDoor.sessionAffinity.maxAgeSeconds";
pub(super) const REQUEST: &str = "spec.frontDoor.timeouts.requestSeconds";
pub(super) const BACKEND: &str = "spec.frontDoor.timeouts.backendSeconds";
pub(super) const BODY: &str = "spec.frontDoor.maxRequestBody";
pub(super) const METHODS: &str = "spec.services[].methods";
pub(super) const TLS: &str = "spec.frontDoor.ingress.tls";

/// What the fields of a front door ask for.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Settings<'a> {
    /// Clients stay with their pods.
    pub(super) affinity: Option<&'a SessionAffinity>,
    /// Seconds for a request and its answer.
    pub(super) request: Option<i32>,
    /// Seconds for a pod.
    pub(super) backend: Option<i32>,
    /// Bytes.
    pub(super) body: Option<u64>,
    /// TLS ends at the Ingress.
    pub(super) tls: bool,
}

/// What became of settings.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Rendered {
    /// Annotations of the Ingress.
    pub(super) ingress: BTreeMap<String, String>,
    /// Annotations of each Service behind it.
    pub(super) services: BTreeMap<String, String>,
    /// What cannot be done.
    pub(super) problems: Vec<Problem>,
}

impl<'a> Settings<'a> {
    /// What `door` asks for; a body that is no amount of bytes is a problem.
    pub(super) fn of(door: &'a FrontDoor) -> (Self, Option<Problem>) {
        let (body, problem) = match door.max_request_body.as_ref().map(|body| bytes(&body.0)) {
            None => (None, None),
            Some(Some(bytes)) => (Some(bytes), None),
            Some(None) => {
                let why = "it is no whole number of bytes above 0, such as 8Mi".to_owned();
                (None, Some(Problem::NotSupported { field: BODY, why }))
            }
        };
        let timeouts = door.timeouts.as_ref();
        let settings = Self {
            affinity: door.session_affinity.as_ref(),
            request: timeouts.and_then(|timeouts| timeouts.request_seconds),
            backend: timeouts.and_then(|timeouts| timeouts.backend_seconds),
            body,
            tls: door.ingress.as_ref().is_some_and(|ingress| ingress.tls.is_some()),
        };
        (settings, problem)
    }

    /// The fields that are set, each once.
    pub(super) fn fields(&self) -> impl Iterator<Item = &'static str> {
        [
            self.affinity.map(|_| AFFINITY),
            self.request.map(|_| REQUEST),
            self.backend.map(|_| BACKEND),
            self.body.map(|_| BODY),
        ]
        .into_iter()
        .flatten()
    }
}

impl Rendered {
    pub(super) fn ingress(&mut self, key: &str, value: impl Into<String>) {
        self.ingress.insert(key.to_owned(), value.into());
    }

    pub(super) fn services(&mut self, key: &str, value: impl Into<String>) {
        self.services.insert(key.to_owned(), value.into());
    }

    pub(super) fn not_supported(&mut self, field: &'static str, why: impl Into<String>) {
        self.problems.push(Problem::NotSupported { field, why: why.into() });
    }

    /// The same where a field is set.
    pub(super) fn not_supported_if(&mut self, is_set: bool, field: &'static str, why: &str) {
        if is_set {
            self.not_supported(field, why);
        }
    }
}

/// The whole bytes of a quantity above zero.
fn bytes(text: &str) -> Option<u64> {
    const NANO: i128 = 1_000_000_000;
    let nano = Quantity::parse(text).ok()?.nano();
    let whole = nano % NANO == 0 && nano > 0;
    whole.then_some(nano / NANO).and_then(|bytes| u64::try_from(bytes).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_whole_bytes() {
        let read = [
            ("8Mi", Some(8 << 20)),
            ("1k", Some(1000)),
            ("1", Some(1)),
            ("0", None),
            ("-1", None),
            ("1m", None),
            ("x", None),
        ];
        for (text, expected) in read {
            assert_eq!(bytes(text), expected, "{text}");
        }
    }
}
