//! What watches show of what front doors depend on: classes, Gateways, and whether there are `HTTPRoute`s at all.
//!
//! The Gateway API may be installed at any time, and be gone again. Its definition is watched, and what it defines only
//! while it is there.

use std::{collections::BTreeSet, fmt::Debug};

use futures::{Stream, StreamExt as _};
use k8s_openapi::{
    api::networking::v1::IngressClass,
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, Client,
    core::ApiResource,
    runtime::{
        WatchStreamExt as _,
        watcher::{self, Event, watcher},
    },
};
use serde::de::DeserializeOwned;
use tokio::sync::watch;

use super::{
    class::Class,
    gateway_api::{Gateway, GatewayClass, gateway_classes, gateways},
    seen::{GatewaySeen, Served, features},
};
use crate::groups::shown::Shown;

/// Whose definition says whether the Gateway API is there.
const DEFINITION: &str = "httproutes.gateway.networking.k8s.io";

/// Whether the Gateway API is there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum GatewayApi {
    /// Nobody has said yet.
    #[default]
    Unknown,
    /// It is not.
    Missing,
    /// It is.
    Served(Served),
}

/// What all front doors depend on. Clones share it.
#[derive(Clone)]
pub struct Watches {
    classes: Shown<Class>,
    gateways: Shown<GatewaySeen>,
    gateway_classes: Shown<Option<BTreeSet<String>>>,
    api: watch::Sender<GatewayApi>,
}

impl Default for Watches {
    fn default() -> Self {
        Self {
            classes: Shown::default(),
            gateways: Shown::default(),
            gateway_classes: Shown::default(),
            api: watch::channel(GatewayApi::Unknown).0,
        }
    }
}

impl Watches {
    /// All classes of Ingresses; None before they were listed.
    pub(super) fn classes(&self) -> Option<Vec<Class>> {
        let all = || self.classes.objects.select_all(|_| true);
        self.classes.listed.borrow().then(|| all().into_iter().map(|(_, class)| (*class).clone()).collect())
    }

    /// Whether the Gateway API is there.
    pub fn gateway_api(&self) -> GatewayApi {
        *self.api.borrow()
    }

    /// Whether all Gateways and their classes were listed.
    pub(super) fn gateways_listed(&self) -> bool {
        *self.gateways.listed.borrow() && *self.gateway_classes.listed.borrow()
    }

    pub(super) fn gateway(&self, namespace: &str, name: &str) -> Option<GatewaySeen> {
        self.gateways.objects.get(namespace, name).map(|gateway| (*gateway).clone())
    }

    /// What a class of Gateways says that it can do, if it says so.
    pub(super) fn features(&self, class: &str) -> Option<BTreeSet<String>> {
        self.gateway_classes.objects.get("", class).and_then(|features| (*features).clone())
    }

    /// Follows everything until a watch ends. `touched` is called at each change, which is taken in right after.
    pub async fn follow(self, client: Client, touched: impl Fn() + Clone + Send + Sync) {
        let classes = watcher(Api::<IngressClass>::all(client.clone()), watcher::Config::default());
        let only = watcher::Config::default().fields(&format!("metadata.name={DEFINITION}"));
        let definition = watcher(Api::<CustomResourceDefinition>::all(client.clone()), only);
        let gateways = self.while_served(|| {
            let events = all::<Gateway>(&client, &gateways());
            self.gateways.follow_while_there("Gateways", events, GatewaySeen::of, |_| touched())
        });
        let gateway_classes = self.while_served(|| {
            let events = all::<GatewayClass>(&client, &gateway_classes());
            self.gateway_classes.follow_while_there("GatewayClasses", events, features, |_| touched())
        });
        tokio::select! {
            () = self.classes.follow_while_there("IngressClasses", classes.default_backoff(), |class| Class::from(class), |_| touched()) => {}
            () = self.follow_definition(definition.default_backoff(), touched.clone()) => {}
            () = gateways => {}
            () = gateway_classes => {}
        }
    }

    /// Does `work` from when the Gateway API is there until it is gone, again and again.
    pub async fn while_served<W: Future<Output = ()>>(&self, work: impl Fn() -> W) {
        let is_served = |api: &GatewayApi| matches!(api, GatewayApi::Served(_));
        let mut api = self.api.subscribe();
        // The sender is ours, so that waiting does not fail.
        while api.wait_for(is_served).await.is_ok() {
            tokio::select! {
                () = work() => {}
                _ = api.wait_for(|api| !is_served(api)) => {}
            }
        }
    }

    async fn follow_definition(
        &self,
        events: impl Stream<Item = Result<Event<CustomResourceDefinition>, watcher::Error>>,
        touched: impl Fn(),
    ) {
        let mut events = std::pin::pin!(events);
        let mut listed = GatewayApi::Missing;
        let of = |definition: &_| Served::of(definition).map_or(GatewayApi::Missing, GatewayApi::Served);
        while let Some(event) = events.next().await {
            let api = match event {
                Ok(Event::Init) => {
                    listed = GatewayApi::Missing;
                    continue;
                }
                Ok(Event::InitApply(definition)) => {
                    listed = of(&definition);
                    continue;
                }
                Ok(Event::InitDone) => listed,
                Ok(Event::Apply(definition)) => of(&definition),
                Ok(Event::Delete(_)) => GatewayApi::Missing,
                Err(error) => {
                    tracing::warn!(%error, "the watch of {DEFINITION} was interrupted and is taken up again");
                    continue;
                }
            };
            if self.api.send_if_modified(|before| std::mem::replace(before, api) != api) {
                touched();
            }
        }
    }
}

fn all<K>(client: &Client, kind: &ApiResource) -> impl Stream<Item = watcher::Result<Event<K>>> + use<K>
where
    K: kube::Resource<DynamicType = ApiResource> + Clone + DeserializeOwned + Debug + Send + 'static,
{
    watcher(Api::<K>::all_with(client.clone(), kind), watcher::Config::default()).default_backoff()
}
