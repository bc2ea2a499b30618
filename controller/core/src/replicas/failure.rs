//! Why a metric has no proposal, in HPA's words.

use std::fmt;

use crate::time::Span;

/// The innermost cause. The names of what failed are added around it in `propose.rs`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    NoPods,
    NoUsableSamples { stale: usize, negative: usize },
    MissingRequest { resource: String, container: String, pod: String },
    MissingPodRequest { resource: String, pod: String },
    ContainerNotFound { container: String, pod: String },
    NoSampleOfKnownPods,
    StaleValue { age: Span },
    NegativeValue,
    WrongReading,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoPods => f.write_str("no pods returned by selector while calculating replica count"),
            Self::NoUsableSamples { stale, negative } => {
                f.write_str("did not receive metrics for targeted pods (pods might be unready)")?;
                if *stale > 0 {
                    write!(
                        f,
                        "; the samples of {stale} pods are too old: check that the metrics server still scrapes"
                    )?;
                }
                if *negative > 0 {
                    write!(f, "; the samples of {negative} pods are negative, and a load cannot be")?;
                }
                Ok(())
            }
            Self::MissingRequest { resource, container, pod } => {
                write!(f, "missing request for {resource} in container {container} of Pod {pod}")
            }
            Self::MissingPodRequest { resource, pod } => {
                write!(f, "missing pod-level request for {resource} in Pod {pod}")
            }
            Self::ContainerNotFound { container, pod } => {
                write!(f, "container {container} not found in Pod {pod}")
            }
            Self::NoSampleOfKnownPods => f.write_str("no metrics returned matched known pods"),
            Self::StaleValue { age } => {
                let age = Span::from_secs(age.as_secs());
                write!(
                    f,
                    "the value is {age} old, too old to be believed: check that its source still measures"
                )
            }
            Self::NegativeValue => f.write_str("the value is negative, and a load cannot be"),
            Self::WrongReading => f.write_str("the reading does not fit the type of the metric"),
        }
    }
}
