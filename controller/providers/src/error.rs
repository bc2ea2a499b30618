//! Why a provider did not do what it was asked, and what to do about it.

use std::{error::Error, fmt, time::Duration};

use crate::OfferingId;

/// Why a provider did not do what it was asked. Texts of the provider are one line of bounded length.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProviderError {
    /// The provider has no more of an offering. Others may be tried at once.
    #[error("{offering} is out of capacity: {message}")]
    OutOfCapacity {
        /// Of what.
        offering: OfferingId,
        /// The provider's words.
        message: String,
    },
    /// We may not have more.
    #[error("a limit of the provider is reached{}: {message}", .offering.as_ref().map(|id| format!(" for {id}")).unwrap_or_default())]
    Quota {
        /// Of what; `None` if the limit is not one offering's.
        offering: Option<OfferingId>,
        /// The provider's words.
        message: String,
    },
    /// There is no such offering, or not any more.
    #[error("the provider has no offering {0}")]
    UnknownOffering(OfferingId),
    /// Some of the named instances are not there, or not ours. Nothing was deleted.
    #[error("the provider does not have these instances of ours, nothing was deleted: {}", .0.join(", "))]
    UnknownInstances(Vec<String>),
    /// An offering has not the size that the order was recorded with. Nothing was asked for.
    #[error("{offering} had {before} nodes when the order was recorded and now has {now}: look again")]
    SizeChanged {
        /// Of what.
        offering: OfferingId,
        /// The size recorded.
        before: u32,
        /// The size read.
        now: u32,
    },
    /// The call never reached the provider. Nothing was done.
    #[error("the provider cannot be reached: {0}")]
    Unreachable(String),
    /// The call may or may not have been carried out: find out with [`Provider::settle`](crate::Provider::settle) or
    /// by the inventory.
    #[error("the provider gave no answer: {0}")]
    Unavailable(String),
    /// No answer in time; as [`Self::Unavailable`].
    #[error("the provider gave no answer to {call} within {} s", .after.as_secs_f64())]
    TimedOut {
        /// What was asked.
        call: &'static str,
        /// How long was waited.
        after: Duration,
    },
    /// We may not do that.
    #[error("the provider refuses us: {0}; check the credentials and their permissions")]
    Unauthorized(String),
    /// We asked for something that cannot be.
    #[error("the request is invalid: {0}")]
    Invalid(String),
    /// The provider's answer cannot be true.
    #[error("the provider's answer makes no sense: {0}")]
    Nonsense(String),
    /// The provider cannot do that at all.
    #[error("the provider cannot do that: {0}")]
    Unsupported(String),
    /// Anything else.
    #[error("the provider failed: {0}")]
    Other(String),
}

/// What to do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Remedy {
    /// The same again, later and ever more rarely.
    RetryLater,
    /// Avoid the offering for a while; others may be tried at once.
    AvoidOffering,
    /// What was believed is outdated: read the inventory and decide anew.
    LookAgain,
    /// Only people can put it right: a condition, and retried rarely.
    TellUser,
}

impl ProviderError {
    /// What to do about it.
    pub const fn remedy(&self) -> Remedy {
        match self {
            Self::OutOfCapacity { .. } | Self::Quota { offering: Some(_), .. } => Remedy::AvoidOffering,
            Self::UnknownOffering(_) | Self::UnknownInstances(_) | Self::SizeChanged { .. } => {
                Remedy::LookAgain
            }
            Self::Unreachable(_)
            | Self::Unavailable(_)
            | Self::TimedOut { .. }
            | Self::Nonsense(_)
            | Self::Other(_) => Remedy::RetryLater,
            Self::Quota { offering: None, .. }
            | Self::Unauthorized(_)
            | Self::Invalid(_)
            | Self::Unsupported(_) => Remedy::TellUser,
        }
    }

    /// Whether it is certain that nothing was done. If not, an order must be settled before it is repeated.
    pub const fn nothing_done(&self) -> bool {
        match self {
            Self::Unavailable(_) | Self::TimedOut { .. } | Self::Nonsense(_) | Self::Other(_) => false,
            Self::OutOfCapacity { .. }
            | Self::Quota { .. }
            | Self::UnknownOffering(_)
            | Self::UnknownInstances(_)
            | Self::SizeChanged { .. }
            | Self::Unreachable(_)
            | Self::Unauthorized(_)
            | Self::Invalid(_)
            | Self::Unsupported(_) => true,
        }
    }

    /// The kind in labels of metrics.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::OutOfCapacity { .. } => "OutOfCapacity",
            Self::Quota { .. } => "Quota",
            Self::UnknownOffering(_) => "UnknownOffering",
            Self::UnknownInstances(_) => "UnknownInstances",
            Self::SizeChanged { .. } => "SizeChanged",
            Self::Unreachable(_) => "Unreachable",
            Self::Unavailable(_) => "Unavailable",
            Self::TimedOut { .. } => "TimedOut",
            Self::Unauthorized(_) => "Unauthorized",
            Self::Invalid(_) => "Invalid",
            Self::Nonsense(_) => "Nonsense",
            Self::Unsupported(_) => "Unsupported",
            Self::Other(_) => "Other",
        }
    }
}

/// Words of a provider as one line of at most 300 characters.
pub(crate) fn shortened(words: impl fmt::Display) -> String {
    const MOST: usize = 300;
    let words = words.to_string();
    let line: Vec<&str> =
        words.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()).collect();
    let line = line.join(" ");
    match line.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

/// The causes of an error, each once.
pub(crate) fn in_words(error: &(dyn Error + 'static)) -> String {
    let mut words = String::new();
    for cause in causes(error).map(ToString::to_string) {
        if !words.contains(&cause) {
            if !words.is_empty() {
                words.push_str(": ");
            }
            words.push_str(&cause);
        }
    }
    words
}

pub(crate) fn causes<'a>(
    error: &'a (dyn Error + 'static),
) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error: &&'a (dyn Error + 'static)| (*error).source())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_others_are_one_short_line() {
        assert_eq!(shortened("a\nb\t\u{1b}[31m c"), "a b [31m c");
        assert_eq!(shortened("é".repeat(1000)).chars().count(), 301);
    }
}
