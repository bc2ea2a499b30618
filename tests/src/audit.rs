//! What was asked of the API server, and by whom: its audit log.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{BufRead, BufReader, Seek, SeekFrom},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use serde::Deserialize;

/// The audit log of a cluster, from some moment on.
#[derive(Clone, Debug)]
pub struct Audit {
    path: PathBuf,
    from: u64,
    /// The file that was written to at that moment; kube-apiserver begins a new one each 100 MB.
    file: Option<u64>,
}

impl Audit {
    pub(crate) fn whole(path: PathBuf) -> Self {
        Self { path, from: 0, file: None }
    }

    /// The part that is written from now on.
    pub fn from_now(&self) -> Result<Self> {
        let file = fs::metadata(&self.path).with_context(|| self.path.display().to_string())?;
        Ok(Self { path: self.path.clone(), from: file.len(), file: Some(file.ino()) })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// All requests written so far, in the order of their answers.
    ///
    /// A watch appears twice: when it started to answer (stage `ResponseStarted`) and when it ended.
    pub fn events(&self) -> Result<Vec<AuditEvent>> {
        let mut events = Vec::new();
        for (number, path) in self.files()?.iter().enumerate() {
            let mut file = File::open(path).with_context(|| path.display().to_string())?;
            if number == 0 {
                file.seek(SeekFrom::Start(self.from))?;
            }
            for line in BufReader::new(file).lines() {
                // The last line may be half written.
                let Ok(event) = serde_json::from_str(&line?) else { continue };
                events.push(event);
            }
        }
        Ok(events)
    }

    /// The file that was written to at first, and those that followed it.
    fn files(&self) -> Result<Vec<PathBuf>> {
        let is_first = |path: &PathBuf| fs::metadata(path).is_ok_and(|file| Some(file.ino()) == self.file);
        if self.file.is_none() || is_first(&self.path) {
            return Ok(vec![self.path.clone()]);
        }
        // Older ones have their time in their name: audit-2026-11-25T17-55-01.123.log.
        let folder = self.path.parent().context("an audit log in no folder")?;
        let mut files: Vec<_> = fs::read_dir(folder)?
            .map(|file| Ok(file?.path()))
            .filter(|path| path.as_ref().is_ok_and(|path| is_older(path, &self.path)))
            .collect::<Result<_>>()?;
        files.sort();
        let first = files.iter().position(is_first).context("the audit log was rotated away")?;
        files.drain(..first);
        files.push(self.path.clone());
        Ok(files)
    }

    /// The requests of this user, for example `system:serviceaccount:shop:reader`.
    pub fn events_of(&self, user: &str) -> Result<Vec<AuditEvent>> {
        let mut events = self.events()?;
        events.retain(|event| event.user.username == user);
        Ok(events)
    }
}

/// Whether `path` is a part of the log at `log` that is written to no more.
fn is_older(path: &Path, log: &Path) -> bool {
    let stem = log.file_stem().unwrap_or_default().to_string_lossy();
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with(&format!("{stem}-")) && path.extension() == log.extension()
}

/// One request.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditEvent {
    /// `ResponseStarted` for a watch that goes on, `ResponseComplete` otherwise.
    pub stage: String,
    /// get, list, watch, create, update, patch, delete, deletecollection.
    pub verb: String,
    /// The path and query.
    #[serde(rename = "requestURI")]
    pub request_uri: String,
    /// Who asked.
    pub user: AuditUser,
    /// For whom, when it was asked with `--as`.
    pub impersonated_user: Option<AuditUser>,
    /// The program that asked.
    #[serde(default)]
    pub user_agent: String,
    /// What was asked for; absent for paths such as `/version`.
    pub object_ref: Option<AuditObject>,
    /// How it ended.
    pub response_status: Option<AuditStatus>,
    /// Among others `authorization.k8s.io/decision` and `authorization.k8s.io/reason`.
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
}

impl AuditEvent {
    /// Whether the request was refused for want of a right.
    pub fn is_forbidden(&self) -> bool {
        self.annotations.get("authorization.k8s.io/decision").is_some_and(|decision| decision == "forbid")
    }

    /// For whom it was asked, when that was someone else.
    pub fn impersonated(&self) -> Option<&str> {
        self.impersonated_user.as_ref().map(|user| user.username.as_str())
    }

    /// The rule, binding and role that allowed it, as the API server words it.
    pub fn authorization_reason(&self) -> &str {
        self.annotations.get("authorization.k8s.io/reason").map_or("", String::as_str)
    }

    /// The resource as RBAC names it: `deployments`, `deployments/scale`.
    pub fn rbac_resource(&self) -> Option<String> {
        let object = self.object_ref.as_ref()?;
        Some(match &object.subresource {
            Some(subresource) => format!("{}/{subresource}", object.resource.as_ref()?),
            None => object.resource.clone()?,
        })
    }
}

/// Who asked.
#[derive(Clone, Debug, Deserialize)]
pub struct AuditUser {
    /// The name, for example `system:serviceaccount:shop:reader`.
    #[serde(default)]
    pub username: String,
}

/// What was asked for.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditObject {
    /// The plural, for example `pods`.
    pub resource: Option<String>,
    /// For example `scale`.
    pub subresource: Option<String>,
    /// Empty for things of the whole cluster.
    pub namespace: Option<String>,
    /// Empty for lists.
    pub name: Option<String>,
    /// Empty for the core group.
    #[serde(default)]
    pub api_group: String,
}

/// How a request ended.
#[derive(Clone, Debug, Deserialize)]
pub struct AuditStatus {
    /// The HTTP status code.
    #[serde(default)]
    pub code: u16,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(uri: &str) -> String {
        format!(
            "{{\"stage\":\"ResponseComplete\",\"verb\":\"get\",\"requestURI\":\"{uri}\",\"user\":{{}}}}\n"
        )
    }

    #[test]
    fn a_log_that_was_begun_anew_is_read_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.log");
        let older = |time: &str| folder.path().join(format!("audit-{time}.log"));
        fs::write(older("2026-11-25T16-00-00.000"), line("/long-ago")).unwrap();
        fs::write(&path, line("/before")).unwrap();
        let audit = Audit::whole(path.clone()).from_now().unwrap();
        fs::write(&path, line("/before") + &line("/a")).unwrap();
        let asked = || -> Vec<String> {
            audit.events().unwrap().into_iter().map(|event| event.request_uri).collect()
        };
        assert_eq!(asked(), ["/a"]);
        fs::rename(&path, older("2026-11-25T17-00-00.000")).unwrap();
        fs::write(&path, line("/b")).unwrap();
        assert_eq!(asked(), ["/a", "/b"]);
        fs::rename(&path, older("2026-11-25T18-00-00.000")).unwrap();
        fs::write(&path, line("/c")).unwrap();
        assert_eq!(asked(), ["/a", "/b", "/c"]);
    }
}
