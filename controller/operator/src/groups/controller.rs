//! Which group is looked at when.

use std::sync::Arc;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use kube::{
    Api, Client, ResourceExt as _,
    runtime::{
        Controller, PredicateConfig, WatchStreamExt as _, controller, predicates, reflector,
        watcher::{self, watcher},
    },
};
use tokio::sync::{mpsc, watch};

use super::{
    Group, Groups,
    door::watches::Watches,
    memory::Memories,
    owned::Owned,
    reconcile::{after_error, reconcile},
    rooms::Rooms,
    triggers::{self, Touched},
};
use crate::{
    context::Context,
    register::{self, Key},
};

/// Looks at groups until `stopped` resolves, and then lets the looks that are under way end.
pub async fn run(
    context: Arc<Context>,
    concurrency: u16,
    stopped: impl Future<Output = ()> + Send + Sync + 'static,
) {
    let (store, writer) = reflector::store::<Group>();
    let (seen, listed) = watch::channel(false);
    let client = context.client.clone();
    let groups = Arc::new(Groups {
        context,
        all: store.clone(),
        listed: listed.clone(),
        owned: Owned::default(),
        doors: Watches::default(),
        rooms: Rooms::default(),
        memories: Memories::default(),
    });
    let events = watcher(Api::<Group>::all(client.clone()), watcher::Config::default()).default_backoff();
    let changed = register::keep(events, "ServiceGroups", Arc::clone(&groups), seen, |_, _| {}, forget)
        .modify(|group| group.managed_fields_mut().clear())
        .reflect(writer)
        .applied_objects()
        // Our own writes of the status are no reason to look.
        .predicate_filter(predicates::generation, PredicateConfig::default());
    let (touch, touched) = mpsc::unbounded_channel();
    let others = touch.clone();
    // What a front door asks for may be what another has.
    let changed = changed.inspect_ok(move |group| {
        let door = group.0.as_ref().ok().and_then(|group| group.spec.front_door.as_ref());
        _ = door.map(|door| others.send(Touched::FrontDoor(door.hosts.clone())));
    });
    let watches = groups.owned.clone().follow(client.clone(), groups.doors.clone(), touch.clone());
    let for_rooms = Arc::clone(&groups);
    let (of_pools, news) = (client.clone(), touch.clone());
    let rooms = async move { follow_rooms(&for_rooms, of_pools, news).await };
    let all = touch.clone();
    // Nobody listens any more when the process ends.
    let doors = Box::pin(groups.doors.clone().follow(client, move || _ = all.send(Touched::Everything)));
    let workloads = triggers::pass_on(groups.context.workloads.changes(), touch);
    let looks = Controller::for_stream(changed, store.clone())
        .with_config(controller::Config::default().concurrency(concurrency))
        .reconcile_all_on(stream::select(groups.context.resumptions(), once_seen(&groups)))
        .reconcile_on(triggers::groups(touched, store))
        .graceful_shutdown_on(stopped)
        .run(reconcile, after_error, groups)
        .for_each(|_| std::future::ready(()));
    tokio::select! {
        () = looks => {}
        () = watches => {}
        () = doors => {}
        () = rooms => {}
        () = workloads => {}
    }
}

/// Follows what pools say, where there are some.
async fn follow_rooms(groups: &Groups, client: Client, touched: mpsc::UnboundedSender<Touched>) {
    if !groups.context.options.capacity_pools {
        return std::future::pending().await;
    }
    groups.rooms.clone().follow(client, || _ = touched.send(Touched::Everything)).await;
}

/// Those that were waved through before everything was seen are looked at then.
fn once_seen(groups: &Groups) -> impl futures::Stream<Item = ()> + Send + use<> {
    let (owned, mut listed) = (groups.owned.clone(), groups.listed.clone());
    stream::once(async move {
        owned.until_all_seen().await;
        // A sender that is gone means that the process is ending.
        let _ = listed.wait_for(|listed| *listed).await;
    })
}

fn forget(groups: &Groups, gone: &Key) {
    groups.memories.forget(&gone.uid);
}
