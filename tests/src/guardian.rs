//! Everything that a cluster started ends, also when the test that started it is killed.
//!
//! ```text
//! test process ──pipe──► guardian (sh, in a process group of its own)
//!      │ starts                │ on end of file: ends every process that carries
//!      ▼                       ▼ the cluster's mark, then removes its state
//!   kwokctl, etcd, kube-apiserver, …, operator, Prometheus
//! ```
//!
//! The kernel closes the pipe however the test process ends. The mark is an entry of the environment, which
//! children inherit, so it also finds what detached itself. It holds the path of the state directory, which
//! nobody else uses.

use std::{
    ffi::OsString,
    io::Write,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
};

use anyhow::{Context, Result};

const MARK: &str = "PLIMSOLL_TESTBED";

/// Watches over one state directory and the processes that carry its mark.
#[derive(Debug)]
pub(crate) struct Guardian {
    process: Child,
    pipe: ChildStdin,
}

impl Guardian {
    pub(crate) fn watch(state: &Path) -> Result<Self> {
        let mut process = guardian(state).stdin(Stdio::piped()).spawn().context("cannot start sh")?;
        let pipe = process.stdin.take().context("the guardian has no stdin")?;
        Ok(Self { process, pipe })
    }

    /// Ends the cluster and waits until it is gone.
    pub(crate) fn end(mut self) -> Result<()> {
        drop(self.pipe);
        self.process.wait()?;
        Ok(())
    }

    /// Leaves the cluster running.
    pub(crate) fn let_go(mut self) -> Result<()> {
        self.pipe.write_all(b"keep\n")?;
        self.process.wait()?;
        Ok(())
    }
}

/// Ends a cluster that was let go.
pub(crate) fn end(state: &Path) -> Result<()> {
    guardian(state).stdin(Stdio::null()).status().context("cannot start sh")?;
    Ok(())
}

/// The environment entry by which the guardian of `state` knows a process.
pub(crate) fn mark(state: &Path) -> (&'static str, PathBuf) {
    // With a slash at the end, so that no path is the beginning of another.
    (MARK, state.join(""))
}

/// The processes that belong to the cluster with this state directory.
pub fn processes(state: &Path) -> Result<Vec<u32>> {
    let entry = entry(state);
    let entry = entry.as_encoded_bytes();
    let mut found = Vec::new();
    for process in std::fs::read_dir("/proc")? {
        let process = process?;
        let Some(pid) = process.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        // A process may end while we look, and those of others cannot be read.
        let environ = std::fs::read(process.path().join("environ")).unwrap_or_default();
        if environ.split(|byte| *byte == 0).any(|line| line == entry) {
            found.push(pid);
        }
    }
    Ok(found)
}

fn guardian(state: &Path) -> Command {
    let mut command = Command::new("/bin/sh");
    command
        .args(["-c", include_str!("guardian.sh"), "guardian"])
        .arg(state)
        .arg(entry(state))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .env_remove(MARK)
        // A Ctrl-C on the terminal goes to the group of the test process only.
        .process_group(0);
    command
}

fn entry(state: &Path) -> OsString {
    let (name, value) = mark(state);
    let mut entry = OsString::from(name);
    entry.push("=");
    entry.push(value);
    entry
}
