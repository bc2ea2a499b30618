//! Any provider with metrics, a limit, and a time-out that includes the wait for it.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts, Registry};
use tokio::{
    sync::Semaphore,
    time::{Instant, timeout},
};

use crate::{
    Capabilities, CreateRequest, Created, InstanceRef, Inventory, OfferingId, Offerings, Provider,
    ProviderError, Settled,
};

/// The series of all providers. Clones share them.
#[derive(Clone, Debug)]
pub struct ProviderSeries {
    calls: IntCounterVec,
    seconds: HistogramVec,
    under_way: IntGaugeVec,
    oddities: IntGaugeVec,
}

/// Buckets in seconds, from 5 ms to 82 s.
const SECONDS: [f64; 8] = [0.005, 0.02, 0.08, 0.32, 1.28, 5.12, 20.48, 81.92];

impl ProviderSeries {
    /// Adds the series to a registry.
    ///
    /// # Errors
    /// When they are there already.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let calls = IntCounterVec::new(
            Opts::new("plimsoll_provider_calls_total", "Calls to a provider of nodes that ended, by result."),
            &["provider", "call", "result"],
        )?;
        let seconds = HistogramVec::new(
            HistogramOpts::new(
                "plimsoll_provider_call_seconds",
                "Seconds that a call to a provider of nodes took.",
            )
            .buckets(SECONDS.to_vec()),
            &["provider", "call"],
        )?;
        let under_way = IntGaugeVec::new(
            Opts::new(
                "plimsoll_provider_calls_under_way",
                "Calls to a provider of nodes that have not ended.",
            ),
            &["provider"],
        )?;
        let oddities = IntGaugeVec::new(
            Opts::new(
                "plimsoll_provider_oddities",
                "What made no sense in the last answer of a provider of nodes, and was left out.",
            ),
            &["provider", "call"],
        )?;
        registry.register(Box::new(calls.clone()))?;
        registry.register(Box::new(seconds.clone()))?;
        registry.register(Box::new(under_way.clone()))?;
        registry.register(Box::new(oddities.clone()))?;
        Ok(Self { calls, seconds, under_way, oddities })
    }
}

/// A provider that is measured, and never asked more at once than is good for it. Its time-out counts from the moment a
/// call is made, the wait for others included.
#[derive(Debug)]
pub struct Instrumented {
    name: String,
    provider: Arc<dyn Provider>,
    permits: Semaphore,
    series: ProviderSeries,
}

/// Counts a call as under way until it is dropped, also if nobody waits for its end.
struct UnderWay<'a>(&'a Instrumented);

impl<'a> UnderWay<'a> {
    fn new(of: &'a Instrumented) -> Self {
        of.series.under_way.with_label_values(&[&of.name]).inc();
        Self(of)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.series.under_way.with_label_values(&[&self.0.name]).dec();
    }
}

impl Instrumented {
    /// `provider` under the name it has in the configuration, with at most `concurrency` calls at a time.
    pub fn new(
        name: impl Into<String>,
        provider: Arc<dyn Provider>,
        concurrency: usize,
        series: ProviderSeries,
    ) -> Self {
        let permits = Semaphore::new(concurrency.clamp(1, Semaphore::MAX_PERMITS));
        Self { name: name.into(), provider, permits, series }
    }

    async fn call<T>(
        &self,
        call: &'static str,
        work: impl Future<Output = Result<T, ProviderError>> + Send,
    ) -> Result<T, ProviderError> {
        let _under_way = UnderWay::new(self);
        let (started, after) = (Instant::now(), self.provider.time_out());
        let result = match timeout(after, self.permits.acquire()).await {
            // The semaphore is never closed; if it were, asking without a limit would be the lesser evil.
            Ok(_permit) => {
                let left = after.saturating_sub(started.elapsed());
                timeout(left, work).await.unwrap_or(Err(ProviderError::TimedOut { call, after }))
            }
            Err(_) => Err(ProviderError::Unreachable(format!(
                "{call} waited {} s for earlier calls",
                after.as_secs_f64()
            ))),
        };
        let kind = result.as_ref().err().map_or("Ok", ProviderError::kind);
        self.series.calls.with_label_values(&[self.name.as_str(), call, kind]).inc();
        let seconds = started.elapsed().as_secs_f64();
        self.series.seconds.with_label_values(&[self.name.as_str(), call]).observe(seconds);
        result
    }

    fn note_oddities(&self, call: &'static str, count: usize) {
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        self.series.oddities.with_label_values(&[self.name.as_str(), call]).set(count);
    }
}

#[async_trait]
impl Provider for Instrumented {
    fn kind(&self) -> &'static str {
        self.provider.kind()
    }

    fn capabilities(&self) -> Capabilities {
        self.provider.capabilities()
    }

    fn time_out(&self) -> Duration {
        self.provider.time_out()
    }

    async fn offerings(&self) -> Result<Offerings, ProviderError> {
        let answer = self.call("offerings", self.provider.offerings()).await?;
        self.note_oddities("offerings", answer.oddities.len());
        Ok(answer)
    }

    async fn inventory(&self) -> Result<Inventory, ProviderError> {
        let answer = self.call("inventory", self.provider.inventory()).await?;
        self.note_oddities("inventory", answer.oddities.len());
        Ok(answer)
    }

    async fn create(&self, order: &CreateRequest) -> Result<Created, ProviderError> {
        self.call("create", self.provider.create(order)).await
    }

    async fn settle(&self, order: &CreateRequest) -> Result<Settled, ProviderError> {
        self.call("settle", self.provider.settle(order)).await
    }

    async fn delete(&self, instances: &[InstanceRef]) -> Result<(), ProviderError> {
        self.call("delete", self.provider.delete(instances)).await
    }

    async fn decrease_target(&self, offering: &OfferingId, by: u32) -> Result<(), ProviderError> {
        self.call("decrease_target", self.provider.decrease_target(offering, by)).await
    }
}
