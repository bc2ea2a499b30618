//! The shop that clients visit: three services behind one front door.

use serde_json::{Value, json};

use super::{front_door::CLASS, pods::ANNOTATIONS};

/// The namespace.
pub const NAMESPACE: &str = "shop";
/// The services, each with its path and its method.
pub const SERVICES: [(&str, &str, &str); 3] = [
    ("store-get", "/store/get", "GET"),
    ("store-post", "/store/post", "POST"),
    ("store-delete", "/store/delete", "DELETE"),
];
/// Where the Ingress answers, by path.
pub const HOST_OF_PATHS: &str = "shop.example.com";
/// Where the `HTTPRoute` answers, by method.
pub const HOST_OF_METHODS: &str = "store.example.com";
/// The Secret with the certificate of the Ingress.
pub const CERTIFICATE: &str = "shop-tls";
/// How long a request takes by default once it is begun.
pub const SERVICE_TIME_MILLIS: u32 = 50;
/// How many requests a pod has under way.
pub const CONCURRENCY: u32 = 2;
/// How many of them each second make a pod use all that it requests.
pub const PER_SECOND_AT_FULL: u32 = CONCURRENCY * 1000 / SERVICE_TIME_MILLIS;
/// How long a pod stays on a node of which nothing is heard any more, in seconds.
pub const TOLERATION_SECONDS: u32 = 10;
/// How long a pod goes on serving after it was told to end, in seconds.
pub const PRE_STOP_SECONDS: u32 = 5;
/// Within this a pod is gone, in seconds.
pub const GRACE_SECONDS: u32 = 8;

/// What of the shop a test may want otherwise.
#[derive(Clone, Debug)]
pub struct Shop {
    /// Pods of each service, to begin with.
    pub replicas: u32,
    /// Whether a pod goes on serving until whoever sends it requests has heard that it ends.
    pub pre_stop: bool,
    /// Whether each service has a `PodScaler`, which keeps at least `replicas` pods.
    pub scaled: bool,
    /// The cookie by which a client stays with its pod.
    pub cookie: Option<String>,
    /// Whether TLS ends at the Ingress; then [`CERTIFICATE`] has to be there.
    pub tls: bool,
    /// How long a request takes once it is begun.
    pub service_time_millis: u32,
    /// What a pod should use, in percent of its request.
    pub target_percent: u32,
    /// The services that survive the loss of a zone, as `spec.availability` of their `PodScaler` says.
    pub surviving: Vec<&'static str>,
}

impl Default for Shop {
    fn default() -> Self {
        Self {
            replicas: 2,
            pre_stop: true,
            scaled: false,
            cookie: None,
            tls: false,
            service_time_millis: SERVICE_TIME_MILLIS,
            target_percent: 60,
            surviving: Vec::new(),
        }
    }
}

impl Shop {
    /// Everything, as one List for `kubectl apply`.
    pub fn objects(&self) -> Value {
        let mut items = vec![json!({
            "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE},
        })];
        for (name, ..) in SERVICES {
            items.extend([self.deployment(name), self.service(name), disruption_budget(name)]);
            if self.scaled {
                items.push(self.scaler(name));
            }
        }
        items.extend([self.ingress(), gateway(), route()]);
        json!({"apiVersion": "v1", "kind": "List", "items": items})
    }

