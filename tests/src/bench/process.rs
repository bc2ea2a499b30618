//! What the kernel says of a process.

use std::{fs, path::Path};

use anyhow::{Context, Result};
use rustix::param::clock_ticks_per_second;

/// A process that is measured.
#[derive(Clone, Copy, Debug)]
pub(super) struct Process(u32);

impl Process {
    pub(super) fn new(pid: u32) -> Self {
        Self(pid)
    }

    /// A part of the bed, such as `kube-apiserver`, by the file in which kwokctl keeps its process id.
    pub(super) fn of_bed(pids: &Path, part: &str) -> Result<Self> {
        let file = pids.join(format!("{part}.pid"));
        let text = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
        Ok(Self(text.trim().parse()?))
    }

    pub(super) fn id(self) -> u32 {
        self.0
    }

    /// Seconds of cpu time since it started, of all its threads.
    pub(super) fn cpu_seconds(self) -> Result<f64> {
        let stat = self.read("stat")?;
        // The name, in parentheses, may have spaces in it.
        let rest = stat.rsplit_once(')').context("no name in stat")?.1;
        let ticks = |field: usize| -> Result<u64> {
            Ok(rest.split_whitespace().nth(field).context("stat is too short")?.parse()?)
        };
        // utime and stime are the fields 14 and 15, and the first after the name is 3.
        let ticks = ticks(11)? + ticks(12)?;
        Ok(as_f64(ticks) / as_f64(clock_ticks_per_second()))
    }

    /// The most memory that it ever had, in MiB.
    pub(super) fn peak_mib(self) -> Result<f64> {
        let status = self.read("status")?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
        let kib: u64 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(as_f64(kib) / 1024.0)
    }

    fn read(self, file: &str) -> Result<String> {
        let path = format!("/proc/{}/{file}", self.0);
        fs::read_to_string(&path).with_context(|| format!("{path}: the process has ended"))
    }
}

#[allow(clippy::cast_precision_loss)]
fn as_f64(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_used_cpu_and_memory() {
        let this = Process::new(std::process::id());
        assert!(this.cpu_seconds().unwrap() >= 0.0);
        assert!(this.peak_mib().unwrap() > 1.0);
    }
}
