//! Flags and environment.

use std::{net::SocketAddr, time::Duration};

use clap::{ArgAction, Parser, ValueEnum};
use plimsoll_core::{replicas::Settings, time::Span, wildcard::Wildcard};

use crate::{decisions::Bounds, targets::WRITE_TIME};

/// Decides how many pods, which nodes and in which zones, and says why.
#[derive(Parser, Debug, Clone)]
// A flag given twice has its last value, so that the chart's extraArgs can override what the chart sets.
#[command(name = "plimsoll-operator", version, about, args_override_self = true)]
#[allow(clippy::struct_excessive_bools, reason = "flags that people set each for itself")]
pub struct Args {
    /// What this process does.
    #[arg(long, env = "PLIMSOLL_ROLE", default_value = "pods")]
    pub role: Role,

    /// Where /healthz, /readyz and /metrics answer.
    #[arg(long, env = "PLIMSOLL_HTTP_ADDRESS", default_value = "0.0.0.0:8080")]
    pub http_address: SocketAddr,

    /// How log lines are written.
    #[arg(long, env = "PLIMSOLL_LOG_FORMAT", default_value = "text")]
    pub log_format: LogFormat,

    /// Which log lines are written: a level, or directives such as `info,kube=debug`.
    #[arg(long, env = "PLIMSOLL_LOG_FILTER", default_value = "info")]
    pub log_filter: String,

    /// Whether to act only while holding the lease. Needed with more than one replica.
    #[arg(long, env = "PLIMSOLL_LEADER_ELECT", default_value_t = true, action = ArgAction::Set)]
    pub leader_elect: bool,

    /// Name of the lease, in the operator's namespace.
    #[arg(long, env = "PLIMSOLL_LEASE_NAME", default_value = "plimsoll-operator")]
    pub lease_name: String,

    /// Seconds after which a lease that is not renewed may be taken by another replica.
    #[arg(long, env = "PLIMSOLL_LEASE_DURATION_SECONDS", default_value_t = 15, value_parser = clap::value_parser!(u16).range(8..))]
    pub lease_duration_seconds: u16,

    /// Seconds between two renewals of the lease; at least 7 less than its duration, since a write
    /// begins only if it would end while the lease is ours.
    #[arg(long, env = "PLIMSOLL_LEASE_RENEW_SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    pub lease_renew_seconds: u16,

    /// Seconds between two looks at a PodScaler that does not set syncPeriodSeconds.
    #[arg(long, env = "PLIMSOLL_SYNC_PERIOD_SECONDS", default_value_t = 15, value_parser = clap::value_parser!(u16).range(1..))]
    pub sync_period_seconds: u16,

    /// Scale-down window, in seconds, of a PodScaler that does not set one.
    #[arg(long, env = "PLIMSOLL_DOWNSCALE_STABILIZATION_SECONDS", default_value_t = 300)]
    pub downscale_stabilization_seconds: u16,

    /// Tolerance, as a ratio, of a PodScaler that does not set one.
    #[arg(long, env = "PLIMSOLL_TOLERANCE", default_value_t = 0.1, value_parser = tolerance)]
    pub tolerance: f64,

    /// Seconds after its start in which a pod's cpu samples count only once it is ready.
    #[arg(long, env = "PLIMSOLL_CPU_INITIALIZATION_PERIOD_SECONDS", default_value_t = 300)]
    pub cpu_initialization_period_seconds: u16,

    /// Seconds after its start in which a pod that turns unready counts as never having been ready.
    #[arg(long, env = "PLIMSOLL_INITIAL_READINESS_DELAY_SECONDS", default_value_t = 30)]
    pub initial_readiness_delay_seconds: u16,

    /// PodScalers looked at side by side.
    #[arg(long, env = "PLIMSOLL_CONCURRENT_SYNCS", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..))]
    pub concurrent_syncs: u16,

    /// Name of the `ConfigMap`s with what outlives a restart, before the dash and the number; in the operator's
    /// namespace.
    #[arg(long, env = "PLIMSOLL_MEMORY_NAME", default_value = "plimsoll-memory")]
    pub memory_name: String,

    /// Seconds until a change of what is remembered is saved. A rescale is saved within a second or two.
    #[arg(long, env = "PLIMSOLL_MEMORY_SAVE_SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..))]
    pub memory_save_seconds: u16,

    /// What to do with HorizontalPodAutoscaler objects.
    #[arg(long, env = "PLIMSOLL_HPA", default_value = "ignore")]
    pub hpa: HpaMode,

    /// Decisions kept of each PodScaler, each with its exact input, for `plimsoll explain` and `plimsoll replay`.
    #[arg(long, env = "PLIMSOLL_DECISIONS_KEPT", default_value_t = 20)]
    pub decisions_kept: u16,

    /// Megabytes that all kept decisions may take together; the oldest go first.
    #[arg(long, env = "PLIMSOLL_DECISIONS_MEGABYTES", default_value_t = 32)]
    pub decisions_megabytes: u16,

    /// Hosts that Sources and ClusterSources may name, separated by commas; `*` stands for any text, as in
    /// `*.monitoring.svc`.
    #[arg(long, env = "PLIMSOLL_SOURCE_ADDRESSES", default_value = "*", value_delimiter = ',')]
    pub source_addresses: Vec<Wildcard>,

    /// Whether PodScalers may ask for deletion costs on pods. Needs the right to patch pods and to watch nodes.
    #[arg(long, env = "PLIMSOLL_POD_DELETION_COST", default_value_t = false, action = ArgAction::Set)]
    pub pod_deletion_cost: bool,

