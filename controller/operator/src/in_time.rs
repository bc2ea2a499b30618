//! Requests to the API server, for whose answer nobody waits longer than [`TIME_OUT`].

use thiserror::Error;
use tokio::time::timeout;

use crate::targets::TIME_OUT;

/// Why there is no good answer.
#[derive(Debug, Error)]
pub(crate) enum Unanswered {
    /// None came in time.
    #[error("the API server did not answer in time")]
    Late,
    /// It is an error.
    #[error(transparent)]
    Failed(#[from] kube::Error),
}

impl Unanswered {
    /// In the words of whoever made it.
    pub(crate) fn words(&self) -> String {
        match self {
            Self::Failed(kube::Error::Api(status)) => status.message.clone(),
            other => other.to_string(),
        }
    }
}

/// What came of a request.
pub(crate) async fn in_time<T>(
    request: impl Future<Output = Result<T, kube::Error>>,
) -> Result<T, Unanswered> {
    match timeout(TIME_OUT, request).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(Unanswered::Late),
    }
}
