//! Clients at the front door, whose requests are the load.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use jiff::Timestamp;

use super::{
    Stage,
    model::Seen,
    shop::{WAVE, names, quiet_milli},
};
use crate::{
    cluster::Cluster,
    traffic::{
        Clients, Record, Stream,
        shop::{SERVICES, Shop},
    },
};

/// How long a request takes once it is begun.
const SERVICE_TIME_MILLIS: u32 = 100;
/// What one request each second takes of a pod, in thousandths of a core.
const MILLI_PER_REQUEST: u64 = 5;
/// Seconds over which is said what clients see.
const WINDOW_SECONDS: i64 = 5;

/// The shop, whose pods answer.
pub(super) fn shop() -> Shop {
    Shop { service_time_millis: SERVICE_TIME_MILLIS, ..Shop::default() }
}

/// The quiet load of each service, in thousandths of a core: they are alike here.
pub(super) fn quiet() -> u64 {
    quiet_milli(WAVE)
}

/// Those who are always there, and those of the wave.
pub(super) struct Visitors<'c> {
    cluster: &'c Cluster,
    crowd: Arc<Mutex<Crowd>>,
}

#[derive(Default)]
struct Crowd {
    here: Vec<(Option<String>, Clients)>,
    gone: Record,
}

impl Crowd {
    fn record(&self) -> Result<Record> {
        let mut record = self.gone.clone();
        for (_, clients) in &self.here {
            record.extend(clients.so_far()?);
        }
        Ok(record)
    }
}

impl<'c> Visitors<'c> {
    /// Sends to every service what its quiet load takes.
    pub(super) async fn start(cluster: &'c Cluster) -> Result<Self> {
        let clients = Clients::start(cluster, &streams(&names().map(|name| (name, quiet()))), None).await?;
        let crowd = Crowd { here: vec![(None, clients)], gone: Record::default() };
        Ok(Self { cluster, crowd: Arc::new(Mutex::new(crowd)) })
    }

    /// Makes the load on one service what it is to be: more clients come, or go.
    pub(super) async fn set(&self, name: &str, milli: u64) -> Result<()> {
        let more = milli.saturating_sub(quiet());
        if more > 0 {
            let clients = Clients::start(self.cluster, &streams(&[(name, more)]), None).await?;
            self.crowd
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .here
                .push((Some(name.to_owned()), clients));
            return Ok(());
        }
        let going: Vec<_> = {
            let mut crowd = self.crowd.lock().unwrap_or_else(PoisonError::into_inner);
            crowd.here.extract_if(.., |(of, _)| of.as_deref() == Some(name)).collect()
        };
        for (_, clients) in going {
            let record = clients.stop().await?;
            self.crowd.lock().unwrap_or_else(PoisonError::into_inner).gone.extend(record);
        }
        Ok(())
    }

    /// Tells the stage what they see, whenever it is called.
    pub(super) fn witness(&self) -> impl Fn(&Stage) + Send + 'static {
        let crowd = Arc::clone(&self.crowd);
        move |stage| {
            let record = crowd.lock().unwrap_or_else(PoisonError::into_inner).record();
            // What k6 wrote a moment ago is read a moment later.
            let Ok(record) = record else { return };
            for name in names() {
                let seen = seen(&record.of(name), Timestamp::now());
                stage.tell(|model, _| {
                    if let Some(service) = model.service_mut(name) {
                        service.seen = Some(seen);
                    }
                });
            }
        }
    }
}

#[allow(clippy::cast_precision_loss)] // Small numbers.
fn seen(record: &Record, now: Timestamp) -> Seen {
    let lately = record.clone().between(now - jiff::SignedDuration::from_secs(WINDOW_SECONDS), now);
    Seen {
        per_second: lately.requests.len() as f64 / WINDOW_SECONDS as f64,
        p95_millis: lately.latency(0.95),
        lost_lately: lately.lost().len() as u64,
        asked: record.requests.len() as u64,
        lost: record.lost().len() as u64,
    }
}

fn streams(loads: &[(&str, u64)]) -> Vec<Stream> {
    let (shop, mut streams) = (shop(), Vec::new());
    for (name, milli) in loads {
        let per_second = u32::try_from(milli / MILLI_PER_REQUEST).unwrap_or(u32::MAX);
        let service = SERVICES.iter().find(|service| service.workload() == *name);
        streams.extend(
            service.map(|service| Stream { name: (*name).to_owned(), ..shop.stream(service, per_second) }),
        );
    }
    streams
}