    fn deployment(&self, name: &str) -> Value {
        let labels = labels(name);
        let mut container = json!({
            "name": "app", "image": "registry.example.com/shop/store",
            "ports": [{"containerPort": 8080}],
            "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}},
        });
        if self.pre_stop {
            container["lifecycle"] = json!({"preStop": {"sleep": {"seconds": PRE_STOP_SECONDS}}});
        }
        let annotations = [
            ("service-time", format!("{}ms", self.service_time_millis)),
            ("concurrency", CONCURRENCY.to_string()),
        ];
        let annotations: serde_json::Map<_, _> = annotations
            .into_iter()
            .map(|(key, value)| (format!("{ANNOTATIONS}{key}"), value.into()))
            .collect();
        // A zone whose nodes are all tainted is none: the pods of a lost one go to the others.
        let spread = json!([{
            "topologyKey": "topology.kubernetes.io/zone", "maxSkew": 1, "whenUnsatisfiable": "DoNotSchedule",
            "nodeTaintsPolicy": "Honor", "matchLabelKeys": ["pod-template-hash"],
            "labelSelector": {"matchLabels": labels},
        }]);
        let tolerations = ["not-ready", "unreachable"].map(|why| {
            let key = format!("node.kubernetes.io/{why}");
            json!({"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": TOLERATION_SECONDS})
        });
        let mut deployment = json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": NAMESPACE},
            "spec": {
                "selector": {"matchLabels": labels},
                "strategy": {"rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
                "template": {
                    "metadata": {"labels": labels, "annotations": annotations},
                    "spec": {
                        "terminationGracePeriodSeconds": GRACE_SECONDS,
                        "topologySpreadConstraints": spread,
                        "tolerations": tolerations,
                        "containers": [container],
                    },
                },
            },
        });
        // The size belongs to who scales.
        if !self.scaled {
            deployment["spec"]["replicas"] = self.replicas.into();
        }
        deployment
    }

    fn service(&self, name: &str) -> Value {
        let mut annotations = serde_json::Map::new();
        if let Some(cookie) = &self.cookie {
            let sticky = "traefik.ingress.kubernetes.io/service.sticky.cookie";
            annotations.insert(sticky.to_owned(), "true".into());
            annotations.insert(format!("{sticky}.name"), cookie.clone().into());
        }
        json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": {"name": name, "namespace": NAMESPACE, "annotations": annotations},
            "spec": {"selector": labels(name), "ports": [{"name": "http", "port": 80, "targetPort": 8080}]},
        })
    }

    fn scaler(&self, name: &str) -> Value {
        let mut scaler = json!({
            "apiVersion": "plimsoll.dev/v1alpha1", "kind": "PodScaler",
            "metadata": {"name": name, "namespace": NAMESPACE},
            "spec": {
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
                "minReplicas": self.replicas, "maxReplicas": 30,
                "metrics": [{"type": "Resource", "resource": {
                    "name": "cpu", "target": {"type": "Utilization", "averageUtilization": self.target_percent},
                }}],
            },
        });
        if self.surviving.contains(&name) {
            scaler["spec"]["availability"] = json!({"survive": "Zone"});
        }
        scaler
    }

    fn ingress(&self) -> Value {
        let paths: Vec<_> = SERVICES
            .iter()
            .map(|(name, path, _)| {
                let backend = json!({"service": {"name": name, "port": {"name": "http"}}});
                json!({"path": path, "pathType": "Prefix", "backend": backend})
            })
            .collect();
        let mut ingress = json!({
            "apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
            "metadata": {"name": "shop", "namespace": NAMESPACE},
            "spec": {
                "ingressClassName": CLASS,
                "rules": [{"host": HOST_OF_PATHS, "http": {"paths": paths}}],
            },
        });
        if self.tls {
            ingress["spec"]["tls"] = json!([{"hosts": [HOST_OF_PATHS], "secretName": CERTIFICATE}]);
        }
        ingress
    }
}

fn labels(name: &str) -> Value {
    json!({"app.kubernetes.io/name": name})
}

fn disruption_budget(name: &str) -> Value {
    json!({
        "apiVersion": "policy/v1", "kind": "PodDisruptionBudget",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "selector": {"matchLabels": labels(name)}, "maxUnavailable": 1,
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
        },
    })
}

fn gateway() -> Value {
    json!({
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway",
        "metadata": {"name": "front-door", "namespace": NAMESPACE},
        "spec": {"gatewayClassName": CLASS, "listeners": [{"name": "web", "port": 80, "protocol": "HTTP"}]},
    })
}

/// One path, and a service for each method.
fn route() -> Value {
    let rules: Vec<_> = SERVICES
        .iter()
        .map(|(name, _, method)| {
            let matches = json!([{"path": {"type": "PathPrefix", "value": "/store"}, "method": method}]);
            json!({"matches": matches, "backendRefs": [{"name": name, "port": 80}]})
        })
        .collect();
    json!({
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute",
        "metadata": {"name": "shop", "namespace": NAMESPACE},
        "spec": {"parentRefs": [{"name": "front-door"}], "hostnames": [HOST_OF_METHODS], "rules": rules},
    })
}
