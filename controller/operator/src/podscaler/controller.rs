//! Which PodScaler is looked at when.

use std::sync::Arc;

use futures::StreamExt as _;
use kube::{
    Api, ResourceExt as _,
    runtime::{
        Controller, PredicateConfig, WatchStreamExt as _, controller, predicates, reflector,
        watcher::{self, watcher},
    },
};
use tokio::sync::watch;

use super::{Scaler, after_error, reconcile};
use crate::{
    context::Context,
    register::{self, Key},
};

/// Looks at PodScalers until `stopped` resolves, and then lets the looks that are under way end.
/// `seen` turns true once all of them were listed.
pub async fn run(
    context: Arc<Context>,
    concurrency: u16,
    seen: watch::Sender<bool>,
    stopped: impl Future<Output = ()> + Send + Sync + 'static,
) {
    let (store, writer) = reflector::store::<Scaler>();
    let scalers = Api::<Scaler>::all(context.client.clone());
    let events = watcher(scalers, watcher::Config::default()).default_backoff();
    let changed = register::keep(events, "PodScalers", Arc::clone(&context), seen, claim, forget)
        // Nobody here asks who set which field, which is a good part of each object.
        .modify(|scaler| scaler.managed_fields_mut().clear())
        .reflect(writer)
        .applied_objects()
        // Our own writes of the status are no reason to look.
        .predicate_filter(predicates::generation, PredicateConfig::default());
    let there = store.clone();
    let look = move |scaler: Arc<Scaler>, context: Arc<Context>| {
        let there = there.clone();
        async move {
            let result = reconcile(Arc::clone(&scaler), Arc::clone(&context)).await;
            register::forget_if_gone(&there, &*scaler, &*context, forget, forget_uid);
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

fn claim(context: &Context, scaler: &Scaler) {
    let (namespace, name) = (scaler.namespace().unwrap_or_default(), scaler.name_any());
    match &scaler.0 {
        Ok(valid) => context.claims.claim(&namespace, &name, &valid.spec),
        Err(_) => context.claims.withdraw(&namespace, &name),
    }
}

fn forget(context: &Context, gone: &Key) {
    context.claims.withdraw(&gone.namespace, &gone.name);
    context.memories.forget(&gone.uid);
    context.decisions.forget(&gone.namespace, &gone.name);
    context.metrics.forget(&gone.namespace, &gone.name);
}

fn forget_uid(context: &Context, uid: &str) {
    context.memories.forget(uid);
}
