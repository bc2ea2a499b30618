//! How far usage may be from its target without any change.

use super::policy::{Behavior, Settings};

/// The band around 1 in which a usage ratio means "close enough". Both ends belong to it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tolerance {
    down: f64,
    up: f64,
}

impl Tolerance {
    /// The tolerances of the behavior, each replaced by the one of the settings when not set.
    pub(super) fn of(behavior: Option<&Behavior>, settings: &Settings) -> Self {
        let (up, down) = behavior.map_or((None, None), |b| (b.scale_up.tolerance, b.scale_down.tolerance));
        Self { down: down.unwrap_or(settings.tolerance), up: up.unwrap_or(settings.tolerance) }
    }

    pub(super) fn contains(self, ratio: f64) -> bool {
        (1.0 - self.down) <= ratio && ratio <= (1.0 + self.up)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_are_within() {
        let band = Tolerance { down: 0.1, up: 0.1 };
        assert!(band.contains(0.9) && band.contains(1.1));
        assert!(!band.contains(0.899_999) && !band.contains(1.100_001));
    }

    #[test]
    fn each_direction_can_have_its_own() {
        let mut behavior = Behavior::default();
        behavior.scale_up.tolerance = Some(0.0);
        behavior.scale_down.tolerance = Some(1.0);
        let band = Tolerance::of(Some(&behavior), &Settings::default());
        assert!(!band.contains(1.000_001));
        assert!(band.contains(0.0), "a tolerance of 1 never shrinks");
    }

    #[test]
    fn a_ratio_that_is_not_a_number_is_never_close_enough() {
        assert!(!Tolerance::of(None, &Settings::default()).contains(f64::NAN));
    }
}
