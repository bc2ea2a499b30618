//! The replicas that each twin is asked to have, over time.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::Result;
use k8s_openapi::api::apps::v1::Deployment;
use kube::{Api, Client};
use serde::{Deserialize, Serialize};
use tokio::task::JoinHandle;

const BETWEEN_LOOKS: Duration = Duration::from_millis(200);

/// A size, and the second at which it was first asked for.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Step {
    /// Seconds since the beginning of the story.
    pub(super) at: f64,
    pub(super) replicas: i32,
}

/// Looks at a Deployment until it is dropped.
pub(super) struct Recorder {
    steps: Arc<Mutex<Vec<Step>>>,
    looking: JoinHandle<()>,
}

impl Recorder {
    pub(super) fn start(client: Client, namespace: &str, name: &str, begun: Instant) -> Self {
        let deployments: Api<Deployment> = Api::namespaced(client, namespace);
        let (name, steps) = (name.to_owned(), Arc::<Mutex<Vec<Step>>>::default());
        let noted = Arc::clone(&steps);
        let looking = tokio::spawn(async move {
            loop {
                if let Ok(deployment) = deployments.get(&name).await {
                    let replicas = deployment.spec.replicas.unwrap_or(1);
                    let mut steps = noted.lock().unwrap_or_else(PoisonError::into_inner);
                    if steps.last().is_none_or(|last| last.replicas != replicas) {
                        steps.push(Step { at: begun.elapsed().as_secs_f64(), replicas });
                    }
                }
                tokio::time::sleep(BETWEEN_LOOKS).await;
            }
        });
        Self { steps, looking }
    }

    /// All sizes so far.
    pub(super) fn steps(&self) -> Vec<Step> {
        self.steps.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The present size.
    pub(super) fn size(&self) -> Result<i32> {
        self.steps().last().map(|step| step.replicas).ok_or_else(|| anyhow::anyhow!("nothing seen yet"))
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.looking.abort();
    }
}
