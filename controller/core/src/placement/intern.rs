//! Small numbers for values that are met again and again.

use std::collections::BTreeMap;

/// Gives equal values the same number, counting from 0 in the order in which they are first met. Numbers depend on that
/// order, so nothing that is decided may.
#[derive(Clone, Debug)]
pub(crate) struct Interner<T> {
    ids: BTreeMap<T, u32>,
    values: Vec<T>,
}

impl<T> Default for Interner<T> {
    fn default() -> Self {
        Self { ids: BTreeMap::new(), values: Vec::new() }
    }
}

impl<T: Ord + Clone> Interner<T> {
    /// The number of a value.
    pub(crate) fn intern(&mut self, value: &T) -> u32 {
        if let Some(id) = self.ids.get(value) {
            return *id;
        }
        let id = id(self.values.len());
        self.ids.insert(value.clone(), id);
        self.values.push(value.clone());
        id
    }

    /// The number of a value that was met before.
    pub(crate) fn get<Q: Ord + ?Sized>(&self, value: &Q) -> Option<u32>
    where
        T: std::borrow::Borrow<Q>,
    {
        self.ids.get(value).copied()
    }

    /// The value of a number.
    pub(crate) fn value(&self, id: u32) -> &T {
        &self.values[id as usize]
    }

    /// How many values were met.
    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }
}

/// An index as a number. There are never four thousand million of anything.
pub(crate) fn id(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}
