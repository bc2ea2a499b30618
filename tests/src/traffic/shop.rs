//! The shop that clients visit: a `ServiceGroup` of three services behind one front door.

use serde_json::{Map, Value, json};

use super::{clients::Stream, front_door::CLASS, pods::ANNOTATIONS};

/// The name of the group.
pub const GROUP: &str = "store";
/// The services.
pub const SERVICES: [Service; 3] = [
    Service { name: "get", path: "/store/get", method: "GET" },
    Service { name: "post", path: "/store/post", method: "POST" },
    Service { name: "delete", path: "/store/delete", method: "DELETE" },
];
/// The Secret with the certificate of the Ingress.
pub const CERTIFICATE: &str = "shop-tls";
/// How long a request takes by default once it is begun.
pub const SERVICE_TIME_MILLIS: u32 = 50;
/// How many requests a pod has under way.
pub const CONCURRENCY: u32 = 2;
/// How long a pod stays on a node of which nothing is heard any more, in seconds.
pub const TOLERATION_SECONDS: u32 = 10;

/// A service of the shop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Service {
    /// Its name in the group.
    pub name: &'static str,
    /// By which an Ingress finds it.
    pub path: &'static str,
    /// By which an `HTTPRoute` finds it.
    pub method: &'static str,
}

impl Service {
    /// The name of its Deployment, and what its pods say that they are.
    pub fn workload(&self) -> String {
        format!("{GROUP}-{}", self.name)
    }
}

/// The one front door of a shop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// An Ingress: each service has a path of its own.
    Ingress,
    /// An `HTTPRoute`: all services share a path, and each has a method of its own.
    Route,
}

impl Door {
    /// The namespace of the shop that has it.
    pub fn namespace(self) -> &'static str {
        match self {
            Self::Ingress => "shop",
            Self::Route => "shop-by-method",
        }
    }

    /// The host that it answers to.
    pub fn host(self) -> &'static str {
        match self {
            Self::Ingress => "shop.example.com",
            Self::Route => "store.example.com",
        }
    }

    /// The path at which it leads to a service, and to what lies below.
    pub fn path(self, service: &Service) -> &'static str {
        match self {
            Self::Ingress => service.path,
            Self::Route => "/store",
        }
    }

    /// Of this service, as requests through this door are named.
    pub fn stream_name(self, service: &Service) -> String {
        match self {
            Self::Ingress => service.name.to_owned(),
            Self::Route => format!("{}-by-method", service.name),
        }
    }
}

/// What of the shop a test may want otherwise.
#[derive(Clone, Debug)]
pub struct Shop {
    /// Its front door.
    pub door: Door,
    /// The fewest and the most pods of each service.
    pub replicas: (u32, u32),
    /// Of the image of all services.
    pub version: u32,
    /// Whether a pod goes on serving until whoever sends it requests has heard that it ends: for as long as groups have it by
    /// default.
    pub pre_stop: bool,
    /// The cookie by which a client stays with its pod.
    pub cookie: Option<&'static str>,
    /// Whether TLS ends at the Ingress, with the certificate in [`CERTIFICATE`].
    pub tls: bool,
    /// How long a request takes once it is begun.
    pub service_time_millis: u32,
    /// How many requests wait at a pod; one more is refused.
    pub queue: u32,
    /// What a pod should use, in percent of what it requests.
    pub target_percent: u32,
    /// The services that survive the loss of a zone.
    pub surviving: Vec<&'static str>,
}

impl Default for Shop {
    fn default() -> Self {
        Self {
            door: Door::Ingress,
            replicas: (2, 30),
            version: 1,
            pre_stop: true,
            cookie: None,
            tls: false,
            service_time_millis: SERVICE_TIME_MILLIS,
            queue: 20,
            target_percent: 60,
            surviving: Vec::new(),
        }
    }
}

