//! Whether two series of sizes are the same but for the phase of two controllers that each look every 15 s.
//!
//! The rule: both go through the same sizes in the same order, and each size is asked for by one at most a period,
//! a resolution of the metrics and some slack after the other. Each looks once in a period, at a moment of its own; the
//! later one may see a sample that the earlier one did not.

use super::{PERIOD, RESOLUTION, SLACK, record::Step};

/// What differs, in words; empty when nothing does.
pub(super) fn differences(hpa: &[Step], plimsoll: &[Step]) -> Vec<String> {
    let sizes = |steps: &[Step]| steps.iter().map(|step| step.replicas).collect::<Vec<_>>();
    let allowed = (PERIOD + RESOLUTION + SLACK).as_secs_f64();
    if sizes(hpa) != sizes(plimsoll) {
        return vec![format!(
            "the sizes differ: {:?} by the HPA, {:?} by Plimsoll",
            sizes(hpa),
            sizes(plimsoll)
        )];
    }
    let late = hpa.iter().zip(plimsoll).filter(|(hpa, plimsoll)| (hpa.at - plimsoll.at).abs() > allowed);
    let words = late.map(|(hpa, plimsoll)| {
        format!(
            "{} replicas were asked for after {:.1} s by the HPA and after {:.1} s by Plimsoll, more than {allowed} s apart",
            hpa.replicas, hpa.at, plimsoll.at
        )
    });
    words.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(steps: &[(f64, i32)]) -> Vec<Step> {
        steps.iter().map(|(at, replicas)| Step { at: *at, replicas: *replicas }).collect()
    }

    #[test]
    fn a_phase_is_no_difference() {
        let hpa = steps(&[(0.0, 2), (10.0, 4)]);
        assert_eq!(differences(&hpa, &steps(&[(0.0, 2), (39.0, 4)])), Vec::<String>::new());
        assert!(
            differences(&hpa, &steps(&[(0.0, 2), (41.0, 4)]))[0].starts_with("4 replicas were asked for")
        );
    }

    #[test]
    fn another_size_is_a_difference() {
        let hpa = steps(&[(0.0, 2), (10.0, 4)]);
        for other in [&[(0.0, 2)][..], &[(0.0, 2), (10.0, 5)], &[(0.0, 2), (5.0, 3), (10.0, 4)]] {
            assert!(differences(&hpa, &steps(other))[0].starts_with("the sizes differ"));
        }
    }
}
