//! The programs a cluster is made of: built once from pinned Go modules, kept outside the work tree.
//!
//! [`Tools`] is what every cluster needs. [`PrometheusTools`], [`TrafficTools`], [`monitoring_crds`] and
//! [`gateway_api_crds`] are built or fetched only when somebody asks for them, as `make test` does before its tests.

mod assets;
mod build;
mod go;
mod progress;
mod traffic;

use std::{
    path::{Path, PathBuf},
    sync::OnceLock,
};

use anyhow::{Context, Result};

use self::build::GoModule;
pub use self::{
    assets::{gateway_api_crds, monitoring_crds},
    traffic::TrafficTools,
};

/// etcd, the control plane, kwok, metrics-server and the clients, and the manifests that belong to them.
#[derive(Clone, Debug)]
pub struct Tools {
    bin: PathBuf,
    kwok: PathBuf,
    metrics_server: PathBuf,
    kubernetes: String,
}

impl Tools {
    /// Builds what is not built yet and says where it is.
    ///
    /// The first build takes minutes and reports its progress on stderr. Processes that ask at the same
    /// time wait for the one that builds.
    pub fn ensure() -> Result<Self> {
        static TOOLS: OnceLock<Tools> = OnceLock::new();
        if let Some(tools) = TOOLS.get() {
            return Ok(tools.clone());
        }
        let module = module("tools");
        let kubernetes = go::required_version(&module, "k8s.io/kubernetes")?;
        let bin = GoModule {
            what: "the cluster's tools (etcd, Kubernetes, kwok, metrics-server, helm, kubectl)",
            cold_build: "about 12 minutes on two cores",
            dir: &module,
            tags: "",
            ldflags: &format!("-s -w -X k8s.io/component-base/version.gitVersion={kubernetes}"),
            test: None,
        }
        .ensure()?;
        let tools = Self {
            bin,
            kwok: go::module_dir(&module, "sigs.k8s.io/kwok")?,
            metrics_server: go::module_dir(&module, "sigs.k8s.io/metrics-server")?,
            kubernetes,
        };
        Ok(TOOLS.get_or_init(|| tools).clone())
    }

    /// The program with this name, for example `kubectl`.
    pub fn program(&self, name: &str) -> PathBuf {
        // A Go program is named after its package, and etcd's is `server`.
        self.bin.join(if name == "etcd" { "server" } else { name })
    }

    /// The version of Kubernetes, for example `v1.37.2`.
    pub fn kubernetes_version(&self) -> &str {
        &self.kubernetes
    }

    /// kwok's own kustomize folders: stages, metrics.
    pub fn kwok_manifests(&self) -> PathBuf {
        self.kwok.join("kustomize")
    }

    /// The kustomize folder that installs metrics-server.
    pub fn metrics_server_manifests(&self) -> PathBuf {
        self.metrics_server.join("manifests/base")
    }
}

/// The real Prometheus, without service discovery of clouds: a test names what it scrapes.
#[derive(Clone, Debug)]
pub struct PrometheusTools {
    bin: PathBuf,
}

impl PrometheusTools {
    /// Builds Prometheus if it is not built yet; see [`Tools::ensure`].
    pub fn ensure() -> Result<Self> {
        let bin = GoModule {
            what: "Prometheus",
            cold_build: "3 to 9 minutes on two cores",
            dir: &module("tools-prometheus"),
            tags: "remove_all_sd",
            ldflags: "-s -w",
            test: None,
        }
        .ensure()?;
        Ok(Self { bin })
    }

    /// The program with this name: `prometheus` or `promtool`.
    pub fn program(&self, name: &str) -> PathBuf {
        self.bin.join(name)
    }
}

/// A server of custom and external metrics; see `tests/adapter`.
#[derive(Clone, Debug)]
pub struct AdapterTools {
    bin: PathBuf,
}

impl AdapterTools {
    /// Builds the adapter if it is not built yet, or if its source has changed; see [`Tools::ensure`].
    pub fn ensure() -> Result<Self> {
        let bin = GoModule {
            what: "the adapter of custom and external metrics",
            cold_build: "a minute after the cluster's tools, or 3 minutes without them",
            dir: &module("adapter"),
            tags: "",
            ldflags: "-s -w",
            test: None,
        }
        .ensure()?;
        Ok(Self { bin })
    }

    /// Serves the metrics APIs.
    pub fn program(&self) -> PathBuf {
        self.bin.join("adapter")
    }
}

/// Kubernetes' own HPA controller as a program that answers cases; see `tests/hpa-oracle`.
#[derive(Clone, Debug)]
pub struct HpaOracle {
    program: PathBuf,
    kubernetes: String,
}

