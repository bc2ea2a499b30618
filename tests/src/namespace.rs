//! A namespace for one test.

use std::{
    collections::hash_map::RandomState,
    fmt::{Display, Formatter},
    hash::BuildHasher,
    ops::Deref,
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::Result;
use k8s_openapi::api::core::v1::{Namespace as Object, ServiceAccount};
use kube::{Api, api::PostParams};

use crate::{cluster::Cluster, eventually};

/// A namespace that is deleted in the background when this value is dropped. Derefs to its name.
#[derive(Debug)]
pub struct Namespace {
    name: String,
    delete: Option<Command>,
}

impl Namespace {
    /// One that is there anyhow, and stays.
    pub fn existing(name: &str) -> Self {
        Self { name: name.to_owned(), delete: None }
    }

    pub(crate) async fn create(cluster: &Cluster, prefix: &str) -> Result<Self> {
        let name = format!("{prefix}-{:08x}", RandomState::new().hash_one(prefix) & 0xffff_ffff);
        let client = cluster.client().await?;
        let object = Object {
            metadata: kube::core::ObjectMeta { name: Some(name.clone()), ..Default::default() },
            ..Default::default()
        };
        Api::all(client.clone()).create(&PostParams::default(), &object).await?;
        let mut delete = cluster.command("kubectl");
        delete.args(["delete", "namespace", &name, "--wait=false"]);
        let namespace = Self { name, delete: Some(delete) };
        // Until then pods are refused, and their owners retry later and later.
        let accounts: Api<ServiceAccount> = Api::namespaced(client, &namespace);
        eventually("the namespace's service account", Duration::from_mins(2), async || {
            Ok(accounts.get("default").await?)
        })
        .await?;
        Ok(namespace)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        if let Some(mut delete) = self.delete.take() {
            std::thread::spawn(move || {
                delete.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status()
            });
        }
    }
}

impl Deref for Namespace {
    type Target = str;

    fn deref(&self) -> &str {
        &self.name
    }
}

impl Display for Namespace {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name)
    }
}
