//! Taints keep pods off that do not tolerate them (`tainttoleration`). `PreferNoSchedule` never constrains.

use crate::cluster::{Effect, Taint, Toleration, TolerationOperator};

/// The first taint that keeps the pod off.
pub(crate) fn untolerated<'a>(taints: &'a [Taint], tolerations: &[Toleration]) -> Option<&'a Taint> {
    let constrains = |taint: &&Taint| taint.effect != Effect::PreferNoSchedule;
    taints.iter().filter(constrains).find(|taint| !tolerates(tolerations, taint))
}

/// Whether one of the tolerations tolerates a taint.
pub(crate) fn tolerates(tolerations: &[Toleration], taint: &Taint) -> bool {
    tolerations.iter().any(|toleration| {
        toleration.effect.is_none_or(|effect| effect == taint.effect)
            && (toleration.key.is_empty() || toleration.key == taint.key)
            && match toleration.operator {
                TolerationOperator::Exists => true,
                TolerationOperator::Equal => toleration.value == taint.value,
                TolerationOperator::Lt => {
                    numbers(taint, toleration).is_some_and(|(mine, bound)| mine < bound)
                }
                TolerationOperator::Gt => {
                    numbers(taint, toleration).is_some_and(|(mine, bound)| mine > bound)
                }
            }
    })
}

/// The values of a taint and a toleration, where both are whole numbers in their shortest form.
fn numbers(taint: &Taint, toleration: &Toleration) -> Option<(i64, i64)> {
    let number = |text: &str| text.parse::<i64>().ok().filter(|number| number.to_string() == text);
    Some((number(&taint.value)?, number(&toleration.value)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taint(value: &str, effect: Effect) -> Taint {
        Taint { key: "k".into(), value: value.into(), effect }
    }

    fn toleration(
        key: &str,
        operator: TolerationOperator,
        value: &str,
        effect: Option<Effect>,
    ) -> Toleration {
        Toleration { key: key.into(), operator, value: value.into(), effect }
    }

    #[test]
    fn a_toleration_matches_by_key_value_and_effect() {
        use Effect::{NoExecute, NoSchedule};
        use TolerationOperator::{Equal, Exists, Gt, Lt};
        for (tolerated, key, operator, value, effect, of) in [
            (true, "k", Equal, "v", None, taint("v", NoSchedule)),
            (true, "k", Equal, "v", Some(NoSchedule), taint("v", NoSchedule)),
            (false, "k", Equal, "v", Some(NoExecute), taint("v", NoSchedule)),
            (false, "k", Equal, "w", None, taint("v", NoSchedule)),
            (false, "j", Equal, "v", None, taint("v", NoSchedule)),
            (true, "k", Exists, "", None, taint("v", NoExecute)),
            (true, "", Exists, "", None, taint("v", NoExecute)),
            (true, "", Equal, "v", None, taint("v", NoSchedule)),
            (true, "k", Gt, "4", None, taint("5", NoSchedule)),
            (false, "k", Gt, "5", None, taint("5", NoSchedule)),
            (true, "k", Lt, "6", None, taint("5", NoSchedule)),
            (false, "k", Lt, "5", None, taint("5", NoSchedule)),
            (false, "k", Lt, "6", None, taint("05", NoSchedule)),
            (false, "k", Lt, "six", None, taint("5", NoSchedule)),
        ] {
            let tolerations = [toleration(key, operator, value, effect)];
            assert_eq!(tolerates(&tolerations, &of), tolerated, "{tolerations:?} {of:?}");
        }
    }

    #[test]
    fn the_first_taint_that_constrains_is_named() {
        let taints = [
            taint("a", Effect::PreferNoSchedule),
            taint("b", Effect::NoSchedule),
            taint("c", Effect::NoExecute),
        ];
        assert_eq!(untolerated(&taints, &[]), Some(&taints[1]));
        let some = [toleration("k", TolerationOperator::Equal, "b", None)];
        assert_eq!(untolerated(&taints, &some), Some(&taints[2]));
        assert_eq!(untolerated(&taints[..1], &[]), None);
    }
}
