//! What PodScalers read together.

use std::sync::Arc;

use plimsoll_operator::{leadership::Leadership, podscaler::reconcile};
use serde_json::json;

use crate::{
    look::{self, USAGE, answer, scaler_with},
    script::server,
};

/// Without it the cost of reading grows with the PodScalers and not with the namespaces.
#[tokio::test(start_paused = true)]
async fn podscalers_of_a_namespace_share_one_list_of_usage() {
    let (client, log) = server(|asked| answer(asked, 50));
    let context = look::context(client, Leadership::alone(), true).await;
    for target in ["web", "fresh"] {
        let reference = json!({ "apiVersion": "apps/v1", "kind": "Deployment", "name": target });
        let scaler = scaler_with(&json!({ "scaleTargetRef": reference, "syncPeriodSeconds": 15 }));
        reconcile(scaler, Arc::clone(&context)).await.unwrap();
    }
    let lines = log.lines();
    assert!(lines.iter().any(|line| line.contains("/deployments/fresh/scale")), "{lines:?}");
    assert_eq!(lines.iter().filter(|line| *line == USAGE).count(), 1, "{lines:?}");
}
