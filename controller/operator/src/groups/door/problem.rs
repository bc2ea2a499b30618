//! What keeps a front door from being all that was asked for: one vocabulary for conditions, events and logs.

use std::fmt;

/// The reason of the condition `FrontDoor`. Of several problems the first of this list gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// What the front door depends on could not be read.
    NotRead,
    /// The API server serves no `HTTPRoute`.
    NoGatewayApi,
    /// Something else has its name.
    NameTaken,
    /// The API server refuses it.
    Refused,
    /// No class was named, and the cluster has no default.
    NoDefaultClass,
    /// The class does not exist.
    ClassMissing,
    /// No path is left to serve.
    NoPaths,
    /// A path belongs to another group.
    TakenByAnotherGroup,
    /// Two services of the group have a path.
    SamePath,
    /// A path is none.
    InvalidPath,
    /// Methods with an Ingress.
    MethodsNeedGateway,
    /// A service has no Service yet.
    ServiceMissing,
    /// A Gateway does not exist.
    GatewayMissing,
    /// A Gateway does not take the route.
    NotAccepted,
    /// A Gateway does not find what the route refers to.
    RefsNotResolved,
    /// The Secret with the certificate does not exist.
    SecretMissing,
    /// The Secret does not hold a certificate and its key.
    SecretMalformed,
    /// What serves the front door cannot do what a field asks for.
    NotSupported,
    /// Nobody has answered yet.
    Pending,
    /// It is as it was asked for.
    Accepted,
}

/// One problem, with the field and the way out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// What could not be read, and why.
    NotRead(String),
    /// There are no `HTTPRoute`s.
    NoGatewayApi,
    /// An object, and whose it is.
    NameTaken(String, String),
    /// An object, and the API server's words.
    Refused(String, String),
    /// There is no default class.
    NoDefaultClass,
    /// No such class.
    ClassMissing(String),
    /// There is nothing to serve.
    NoPaths,
    /// A path of another group.
    TakenByAnotherGroup {
        /// Where it stands.
        field: String,
        /// The path.
        path: String,
        /// A host of both.
        host: String,
        /// `NAMESPACE/NAME` of this group.
        group: String,
        /// And of the other.
        other: String,
    },
    /// A path of another service.
    SamePath {
        /// Where it stands.
        field: String,
        /// The path.
        path: String,
        /// The other service.
        service: String,
    },
    /// No path.
    InvalidPath {
        /// Where it stands.
        field: String,
        /// The path.
        path: String,
        /// What is wrong.
        why: String,
    },
    /// Where the methods stand.
    MethodsNeedGateway(String),
    /// The name of a service.
    ServiceMissing(String),
    /// A Gateway that does not exist.
    GatewayMissing {
        /// Where it is named.
        field: String,
        /// `NAMESPACE/NAME`.
        gateway: String,
    },
    /// What a Gateway says of a route.
    NotAccepted(Verdict),
    /// What a Gateway says of a route.
    RefsNotResolved(Verdict),
    /// The name of a Secret.
    SecretMissing(String),
    /// A Secret, and what is wrong with it.
    SecretMalformed(String, String),
    /// A field that has no effect.
    NotSupported {
        /// The field.
        field: &'static str,
        /// Why, and what to do.
        why: String,
    },
    /// What is waited for.
    Pending(String),
}

/// What a Gateway says of a route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// `NAMESPACE/NAME` of the Gateway.
    pub gateway: String,
    /// The reason of its condition.
    pub reason: String,
    /// Its message.
    pub message: String,
}

impl Problem {
    /// What the condition says for it.
    pub fn reason(&self) -> Reason {
        match self {
            Self::NotRead(_) => Reason::NotRead,
            Self::NoGatewayApi => Reason::NoGatewayApi,
            Self::NameTaken(..) => Reason::NameTaken,
            Self::Refused(..) => Reason::Refused,
            Self::NoDefaultClass => Reason::NoDefaultClass,
            Self::ClassMissing(_) => Reason::ClassMissing,
            Self::NoPaths => Reason::NoPaths,
            Self::TakenByAnotherGroup { .. } => Reason::TakenByAnotherGroup,
            Self::SamePath { .. } => Reason::SamePath,
            Self::InvalidPath { .. } => Reason::InvalidPath,
            Self::MethodsNeedGateway(_) => Reason::MethodsNeedGateway,
            Self::ServiceMissing(_) => Reason::ServiceMissing,
            Self::GatewayMissing { .. } => Reason::GatewayMissing,
            Self::NotAccepted(_) => Reason::NotAccepted,
            Self::RefsNotResolved(_) => Reason::RefsNotResolved,
            Self::SecretMissing(_) => Reason::SecretMissing,
            Self::SecretMalformed(..) => Reason::SecretMalformed,
            Self::NotSupported { .. } => Reason::NotSupported,
            Self::Pending(_) => Reason::Pending,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The names of the variants are the words of the API.
        fmt::Debug::fmt(self, f)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const CLASS: &str = "spec.frontDoor.ingress.className";
        const SECRET: &str = "spec.frontDoor.ingress.tls.secretName";
        match self {
            Self::NotRead(what) | Self::Pending(what) => f.write_str(what),
            Self::NoGatewayApi => f.write_str(
                "spec.frontDoor.gateway: the cluster serves no HTTPRoute of gateway.networking.k8s.io/v1: install the \
                 Gateway API",
            ),
            Self::NameTaken(object, whose) => write!(
                f,
                "metadata.name: the {object} {whose}: delete it, or give the group another name"
            ),
            Self::Refused(object, why) => write!(f, "the API server refuses the {object}: {why}"),
            Self::NoDefaultClass => {
                write!(f, "{CLASS}: the cluster has no default IngressClass: name one")
            }
            Self::ClassMissing(class) => write!(f, "{CLASS}: there is no IngressClass {class}"),
            Self::NoPaths => f.write_str("spec.services: no service has a path that can be served"),
            Self::TakenByAnotherGroup { field, path, host, group, other } => write!(
                f,
                "{field}: {path} at {host} is served by the ServiceGroup {other}, which is older than {group}"
            ),
            Self::SamePath { field, path, service } => write!(
                f,
                "{field}: {path} is served by the service {service} already, for a method of both (no methods are all)"
            ),
            Self::InvalidPath { field, path, why } => write!(f, "{field}: {path:?} is no path: {why}"),
            Self::MethodsNeedGateway(field) => write!(
                f,
                "{field}: an Ingress cannot route by method: use spec.frontDoor.gateway, or give each service paths of \
                 its own"
            ),
            Self::ServiceMissing(service) => {
                write!(f, "the service {service} has no Service yet, so its paths are left out")
            }
            Self::GatewayMissing { field, gateway } => write!(f, "{field}: there is no Gateway {gateway}"),
            Self::NotAccepted(verdict) | Self::RefsNotResolved(verdict) => write!(f, "the Gateway {verdict}"),
            Self::SecretMissing(secret) => write!(f, "{SECRET}: there is no Secret {secret}"),
            Self::SecretMalformed(secret, why) => write!(f, "{SECRET}: the Secret {secret}: {why}"),
            Self::NotSupported { field, why } => write!(f, "{field} has no effect: {why}"),
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { gateway, reason, message } = self;
        write!(f, "{gateway} says {reason}: {message}")
    }
}
