//! Machines that were ordered and are still booting. A real cloud remembers them when its client is restarted; here a
//! ConfigMap does.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, Client,
    api::{Patch, PatchParams, PostParams},
    core::ObjectMeta,
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::failure::failure;
use crate::{CreateRequest, OrderKey, ProviderError};

/// An order whose nodes are not all there yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Booting {
    pub(super) order: CreateRequest,
    /// When its nodes appear; `None`: never.
    pub(super) ready_at: Option<Timestamp>,
    /// Numbers of its nodes that were deleted before they appeared.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(super) deleted: BTreeSet<u32>,
}

impl Booting {
    /// Whether node number `index` is still to come.
    pub(super) fn has(&self, index: u32) -> bool {
        index < self.order.count && !self.deleted.contains(&index)
    }

    /// The numbers of its nodes.
    pub(super) fn indices(&self) -> impl Iterator<Item = u32> {
        (0..self.order.count).filter(|index| self.has(*index))
    }

    pub(super) fn is_due(&self, now: Timestamp) -> bool {
        self.ready_at.is_some_and(|at| at <= now)
    }
}

/// What the ConfigMap says.
#[derive(Clone, Debug, Default)]
pub(super) struct Machines {
    /// `None`: there is no ConfigMap.
    version: Option<String>,
    pub(super) booting: BTreeMap<OrderKey, Booting>,
}

/// So often a write is tried again after another provider has written into the same ConfigMap.
const TRIES: u32 = 5;

/// The ConfigMap. Several providers may share one: each has keys of its own, and minds no other.
#[derive(Debug)]
pub(super) struct Store {
    api: Api<ConfigMap>,
    name: String,
    /// What the keys of this provider begin with. No name of a provider has an underscore.
    prefix: String,
}

impl Store {
    pub(super) fn new(client: Client, namespace: &str, config_map: &str, provider: &str) -> Self {
        Self {
            api: Api::namespaced(client, namespace),
            name: config_map.to_owned(),
            prefix: format!("{provider}_"),
        }
    }

    pub(super) async fn read(&self) -> Result<Machines, ProviderError> {
        let Some(map) = self.api.get_opt(&self.name).await.map_err(|error| failure(&error))? else {
            return Ok(Machines::default());
        };
        let mut booting = BTreeMap::new();
        let data = map.data.unwrap_or_default();
        for (key, text) in data.iter().filter(|(key, _)| key.starts_with(&self.prefix)) {
            let read: Booting = serde_json::from_str(text).map_err(|error| {
                ProviderError::Nonsense(format!(
                    "{key} in the ConfigMap {} is not what was written: {error}; take it out",
                    self.name
                ))
            })?;
            booting.insert(read.order.order.clone(), read);
        }
        Ok(Machines { version: map.metadata.resource_version, booting })
    }