    /// Whether to keep what ServiceGroups ask for. Needs the right to make, change and delete Deployments, Services,
    /// PodDisruptionBudgets and PodScalers, and to watch nodes.
    #[arg(long, env = "PLIMSOLL_SERVICE_GROUPS", default_value_t = true, action = ArgAction::Set)]
    pub service_groups: bool,

    /// Whether PodScalers may have availability: a reserve for the loss of a zone or a node, and a PodDisruptionBudget.
    /// Needs the right to watch nodes and to write PodDisruptionBudgets.
    #[arg(long, env = "PLIMSOLL_AVAILABILITY", default_value_t = false, action = ArgAction::Set)]
    pub availability: bool,

    /// Whether ServiceGroups say if nodes elsewhere have room for the pods of a lost zone, as CapacityPools do. Needs the
    /// right to watch CapacityPools.
    #[arg(long, env = "PLIMSOLL_CAPACITY_POOLS", default_value_t = false, action = ArgAction::Set)]
    pub capacity_pools: bool,

    /// Name of the Deployment of what scales nodes, in the operator's namespace: with --role=leave nothing is done while it
    /// is there.
    #[arg(long, env = "PLIMSOLL_LEAVE_AFTER", default_value = "plimsoll-nodes")]
    pub leave_after: String,

    /// Nodes that the whole cluster may have at most, those of no pool and those on order among them: no more are
    /// ordered. Left out: any number.
    #[arg(long, env = "PLIMSOLL_MAX_NODES")]
    pub max_nodes: Option<u32>,

    /// Name of the operator's pod: its identity in the lease and in events.
    #[arg(long, env = "POD_NAME", default_value = "plimsoll-operator")]
    pub pod_name: String,

    /// Namespace of the operator's pod, where the lease is.
    #[arg(long, env = "POD_NAMESPACE", default_value = "plimsoll-system")]
    pub pod_namespace: String,
}

/// What a process does. The two run apart, under accounts of their own: what scales pods cannot touch nodes, and the
/// other way round.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Scales pods: PodScalers, and HPAs where asked for.
    Pods,
    /// Plans, orders and removes nodes: CapacityPools and NodeOrders.
    Nodes,
    /// Takes our marks off nodes and pods, once, and ends: what an uninstall runs last.
    Leave,
}

/// What to do with HorizontalPodAutoscaler objects.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum HpaMode {
    /// Leave them to the built-in controller; a PodScaler on the target of one scales nothing.
    Ignore,
    /// Compute beside the built-in controller, write nothing, and show the differences at /shadow and /metrics.
    Shadow,
    /// Scale by them and write their status, in place of the built-in controller, which must be off.
    Takeover,
}

/// How log lines are written.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object per line.
    Json,
    /// For people.
    Text,
}

impl Args {
    /// Checks what a single flag cannot say.
    ///
    /// # Errors
    /// A text that names the flags and the way out.
    pub fn check(&self) -> Result<(), String> {
        let (duration, renew) = (self.lease_duration_seconds, self.lease_renew_seconds);
        if self.leader_elect && u64::from(duration) <= u64::from(renew) + WRITE_TIME.as_secs() {
            return Err(format!(
                "--lease-duration-seconds={duration} must be more than {} s longer than \
                 --lease-renew-seconds={renew}: a write begins only if it would end while the lease is ours",
                WRITE_TIME.as_secs()
            ));
        }
        Ok(())
    }

    /// The time between two looks at a PodScaler.
    pub fn sync_period(&self) -> Duration {
        Duration::from_secs(self.sync_period_seconds.into())
    }

    /// How many decisions are kept.
    pub fn decision_bounds(&self) -> Bounds {
        Bounds {
            decisions: self.decisions_kept.into(),
            bytes: usize::from(self.decisions_megabytes) * 1_000_000,
        }
    }

    /// What the core needs of the flags.
    pub fn settings(&self) -> Settings {
        Settings {
            tolerance: self.tolerance,
            downscale_stabilization: Span::from_secs(self.downscale_stabilization_seconds.into()),
            cpu_initialization_period: Span::from_secs(self.cpu_initialization_period_seconds.into()),
            initial_readiness_delay: Span::from_secs(self.initial_readiness_delay_seconds.into()),
        }
    }
}

fn tolerance(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() && value >= 0.0 => Ok(value),
        _ => Err("must be a ratio of at least 0, such as 0.1 for 10 %".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_flags_are_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn a_tolerance_below_zero_is_refused_with_the_way_out() {
        let error = Args::try_parse_from(["plimsoll-operator", "--tolerance=-1"]).unwrap_err();
        assert!(error.to_string().contains("must be a ratio of at least 0"), "{error}");
    }

    #[test]
    fn a_lease_too_short_to_write_in_is_refused_with_both_flags() {
        let check = |duration: &str, renew: &str| {
            let flags =
                [format!("--lease-duration-seconds={duration}"), format!("--lease-renew-seconds={renew}")];
            let args = ["plimsoll-operator".to_owned()].into_iter().chain(flags);
            Args::try_parse_from(args).unwrap().check()
        };
        assert_eq!(check("15", "5"), Ok(()));
        assert_eq!(check("12", "5"), Ok(()));
        let error = check("11", "5").unwrap_err();
        assert!(error.contains("--lease-duration-seconds=11") && error.contains("--lease-renew-seconds=5"));
    }
}
