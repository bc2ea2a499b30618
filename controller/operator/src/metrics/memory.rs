//! Series about what is remembered over a restart.

use prometheus::{Gauge, IntCounterVec, Opts, Registry};
use tokio::time::Instant;

/// The series. Clones share them.
#[derive(Clone)]
pub struct MemorySeries {
    bytes: Gauge,
    writes: IntCounterVec,
    restores: IntCounterVec,
    /// How long the oldest change has been waiting to be saved.
    pub unsaved: Gauge,
}

impl MemorySeries {
    pub(super) fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let gauge = |name: &str, help: &str| {
            let gauge = Gauge::new(name, help)?;
            registry.register(Box::new(gauge.clone()))?;
            Ok::<_, prometheus::Error>(gauge)
        };
        let counter = |name: &str, help: &str, results: &[&str]| {
            let counter = IntCounterVec::new(Opts::new(name, help), &["result"])?;
            registry.register(Box::new(counter.clone()))?;
            for result in results {
                counter.with_label_values(&[result]);
            }
            Ok::<_, prometheus::Error>(counter)
        };
        Ok(Self {
            bytes: gauge("plimsoll_memory_bytes", "Compressed bytes of what is remembered, as last saved.")?,
            writes: counter(
                "plimsoll_memory_writes_total",
                "ConfigMaps with what is remembered that were written, by result (ok, error).",
                &["ok", "error"],
            )?,
            restores: counter(
                "plimsoll_memory_restores_total",
                "ConfigMaps with what is remembered that were read by a new leader, by result (ok, absent, unreadable); \
                 reads of all of them that failed (error), and leaders that went on without (given_up).",
                &["ok", "absent", "unreadable", "error", "given_up"],
            )?,
            unsaved: gauge(
                "plimsoll_memory_unsaved_seconds",
                "Seconds the oldest change of what is remembered has been waiting to be saved; 0 when all is saved.",
            )?,
        })
    }

    /// Notes the size of what is saved, and since when something is not.
    pub fn saved(&self, bytes: usize, unsaved_since: Option<Instant>) {
        self.bytes.set(u32::try_from(bytes).unwrap_or(u32::MAX).into());
        self.unsaved.set(unsaved_since.map_or(0.0, |since| since.elapsed().as_secs_f64()));
    }

    /// Counts a write.
    pub fn wrote(&self, ok: bool) {
        self.writes.with_label_values(&[if ok { "ok" } else { "error" }]).inc();
    }

    /// Counts a read by a new leader.
    pub fn restored(&self, result: &str) {
        self.restores.with_label_values(&[result]).inc();
    }
}
