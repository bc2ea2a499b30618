use anyhow::{Result, anyhow};
use testbed::{Cluster, eventually};

use crate::stage::PATIENCE;

/// Rights are checked, and the audit log tells which rule allowed a request. The tests of the chart's RBAC
/// stand on this.
#[tokio::test]
async fn requests_are_audited() -> Result<()> {
    let cluster = Cluster::shared().await?;
    let namespace = cluster.namespace("audit").await?;
    let user = format!("system:serviceaccount:{}:reader", namespace.name());
    let (role, binding) = (["create", "role", "reads-pods"], ["create", "rolebinding", "reader-reads-pods"]);
    let in_namespace = format!("--namespace={namespace}");
    cluster.kubectl([&role[..], &["--verb=list", "--resource=pods", &in_namespace]].concat()).await?;
    let account = format!("--serviceaccount={namespace}:reader");
    cluster.kubectl([&binding[..], &["--role=reads-pods", &account, &in_namespace]].concat()).await?;

    let as_user = format!("--as={user}");
    eventually("the binding to be heeded", PATIENCE, async || {
        cluster.kubectl(["auth", "can-i", "list", "pods", &as_user, &in_namespace]).await
    })
    .await?;
    let audit = cluster.audit().from_now()?;
    cluster.kubectl(["get", "pods", &as_user, &in_namespace]).await?;
    let refused = cluster.kubectl(["get", "secrets", &as_user, &in_namespace]).await;
    assert!(refused.is_err_and(|error| error.to_string().contains("Forbidden")));

    // A request made `--as` someone is logged with the one who made it and the one it was made for.
    eventually("both requests in the audit log", PATIENCE, async || {
        let events = audit.events()?;
        let find = |resource: &str| {
            events.iter().find(|event| {
                event.impersonated() == Some(user.as_str())
                    && event.rbac_resource().as_deref() == Some(resource)
            })
        };
        match (find("pods"), find("secrets")) {
            (Some(allowed), Some(refused)) => {
                let reason = allowed.authorization_reason();
                let told = reason.contains("RoleBinding \"reader-reads-pods") && !allowed.is_forbidden();
                if told && refused.is_forbidden() { Ok(()) } else { Err(anyhow!("{allowed:?} {refused:?}")) }
            }
            found => Err(anyhow!("{found:?}")),
        }
    })
    .await
}