impl HpaOracle {
    /// Builds the oracle if it is not built yet, or if its source has changed; see [`Tools::ensure`].
    pub fn ensure() -> Result<Self> {
        let module = module("hpa-oracle");
        let kubernetes = go::required_version(&module, "k8s.io/kubernetes")?;
        let bin = GoModule {
            what: "the HPA controller of Kubernetes, to compare with",
            cold_build: "10 seconds after the cluster's tools, or 3 minutes without them",
            dir: &module,
            tags: "",
            ldflags: "-s -w",
            test: None,
        }
        .ensure()?;
        Ok(Self { program: bin.join("hpa-oracle"), kubernetes })
    }

    /// Answers cases on its standard input.
    pub fn program(&self) -> PathBuf {
        self.program.clone()
    }

    /// The version of Kubernetes it is made of, for example `v1.37.2`.
    pub fn kubernetes_version(&self) -> &str {
        &self.kubernetes
    }
}

/// kube-scheduler's own filters as a program that answers cases; see `tests/scheduler-oracle`.
#[derive(Clone, Debug)]
pub struct SchedulerOracle {
    program: PathBuf,
    kubernetes: String,
}

impl SchedulerOracle {
    /// Builds the oracle if it is not built yet, or if its source has changed; see [`Tools::ensure`].
    pub fn ensure() -> Result<Self> {
        let module = module("scheduler-oracle");
        let kubernetes = go::required_version(&module, "k8s.io/kubernetes")?;
        let bin = GoModule {
            what: "the filters of kube-scheduler, to compare with",
            cold_build: "a minute after the cluster's tools, or 10 minutes without them",
            dir: &module,
            tags: "",
            ldflags: "-s -w",
            test: None,
        }
        .ensure()?;
        Ok(Self { program: bin.join("scheduler-oracle"), kubernetes })
    }

    /// Answers cases on its standard input.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// The version of Kubernetes it is made of, for example `v1.37.2`.
    pub fn kubernetes_version(&self) -> &str {
        &self.kubernetes
    }
}

/// Karpenter's own scheduling benchmark as a program; see `tests/karpenter`.
#[derive(Clone, Debug)]
pub struct KarpenterBenchmark {
    program: PathBuf,
    version: String,
}

impl KarpenterBenchmark {
    /// Builds it if it is not built yet, or if its source has changed; see [`Tools::ensure`].
    pub fn ensure() -> Result<Self> {
        let module = module("karpenter");
        let karpenter = go::module_dir(&module, "sigs.k8s.io/karpenter")?;
        let scheduling = karpenter.join("pkg/controllers/provisioning/scheduling");
        let bin = GoModule {
            what: "Karpenter's scheduling benchmark",
            cold_build: "5 minutes on two cores",
            dir: &module,
            tags: "test_performance",
            ldflags: "-s -w",
            test: Some(&scheduling.join("scheduling_benchmark_test.go")),
        }
        .ensure()?;
        let version = go::required_version(&module, "sigs.k8s.io/karpenter")?;
        Ok(Self { program: bin.join("karpenter"), version })
    }

    /// Solves what its arguments say.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// The version of Karpenter, for example `v1.14.0`.
    pub fn version(&self) -> &str {
        &self.version
    }
}

/// Karpenter with its kwok provider, which its own project tests it with.
#[derive(Clone, Debug)]
pub struct KarpenterOperator {
    program: PathBuf,
    source: PathBuf,
    version: String,
}

impl KarpenterOperator {
    /// Builds it if it is not built yet; see [`Tools::ensure`].
    pub fn ensure() -> Result<Self> {
        let module = module("karpenter");
        let bin = GoModule {
            what: "Karpenter",
            cold_build: "5 minutes on two cores",
            dir: &module,
            tags: "",
            ldflags: "-s -w",
            test: None,
        }
        .ensure()?;
        let source = go::module_dir(&module, "sigs.k8s.io/karpenter")?;
        let version = go::required_version(&module, "sigs.k8s.io/karpenter")?;
        Ok(Self { program: bin.join("kwok"), source, version })
    }

    /// The controller.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// The files that define its kinds.
    pub fn crds(&self) -> Vec<PathBuf> {
        let core = ["capacitybuffers", "nodeclaims", "nodeoverlays", "nodepools"].map(|plural| {
            let group = if plural == "capacitybuffers" { "autoscaling.x-k8s.io" } else { "karpenter.sh" };
            self.source.join(format!("pkg/apis/crds/{group}_{plural}.yaml"))
        });
        let kwok = self.source.join("kwok/apis/crds/karpenter.kwok.sh_kwoknodeclasses.yaml");
        core.into_iter().chain([kwok]).collect()
    }

    /// The version of Karpenter, for example `v1.14.0`.
    pub fn version(&self) -> &str {
        &self.version
    }
}

/// Where built tools, port claims and the list of kept clusters are.
pub fn cache_dir() -> Result<PathBuf> {
    let base = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
        .or_else(|| std::env::home_dir().map(|home| home.join(".cache")))
        .context("neither XDG_CACHE_HOME nor HOME says where to keep built tools")?;
    Ok(base.join("plimsoll"))
}

/// The top of the work tree.
pub fn repository() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().unwrap_or(tests).to_owned()
}

fn module(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}
