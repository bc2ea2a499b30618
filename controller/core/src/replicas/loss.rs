//! Whether a zone, or a node, could be lost right now: by the pods that are ready, and not by those that should be.

use super::Context;
use super::decision::Decision;
use super::domains::{Domains, Survive};
use crate::reason::{ConditionKind, ConditionReason};

/// Says it for zones, and for nodes where the loss of one is to be survived. Where the load is not known, what was said
/// last still holds.
pub(super) fn judge(ctx: &Context<'_>, decision: &mut Decision) {
    let needed = match decision.recommendation {
        _ if decision.desired == 0 && decision.current == 0 => 0,
        Some(needed) if decision.is_decided() => needed.max(ctx.bounds.min_replicas.clamp(0, 1)),
        _ => return,
    };
    let (zones, nodes) = (ctx.input.zones.as_ref(), ctx.input.nodes.as_ref());
    for (loss, domains) in [(Survive::Zone, zones), (Survive::Node, nodes)] {
        let Some(domains) = domains else { continue };
        let (holds, reason, message) = answer(loss, domains, u32::try_from(needed).unwrap_or_default());
        let kind = match loss {
            Survive::Zone => ConditionKind::CanLoseZone,
            Survive::Node => ConditionKind::CanLoseNode,
        };
        decision.set_condition(kind, holds, reason, message);
    }
}

fn answer(loss: Survive, domains: &Domains, needed: u32) -> (bool, ConditionReason, String) {
    let ready = domains.ready();
    let (name, most) = domains.largest().unwrap_or_default();
    let left = ready.saturating_sub(most);
    let without =
        if name.is_empty() { format!("without one {loss}") } else { format!("without {loss} {name}") };
    let message = format!("{without}, {left} of {ready} ready replicas are left; the load needs {needed}");
    if left >= needed {
        (true, ConditionReason::EnoughLeft, message)
    } else if domains.known <= 1 {
        (false, ConditionReason::OneOnly, format!("{message}; there is only one {loss}"))
    } else {
        (false, ConditionReason::TooFewLeft, message)
    }
}

#[cfg(test)]
mod tests {
    use super::super::domains::Occupants;
    use super::*;

    fn domains(known: u32, ready: &[(&str, u32)]) -> Domains {
        let pods =
            ready.iter().map(|(name, ready)| ((*name).to_owned(), Occupants { pods: 9, ready: *ready }));
        Domains { open: known, known, pods: pods.collect() }
    }

    #[test]
    fn the_zone_with_most_ready_pods_is_the_one_that_is_lost() {
        let spread = domains(3, &[("a", 2), ("b", 3), ("c", 3)]);
        for (needed, holds, reason) in
            [(5, true, ConditionReason::EnoughLeft), (6, false, ConditionReason::TooFewLeft)]
        {
            let (can, why, message) = answer(Survive::Zone, &spread, needed);
            assert_eq!((can, why), (holds, reason));
            let expected = format!("without zone b, 5 of 8 ready replicas are left; the load needs {needed}");
            assert_eq!(message, expected);
        }
    }

    #[test]
    fn one_zone_is_named_as_what_stands_in_the_way() {
        let (can, why, message) = answer(Survive::Zone, &domains(1, &[("a", 2)]), 1);
        assert_eq!((can, why), (false, ConditionReason::OneOnly));
        assert!(message.ends_with("there is only one zone"), "{message}");
    }

    #[test]
    fn without_load_there_is_nothing_to_lose() {
        assert!(answer(Survive::Zone, &domains(1, &[("a", 2)]), 0).0);
        assert!(answer(Survive::Node, &domains(0, &[]), 0).0);
    }
}
