//! The credentials that a kubelet would give a pod.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use k8s_openapi::api::{
    authentication::v1::{BoundObjectReference, TokenRequest, TokenRequestSpec},
    core::v1::{Pod, ServiceAccount},
};
use kube::{
    Api, ResourceExt,
    api::PostParams,
    config::{AuthInfo, Kubeconfig, NamedAuthInfo},
};

use crate::cluster::Cluster;

/// Writes a kubeconfig with a token of the pod's service account, bound to the pod.
pub(super) async fn write(cluster: &Cluster, pod: &Pod, folder: &Path) -> Result<PathBuf> {
    let account =
        pod.spec.as_ref().and_then(|spec| spec.service_account_name.as_deref()).unwrap_or("default");
    let namespace = pod.namespace().context("a pod without a namespace")?;
    let request = TokenRequest {
        spec: Some(TokenRequestSpec {
            bound_object_ref: Some(BoundObjectReference {
                api_version: Some("v1".to_owned()),
                kind: Some("Pod".to_owned()),
                name: pod.metadata.name.clone(),
                uid: pod.metadata.uid.clone(),
            }),
            ..TokenRequestSpec::default()
        }),
        ..TokenRequest::default()
    };
    let accounts: Api<ServiceAccount> = Api::namespaced(cluster.client().await?, &namespace);
    let answer = accounts.create_token_request(account, &PostParams::default(), &request).await?;
    let token = answer.status.and_then(|status| status.token).context("a TokenRequest without an answer")?;

    let mut kubeconfig = Kubeconfig::read_from(cluster.kubeconfig())?;
    let current = kubeconfig.current_context.clone().context("no current context")?;
    for context in &mut kubeconfig.contexts {
        if let Some(context) = context.context.as_mut() {
            context.user = Some(account.to_owned());
        }
    }
    kubeconfig.contexts.retain(|context| context.name == current);
    kubeconfig.auth_infos = vec![NamedAuthInfo {
        name: account.to_owned(),
        auth_info: Some(AuthInfo { token: Some(token.into()), ..AuthInfo::default() }),
        ..NamedAuthInfo::default()
    }];
    let path = folder.join("kubeconfig");
    fs::write(&path, serde_json::to_string(&kubeconfig)?)?;
    Ok(path)
}
