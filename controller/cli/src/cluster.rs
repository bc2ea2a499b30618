//! The API server, and the operator behind it.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use http::Request;
use k8s_openapi::api::coordination::v1::Lease;
use kube::{
    Api, Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};

use crate::args::Connection;

/// How long an answer is waited for: an operator that stands still is no reason to wait for ever.
const SILENCE: Duration = Duration::from_secs(15);

/// A cluster, by the kubeconfig.
pub(crate) struct Cluster {
    pub(crate) client: Client,
    /// The namespace that is meant where none is given.
    pub(crate) namespace: String,
}

/// The operator's leader.
pub(crate) struct Operator {
    client: Client,
    /// What is before the paths of its HTTP server.
    prefix: String,
}

impl Connection {
    /// The cluster.
    pub(crate) async fn cluster(&self) -> Result<Cluster> {
        let options = KubeConfigOptions { context: self.context.clone(), ..KubeConfigOptions::default() };
        let config = match &self.kubeconfig {
            Some(file) => {
                let kubeconfig =
                    Kubeconfig::read_from(file).with_context(|| format!("cannot read {}", file.display()))?;
                Config::from_custom_kubeconfig(kubeconfig, &options).await?
            }
            None if self.context.is_some() => Config::from_kubeconfig(&options).await?,
            None => {
                Config::infer().await.context("no way to the API server: set KUBECONFIG or --kubeconfig")?
            }
        };
        let namespace = self.namespace.clone().unwrap_or_else(|| config.default_namespace.clone());
        Ok(Cluster { client: impatient(config)?, namespace })
    }

    /// The namespace that is meant, without asking a cluster.
    pub(crate) async fn namespace(&self) -> String {
        match &self.namespace {
            Some(namespace) => namespace.clone(),
            None => self.cluster().await.map_or_else(|_| "default".to_owned(), |cluster| cluster.namespace),
        }
    }

    /// The operator's leader: at --operator, or the pod that holds the Lease, through the API server.
    pub(crate) async fn operator(&self) -> Result<Operator> {
        self.leader(&self.lease_name).await
    }

    /// The leader of what scales nodes, found likewise.
    pub(crate) async fn planner(&self) -> Result<Operator> {
        self.leader(&self.nodes_lease_name).await
    }

    async fn leader(&self, lease: &str) -> Result<Operator> {
        if let Some(url) = &self.operator {
            let uri = url.parse().with_context(|| format!("--operator={url} is not a URL"))?;
            return Ok(Operator { client: impatient(Config::new(uri))?, prefix: String::new() });
        }
        Operator::behind(self.cluster().await?.client, &self.operator_namespace, lease).await
    }
}

/// A client that tells of the first failure. A replica that does not lead answers 503, and trying again for minutes
/// would not make it lead.
fn impatient(mut config: Config) -> Result<Client> {
    config.default_retry = false;
    config.read_timeout = Some(SILENCE);
    config.reset_reader_on_write = true;
    Ok(Client::try_from(config)?)
}

impl Operator {
    /// The pod that holds the Lease.
    pub(crate) async fn behind(client: Client, namespace: &str, lease: &str) -> Result<Self> {
        let leases: Api<Lease> = Api::namespaced(client.clone(), namespace);
        let found = leases.get(lease).await.with_context(|| {
            format!("cannot read the Lease {namespace}/{lease}, which names the operator's leader")
        })?;
        let holder = found.spec.and_then(|spec| spec.holder_identity).filter(|holder| !holder.is_empty());
        let Some(pod) = holder else {
            bail!("nobody holds the Lease {namespace}/{lease}: does the operator run?")
        };
        // Without a port the API server takes the first one of the pod, which is the operator's.
        Ok(Self { client, prefix: format!("/api/v1/namespaces/{namespace}/pods/{pod}/proxy") })
    }

    /// What its HTTP server answers. None when it has no such thing.
    pub(crate) async fn get(&self, path: &str) -> Result<Option<String>> {
        let request = Request::get(format!("{}{path}", self.prefix)).body(Vec::new())?;
        match self.client.request_text(request).await {
            Ok(text) => Ok(Some(text)),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
            Err(kube::Error::Api(status)) => {
                bail!("the operator answers {}: {}", status.code, status.message.trim())
            }
            Err(error) => Err(error).context("the operator does not answer"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use http::Response;
    use kube::client::Body;
    use pretty_assertions::assert_eq;
    use serde_json::{Value, json};

    use super::*;

    /// A client of an API server that answers each path as `answer` says, and what it was asked.
    fn server(answer: impl Fn(&str) -> (u16, String) + Send + 'static) -> (Client, Arc<Mutex<Vec<String>>>) {
        let (service, mut handle) = tower_test::mock::pair::<Request<Body>, Response<Body>>();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Some((request, send)) = handle.next_request().await {
                let path = request.uri().path().to_owned();
                let (code, body) = answer(&path);
                noted.lock().unwrap().push(path);
                send.send_response(
                    Response::builder().status(code).body(Body::from(body.into_bytes())).unwrap(),
                );
            }
        });
        (Client::new(service, "default"), asked)
    }

    const LEASE: &str = "/apis/coordination.k8s.io/v1/namespaces/plimsoll-system/leases/plimsoll-operator";
    const PROXY: &str = "/api/v1/namespaces/plimsoll-system/pods/plimsoll-7f-x2/proxy";

    fn lease(holder: &Value) -> String {
        json!({ "metadata": { "name": "plimsoll-operator" }, "spec": { "holderIdentity": holder } })
            .to_string()
    }

    async fn behind(client: Client) -> Result<Operator> {
        Operator::behind(client, "plimsoll-system", "plimsoll-operator").await
    }

    #[tokio::test]
    async fn the_pod_that_holds_the_lease_is_asked_through_the_api_server() {
        let (client, asked) = server(|path| match path {
            LEASE => (200, lease(&json!("plimsoll-7f-x2"))),
            path if path.ends_with("/decisions/shop/web") => (200, "{}".to_owned()),
            _ => (404, "no decision\n".to_owned()),
        });
        let operator = behind(client).await.unwrap();
        assert_eq!(operator.get("/decisions/shop/web").await.unwrap(), Some("{}".to_owned()));
        assert_eq!(operator.get("/decisions/shop/db").await.unwrap(), None);
        let paths =
            [LEASE.to_owned(), format!("{PROXY}/decisions/shop/web"), format!("{PROXY}/decisions/shop/db")];
        assert_eq!(*asked.lock().unwrap(), paths);
    }

    #[tokio::test]
    async fn what_keeps_the_operator_from_answering_is_told() {
        let (client, _) = server(|_| (200, lease(&Value::Null)));
        let error = behind(client).await.err().unwrap().to_string();
        assert!(error.contains("nobody holds the Lease plimsoll-system/plimsoll-operator"), "{error}");

        let (client, _) =
            server(|_| (403, r#"{"kind":"Status","code":403,"message":"leases is forbidden"}"#.to_owned()));
        let error = format!("{:#}", behind(client).await.err().unwrap());
        assert!(
            error.contains("which names the operator's leader") && error.contains("is forbidden"),
            "{error}"
        );

        let follower = "this replica does not lead, so it decides nothing: the leader is plimsoll-7f-a1\n";
        let (client, _) = server(move |path| match path {
            LEASE => (200, lease(&json!("plimsoll-7f-x2"))),
            _ => (503, follower.to_owned()),
        });
        let error = behind(client).await.unwrap().get("/decisions").await.unwrap_err().to_string();
        assert_eq!(error, format!("the operator answers 503: {}", follower.trim()));
    }
}
