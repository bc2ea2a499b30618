//! A call that is given up.

use std::time::Duration;

use tokio::time::timeout;

use crate::ProviderError;

/// What `work` says, or [`ProviderError::TimedOut`].
pub(crate) async fn within<T>(
    call: &'static str,
    after: Duration,
    work: impl Future<Output = Result<T, ProviderError>> + Send,
) -> Result<T, ProviderError> {
    timeout(after, work).await.unwrap_or(Err(ProviderError::TimedOut { call, after }))
}
