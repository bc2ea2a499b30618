//! The network of pods, as far as the API server needs one for `pods/proxy`.
//!
//! kwok gives pods addresses at which nobody listens. Where nodes are out of its reach, an API server can be told to
//! make its connections into the cluster through a proxy (`EgressSelectorConfiguration`). This is that proxy: a
//! connection to a pod leads to the process that stands for it, every other one to where it wants.

use std::{
    collections::BTreeMap,
    fs,
    net::IpAddr,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::{Context, Result};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpStream, UnixListener, UnixStream},
    runtime::Runtime,
};

/// The longest head of a request that the API server sends.
const LONGEST_HEAD: usize = 4096;

/// The network of one cluster's pods. It ends when this value is dropped.
#[derive(Debug)]
pub(crate) struct PodNetwork {
    config: PathBuf,
    processes: Processes,
    /// Its own: a cluster may outlive the runtime of the test that started it.
    runtime: Option<Runtime>,
}

/// Where the process of a pod listens, by the pod's address.
type Processes = Arc<Mutex<BTreeMap<IpAddr, String>>>;

impl PodNetwork {
    pub(super) fn start(state: &Path) -> Result<Self> {
        let (socket, config) = (state.join("pods.sock"), state.join("egress.json"));
        let connection = json!({"proxyProtocol": "HTTPConnect", "transport": {"uds": {"udsName": socket}}});
        let selection = json!({
            "apiVersion": "apiserver.k8s.io/v1beta1",
            "kind": "EgressSelectorConfiguration",
            "egressSelections": [{"name": "cluster", "connection": connection}],
        });
        fs::write(&config, selection.to_string())?;
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = runtime.worker_threads(1).enable_io().build()?;
        let listener = {
            let _inside = runtime.enter();
            UnixListener::bind(&socket).with_context(|| socket.display().to_string())?
        };
        let processes = Processes::default();
        let known = Arc::clone(&processes);
        runtime.spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                // Whoever asked sees a connection that ends.
                tokio::spawn(lead(connection, Arc::clone(&known)));
            }
        });
        Ok(Self { config, processes, runtime: Some(runtime) })
    }

    /// What the API server is told.
    pub(super) fn config(&self) -> &Path {
        &self.config
    }

    /// Leads connections to a pod, at any port, to this host and port.
    pub(crate) fn lead_to(&self, pod: IpAddr, address: String) {
        self.processes.lock().unwrap_or_else(PoisonError::into_inner).insert(pod, address);
    }
}

impl Drop for PodNetwork {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // The value may be dropped where blocking is not allowed.
            runtime.shutdown_background();
        }
    }
}

/// Serves one `CONNECT`.
async fn lead(mut connection: UnixStream, processes: Processes) -> Result<()> {
    let wanted = wanted(&mut connection).await?;
    let (host, _) = wanted.rsplit_once(':').context("an address without a port")?;
    let process = host
        .parse()
        .ok()
        .and_then(|pod: IpAddr| processes.lock().unwrap_or_else(PoisonError::into_inner).get(&pod).cloned());
    match TcpStream::connect(process.unwrap_or(wanted)).await {
        Ok(mut there) => {
            connection.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
            copy_bidirectional(&mut connection, &mut there).await?;
        }
        Err(error) => {
            let answer = format!("HTTP/1.1 502 {error}\r\ncontent-length: 0\r\n\r\n");
            connection.write_all(answer.as_bytes()).await?;
        }
    }
    Ok(())
}

/// Reads the head of `CONNECT host:port HTTP/1.1`, and not a byte of what follows.
async fn wanted(connection: &mut UnixStream) -> Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        anyhow::ensure!(head.len() < LONGEST_HEAD, "an endless head");
        head.push(connection.read_u8().await?);
    }
    let head = String::from_utf8(head)?;
    let words: Vec<_> = head.split_whitespace().take(2).collect();
    match words.as_slice() {
        ["CONNECT", wanted] => Ok((*wanted).to_owned()),
        words => anyhow::bail!("{words:?} is no CONNECT"),
    }
}
