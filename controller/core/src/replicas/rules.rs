//! Where the algorithms differ. One method per difference; nothing else looks at the algorithm's name.

use super::policy::Algorithm;
use crate::time::Span;

/// The answers of one algorithm to the questions that HPA answers badly.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules(Algorithm);

impl Rules {
    pub(super) fn of(algorithm: Algorithm) -> Self {
        Self(algorithm)
    }

    fn corrected(self) -> bool {
        match self.0 {
            Algorithm::Hpa137 => false,
            Algorithm::Plimsoll1 => true,
        }
    }

    /// Whether utilization is compared with its target as a fraction.
    ///
    /// HPA drops the fraction of the percentage first. With target 50 and tolerance 0.1 a load of 55.9 % is "55 %" and
    /// nothing happens, and one pod at 0.9 % is "0 %".
    pub(super) fn utilization_is_exact(self) -> bool {
        self.corrected()
    }

    /// Whether a total divided by pods is compared at the size that was asked for.
    ///
    /// HPA compares at `status.replicas`, and within the tolerance proposes that number. In a rollout with surge, at 10
    /// asked and 13 existing pods, it makes the 13 permanent, and the next surge starts from there.
    pub(super) fn per_pod_targets_hold_at_spec(self) -> bool {
        self.corrected()
    }

    /// Whether no metric above its target may shrink, and none below it may grow, on any path.
    ///
    /// HPA checks that only after it has filled in samples. Otherwise it multiplies the ratio with the pods it counted:
    /// at 85 % of the target with 13 pods of a surge and 10 asked for it grows to 12; at 120 % with 5 of 10 pods created
    /// it shrinks to 6.
    pub(super) fn direction_is_guarded_everywhere(self) -> bool {
        self.corrected()
    }

    /// Whether a Percent policy lets the first pod start.
    ///
    /// Any percentage of zero is zero, so with Percent policies only, HPA never leaves zero again.
    pub(super) fn percent_policies_leave_zero(self) -> bool {
        self.corrected()
    }

    /// Whether load without any ready pod holds the size.
    ///
    /// HPA multiplies with zero ready pods. A workload that crashes under load is then shrunk to its minimum, or to zero.
    pub(super) fn load_without_ready_pods_holds(self) -> bool {
        self.corrected()
    }

    /// The age from which a sample is no longer believed, if there is one.
    ///
    /// Three windows: one is measured, one is on the way through kubelet and metrics server, and one is granted to a
    /// scrape that failed. At least two minutes, since metrics servers that report windows of 10 s are commonly scraped
    /// every 60 s. HPA believes a sample of any age, so a metrics pipeline that stands still freezes or shrinks a
    /// workload on old load. A sample that is not believed is missing: full load on the way down, none on the way up.
    pub(super) fn sample_is_stale(self, age: Span, window: Span) -> bool {
        self.corrected() && age > window.times(3).max(Span::from_secs(120))
    }

    /// Whether pods of others that have the same labels are left out.
    ///
    /// HPA takes every pod that the target's selector matches. With a Deployment of 4 pods at 180 % and a Job whose 4 pods
    /// share its labels and idle, it sees 90 % and, with target 90, does not grow.
    pub(super) fn foreign_pods_are_dropped(self) -> bool {
        self.corrected()
    }

    /// Whether samples of pods that are not in the list are left out of averages.
    ///
    /// HPA leaves them out for utilization but averages them in for average values and Pods metrics, and counts them as
    /// pods whenever it has filled in samples.
    pub(super) fn unknown_pods_are_dropped(self) -> bool {
        self.corrected()
    }

    /// Whether pods that have ended well are ignored like those that failed.
    ///
    /// HPA takes a finished pod without a sample for one at full load.
    pub(super) fn finished_pods_are_ignored(self) -> bool {
        self.corrected()
    }

    /// Whether only pods that count must have requests.
    ///
    /// With HPA one failed or terminating pod without a request makes the whole utilization metric fail.
    pub(super) fn ignored_pods_need_no_request(self) -> bool {
        self.corrected()
    }

    /// Whether ready pods that are being deleted are left out when a value is scaled by ready pods.
    ///
    /// HPA counts them for Object and External values, although it ignores them for every other metric.
    pub(super) fn terminating_pods_are_not_ready(self) -> bool {
        self.corrected()
    }

    /// Whether sums and products stop at the largest number.
    ///
    /// HPA's wrap around: a Pods policy of 2147483647 makes it impossible to grow.
    pub(super) fn arithmetic_saturates(self) -> bool {
        self.corrected()
    }

    /// Whether a negative value is refused, since a load cannot be negative: a total fails, and a pod counts as one without
    /// a sample.
    ///
    /// HPA calculates with it. A value of an Object metric below zero shrinks the workload to its minimum, one pod at -100 %
    /// hides another at 200 %, and any negative series of an External metric with an average target is taken for an
    /// overflow, and so for the largest load there is.
    pub(super) fn negative_is_no_load(self) -> bool {
        self.corrected()
    }

    /// Whether a policy without metrics holds the size. HPA would shrink to the minimum.
    pub(super) fn no_metrics_hold(self) -> bool {
        self.corrected()
    }

    /// Whether the reason names the window when only the window changes the size. HPA leaves it empty.
    pub(super) fn window_is_a_reason(self) -> bool {
        self.corrected()
    }

    /// Whether replicas may be kept for a loss. A PodScaler that asks for both is refused.
    ///
    /// Where HPA holds the size it says the present number, the kept ones among them. Added to that again, the reserve would
    /// grow at each such look: 6, 9, 14, up to the maximum.
    pub(super) fn reserve_is_possible(self) -> bool {
        self.corrected()
    }

    /// Whether memory keeps only what can still matter.
    ///
    /// HPA overwrites at most one outdated entry per call, and forgets shrinkings by the longest period of the policies
    /// for shrinking, although those for growing count them too.
    pub(super) fn memory_is_compact(self) -> bool {
        self.corrected()
    }

    /// Whether windows and budgets outlive the process.
    ///
    /// HPA keeps them in memory. After a restart of kube-controller-manager a workload does not shrink for a whole window,
    /// and every rate policy gives its budget again: with 4 pods in 10 minutes, each restart is worth 4 pods more.
    pub(super) fn memory_survives(self) -> bool {
        self.corrected()
    }

    /// The sum, by the rule of [`Rules::arithmetic_saturates`].
    pub(super) fn add(self, a: i32, b: i32) -> i32 {
        if self.arithmetic_saturates() { a.saturating_add(b) } else { a.wrapping_add(b) }
    }

    /// The difference, by the rule of [`Rules::arithmetic_saturates`].
    pub(super) fn subtract(self, a: i32, b: i32) -> i32 {
        if self.arithmetic_saturates() { a.saturating_sub(b) } else { a.wrapping_sub(b) }
    }

    /// The sum of milli-units, by the rule of [`Rules::arithmetic_saturates`].
    pub(super) fn add_milli(self, a: i64, b: i64) -> i64 {
        if self.arithmetic_saturates() { a.saturating_add(b) } else { a.wrapping_add(b) }
    }
}
