//! The live comparison: the same load on twin workloads, one scaled by kube-controller-manager's HPA, the other
//! by Plimsoll under `HPA-1.37`, through a story of ramp, surge rollout, metrics outage and restart of both.
//!
//! ```text
//! story ──► twins ◄── record (replicas over time) ──► verdict ──► figures (JSON), table (text), plot (SVG)
//! ```

mod figures;
mod plot;
mod record;
mod story;
mod verdict;

use std::{path::Path, time::Duration};

use anyhow::Result;

use self::figures::Figures;
use crate::{Cluster, ClusterSpec, demo::commit, save, say};

/// Between two looks of either controller; what Kubernetes and the chart say by default.
const PERIOD: Duration = Duration::from_secs(15);
/// Between two looks of metrics-server at a node.
const RESOLUTION: Duration = Duration::from_secs(10);
/// What two controllers that share a machine may delay each other.
const SLACK: Duration = Duration::from_secs(5);

/// Runs the story, and writes what came of it to `svg` and, as raw figures, beside it. Whether both did the same.
pub async fn run(svg: &Path) -> Result<bool> {
    // Now, not at the end: minutes pass, and the work tree may move on.
    let commit = commit();
    let cluster = Cluster::start(ClusterSpec::default()).await?;
    say(&format!(
        "cluster ready in {:.1} s; the story takes about seven minutes",
        cluster.started_in().as_secs_f64()
    ));
    let told = story::tell(&cluster).await;
    let figures = match told {
        Ok(told) => Figures::new(&cluster, commit, told).await?,
        Err(failure) => {
            cluster.stop().await?;
            return Err(failure);
        }
    };
    cluster.stop().await?;
    save::figures(&svg.with_extension("json"), &figures)?;
    plot::draw(&figures, svg)?;
    say(&figures.table());
    Ok(figures.differences.is_empty())
}
