//! How long pods are announced that do not come. The status of a `StatefulSet` does not say that an admission policy or a
//! quota forbids its pods; without an end nodes would be ordered and kept for what is never made.

use std::collections::BTreeMap;

use plimsoll_core::{
    cluster::Name,
    time::{Span, Timestamp},
};

/// Within this a pod that is wanted is made.
const MADE_WITHIN: Span = Span::from_secs(120);

/// Since when pods are waited for, by the uid of what should make them.
#[derive(Default)]
pub(super) struct Patience(BTreeMap<Name, Waits>);

struct Waits {
    generation: i64,
    /// None while none is missing.
    since: Option<Timestamp>,
    ended: bool,
}

impl Patience {
    /// An object of this generation is waited for; a new one begins anew.
    pub(super) fn follow(&mut self, uid: &Name, generation: i64) {
        let is_known = self.0.get(uid).is_some_and(|waits| waits.generation == generation);
        if !is_known {
            self.0.insert(uid.clone(), Waits { generation, since: None, ended: false });
        }
    }

    /// A pod came, so others will.
    pub(super) fn begin_anew(&mut self, uid: &Name) {
        if let Some(waits) = self.0.get_mut(uid) {
            (waits.since, waits.ended) = (None, false);
        }
    }

    pub(super) fn forget(&mut self, uid: &str) {
        self.0.remove(uid);
    }

    /// How many of the missing pods are worth announcing.
    pub(super) fn announces(&mut self, uid: &Name, missing: u32, now: Timestamp) -> u32 {
        let Some(waits) = self.0.get_mut(uid) else { return missing };
        if missing == 0 {
            (waits.since, waits.ended) = (None, false);
            return 0;
        }
        let since = *waits.since.get_or_insert(now);
        waits.ended = now.since(since) >= MADE_WITHIN;
        if waits.ended { 0 } else { missing }
    }

    /// Those that have been waited for long enough since the last look.
    pub(super) fn ends(&self, now: Timestamp) -> impl Iterator<Item = &Name> {
        let ends = move |waits: &Waits| {
            !waits.ended && waits.since.is_some_and(|since| now.since(since) >= MADE_WITHIN)
        };
        self.0.iter().filter(move |(_, waits)| ends(waits)).map(|(uid, _)| uid)
    }
}
