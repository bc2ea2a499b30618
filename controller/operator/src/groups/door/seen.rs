//! What was seen of all that a front door depends on, and how it is read from objects.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::{
    api::{core::v1::Secret, networking::v1::Ingress},
    apiextensions_apiserver::pkg::apis::apiextensions::v1::{CustomResourceDefinition, JSONSchemaProps},
};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{
    class::Class,
    gateway_api::{
        Gateway, GatewayClass, HttpRouteSpec, HttpRouteStatus, RouteParentStatus, SupportedFeature,
    },
};

/// What was seen of all that a front door depends on.
#[derive(Debug, Clone, PartialEq)]
pub enum Seen {
    /// Something could not be read, and why.
    NotRead(String),
    /// Something else has its name: what, and whose that is.
    NameTaken(String, String),
    /// For an Ingress.
    Ingress(SeenIngress),
    /// For an `HTTPRoute`; None: the API server serves none.
    Gateway(Option<SeenGateway>),
}

/// What was seen for an Ingress.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SeenIngress {
    /// All classes.
    pub classes: Vec<Class>,
    /// The Secret of its certificate.
    pub secret: SeenSecret,
    /// The class of the Ingress that is there.
    pub class: Option<String>,
    /// Where that is.
    pub address: Option<String>,
}

/// What was seen of a Secret.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum SeenSecret {
    /// Nobody asked for one.
    #[default]
    NotAsked,
    /// It could not be read, and why.
    Unread(String),
    /// It does not exist.
    Missing,
    /// It is there.
    There(Box<Secret>),
}

/// What was seen for an `HTTPRoute`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SeenGateway {
    /// Whether the CRD has `sessionPersistence`.
    pub persistence: bool,
    /// The Gateways that are named.
    pub gateways: Gateways,
    /// What the classes of those say that they can do, by their names. One that says nothing is left out.
    pub features: BTreeMap<String, BTreeSet<String>>,
    /// The `HTTPRoute`s of the group that are there, by their names.
    pub routes: BTreeMap<String, SeenRoute>,
}

/// An `HTTPRoute` that is there.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SeenRoute {
    /// What generation of it.
    pub generation: i64,
    /// What it says.
    pub spec: HttpRouteSpec,
    /// What Gateways say of it.
    pub parents: Vec<RouteParentStatus>,
}

/// A Gateway that is there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GatewaySeen {
    /// Its class.
    pub class: String,
    /// The first of its addresses.
    pub address: Option<String>,
}

/// The Gateways that a group names, by namespace and name; None: it does not exist.
pub type Gateways = BTreeMap<(String, String), Option<GatewaySeen>>;

/// What the CRD of `HTTPRoute`s can say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Served {
    /// Whether rules have `sessionPersistence` with a name for the cookie.
    pub persistence: bool,
}

impl Served {
    /// What a definition can say; None: the API server does not serve it.
    pub fn of(definition: &CustomResourceDefinition) -> Option<Self> {
        let conditions = definition.status.as_ref().and_then(|status| status.conditions.as_ref());
        let established = |kind: &str, status: &str| (kind, status) == ("Established", "True");
        let mut conditions = conditions.into_iter().flatten();
        if !conditions.any(|condition| established(&condition.type_, &condition.status)) {
            return None;
        }
        let version =
            definition.spec.versions.iter().find(|version| version.name == "v1" && version.served)?;
        let schema = version.schema.as_ref().and_then(|schema| schema.open_api_v3_schema.as_ref());
        let rule = schema.and_then(|schema| property(schema, &["spec", "rules"])).and_then(item);
        let name = rule.and_then(|rule| property(rule, &["sessionPersistence", "sessionName"]));
        Some(Self { persistence: name.is_some() })
    }
}

fn property<'a>(schema: &'a JSONSchemaProps, path: &[&str]) -> Option<&'a JSONSchemaProps> {
    path.iter().try_fold(schema, |schema, name| schema.properties.as_ref()?.get(*name))
}

fn item(schema: &JSONSchemaProps) -> Option<&JSONSchemaProps> {
    use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::JSONSchemaPropsOrArray::{
        Schema, Schemas,
    };
    match schema.items.as_ref()? {
        Schema(schema) => Some(schema),
        Schemas(schemas) => schemas.first(),
    }
}

impl GatewaySeen {
    /// What matters of a Gateway.
    pub fn of(gateway: &Gateway) -> Self {
        let addresses = gateway.status.iter().flat_map(|status| &status.addresses);
        let mut addresses = addresses.map(|address| address.value.clone());
        Self {
            class: gateway.spec.gateway_class_name.clone(),
            address: addresses.find(|value| !value.is_empty()),
        }
    }
}

