//! What the API server's errors mean to who asked for nodes.

use std::io;

use crate::{
    ProviderError,
    error::{causes, in_words, shortened},
};

/// An error of the API server in our words.
pub(super) fn failure(error: &kube::Error) -> ProviderError {
    match error {
        kube::Error::Api(status) => {
            let words = shortened(&status.message);
            match status.code {
                401 | 403 => ProviderError::Unauthorized(words),
                400 | 404 | 405 | 413 | 422 => ProviderError::Invalid(words),
                _ => ProviderError::Unavailable(words),
            }
        }
        error if nobody_listens(error) => ProviderError::Unreachable(shortened(in_words(error))),
        error => ProviderError::Unavailable(shortened(in_words(error))),
    }
}

/// Whether nothing can have been sent.
fn nobody_listens(error: &kube::Error) -> bool {
    causes(error).any(|cause| {
        cause
            .downcast_ref::<io::Error>()
            .is_some_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
    })
}
