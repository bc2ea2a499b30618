//! Resources in dense form, and the scheduler's rule for them.
//!
//! A pod fits when it is one more than the node may have, and of each resource that it asks for as much is free; a
//! resource that is not asked for never stands in the way (`noderesources/fit.go`).

use super::intern::Interner;
use crate::cluster::{Name, Resource, Resources};

pub(crate) const BASE: usize = 4;

/// Amounts of cpu, memory, ephemeral storage and pods, and of other resources by their number. What is missing is zero.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Amounts {
    pub(crate) base: [i64; BASE],
    extended: Vec<i64>,
}

impl Amounts {
    /// The dense form of `resources`.
    pub(crate) fn of(resources: &Resources, names: &mut Interner<Name>) -> Self {
        for name in resources.extended.keys() {
            names.intern(name);
        }
        Self::known(resources, names)
    }

    /// The dense form of `resources` whose names were all met.
    pub(crate) fn known(resources: &Resources, names: &Interner<Name>) -> Self {
        let base = [resources.cpu, resources.memory, resources.ephemeral_storage, resources.pods];
        let mut extended = Vec::new();
        for (name, amount) in &resources.extended {
            let Some(index) = names.get(name) else { continue };
            let index = index as usize;
            if extended.len() <= index {
                extended.resize(index + 1, 0);
            }
            extended[index] = *amount;
        }
        Self { base, extended }
    }

    /// So much of everything that it never ends.
    pub(crate) fn endless(names: &Interner<Name>) -> Self {
        Self { base: [i64::MAX / 4; BASE], extended: vec![i64::MAX / 4; names.len()] }
    }

    /// Whether `ask` fits.
    pub(crate) fn holds(&self, ask: &Self) -> bool {
        self.base.iter().zip(&ask.base).all(|(free, ask)| *ask <= 0 || ask <= free)
            && (ask.extended.is_empty() || self.room(ask) > 0)
    }

    /// How many times `ask` fits.
    pub(crate) fn room(&self, ask: &Self) -> u32 {
        self.room_beside(&Self::default(), ask)
    }

    /// How many times `ask` fits beside what is used.
    pub(crate) fn room_beside(&self, used: &Self, ask: &Self) -> u32 {
        let mut room = i64::MAX;
        let mut times = |all: i64, used: i64, ask: i64| {
            if ask > 0 && room > 0 {
                let free = all.saturating_sub(used);
                // Divides only where that makes it less.
                if free < ask.saturating_mul(room) {
                    room = (free / ask).max(0);
                }
            }
        };
        for index in 0..BASE {
            times(self.base[index], used.base[index], ask.base[index]);
        }
        for (index, ask) in ask.extended.iter().enumerate() {
            let of = |amounts: &Self| amounts.extended.get(index).copied().unwrap_or(0);
            times(of(self), of(used), *ask);
        }
        u32::try_from(room).unwrap_or(u32::MAX)
    }

    /// The first resource of which too little is free.
    pub(crate) fn lacks(&self, ask: &Self, names: &Interner<Name>) -> Option<Resource> {
        let base = [Resource::Cpu, Resource::Memory, Resource::EphemeralStorage, Resource::Pods];
        let lacking = base.into_iter().zip(self.base.iter().zip(&ask.base));
        let lacking = lacking.into_iter().find(|(_, (free, ask))| **ask > 0 && ask > free);
        lacking.map(|(resource, _)| resource).or_else(|| {
            let index =
                ask.extended.iter().enumerate().position(|(index, ask)| {
                    *ask > 0 && *ask > self.extended.get(index).copied().unwrap_or(0)
                })?;
            Some(Resource::Extended(names.value(u32::try_from(index).ok()?).clone()))
        })
    }

    /// Adds `other` `times` over, saturating; `times` may be negative.
    pub(crate) fn add(&mut self, other: &Self, times: i64) {
        if self.extended.len() < other.extended.len() {
            self.extended.resize(other.extended.len(), 0);
        }
        let mine = self.base.iter_mut().chain(&mut self.extended);
        let padded = other.base.iter().chain(&other.extended);
        // The base is of one length, so the two chains stay aligned.
        for (mine, other) in mine.zip(padded) {
            *mine = mine.saturating_add(other.saturating_mul(times));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn amounts(cpu: i64, memory: i64, pods: i64, gpu: Option<i64>, names: &mut Interner<Name>) -> Amounts {
        let extended = gpu.into_iter().map(|gpu| ("example.com/gpu".into(), gpu)).collect();
        Amounts::of(&Resources { cpu, memory, pods, extended, ..Resources::default() }, names)
    }

    #[test]
    fn room_is_counted_in_the_scarcest_resource_that_is_asked_for() {
        let mut names = Interner::default();
        let free = amounts(1000, -5, 3, Some(1), &mut names);
        for (cpu, memory, pods, gpu, room) in [
            (400, 0, 1, None, 2),
            (100, 0, 1, None, 3),
            (100, 1, 1, None, 0),
            (100, 0, 1, Some(1), 1),
            (100, 0, 1, Some(2), 0),
            (1001, 0, 1, None, 0),
            (0, 0, 0, None, u32::MAX),
        ] {
            let ask = amounts(cpu, memory, pods, gpu, &mut names);
            assert_eq!(free.room(&ask), room, "{ask:?}");
            assert_eq!(free.holds(&ask), room > 0, "{ask:?}");
            assert_eq!(free.lacks(&ask, &names).is_none(), room > 0, "{ask:?}");
            let (mut more, used) = (free.clone(), amounts(50, 7, 1, Some(3), &mut names));
            more.add(&used, 1);
            assert_eq!(more.room_beside(&used, &ask), room, "{ask:?}");
        }
    }

    #[test]
    fn what_is_added_times_over_can_be_taken_away_again() {
        let mut names = Interner::default();
        let mut free = amounts(1000, 10, 3, None, &mut names);
        let ask = amounts(300, 1, 1, Some(2), &mut names);
        free.add(&ask, -2);
        assert_eq!((free.base[0], free.room(&ask)), (400, 0), "no device is there");
        free.add(&ask, 2);
        assert_eq!(free.base, [1000, 10, 0, 3]);
    }

    #[test]
    fn what_is_overcommitted_stands_in_the_way_of_those_alone_who_ask_for_it() {
        let mut names = Interner::default();
        let free = amounts(1000, 10, 3, Some(-1), &mut names);
        for (gpu, lacking) in [(Some(0), None), (Some(1), Some(Resource::Extended("example.com/gpu".into())))]
        {
            let ask = amounts(100, 1, 1, gpu, &mut names);
            assert_eq!(free.lacks(&ask, &names), lacking);
            assert_eq!(free.holds(&ask), lacking.is_none());
        }
    }

    #[test]
    fn resources_that_only_one_side_has_are_added_as_well() {
        let mut names = Interner::default();
        let (plain, gpu) = (amounts(100, 1, 1, None, &mut names), amounts(100, 1, 1, Some(1), &mut names));
        let mut free = plain.clone();
        free.add(&gpu, 2);
        assert_eq!(free.room(&gpu), 2);
        free.add(&plain, -1);
        assert_eq!(free.room(&gpu), 2, "one of three is taken by a pod that wants no device");
    }
}
