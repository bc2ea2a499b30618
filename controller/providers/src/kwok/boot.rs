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

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, sync::Mutex};

    use http::{Request, Response};
    use kube::{Client, client::Body};
    use serde_json::{Value, json};
    use tokio::sync::mpsc;

    use super::*;
    use crate::{CreateRequest, KwokConfig, KwokProvider, Provider as _, kwok::machines::Booting};

    const LIST: &str = "GET /api/v1/nodes";
    const JOIN: &str = "POST /api/v1/nodes";

    /// What is in the ConfigMap.
    type Data = Arc<Mutex<BTreeMap<String, Value>>>;

    /// A provider with this delay, and what its API server is asked: one that has no nodes and a ConfigMap, and gives no good
    /// answer to who writes that where it `is_silent`.
    fn provider(
        data: &Data,
        is_silent: bool,
        boot_delay_seconds: u32,
    ) -> (KwokProvider, mpsc::UnboundedReceiver<String>) {
        let (service, mut handle) = tower_test::mock::pair::<Request<Body>, Response<Body>>();
        let (tell, asked) = mpsc::unbounded_channel();
        let data = Arc::clone(data);
        tokio::spawn(async move {
            while let Some((request, send)) = handle.next_request().await {
                let (head, body) = request.into_parts();
                let bytes = body.collect_bytes().await.unwrap();
                let body: Value = serde_json::from_slice(&bytes).unwrap_or_default();
                let line = format!("{} {}", head.method, head.uri.path());
                let (code, answer) = match line.as_str() {
                    LIST => (200, json!({ "kind": "NodeList", "metadata": {}, "items": [] })),
                    JOIN => (201, body),
                    _ => written(&mut data.lock().unwrap(), &body, is_silent),
                };
                let _ = tell.send(line);
                let answer = Body::from(answer.to_string().into_bytes());
                send.send_response(Response::builder().status(code).body(answer).unwrap());
            }
        });
        let client = Client::new(service, "default");
        let config = KwokConfig { boot_delay_seconds, ..KwokConfig::default() };
        (KwokProvider::new("a", client, "system", "shared-1", config).unwrap(), asked)
    }

    /// Writes into the ConfigMap what a patch says, and answers; a read says nothing.
    fn written(data: &mut BTreeMap<String, Value>, patch: &Value, is_silent: bool) -> (u16, Value) {
        let changes = patch["data"].as_object();
        for (key, value) in changes.into_iter().flatten() {
            data.insert(key.clone(), value.clone());
        }
        data.retain(|_, value| !value.is_null());
        if is_silent && changes.is_some() {
            let late = json!({ "kind": "Status", "status": "Failure", "reason": "Timeout", "code": 504, "message": "late" });
            return (504, late);
        }
        (200, json!({ "metadata": { "name": "shared-1", "resourceVersion": "7" }, "data": data }))
    }

    async fn until(asked: &mut mpsc::UnboundedReceiver<String>, line: &str) {
        let comes = async { while asked.recv().await.unwrap() != line {} };
        timeout(Duration::from_secs(20), comes).await.expect(line);
    }

    /// Until a look has found nothing, and neither has what boots machines.
    async fn idle(provider: &KwokProvider, asked: &mut mpsc::UnboundedReceiver<String>) {
        provider.inventory().await.unwrap();
        until(asked, LIST).await;
        until(asked, LIST).await;
    }

    async fn order(provider: &KwokProvider) -> CreateRequest {
        let offered = provider.offerings().await.unwrap().offerings;
        CreateRequest::new("one".parse().unwrap(), offered[0].id.clone(), 1, 0)
    }

    /// Another process has led meanwhile, and ended before its machines had booted.
    #[tokio::test]
    async fn machines_that_another_process_has_recorded_join() {
        let data = Data::default();
        let (provider, mut asked) = provider(&data, false, 0);
        idle(&provider, &mut asked).await;
        let recorded = Booting {
            order: order(&provider).await,
            ready_at: Some(Timestamp::now()),
            deleted: BTreeSet::new(),
        };
        let text = serde_json::to_string(&recorded).unwrap();
        data.lock().unwrap().insert("a_one".to_owned(), json!(text));
        provider.inventory().await.unwrap();
        until(&mut asked, JOIN).await;
    }

    #[tokio::test]
    async fn machines_whose_recording_got_no_answer_join_once_it_is_found_out() {
        let data = Data::default();
        let (provider, mut asked) = provider(&data, true, 1);
        idle(&provider, &mut asked).await;
        let order = order(&provider).await;
        provider.create(&order).await.unwrap_err();
        assert_eq!(provider.settle(&order).await.unwrap().done, 1);
        until(&mut asked, JOIN).await;
    }
}
