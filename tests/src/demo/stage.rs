//! What all parts of the demo share: the model, and the time since the start.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{sync::watch, time::timeout};

use super::model::{EntryKind, Model};

/// The model, which whoever sees something changes and whoever waits for something awaits.
#[derive(Clone, Debug)]
pub(super) struct Stage {
    model: Arc<watch::Sender<Model>>,
    started: Instant,
}

impl Stage {
    pub(super) fn new(model: Model) -> Self {
        Self { model: Arc::new(watch::Sender::new(model)), started: Instant::now() }
    }

    /// Since the start.
    pub(super) fn now(&self) -> Duration {
        self.started.elapsed()
    }

    /// Changes the model.
    pub(super) fn tell(&self, change: impl FnOnce(&mut Model, Duration)) {
        let now = self.now();
        self.model.send_modify(|model| change(model, now));
    }

    /// Says what is waited for from now on.
    pub(super) fn doing(&self, what: &str) {
        self.tell(|model, _| what.clone_into(&mut model.doing));
    }

    /// Says what was done.
    pub(super) fn done(&self, kind: EntryKind, what: String) {
        self.tell(|model, now| {
            model.doing.clear();
            model.note(now, kind, what);
        });
    }

    /// Looks at the model as it is now.
    pub(super) fn see<T>(&self, look: impl FnOnce(&Model) -> T) -> T {
        look(&self.model.borrow())
    }

    /// Waits until the model is as wanted. Whether it was in time.
    pub(super) async fn until(&self, patience: Duration, wanted: impl FnMut(&Model) -> bool) -> bool {
        let mut model = self.model.subscribe();
        timeout(patience, model.wait_for(wanted)).await.is_ok_and(|waited| waited.is_ok())
    }
}
