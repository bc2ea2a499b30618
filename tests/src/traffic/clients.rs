//! k6 as the clients of the shop.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::Read as _,
    path::PathBuf,
    process::Stdio,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use jiff::Timestamp;
use rustix::process::{Pid, Signal, kill_process};
use serde::Serialize;
use serde_json::json;
use tokio::task::spawn_blocking;

use super::{front_door::ADDRESS, record::Record};
use crate::{cluster::Cluster, eventually, program::Program, tools::TrafficTools};

/// A client gives up after this.
const TIMEOUT: &str = "3s";
/// Nobody plays longer.
const LONGEST: &str = "30m";

/// Requests that are alike.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Stream {
    /// Letters, digits, `-` and `_`.
    pub name: String,
    /// Such as `GET`.
    pub method: String,
    /// With scheme and host.
    pub url: String,
    /// How many each second, whether or not they are answered.
    pub per_second: u32,
    /// If not 0, they are sent by so many clients, each of which keeps its cookies and waits for its answers.
    pub sessions: u32,
}

impl Stream {
    /// Requests of clients that do not know each other.
    pub fn new(name: &str, method: &str, url: &str, per_second: u32) -> Self {
        Self {
            name: name.to_owned(),
            method: method.to_owned(),
            url: url.to_owned(),
            per_second,
            sessions: 0,
        }
    }

    /// Requests of clients that each keep their cookies.
    #[must_use]
    pub fn of_sessions(self, sessions: u32) -> Self {
        Self { sessions, ..self }
    }

    /// Requests for what lies below.
    #[must_use]
    pub fn below(self, path: &str) -> Self {
        Self { url: format!("{}{path}", self.url), ..self }
    }

    /// Its host.
    fn host(&self) -> Option<&str> {
        self.url.split('/').nth(2)
    }
}

/// A k6 that sends until it is stopped. It ends when this value is dropped, or with its cluster.
#[derive(Debug)]
pub struct Clients {
    child: Program,
    seen: Mutex<Seen>,
    log: PathBuf,
}

/// What k6 has written and what of it was read.
#[derive(Debug)]
struct Seen {
    out: File,
    /// Of the last line, which is not whole yet.
    rest: Vec<u8>,
    record: Record,
}

impl Clients {
    /// Starts to send, and waits for the first answers. Every host of the streams leads to the front door. `authority` is a
    /// file with the certificates that the clients trust.
    pub async fn start(cluster: &Cluster, streams: &[Stream], authority: Option<&str>) -> Result<Self> {
        let tools = spawn_blocking(TrafficTools::ensure).await??;
        let folder = tempfile::Builder::new().prefix("k6-").tempdir_in(cluster.state())?.keep();
        let (script, out, log) = (folder.join("clients.js"), folder.join("out.json"), folder.join("log"));
        fs::write(&script, include_str!("clients.js"))?;
        fs::write(&out, "")?;
        let hosts: BTreeMap<_, _> =
            streams.iter().filter_map(|stream| Some((stream.host()?, ADDRESS))).collect();
        let plan = json!({"streams": streams, "hosts": hosts, "timeout": TIMEOUT, "longest": LONGEST});
        let file = File::create(&log)?;
        let mut command = cluster.command_of(tools.k6());
        command
            // What k6 would ask the internet for, it is told not to.
            .args(["run", "--quiet", "--no-color", "--no-usage-report", "--address="])
            .arg(format!("--out=json={}", out.display()))
            .arg(&script)
            .current_dir(&folder)
            .env("HOME", &folder)
            .env("PLAN", plan.to_string())
            .env("K6_AUTO_EXTENSION_RESOLUTION", "false")
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file);
        if let Some(authority) = authority {
            let path = folder.join("authority.pem");
            fs::write(&path, authority)?;
            command.env("SSL_CERT_FILE", path);
        }
        let child = command.spawn().context("cannot start k6")?;
        let seen = Seen { out: File::open(&out)?, rest: Vec::new(), record: Record::default() };
        let mut clients = Self { child: child.into(), seen: Mutex::new(seen), log };
        eventually("k6 to send requests", Duration::from_secs(30), async || {
            if let Some(status) = clients.child.try_wait()? {
                bail!("k6 ended with {status}: {}", fs::read_to_string(&clients.log)?);
            }
            let record = clients.so_far()?;
            ensure!(!record.requests.is_empty(), "none yet");
            Ok(())
        })
        .await?;
        Ok(clients)
    }

    /// What was asked and answered until now.
    pub fn so_far(&self) -> Result<Record> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let Seen { out, rest, record } = &mut *seen;
        out.read_to_end(rest)?;
        let whole = rest.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let lines: Vec<u8> = rest.drain(..whole).collect();
        record.add(&String::from_utf8(lines)?)?;
        Ok(record.clone())
    }

    /// Ends k6. What was asked and answered until then.
    pub async fn stop(mut self) -> Result<Record> {
        let now = Timestamp::now();
        if let Some(status) = self.child.try_wait()? {
            bail!("k6 ended with {status}: {}", fs::read_to_string(&self.log)?);
        }
        kill_process(Pid::from_child(&self.child), Signal::INT)?;
        eventually("k6 to end", Duration::from_secs(20), async || self.child.try_wait()?.context("it runs"))
            .await?;
        // What is under way now is broken off by k6 itself.
        Ok(self.so_far()?.between(Timestamp::MIN, now))
    }
}
