//! What the answers of a server mean to who asked for nodes.

use tonic::{Code, ConnectError, Status};

use crate::{
    OfferingId, ProviderError,
    error::{causes, in_words, shortened},
};

/// An answer that is an error, in our words. `offering` is what was asked about.
pub(super) fn failure(status: &Status, call: &'static str, offering: Option<&OfferingId>) -> ProviderError {
    let words = if status.message().is_empty() {
        format!("{call}: {}", status.code())
    } else {
        format!("{call}: {}", shortened(status.message()))
    };
    // Without a connection nothing was sent.
    if causes(status).any(<dyn std::error::Error>::is::<ConnectError>) {
        return ProviderError::Unreachable(shortened(in_words(status)));
    }
    match (status.code(), offering) {
        (Code::ResourceExhausted, Some(offering)) if !speaks_of_quota(status.message()) => {
            ProviderError::OutOfCapacity { offering: offering.clone(), message: words }
        }
        (Code::ResourceExhausted, offering) => {
            ProviderError::Quota { offering: offering.cloned(), message: words }
        }
        // Elsewhere it means something else, such as an answer that is too long.
        (Code::OutOfRange | Code::FailedPrecondition, Some(offering)) if call == "NodeGroupIncreaseSize" => {
            ProviderError::Quota { offering: Some(offering.clone()), message: words }
        }
        (Code::NotFound, Some(offering)) => ProviderError::UnknownOffering(offering.clone()),
        (Code::Unauthenticated | Code::PermissionDenied, _) => ProviderError::Unauthorized(words),
        (Code::InvalidArgument, _) => ProviderError::Invalid(words),
        (Code::Unimplemented, _) => ProviderError::Unsupported(words),
        (Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled | Code::Aborted, _) => {
            ProviderError::Unavailable(words)
        }
        _ => ProviderError::Other(words),
    }
}

/// gRPC has one code for «there is no more» and «you may not have more».
pub(super) fn speaks_of_quota(words: &str) -> bool {
    let words = words.to_ascii_lowercase();
    ["quota", "limit exceeded", "limitexceeded"].iter().any(|word| words.contains(word))
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    #[test]
    fn each_code_has_a_meaning() {
        let group = OfferingId::from("g");
        for (code, words, kind) in [
            (Code::ResourceExhausted, "no c-4x in zone-a", "OutOfCapacity"),
            (Code::ResourceExhausted, "QuotaExceeded: 24 vCPUs", "Quota"),
            (Code::OutOfRange, "size increase is too large", "Quota"),
            (Code::NotFound, "no such group", "UnknownOffering"),
            (Code::Unauthenticated, "", "Unauthorized"),
            (Code::PermissionDenied, "", "Unauthorized"),
            (Code::InvalidArgument, "delta", "Invalid"),
            (Code::Unimplemented, "", "Unsupported"),
            (Code::Unavailable, "", "Unavailable"),
            (Code::DeadlineExceeded, "", "Unavailable"),
            (Code::Internal, "", "Other"),
            (Code::Unknown, "", "Other"),
            (Code::DataLoss, "", "Other"),
        ] {
            let error = failure(&Status::new(code, words), "NodeGroupIncreaseSize", Some(&group));
            assert_eq!(error.kind(), kind, "{code:?} {words}");
        }
        let quota = failure(&Status::resource_exhausted("too many"), "Refresh", None);
        assert_eq!(quota.to_string(), "a limit of the provider is reached: Refresh: too many");
    }
}
