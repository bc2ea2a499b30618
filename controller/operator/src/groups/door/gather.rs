//! Gather: what the front door of a group depends on. Watches show all of it but the Secret of a certificate.

use std::{collections::BTreeMap, sync::Arc};

use k8s_openapi::api::{core::v1::Secret, networking::v1::Ingress};
use kube::{Api, Client, ResourceExt as _, core::DynamicObject};
use plimsoll_api::v1alpha1::{FrontDoor, GatewayDoor, IngressDoor};
use serde::Deserialize as _;
use serde_json::Value;
use tokio::time::timeout;

use super::{
    parents::key,
    seen::{Seen, SeenGateway, SeenIngress, SeenRoute, SeenSecret, address},
    watches::{GatewayApi, Watches},
};
use crate::targets::TIME_OUT;

/// What a group has of its front door.
#[derive(Debug, Clone, Default)]
pub struct Own {
    /// Its Ingress.
    pub ingress: Option<Arc<DynamicObject>>,
    /// Its `HTTPRoute`s; None: they were not listed yet.
    pub routes: Option<Vec<Arc<DynamicObject>>>,
}

/// What there is for the front door of a group of this namespace.
pub async fn gather(
    client: &Client,
    watches: &Watches,
    namespace: &str,
    door: &FrontDoor,
    own: &Own,
) -> Seen {
    match (&door.ingress, &door.gateway) {
        (Some(ingress), None) => for_ingress(client, watches, namespace, ingress, own).await,
        (_, Some(gateway)) => for_gateway(watches, namespace, gateway, own),
        (None, None) => Seen::NotRead("spec.frontDoor: set exactly one of ingress and gateway".to_owned()),
    }
}

async fn for_ingress(
    client: &Client,
    watches: &Watches,
    namespace: &str,
    door: &IngressDoor,
    own: &Own,
) -> Seen {
    let Some(classes) = watches.classes() else {
        return Seen::NotRead("the IngressClasses were not listed yet".to_owned());
    };
    let secret = match &door.tls {
        Some(tls) => secret(client, namespace, &tls.secret_name).await,
        None => SeenSecret::NotAsked,
    };
    let present = own.ingress.as_ref().and_then(|object| Ingress::deserialize(&whole(object)).ok());
    let class = present.as_ref().and_then(|present| present.spec.as_ref()?.ingress_class_name.clone());
    Seen::Ingress(SeenIngress { classes, secret, class, address: present.as_ref().and_then(address) })
}

fn for_gateway(watches: &Watches, namespace: &str, door: &GatewayDoor, own: &Own) -> Seen {
    let served = match watches.gateway_api() {
        GatewayApi::Served(served) => served,
        GatewayApi::Missing => return Seen::Gateway(None),
        GatewayApi::Unknown => {
            return Seen::NotRead("whether there is a Gateway API is not known yet".to_owned());
        }
    };
    let (true, Some(routes)) = (watches.gateways_listed(), &own.routes) else {
        return Seen::NotRead("Gateways and HTTPRoutes were not listed yet".to_owned());
    };
    let parents = door.parent_refs.iter().map(|parent| key(namespace, parent));
    let gateways: BTreeMap<_, _> = parents
        .map(|(home, name)| {
            let gateway = watches.gateway(&home, &name);
            ((home, name), gateway)
        })
        .collect();
    let classes = gateways.values().flatten().map(|gateway| &gateway.class);
    let features = classes.filter_map(|class| Some((class.clone(), watches.features(class)?))).collect();
    let routes =
        routes.iter().map(|route| (route.name_any(), SeenRoute::of(route.metadata.generation, &route.data)));
    Seen::Gateway(Some(SeenGateway {
        persistence: served.persistence,
        gateways,
        features,
        routes: routes.collect(),
    }))
}

async fn secret(client: &Client, namespace: &str, name: &str) -> SeenSecret {
    let api = Api::<Secret>::namespaced(client.clone(), namespace);
    match timeout(TIME_OUT, api.get_opt(name)).await {
        Ok(Ok(Some(secret))) => SeenSecret::There(Box::new(secret)),
        Ok(Ok(None)) => SeenSecret::Missing,
        Ok(Err(kube::Error::Api(status))) if status.is_forbidden() => SeenSecret::Unread(format!(
            "the Secret {name} was not looked at: the chart's value serviceGroups.secretNamespaces does not name {namespace}"
        )),
        Ok(Err(error)) => SeenSecret::Unread(format!("the Secret {name} could not be read: {error}")),
        Err(_) => SeenSecret::Unread(format!(
            "the Secret {name} could not be read: the API server did not answer in time"
        )),
    }
}

/// An object with its metadata, as a typed one is read from.
fn whole(object: &DynamicObject) -> Value {
    serde_json::to_value(object).unwrap_or_default()
}
