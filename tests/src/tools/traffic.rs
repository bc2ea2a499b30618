//! A real ingress controller and a real load generator.

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::{build::GoModule, module};

/// Traefik and k6.
#[derive(Clone, Debug)]
pub struct TrafficTools {
    traefik: PathBuf,
    k6: PathBuf,
}

impl TrafficTools {
    /// Builds them if they are not built yet; see [`super::Tools::ensure`].
    pub fn ensure() -> Result<Self> {
        let build = |what, cold_build, folder| {
            GoModule { what, cold_build, dir: &module(folder), tags: "", ldflags: "-s -w", test: None }
                .ensure()
        };
        let k6 = build("k6", "2 minutes on two cores", "k6")?.join("k6");
        let traefik = build("Traefik", "8 minutes on two cores", "traefik")?.join("traefik");
        Ok(Self { traefik, k6 })
    }

    /// The ingress controller.
    pub fn traefik(&self) -> &Path {
        &self.traefik
    }

    /// The load generator.
    pub fn k6(&self) -> &Path {
        &self.k6
    }
}
