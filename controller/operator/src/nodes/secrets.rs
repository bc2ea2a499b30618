//! Reads the Secrets that pools name, each by its name, and reads them again now and then.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::{Api, Client};
use tokio::{
    sync::mpsc,
    time::{Instant, timeout},
};

use super::{feed::Change, provider::Unusable};

/// How old what was read may be: a rotated Secret is used after this time and one look at the latest.
pub(crate) const MAX_AGE: Duration = Duration::from_secs(10);
/// How long reading one may take.
const TIME_OUT: Duration = Duration::from_secs(5);

/// What stands in a Secret, by key.
pub(crate) type Data = Arc<BTreeMap<String, ByteString>>;

/// The Secrets that pools name. Clones share them.
#[derive(Clone)]
pub(crate) struct Secrets {
    client: Client,
    namespace: String,
    changes: mpsc::UnboundedSender<Change>,
    kept: Arc<Mutex<BTreeMap<String, Kept>>>,
}

struct Kept {
    /// None until it was read for the first time.
    read: Option<Result<Data, Unusable>>,
    at: Instant,
    under_way: bool,
}

impl Secrets {
    pub(crate) fn new(client: Client, namespace: String, changes: mpsc::UnboundedSender<Change>) -> Self {
        Self { client, namespace, changes, kept: Arc::default() }
    }

    /// How a Secret is called in sentences.
    pub(crate) fn title(&self, name: &str) -> String {
        format!("the Secret {}/{name}", self.namespace)
    }

    /// What stood in a Secret when it was last read. Has it read again, beside the planner, when that was a while ago.
    ///
    /// # Errors
    /// That it was not read yet, is not there, or may not be read.
    pub(crate) fn get(&self, name: &str) -> Result<Data, Unusable> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Kept { read: None, at: Instant::now(), under_way: false };
        let slot = kept.entry(name.to_owned()).or_insert_with(new);
        if !slot.under_way && (slot.read.is_none() || slot.at.elapsed() >= MAX_AGE) {
            slot.under_way = true;
            tokio::spawn(self.clone().renew(name.to_owned()));
        }
        let title = || self.title(name);
        slot.read.clone().unwrap_or_else(|| Err(Unusable::asking(format!("{} is being read", title()))))
    }

    async fn renew(self, name: String) {
        let read = self.read(&name).await;
        let is_news = {
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(slot) = kept.get_mut(&name) else { return };
            (slot.at, slot.under_way) = (Instant::now(), false);
            match (read, &slot.read) {
                // The API server may be away: what it said last still holds.
                (Err(Answer::None(problem)), Some(_)) => {
                    tracing::warn!(secret = name, problem, "a Secret could not be read again");
                    false
                }
                (Err(Answer::None(problem)), None) => {
                    slot.read = Some(Err(Unusable::not_read(problem)));
                    true
                }
                (Err(Answer::No(unusable)), _) => slot.set(Err(unusable)),
                (Ok(data), _) => slot.set(Ok(data)),
            }
        };
        if is_news {
            // The planner looks again when something has changed.
            let _ = self.changes.send(Box::new(|_| {}));
        }
    }

    async fn read(&self, name: &str) -> Result<Data, Answer> {
        let api = Api::<Secret>::namespaced(self.client.clone(), &self.namespace);
        let title = self.title(name);
        match timeout(TIME_OUT, api.get_opt(name)).await {
            Ok(Ok(Some(secret))) => Ok(Arc::new(secret.data.unwrap_or_default())),
            Ok(Ok(None)) => Err(Answer::No(Unusable::secret(format!(
                "{title} does not exist: make it, with ca.crt, tls.crt and tls.key as far as the server needs them"
            )))),
            Ok(Err(kube::Error::Api(status))) if status.is_forbidden() => Err(Answer::No(Unusable::secret(
                format!("the operator may not read {title}: add {name} to the chart's value nodes.secrets"),
            ))),
            Ok(Err(error)) => Err(Answer::None(format!("{title} could not be read: {error}"))),
            Err(_) => {
                Err(Answer::None(format!("{title} could not be read: the API server did not answer in time")))
            }
        }
    }
}

impl Kept {
    /// Keeps what was read; answers whether it is something new.
    fn set(&mut self, read: Result<Data, Unusable>) -> bool {
        let is_news = self.read.as_ref() != Some(&read);
        self.read = Some(read);
        is_news
    }
}

/// Why there is nothing.
enum Answer {
    /// There is none for us.
    No(Unusable),
    /// It is not known.
    None(String),
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use pretty_assertions::assert_eq;
    use serde_json::{Value, json};

    use super::*;
    use crate::nodes::script::{failure, server};

    fn secret(ca: &str) -> (u16, Value) {
        let data = json!({ "ca.crt": ByteString(ca.as_bytes().to_vec()) });
        (200, json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "tls" }, "data": data }))
    }

    #[tokio::test(start_paused = true)]
    async fn a_secret_is_read_by_its_name_followed_and_believed_while_the_api_server_is_away() {
        let answer = Arc::new(Mutex::new(secret("one")));
        let answers = Arc::clone(&answer);
        let (client, log) = server(move |_| answers.lock().unwrap().clone());
        let (changes, mut told) = mpsc::unbounded_channel();
        let secrets = Secrets::new(client, "plimsoll-system".to_owned(), changes);
        let ca = |read: Result<Data, Unusable>| match read {
            Ok(data) => String::from_utf8(data["ca.crt"].0.clone()).unwrap(),
            Err(unusable) => format!("{}: {}", unusable.reason, unusable.message),
        };
        assert_eq!(ca(secrets.get("tls")), "Asking: the Secret plimsoll-system/tls is being read");
        drop(told.recv().await.unwrap());
        assert_eq!(ca(secrets.get("tls")), "one");
        assert_eq!(log.lines(), ["GET /api/v1/namespaces/plimsoll-system/secrets/tls"], "once");

        let field = "MissingSecret: spec.provider.externalGrpc.tls.secret";
        for (next, seen) in [
            (secret("two"), "two".to_owned()),
            (
                failure(404, "NotFound", "tls"),
                format!(
                    "{field}: the Secret plimsoll-system/tls does not exist: make it, with ca.crt, tls.crt and tls.key as \
                     far as the server needs them"
                ),
            ),
            (
                failure(403, "Forbidden", "tls"),
                format!(
                    "{field}: the operator may not read the Secret plimsoll-system/tls: add tls to the chart's value \
                     nodes.secrets"
                ),
            ),
            (secret("three"), "three".to_owned()),
        ] {
            *answer.lock().unwrap() = next;
            tokio::time::advance(MAX_AGE).await;
            drop(secrets.get("tls"));
            drop(told.recv().await.unwrap());
            assert_eq!(ca(secrets.get("tls")), seen);
        }
        *answer.lock().unwrap() = failure(500, "InternalError", "tls");
        tokio::time::advance(MAX_AGE).await;
        drop(secrets.get("tls"));
        assert!(
            timeout(TIME_OUT * 2, told.recv()).await.is_err(),
            "nothing is known, so nothing has changed"
        );
        assert_eq!(ca(secrets.get("tls")), "three");
    }
}