impl Shop {
    /// Its namespace, its group, and the Gateway if it has one, as a List for `kubectl apply`.
    pub fn objects(&self) -> Value {
        let namespace = self.door.namespace();
        let mut items = vec![
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}),
            json!({
                "apiVersion": "plimsoll.dev/v1alpha1", "kind": "ServiceGroup",
                "metadata": {"name": GROUP, "namespace": namespace},
                "spec": {
                    "frontDoor": self.front_door(),
                    "services": SERVICES.iter().map(|service| self.service(service)).collect::<Vec<_>>(),
                    "availability": self.availability("None"),
                },
            }),
        ];
        if self.door == Door::Route {
            items.push(json!({
                "apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway",
                "metadata": {"name": "front-door", "namespace": namespace},
                "spec": {"gatewayClassName": CLASS, "listeners": [{"name": "web", "port": 80, "protocol": "HTTP"}]},
            }));
        }
        json!({"apiVersion": "v1", "kind": "List", "items": items})
    }

    /// Requests to a service: so many each second.
    pub fn stream(&self, service: &Service, per_second: u32) -> Stream {
        let scheme = if self.tls { "https" } else { "http" };
        let url = format!("{scheme}://{}{}", self.door.host(), self.door.path(service));
        Stream::new(&self.door.stream_name(service), service.method, &url, per_second)
    }

    /// How many requests each second make a pod use all that it requests.
    pub fn per_second_at_full(&self) -> u32 {
        CONCURRENCY * 1000 / self.service_time_millis
    }

    /// The image of its pods.
    pub fn image(&self) -> String {
        format!("registry.example.com/shop/store:{}", self.version)
    }

    fn front_door(&self) -> Value {
        let mut door = match self.door {
            Door::Ingress => json!({"ingress": {"className": CLASS}}),
            Door::Route => json!({"gateway": {"parentRefs": [{"name": "front-door"}]}}),
        };
        door["hosts"] = json!([self.door.host()]);
        if let Some(cookie) = self.cookie {
            door["sessionAffinity"] = json!({"cookieName": cookie});
        }
        if self.tls {
            door["ingress"]["tls"] = json!({"secretName": CERTIFICATE});
        }
        door
    }

    fn service(&self, service: &Service) -> Value {
        let (fewest, most) = self.replicas;
        let target = json!({"type": "Utilization", "averageUtilization": self.target_percent});
        let mut scaling = json!({
            "minReplicas": fewest, "maxReplicas": most,
            "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": target}}],
        });
        if self.surviving.contains(&service.name) {
            scaling["availability"] = self.availability("Zone");
        }
        let mut kept = json!({
            "name": service.name, "port": 80, "targetPort": "http", "paths": [{"path": self.door.path(service)}],
            "template": self.template(service), "scaling": scaling,
        });
        if self.door == Door::Route {
            kept["methods"] = json!([service.method]);
        }
        kept
    }

    fn availability(&self, survive: &str) -> Value {
        let mut availability = json!({"survive": survive});
        if !self.pre_stop {
            availability["preStopSeconds"] = 0.into();
        }
        availability
    }

    fn template(&self, service: &Service) -> Value {
        let annotations = [
            ("service-time", format!("{}ms", self.service_time_millis)),
            ("concurrency", CONCURRENCY.to_string()),
            ("queue", self.queue.to_string()),
        ];
        let annotations: Map<_, _> = annotations
            .into_iter()
            .map(|(key, value)| (format!("{ANNOTATIONS}{key}"), value.into()))
            .collect();
        let tolerations = ["not-ready", "unreachable"].map(|why| {
            let key = format!("node.kubernetes.io/{why}");
            json!({"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": TOLERATION_SECONDS})
        });
        json!({
            "metadata": {"labels": {"app.kubernetes.io/name": service.workload()}, "annotations": annotations},
            "spec": {
                "tolerations": tolerations,
                "containers": [{
                    "name": "app", "image": self.image(), "ports": [{"name": "http", "containerPort": 8080}],
                    "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}},
                }],
            },
        })
    }
}
