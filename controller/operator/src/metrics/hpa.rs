//! What `/metrics` shows of HPAs.

use prometheus::{IntCounterVec, Opts, Registry};

use super::ObjectSeries;

/// The series of HPAs. Clones share them.
#[derive(Clone)]
pub struct HpaSeries {
    /// Replicas last decided for an HPA that is ours to scale.
    pub desired: ObjectSeries,
    /// 1 while another controller writes the status of an HPA that should be ours.
    pub refused: ObjectSeries,
    /// Replicas that we would have decided.
    pub shadow_desired: ObjectSeries,
    /// Our replicas less those of the built-in controller.
    pub shadow_difference: ObjectSeries,
    /// Looks in its shadow, by result.
    pub shadow_looks: IntCounterVec,
}

impl HpaSeries {
    pub(super) fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let of_hpa = |name, help| ObjectSeries::new(name, help, &["namespace", "hpa"]);
        let looks = Opts::new(
            "plimsoll_shadow_looks_total",
            "Looks at HPAs in the shadow of the built-in controller, by result (equal, different, undecided).",
        );
        let shadow_looks = IntCounterVec::new(looks, &["result"])?;
        registry.register(Box::new(shadow_looks.clone()))?;
        for result in ["equal", "different", "undecided"] {
            shadow_looks.with_label_values(&[result]);
        }
        Ok(Self {
            desired: of_hpa("plimsoll_hpa_desired_replicas", "Replicas last decided for an HPA taken over."),
            refused: of_hpa(
                "plimsoll_hpa_takeover_refused",
                "1 while an HPA is not taken over because another controller writes its status, else 0.",
            ),
            shadow_desired: of_hpa(
                "plimsoll_shadow_desired_replicas",
                "Replicas that Plimsoll would have decided for an HPA at the last look.",
            ),
            shadow_difference: of_hpa(
                "plimsoll_shadow_difference_replicas",
                "Replicas that Plimsoll would have decided for an HPA, less those that the built-in controller did.",
            ),
            shadow_looks,
        })
    }

    /// Ends the series of an HPA that is gone.
    pub fn forget(&self, namespace: &str, name: &str) {
        self.of_objects().iter().for_each(|series| series.forget(namespace, name));
    }

    pub(super) fn forget_all(&self) {
        self.of_objects().iter().for_each(|series| series.forget_all());
    }

    pub(super) fn of_objects(&self) -> [&ObjectSeries; 4] {
        let Self { desired, refused, shadow_desired, shadow_difference, .. } = self;
        [desired, refused, shadow_desired, shadow_difference]
    }
}
