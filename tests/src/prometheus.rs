//! The real Prometheus, scraping programs on this machine.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, anyhow, bail};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::task::spawn_blocking;

use crate::{
    cluster::Cluster,
    eventually, guardian,
    http::{self, escape},
    ports::Port,
    program::Program,
    tools::PrometheusTools,
};

/// A running Prometheus. It ends when this value is dropped, or with its cluster.
#[derive(Debug)]
pub struct Prometheus {
    child: Program,
    port: Port,
    scheme: &'static str,
    folder: PathBuf,
}

/// One series of the answer to a query.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// The labels.
    pub labels: BTreeMap<String, String>,
    /// The value.
    pub value: f64,
}

/// A program to scrape.
#[derive(Clone, Debug)]
pub struct Target {
    /// Host and port.
    pub address: String,
    /// Labels that the target would have in a cluster, such as `namespace` and `pod`.
    pub labels: BTreeMap<String, String>,
}

impl Prometheus {
    /// Starts Prometheus, which scrapes `/metrics` of the targets every other second as the job `job`, and waits
    /// until it has scraped all of them. `rules` are files with alerts and recording rules.
    pub async fn start(cluster: &Cluster, job: &str, targets: &[Target], rules: &[&str]) -> Result<Self> {
        let program = spawn_blocking(PrometheusTools::ensure).await??.program("prometheus");
        let static_configs: Vec<_> = targets
            .iter()
            .map(|target| json!({"targets": [target.address], "labels": target.labels}))
            .collect();
        let config = json!({
            "global": {"scrape_interval": "2s", "scrape_timeout": "2s", "evaluation_interval": "1s"},
            "rule_files": rules,
            // As the chart's ServiceMonitor: the namespace of a series is that of what it is about.
            "scrape_configs": [{"job_name": job, "honor_labels": true, "static_configs": static_configs}],
        });
        let mut prometheus = Self::spawn(cluster, &program, &config, None)?;
        let log = prometheus.folder.join("log");
        eventually("Prometheus to scrape all targets", Duration::from_mins(3), async || {
            if let Some(status) = prometheus.child.try_wait()? {
                bail!("Prometheus ended with {status}: {}", fs::read_to_string(&log)?);
            }
            let up = prometheus.query("up").await?;
            let scraped = up.iter().filter(|series| series.value > 0.5).count();
            if scraped == targets.len() { Ok(()) } else { Err(anyhow!("{up:?}")) }
        })
        .await?;
        Ok(prometheus)
    }

    /// Starts Prometheus for those who have a certificate of the authority `ca.crt` in the folder `pki`, by which it also
    /// says who it is (`admin.crt`, `admin.key`). It may take a moment until it answers.
    pub async fn start_with_tls(cluster: &Cluster, pki: &Path) -> Result<Self> {
        let program = spawn_blocking(PrometheusTools::ensure).await??.program("prometheus");
        let tls = json!({"tls_server_config": {
            "cert_file": pki.join("admin.crt"), "key_file": pki.join("admin.key"),
            "client_ca_file": pki.join("ca.crt"), "client_auth_type": "RequireAndVerifyClientCert",
        }});
        Self::spawn(cluster, &program, &json!({}), Some(&tls))
    }

    fn spawn(cluster: &Cluster, program: &Path, config: &Value, web: Option<&Value>) -> Result<Self> {
        let port = Port::claim()?;
        let folder = cluster.state().join(format!("prometheus-{}", port.number()));
        fs::create_dir_all(&folder)?;
        let (config_file, web_file) = (folder.join("prometheus.yml"), folder.join("web.yml"));
        // JSON is YAML.
        fs::write(&config_file, config.to_string())?;
        fs::write(&web_file, web.map_or_else(|| json!({}).to_string(), Value::to_string))?;
        let log = File::create(folder.join("log"))?;
        let (mark_name, mark_value) = guardian::mark(cluster.state());
        let child = Command::new(program)
            .arg(format!("--config.file={}", config_file.display()))
            .arg(format!("--web.config.file={}", web_file.display()))
            .arg(format!("--storage.tsdb.path={}", folder.join("data").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{}", port.number()))
            .env(mark_name, mark_value)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("cannot start Prometheus")?;
        let scheme = if web.is_some() { "https" } else { "http" };
        Ok(Self { child: child.into(), port, scheme, folder })
    }

    /// Where it answers.
    pub fn url(&self) -> String {
        format!("{}://127.0.0.1:{}", self.scheme, self.port.number())
    }

    /// The series of an instant query, now.
    pub async fn query(&self, expression: &str) -> Result<Vec<Series>> {
        let url = format!("{}/api/v1/query?query={}", self.url(), escape(expression));
        let answer = http::get(&url).await?;
        let parsed: Answer = serde_json::from_str(&answer.body).with_context(|| answer.body.clone())?;
        let Some(data) = parsed.data else { bail!("Prometheus refused {expression:?}: {}", answer.body) };
        data.series().with_context(|| format!("the answer to {expression:?}: {}", answer.body))
    }
}

#[derive(Deserialize)]
struct Answer {
    data: Option<Data>,
}

#[derive(Deserialize)]
#[serde(tag = "resultType", content = "result", rename_all = "lowercase")]
enum Data {
    Vector(Vec<Sample>),
    Scalar((f64, String)),
}

#[derive(Deserialize)]
struct Sample {
    metric: BTreeMap<String, String>,
    value: (f64, String),
}

impl Data {
    fn series(self) -> Result<Vec<Series>> {
        let samples = match self {
            Self::Vector(samples) => samples,
            Self::Scalar(value) => vec![Sample { metric: BTreeMap::new(), value }],
        };
        // Rust reads NaN, +Inf and -Inf as Prometheus writes them.
        samples
            .into_iter()
            .map(|sample| Ok(Series { labels: sample.metric, value: sample.value.1.parse()? }))
            .collect()
    }
}
