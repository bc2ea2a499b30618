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
    /// The Lease that names the leader among the pods that scale nodes.
    #[arg(long, global = true, value_name = "NAME", default_value = "plimsoll-nodes")]
    pub(crate) nodes_lease_name: String,
}

#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Why a workload has the size it has, why a pod gets no node, why a node stays, what a pool cannot get.
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
    after_help = "Examples:\n  plimsoll explain podscaler web -n shop\n  plimsoll explain podscaler/web -o json\n  plimsoll explain pod web-7d9f-x2 -n shop\n  plimsoll explain node general-1\n  plimsoll explain pool general"
)]
pub(crate) struct Explain {
    /// `podscaler NAME`, `pod NAME`, `node NAME` or `pool NAME`; also as `pod/NAME`.
    #[arg(num_args = 1..=2, required = true, value_name = "KIND NAME")]
    pub(crate) object: Vec<String>,
    /// How to tell it.
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    pub(crate) output: Format,
}

/// What can be explained, by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Object {
    /// A PodScaler: what scales pods is asked.
    PodScaler(String),
    /// A pod: what scales nodes is asked.
    Pod(String),
    /// A node.
    Node(String),
    /// A CapacityPool.
    Pool(String),
}

impl Explain {
    /// What is to be explained.
    pub(crate) fn object(&self) -> anyhow::Result<Object> {
        let words: Vec<&str> = self.object.iter().flat_map(|word| word.splitn(2, '/')).collect();
        if let [kind, name] = words[..]
            && is_a_name(name)
        {
            let name = name.to_owned();
            match kind {
                "podscaler" | "podscalers" | "podscalers.plimsoll.dev" | "ps" => {
                    return Ok(Object::PodScaler(name));
                }
                "pod" | "pods" | "po" => return Ok(Object::Pod(name)),
                "node" | "nodes" | "no" => return Ok(Object::Node(name)),
                "pool"
                | "pools"
                | "capacitypool"
                | "capacitypools"
                | "capacitypools.plimsoll.dev"
                | "cpool" => {
                    return Ok(Object::Pool(name));
                }
                _ => {}
            }
        }
        anyhow::bail!(
            "{:?} is nothing that can be explained: write `podscaler NAME`, `pod NAME`, `node NAME` or `pool NAME`",
            self.object.join(" ")
        )
    }
}

/// Whether an object may be called so; it becomes part of a path.
fn is_a_name(name: &str) -> bool {
    let is_allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
    name.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit()) && name.chars().all(is_allowed)
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
        let object = |words: &[&str]| {
            let words = ["plimsoll", "explain"].iter().chain(words);
            let Command::Explain(explain) = Args::try_parse_from(words).unwrap().command else { panic!() };
            explain.object().map_err(|error| error.to_string())
        };
        assert_eq!(object(&["podscaler", "web"]), Ok(Object::PodScaler("web".to_owned())));
        assert_eq!(object(&["ps/web"]), Ok(Object::PodScaler("web".to_owned())));
        assert_eq!(object(&["pod", "web-1"]), Ok(Object::Pod("web-1".to_owned())));
        assert_eq!(object(&["no/a.example.com"]), Ok(Object::Node("a.example.com".to_owned())));
        assert_eq!(object(&["capacitypool", "general"]), Ok(Object::Pool("general".to_owned())));
        for words in [&["web"][..], &["deployment", "web"], &["pod", ""], &["node", "a?b"], &["pod", "../x"]]
        {
            let error = object(words).unwrap_err();
            assert!(error.contains("write `podscaler NAME`"), "{error}");
        }
    }
}