/// What a class of Gateways says that it can do; None: it says nothing.
pub fn features(class: &GatewayClass) -> Option<BTreeSet<String>> {
    let features = class.status.iter().flat_map(|status| &status.supported_features);
    let names: BTreeSet<_> = features.map(SupportedFeature::name).map(str::to_owned).collect();
    (!names.is_empty()).then_some(names)
}

impl SeenRoute {
    /// What matters of an `HTTPRoute`. A part that does not decode is as good as none.
    pub fn of(generation: Option<i64>, data: &Value) -> Self {
        fn read<T: DeserializeOwned + Default>(value: &Value) -> T {
            T::deserialize(value).unwrap_or_default()
        }
        Self {
            generation: generation.unwrap_or_default(),
            spec: read::<HttpRouteSpec>(&data["spec"]),
            parents: read::<HttpRouteStatus>(&data["status"]).parents,
        }
    }
}

/// Where an Ingress is: the first that its controller wrote.
pub fn address(ingress: &Ingress) -> Option<String> {
    let status = ingress.status.as_ref()?.load_balancer.as_ref()?;
    let mut places = status.ingress.iter().flatten();
    places.find_map(|place| place.hostname.clone().or_else(|| place.ip.clone()))
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    #[test]
    fn a_definition_says_whether_clients_can_stay_with_their_pods() {
        let read = |established: &str, rule: &str| {
            let yaml = format!(
                "{{ metadata: {{ name: httproutes.gateway.networking.k8s.io }},
                   spec: {{ group: gateway.networking.k8s.io, scope: Namespaced, names: {{ kind: HTTPRoute, plural: httproutes }},
                     versions: [{{ name: v1, served: true, storage: true, schema: {{ openAPIV3Schema: {{ type: object, properties: {{
                       spec: {{ type: object, properties: {{ rules: {{ type: array, items: {{ type: object, properties: {{ {rule} }} }} }} }} }} }} }} }} }}] }},
                   status: {{ conditions: [{{ type: Established, status: '{established}' }}] }} }}"
            );
            Served::of(&serde_saphyr::from_str(&yaml).unwrap())
        };
        let persistence =
            "sessionPersistence: { type: object, properties: { sessionName: { type: string } } }";
        assert_eq!(read("False", persistence), None);
        assert_eq!(read("True", persistence), Some(Served { persistence: true }));
        assert_eq!(read("True", "name: { type: string }"), Some(Served { persistence: false }));
    }

    #[test]
    fn the_features_of_a_class_are_read_in_both_spellings() {
        let read = |features: &str| {
            let yaml = format!(
                "{{ metadata: {{ name: web }}, spec: {{}}, status: {{ supportedFeatures: [{features}] }} }}"
            );
            let class: GatewayClass = serde_saphyr::from_str(&yaml).unwrap();
            features_of(&class)
        };
        let expected = Some(vec!["Gateway".to_owned(), "HTTPRoute".to_owned()]);
        assert_eq!(read("{ name: Gateway }, { name: HTTPRoute }"), expected);
        assert_eq!(read("Gateway, HTTPRoute"), expected);
        assert_eq!(read(""), None);
    }

    fn features_of(class: &GatewayClass) -> Option<Vec<String>> {
        features(class).map(|names| names.into_iter().collect())
    }

    #[test]
    fn an_ingress_is_where_its_controller_says() {
        let read = |places: &str| {
            let yaml = format!(
                "{{ metadata: {{ name: web }}, status: {{ loadBalancer: {{ ingress: [{places}] }} }} }}"
            );
            address(&serde_saphyr::from_str(&yaml).unwrap())
        };
        assert_eq!(read(""), None);
        assert_eq!(read("{ ip: 10.0.0.1 }, { hostname: a.com }").as_deref(), Some("10.0.0.1"));
        assert_eq!(read("{ ip: 10.0.0.1, hostname: a.com }").as_deref(), Some("a.com"));
    }

    #[test]
    fn a_route_that_does_not_decode_is_none() {
        let data = serde_json::json!({ "spec": { "rules": 7 }, "status": { "parents": [{ "parentRef": { "name": "web" } }] } });
        let route = SeenRoute::of(Some(3), &data);
        assert_eq!((route.generation, route.spec, route.parents.len()), (3, HttpRouteSpec::default(), 1));
    }
}
