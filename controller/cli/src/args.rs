//! What can be asked for.

use std::path::PathBuf;

use clap::{Args as Group, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

/// Why a workload has the size it has, what another policy would do, and the way from an HPA.
#[derive(Parser, Debug)]
#[command(name = "plimsoll", version, about, max_term_width = 100)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

/// Where the cluster and the operator are.
#[derive(Group, Debug, Clone, Default)]
#[command(next_help_heading = "Where to ask")]
pub(crate) struct Connection {
    /// The kubeconfig file; default: KUBECONFIG, then ~/.kube/config.
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// The context of the kubeconfig; default: its current one.
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) context: Option<String>,
    /// The namespace; default: that of the context.
    #[arg(short, long, global = true, value_name = "NAME")]
    pub(crate) namespace: Option<String>,
    /// Asks the operator here instead of through the API server, such as `http://127.0.0.1:8080` after a
    /// port-forward to its leader
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) operator: Option<String>,
    /// The namespace that the operator was installed in.
    #[arg(long, global = true, value_name = "NAME", default_value = "plimsoll-system")]
    pub(crate) operator_namespace: String,
    /// The Lease that names the leader among the operator's pods.
    #[arg(long, global = true, value_name = "NAME", default_value = "plimsoll-operator")]
    pub(crate) lease_name: String,
}

#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Why a workload has the size it has: each metric, each recommendation, each limit that cut it.
    Explain(Explain),
    /// Takes recent decisions again, on exactly what they were taken on; also under another policy.
    Replay(Replay),
    /// PodScalers for HorizontalPodAutoscalers, and what Plimsoll-1 would do differently.
    Convert(Convert),
    /// What the operator would do in the place of the built-in controller, for HPAs in its shadow.
    Diff(Diff),
    /// The version.
    Version,
    /// A script that completes this command's words in a shell.
    Completions {
        /// The shell.
        shell: Shell,
    },
}

#[derive(Group, Debug)]
#[command(
    after_help = "Examples:\n  plimsoll explain podscaler web -n shop\n  plimsoll explain podscaler/web -o json"
)]
pub(crate) struct Explain {
    /// `podscaler NAME` or `podscaler/NAME`.
    #[arg(num_args = 1..=2, required = true, value_name = "podscaler NAME")]
    pub(crate) object: Vec<String>,
    /// How to tell it.
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    pub(crate) output: Format,
}

impl Explain {
    /// The name of the PodScaler.
    pub(crate) fn name(&self) -> anyhow::Result<&str> {
        let words: Vec<&str> = self.object.iter().flat_map(|word| word.splitn(2, '/')).collect();
        match words.as_slice() {
            ["podscaler" | "podscalers" | "podscalers.plimsoll.dev" | "ps", name] if !name.is_empty() => {
                Ok(name)
            }
            _ => anyhow::bail!(
                "{:?} is nothing that can be explained: write `podscaler NAME`",
                self.object.join(" ")
            ),
        }
    }
}

/// How an answer is written.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

#[derive(Group, Debug)]
#[command(
    after_help = "Examples:\n  plimsoll replay web -n shop --save incident.json\n  plimsoll replay -f incident.json\n  plimsoll replay -f incident.json --policy new.yaml"
)]
pub(crate) struct Replay {
    /// The PodScaler.
    #[arg(required_unless_present = "file")]
    pub(crate) name: Option<String>,
    /// Decisions that were saved before; `-` for stdin.
    #[arg(short, long, conflicts_with = "name")]
    pub(crate) file: Option<PathBuf>,
    /// Saves the decisions as they are, with all that they were taken on: names of pods, their requests and usage.
    #[arg(long, value_name = "FILE")]
    pub(crate) save: Option<PathBuf>,
    /// A PodScaler, or a HorizontalPodAutoscaler, whose policy is to decide instead.
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: Option<PathBuf>,
}

#[derive(Group, Debug)]
#[command(
    after_help = "Examples:\n  plimsoll convert -f hpa.yaml > podscaler.yaml\n  helm template . | plimsoll convert -f - > converted.yaml\n  plimsoll convert --all -n shop"
)]
pub(crate) struct Convert {
    /// Files with HorizontalPodAutoscalers, autoscaling/v1 or v2; `-` for stdin. Other objects in them are passed on.
    #[arg(short, long = "file", required_unless_present = "all", value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Those of the whole cluster, or, with --namespace, of one namespace.
    #[arg(long, conflicts_with = "files")]
    pub(crate) all: bool,
}

#[derive(Group, Debug)]
#[command(after_help = "Examples:\n  plimsoll diff\n  plimsoll diff -n shop --exit-code")]
pub(crate) struct Diff {
    /// Exits with 1 when an answer differs.
    #[arg(long)]
    pub(crate) exit_code: bool,
    /// How to tell it.
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    pub(crate) output: Format,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_flags_are_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn an_object_is_named_as_kubectl_names_it() {
        let name = |words: &[&str]| {
            let words = ["plimsoll", "explain"].iter().chain(words);
            let Command::Explain(explain) = Args::try_parse_from(words).unwrap().command else { panic!() };
            explain.name().map(str::to_owned).map_err(|error| error.to_string())
        };
        assert_eq!(name(&["podscaler", "web"]), Ok("web".to_owned()));
        assert_eq!(name(&["ps/web"]), Ok("web".to_owned()));
        let error = name(&["web"]).unwrap_err();
        assert!(error.contains("write `podscaler NAME`"), "{error}");
    }
}
