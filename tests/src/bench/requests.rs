//! What a contestant asked of the API server, from the audit log.

use std::collections::BTreeMap;

use anyhow::Result;

use crate::audit::{Audit, AuditEvent};

/// Requests by kind, such as `patch podscalers/status`, of those that `is_his`.
pub(super) fn by_kind(audit: &Audit, is_his: impl Fn(&AuditEvent) -> bool) -> Result<BTreeMap<String, u32>> {
    let mut kinds = BTreeMap::new();
    for event in audit.events()?.iter().filter(|event| is_his(event)) {
        // A watch is an answer that goes on, and says so once more when it ends.
        if event.stage == "ResponseComplete" {
            *kinds.entry(kind(event)).or_default() += 1;
        }
    }
    Ok(kinds)
}

/// Whether a kind is a write of what is decided; renewing a lease is not.
pub(super) fn is_write(kind: &str) -> bool {
    !["get ", "list ", "watch "].iter().any(|read| kind.starts_with(read)) && !kind.ends_with(" leases")
}

fn kind(event: &AuditEvent) -> String {
    let group = event.object_ref.as_ref().map_or("", |object| object.api_group.as_str());
    let resource = event.rbac_resource().unwrap_or_else(|| event.request_uri.clone());
    let usage = if group == "metrics.k8s.io" { " (metrics.k8s.io)" } else { "" };
    format!("{} {resource}{usage}", event.verb)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_the_lease_are_no_writes() {
        for (kind, expected) in [
            ("list pods (metrics.k8s.io)", false),
            ("get deployments/scale", false),
            ("update leases", false),
            ("patch podscalers/status", true),
            ("create events", true),
        ] {
            assert_eq!(is_write(kind), expected, "{kind}");
        }
    }
}
