//! Which HPA is looked at when.

use std::{
    hash::{DefaultHasher, Hash, Hasher as _},
    sync::Arc,
};

use futures::StreamExt as _;
use kube::{
    Api, ResourceExt as _,
    runtime::{
        Controller, PredicateConfig, WatchStreamExt as _, controller, reflector,
        watcher::{self, watcher},
    },
};
use plimsoll_api::v1alpha1::ObjectReference;
use tokio::sync::watch;

use super::{ALGORITHM, Hpa, after_error, reconcile};
use crate::{
    args::HpaMode,
    context::Context,
    register::{self, Key},
};

/// Follows HPAs until `stopped` resolves, so that everybody knows what they scale, and looks at them where they are
/// not to be ignored. `seen` turns true once all of them were listed.
pub async fn run(
    context: Arc<Context>,
    concurrency: u16,
    seen: watch::Sender<bool>,
    stopped: impl Future<Output = ()> + Send + Sync + 'static,
) {
    let hpas = Api::<Hpa>::all(context.client.clone());
    let events = watcher(hpas, watcher::Config::default()).default_backoff();
    let events = register::keep(events, "HPAs", Arc::clone(&context), seen, claim, forget);
    if context.options.hpa == HpaMode::Ignore {
        return events.take_until(stopped).for_each(|_| std::future::ready(())).await;
    }
    let (store, writer) = reflector::store::<Hpa>();
    let of_interest = if context.options.hpa == HpaMode::Shadow { version } else { what_is_asked };
    let changed = events
        .reflect(writer)
        .applied_objects()
        .predicate_filter(move |hpa: &Hpa| Some(of_interest(hpa)), PredicateConfig::default());
    let there = store.clone();
    let look = move |hpa: Arc<Hpa>, context: Arc<Context>| {
        let there = there.clone();
        async move {
            let result = reconcile(Arc::clone(&hpa), Arc::clone(&context)).await;
            register::forget_if_gone(&there, &*hpa, &*context, forget, forget_uid);
            result
        }
    };
    Controller::for_stream(changed, store)
        .with_config(controller::Config::default().concurrency(concurrency))
        .reconcile_all_on(context.resumptions())
        .graceful_shutdown_on(stopped)
        .run(look, after_error, context)
        .for_each(|_| std::future::ready(()))
        .await;
}

/// In the shadow each write of the built-in controller is a reason to look: only looks of the same moment can be
/// compared.
fn version(hpa: &Hpa) -> u64 {
    hash(&hpa.metadata.resource_version)
}

/// Our own writes of the status are no reason to look. Not the generation: an HPA has none before Kubernetes 1.37.
fn what_is_asked(hpa: &Hpa) -> u64 {
    hash(&(hpa.spec.to_string(), hpa.annotations().get(ALGORITHM)))
}

fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

fn claim(context: &Context, hpa: &Hpa) {
    let (namespace, name) = (hpa.namespace().unwrap_or_default(), hpa.name_any());
    // A target is known also where the rest makes no sense to us: the built-in controller may know better.
    match serde_json::from_value::<ObjectReference>(hpa.spec["scaleTargetRef"].clone()) {
        Ok(target) => context.hpa_claims.claim_target(&namespace, &name, Some(&target)),
        Err(_) => context.hpa_claims.withdraw(&namespace, &name),
    }
}

fn forget(context: &Context, gone: &Key) {
    let Key { namespace, name, uid } = gone;
    context.hpa_claims.withdraw(namespace, name);
    context.memories.forget(uid);
    context.shadows.forget(namespace, name);
    context.metrics.hpa.forget(namespace, name);
}

fn forget_uid(context: &Context, uid: &str) {
    context.memories.forget(uid);
}