    /// Writes entries, or removes those that are `None`, unless somebody else has written ours since `seen` was read.
    pub(super) async fn write(
        &self,
        seen: &Machines,
        changes: &BTreeMap<OrderKey, Option<Booting>>,
    ) -> Result<(), ProviderError> {
        let in_words = |error: serde_json::Error| ProviderError::Other(error.to_string());
        let mut data = BTreeMap::new();
        for (key, booting) in changes {
            let text = booting.as_ref().map(serde_json::to_string).transpose().map_err(in_words)?;
            data.insert(format!("{}{key}", self.prefix), text);
        }
        let mut version = seen.version.clone();
        let mut tries = 1;
        loop {
            let error = match self.write_over(version.as_deref(), &data).await {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            let is_conflict = matches!(&error, kube::Error::Api(status) if status.code == 409);
            if !is_conflict || tries == TRIES {
                return Err(failure(&error));
            }
            tries += 1;
            let now = self.read().await?;
            if now.booting != seen.booting {
                return Err(failure(&error));
            }
            version = now.version;
        }
    }

    async fn write_over(
        &self,
        version: Option<&str>,
        data: &BTreeMap<String, Option<String>>,
    ) -> kube::Result<()> {
        if let Some(version) = version {
            let patch = json!({"metadata": {"resourceVersion": version}, "data": data});
            self.api.patch(&self.name, &PatchParams::default(), &Patch::Merge(patch)).await.map(drop)
        } else {
            let there = data.iter().filter_map(|(key, text)| Some((key.clone(), text.clone()?)));
            let map = ConfigMap {
                metadata: ObjectMeta { name: Some(self.name.clone()), ..ObjectMeta::default() },
                data: Some(there.collect()),
                ..ConfigMap::default()
            };
            self.api.create(&PostParams::default(), &map).await.map(drop)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use http::{Request, Response};
    use kube::client::Body;
    use serde_json::Value;

    use super::*;
    use crate::OfferingId;

    /// Method with path, and body, of each request.
    type Asked = Arc<Mutex<Vec<(String, String)>>>;

    /// A client of an API server that gives these answers in turn, and what it was asked.
    fn server(answers: Vec<(u16, Value)>) -> (Client, Asked) {
        let (service, mut handle) = tower_test::mock::pair::<Request<Body>, Response<Body>>();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&asked);
        tokio::spawn(async move {
            for (code, body) in answers {
                let (request, send) = handle.next_request().await.unwrap();
                let line = format!("{} {}", request.method(), request.uri().path());
                let content = request.into_body().collect_bytes().await.unwrap();
                noted.lock().unwrap().push((line, String::from_utf8(content.to_vec()).unwrap()));
                let body = Body::from(body.to_string().into_bytes());
                send.send_response(Response::builder().status(code).body(body).unwrap());
            }
        });
        (Client::new(service, "default"), asked)
    }

    fn store(client: Client) -> Store {
        Store::new(client, "system", "shared-1", "a")
    }

    fn booting(order: &str) -> Booting {
        let order = CreateRequest::new(order.parse().unwrap(), OfferingId("m".into()), 1, 0);
        Booting { order, ready_at: None, deleted: BTreeSet::new() }
    }

    fn map(version: &str, data: &Value) -> Value {
        json!({"metadata": {"name": "shared-1", "resourceVersion": version}, "data": data})
    }

    fn entry(order: &str) -> String {
        serde_json::to_string(&booting(order)).unwrap()
    }

    fn conflict() -> Value {
        json!({"kind": "Status", "status": "Failure", "reason": "Conflict", "code": 409, "message": "changed"})
    }

    #[tokio::test]
    async fn entries_of_others_are_neither_read_nor_written() {
        let data = json!({ "a_one": entry("one"), "a.b_two": "not ours", "ab_three": "not ours" });
        let (client, asked) = server(vec![(200, map("7", &data)), (200, map("8", &data))]);
        let store = store(client);
        let seen = store.read().await.unwrap();
        assert_eq!(seen.booting, BTreeMap::from([("one".parse().unwrap(), booting("one"))]));
        store.write(&seen, &[("one".parse().unwrap(), None)].into()).await.unwrap();
        let asked = asked.lock().unwrap().clone();
        assert_eq!(asked[1].0, "PATCH /api/v1/namespaces/system/configmaps/shared-1");
        let patch: Value = serde_json::from_str(&asked[1].1).unwrap();
        assert_eq!(patch, json!({"metadata": {"resourceVersion": "7"}, "data": {"a_one": null}}));
    }

    #[tokio::test]
    async fn a_write_of_another_provider_does_not_fail_ours() {
        let (before, after) = (json!({}), json!({ "b_one": "theirs" }));
        let answers = vec![
            (200, map("7", &before)),
            (409, conflict()),
            (200, map("8", &after)),
            (200, map("9", &after)),
        ];
        let (client, asked) = server(answers);
        let store = store(client);
        let seen = store.read().await.unwrap();
        store.write(&seen, &[("one".parse().unwrap(), Some(booting("one")))].into()).await.unwrap();
        let last: Value = serde_json::from_str(&asked.lock().unwrap()[3].1).unwrap();
        assert_eq!(last["metadata"]["resourceVersion"], "8");
    }

    #[tokio::test]
    async fn what_was_not_seen_of_ours_is_not_written_over() {
        let (before, after) = (json!({}), json!({ "a_two": entry("two") }));
        let answers = vec![(200, map("7", &before)), (409, conflict()), (200, map("8", &after))];
        let (client, asked) = server(answers);
        let store = store(client);
        let seen = store.read().await.unwrap();
        let written = store.write(&seen, &[("one".parse().unwrap(), Some(booting("one")))].into()).await;
        assert!(matches!(written, Err(ProviderError::Unavailable(_))), "{written:?}");
        assert_eq!(asked.lock().unwrap().len(), 3);
    }
}
