//! The names of the ports of a template: all that is read of it.

use serde::Deserialize;

/// The `template` of a Deployment or `StatefulSet`.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct Template {
    #[serde(default)]
    spec: Spec,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    #[serde(default)]
    containers: Vec<Container>,
    #[serde(default)]
    init_containers: Vec<Container>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Container {
    restart_policy: Option<String>,
    #[serde(default)]
    ports: Vec<Port>,
}

#[derive(Debug, Clone, Deserialize)]
struct Port {
    name: Option<String>,
}

impl Template {
    /// The names that a Service can refer to: also those of init containers that go on.
    pub(super) fn port_names(&self) -> Box<[Box<str>]> {
        let goes_on = |container: &&Container| container.restart_policy.as_deref() == Some("Always");
        let containers = self.spec.containers.iter();
        let containers = containers.chain(self.spec.init_containers.iter().filter(goes_on));
        let names = containers.flat_map(|of| of.ports.iter().filter_map(|port| port.name.as_deref()));
        names.map(Into::into).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_ports_that_a_service_finds_by_name_are_those_of_containers_that_go_on() {
        let port = |name: &str| json!([{ "name": name, "containerPort": 80 }, { "containerPort": 81 }]);
        let template = json!({ "spec": {
            "containers": [{ "name": "web", "ports": port("http") }, { "name": "log" }],
            "initContainers": [
                { "name": "proxy", "restartPolicy": "Always", "ports": port("mesh") },
                { "name": "setup", "ports": port("once") },
            ],
        } });
        let template: Template = serde_json::from_value(template).unwrap();
        assert_eq!(*template.port_names(), ["http".into(), "mesh".into()]);
        assert_eq!(*Template::default().port_names(), []);
    }
}
