//! The condition `FrontDoor`.

use super::problem::{Problem, Reason};

/// Its type.
pub const TYPE: &str = "FrontDoor";

/// Problems that are told in full. A group can have a thousand paths.
const MOST_TOLD: usize = 10;

/// What the condition says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// None is unknown: nobody has answered yet, or it could not be read.
    pub status: Option<bool>,
    /// Why.
    pub reason: Reason,
    /// The same for a person, with fields.
    pub message: String,
}

/// What follows from the problems, or what there is to say where there are none. Warnings change no status.
pub(super) fn outcome(mut problems: Vec<Problem>, fine: &str, warnings: &[String]) -> Outcome {
    problems.sort_by_key(Problem::reason);
    let reason = problems.first().map_or(Reason::Accepted, Problem::reason);
    let status = match reason {
        Reason::Accepted => Some(true),
        Reason::NotRead | Reason::Pending => None,
        _ => Some(false),
    };
    let told = problems.iter().take(MOST_TOLD).map(Problem::to_string);
    let mut parts: Vec<_> = if problems.is_empty() { vec![fine.to_owned()] } else { told.collect() };
    if problems.len() > MOST_TOLD {
        parts.push(format!("and {} more", problems.len() - MOST_TOLD));
    }
    parts.extend(warnings.iter().cloned());
    Outcome { status, reason, message: parts.join("; ") }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    fn missing(number: usize) -> Problem {
        Problem::ServiceMissing(format!("s{number}"))
    }

    #[test]
    fn the_gravest_problem_gives_the_reason_and_all_are_told() {
        let problems =
            vec![Problem::Pending("wait".into()), Problem::SecretMissing("tls".into()), missing(1)];
        let told = outcome(problems, "fine", &["old".into()]);
        assert_eq!((told.status, told.reason), (Some(false), Reason::ServiceMissing));
        let expected = "the service s1 has no Service yet, so its paths are left out; \
                        spec.frontDoor.ingress.tls.secretName: there is no Secret tls; wait; old";
        assert_eq!(told.message, expected);
    }

    #[test]
    fn waiting_is_neither_true_nor_false() {
        assert_eq!(outcome(vec![Problem::Pending("wait".into())], "fine", &[]).status, None);
        let fine = outcome(vec![], "fine", &["expired".into()]);
        assert_eq!((fine.status, fine.message.as_str()), (Some(true), "fine; expired"));
    }

    #[test]
    fn a_message_has_an_end() {
        let told = outcome((0..1000).map(missing).collect(), "", &[]);
        assert!(told.message.ends_with("; and 990 more"), "{}", told.message);
    }
}
