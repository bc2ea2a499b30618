//! Machines whose time has come join the cluster.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio::time::timeout;

use super::Inner;
use crate::ProviderError;

/// How long it is after a failure until it is tried again.
const AFTER_FAILURE: Duration = Duration::from_secs(5);

impl Inner {
    /// Lets machines appear when their time has come, for ever.
    pub(super) async fn boot(self: Arc<Self>) {
        loop {
            let after = self.prepared().config.time_out();
            let wait = match timeout(after, self.boot_due())
                .await
                .unwrap_or(Err(ProviderError::TimedOut { call: "boot", after }))
            {
                Ok(next) => {
                    next.map(|at| Duration::try_from(at.duration_since(Timestamp::now())).unwrap_or_default())
                }
                Err(error) => {
                    tracing::warn!(provider = self.name, %error, "machines could not join the cluster; trying again");
                    Some(AFTER_FAILURE)
                }
            };
            match wait {
                // An order meanwhile may be due earlier.
                Some(wait) => {
                    let _ = timeout(wait, self.ordered.notified()).await;
                }
                None => self.ordered.notified().await,
            }
        }
    }

    /// Lets those appear whose time has come, and says when the next is due.
    async fn boot_due(&self) -> Result<Option<Timestamp>, ProviderError> {
        let _changing = self.changing.lock().await;
        let world = self.world().await?;
        let prepared = self.prepared();
        let now = Timestamp::now();
        let mut done = BTreeMap::new();
        let mut failed = None;
        for (key, booting) in world.machines.booting.iter().filter(|(_, booting)| booting.is_due(now)) {
            // What the catalogue no longer has cannot appear.
            if let Some(stock) = prepared.stock.get(&booting.order.offering) {
                let indices: Vec<u32> = booting.indices().collect();
                if let Err(error) = self.join(&booting.order, &indices, &stock.offering).await {
                    // One order that cannot be carried out holds up no other.
                    failed = Some(error);
                    continue;
                }
            }
            done.insert(key.clone(), None);
        }
        if !done.is_empty() {
            self.store.write(&world.machines, &done).await?;
        }
        if let Some(error) = failed {
            return Err(error);
        }
        let later = world.machines.booting.values().filter(|booting| !booting.is_due(now));
        Ok(later.filter_map(|booting| booting.ready_at).min())
    }
}
