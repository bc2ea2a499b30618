//! Waiting for something to become true.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

const BETWEEN_LOOKS: Duration = Duration::from_millis(100);

/// Looks again and again until `look` returns `Ok`, and returns what it found.
///
/// What `look` returns as an error is what it saw instead. The last one ends up in the message when the
/// time is over, so that a failed test says what was there.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// # use std::time::Duration;
/// let mut looks = 0;
/// let found = testbed::eventually("three looks", Duration::from_secs(5), async || {
///     looks += 1;
///     if looks < 3 { anyhow::bail!("{looks} looks") } else { Ok(looks) }
/// });
/// assert_eq!(found.await.unwrap(), 3);
/// # }
/// ```
pub async fn eventually<T>(
    what: &str,
    timeout: Duration,
    mut look: impl AsyncFnMut() -> Result<T>,
) -> Result<T> {
    let started = Instant::now();
    loop {
        match look().await {
            Ok(found) => return Ok(found),
            Err(seen) if started.elapsed() >= timeout => {
                bail!("waited {:.1} s for {what}; last seen: {seen:#}", started.elapsed().as_secs_f64())
            }
            Err(_) => tokio::time::sleep(BETWEEN_LOOKS).await,
        }
    }
}
