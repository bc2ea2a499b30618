//! What the kwok provider is told.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Catalogue, ConfigError, Taint};

/// What the kwok provider is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct KwokConfig {
    /// What there is, and where it fails.
    pub catalogue: Catalogue,
    /// Seconds from the order until the node appears in the cluster. At 0 it is there when the call returns.
    pub boot_delay_seconds: u32,
    /// A taint of every node, so that pods that do not know of kwok do not land where nothing runs. `null`: none.
    pub taint: Option<Taint>,
    /// Seconds that a call may take; at least 1.
    pub time_out_seconds: u32,
}

impl Default for KwokConfig {
    fn default() -> Self {
        Self {
            catalogue: Catalogue::default(),
            boot_delay_seconds: 0,
            taint: Some(Taint {
                key: "kwok.x-k8s.io/node".to_owned(),
                value: "fake".to_owned(),
                effect: "NoSchedule".to_owned(),
            }),
            time_out_seconds: 30,
        }
    }
}

impl KwokConfig {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        if self.time_out_seconds == 0 {
            return Err(ConfigError::new("timeOutSeconds", "must be at least 1"));
        }
        match &self.taint {
            Some(taint)
                if !["NoSchedule", "PreferNoSchedule", "NoExecute"].contains(&taint.effect.as_str()) =>
            {
                Err(ConfigError::new("taint.effect", "must be NoSchedule, PreferNoSchedule or NoExecute"))
            }
            Some(_) | None => Ok(()),
        }
    }

    pub(super) fn time_out(&self) -> Duration {
        Duration::from_secs(self.time_out_seconds.into())
    }
}
