//! Whether a target's pods are spread, and leave, as `availability` wants it. A PodScaler changes no template, so it says
//! what is missing there.

use plimsoll_api::v1alpha1::{Availability, Survive};
use plimsoll_core::{
    cluster::{HOSTNAME, ZONE},
    reason::{ConditionKind, ConditionReason},
    replicas::ConditionUpdate,
};
use plimsoll_observe::{Manner, SpreadOver};

/// The condition that the newest pod of a target gives rise to.
pub(super) fn judge(availability: &Availability, manner: &Manner, target: &str) -> ConditionUpdate {
    let lacks = lacking(availability, manner);
    let holds = lacks.is_empty();
    let (reason, message) = if holds {
        (
            ConditionReason::AsAsked,
            format!("the pods of {target} are spread, and leave, as spec.availability wants it"),
        )
    } else {
        let lacks = lacks.join("; ");
        let message =
            format!("the template of {target} lacks: {lacks}. A PodScaler changes no template: add it there");
        (ConditionReason::TemplateLacks, message)
    };
    ConditionUpdate { kind: ConditionKind::Spread, status: holds.into(), reason, message }
}

fn lacking(availability: &Availability, manner: &Manner) -> Vec<String> {
    let Availability { survive, pre_stop_seconds, .. } = availability;
    let over_zones = over(ZONE, manner.zones, *survive == Survive::Zone);
    let over_hosts = over(HOSTNAME, manner.hosts, *survive == Survive::Node);
    let wanted = i64::from(*pre_stop_seconds);
    let stop = match manner.pre_stop {
        _ if wanted == 0 => None,
        Some(sleep) if sleep >= wanted => None,
        _ => Some(format!("a preStop hook that sleeps {wanted} s in each container that serves")),
    };
    let grace = (wanted > 0 && manner.grace <= wanted).then(|| {
        format!("terminationGracePeriodSeconds of more than {wanted}, the sleep of the preStop hook")
    });
    over_zones.into_iter().chain(over_hosts).chain(stop).chain(grace).collect()
}

fn over(key: &str, spread: SpreadOver, must_bind: bool) -> Option<String> {
    let SpreadOver { is_there, binds, honors_taints, has_min_domains } = spread;
    if !is_there {
        let when = if must_bind { "DoNotSchedule" } else { "ScheduleAnyway" };
        return Some(format!(
            "a topologySpreadConstraint over {key} with maxSkew 1, whenUnsatisfiable {when} and nodeTaintsPolicy Honor"
        ));
    }
    let mut wrong = Vec::new();
    if must_bind && !binds {
        wrong.push("whenUnsatisfiable DoNotSchedule");
    }
    if !honors_taints {
        wrong.push("nodeTaintsPolicy Honor");
    }
    if has_min_domains {
        wrong.push("no minDomains (with fewer left than that, no pod could start)");
    }
    (!wrong.is_empty()).then(|| format!("in the topologySpreadConstraint over {key}: {}", wrong.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: SpreadOver =
        SpreadOver { is_there: true, binds: true, honors_taints: true, has_min_domains: false };

    fn asked(survive: Survive) -> Availability {
        Availability { survive, ..Availability::default() }
    }

    fn good() -> Manner {
        Manner { zones: GOOD, hosts: SpreadOver { binds: false, ..GOOD }, pre_stop: Some(15), grace: 60 }
    }

    #[test]
    fn a_template_as_asked_lacks_nothing() {
        let said = judge(&asked(Survive::Zone), &good(), "Deployment web");
        assert_eq!((said.kind, said.reason), (ConditionKind::Spread, ConditionReason::AsAsked));
        assert!(lacking(&asked(Survive::None), &good()).is_empty());
    }

    #[test]
    fn each_thing_that_is_missing_is_named() {
        let lacks = |survive, change: fn(&mut Manner)| {
            let mut manner = good();
            change(&mut manner);
            lacking(&asked(survive), &manner).join("; ")
        };
        for (lacks, words) in [
            (lacks(Survive::Zone, |m| m.zones = SpreadOver::default()), "zone with maxSkew 1"),
            (lacks(Survive::Zone, |m| m.zones.binds = false), "whenUnsatisfiable DoNotSchedule"),
            (lacks(Survive::Zone, |m| m.zones.honors_taints = false), "nodeTaintsPolicy Honor"),
            (lacks(Survive::Zone, |m| m.zones.has_min_domains = true), "no minDomains"),
            (lacks(Survive::Zone, |m| m.hosts = SpreadOver::default()), "hostname with maxSkew 1"),
            (lacks(Survive::Node, |_| {}), "hostname: whenUnsatisfiable DoNotSchedule"),
            (lacks(Survive::Zone, |m| m.pre_stop = Some(14)), "a preStop hook that sleeps 15 s"),
            (lacks(Survive::Zone, |m| m.pre_stop = None), "a preStop hook that sleeps 15 s"),
            (lacks(Survive::Zone, |m| m.grace = 15), "terminationGracePeriodSeconds of more than 15"),
        ] {
            assert!(lacks.contains(words), "{lacks}");
        }
    }

    #[test]
    fn without_a_sleep_nothing_is_asked_of_how_pods_leave() {
        let availability = Availability { pre_stop_seconds: 0, ..asked(Survive::Zone) };
        assert!(lacking(&availability, &Manner { pre_stop: None, grace: 0, ..good() }).is_empty());
    }
}
