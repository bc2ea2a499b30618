//! Which route of a group goes into which `HTTPRoute`. The API takes 16 rules in one, 64 matches in a rule, and fewer than
//! 128 matches in all; the common group needs one.

use std::collections::BTreeMap;

use plimsoll_api::v1alpha1::PathType;

use super::{gateway_api::HttpRouteSpec, route::Route};

/// Rules of one `HTTPRoute`.
const MOST_RULES: usize = 16;

/// Matches of one rule.
pub(super) const MOST_MATCHES: usize = 64;

/// Matches of one `HTTPRoute`.
const MOST_MATCHES_IN_ALL: usize = 127;

/// Where routes are now: the number of the object, by Service, type and text of the path.
pub(super) type Present = BTreeMap<(String, PathType, String), usize>;

/// The matches that an object has already, by service.
#[derive(Default)]
struct Filled(BTreeMap<String, usize>);

impl Filled {
    /// Adds a route if there is room for it.
    fn add(&mut self, route: &Route) -> bool {
        let mut after = self.0.clone();
        *after.entry(route.service.clone()).or_default() += route.methods.len().max(1);
        let rules: usize = after.values().map(|matches| matches.div_ceil(MOST_MATCHES)).sum();
        let fits = rules <= MOST_RULES && after.values().sum::<usize>() <= MOST_MATCHES_IN_ALL;
        if fits {
            self.0 = after;
        }
        fits
    }
}

/// The objects by their numbers from 1, each with its routes in the order in which they were given.
///
/// A route stays in the object that it is in, if it fits there: two objects cannot be changed at one moment, so that a
/// route which moved could be in neither for a while. One that is new goes into the first object with room.
pub(super) fn split(routes: &[Route], present: &Present) -> BTreeMap<usize, Vec<Route>> {
    let mut filled: BTreeMap<usize, Filled> = BTreeMap::new();
    let mut numbers = vec![None; routes.len()];
    for (number, route) in numbers.iter_mut().zip(routes) {
        let now = present.get(&(route.backend.clone(), route.path.r#type, route.path.path.clone()));
        *number = now.copied().filter(|now| filled.entry(*now).or_default().add(route));
    }
    let mut objects: BTreeMap<usize, Vec<Route>> = BTreeMap::new();
    for (number, route) in numbers.iter_mut().zip(routes) {
        // A route of nine methods at most always fits into an object that has none.
        let mut first_with_room =
            || (1..=routes.len()).find(|number| filled.entry(*number).or_default().add(route));
        if let Some(number) = number.or_else(&mut first_with_room) {
            objects.entry(number).or_default().push(route.clone());
        }
    }
    objects
}

/// Where the routes of these objects are.
pub(super) fn present<'a>(objects: impl IntoIterator<Item = (usize, &'a HttpRouteSpec)>) -> Present {
    let mut present = Present::new();
    for (number, spec) in objects {
        for rule in &spec.rules {
            let backend = rule.backend_refs.first().map(|backend| backend.name.clone()).unwrap_or_default();
            for path in rule.matches.iter().filter_map(|matched| matched.path.as_ref()) {
                let kind = if path.r#type == "Exact" { PathType::Exact } else { PathType::Prefix };
                present.entry((backend.clone(), kind, path.value.clone())).or_insert(number);
            }
        }
    }
    present
}

#[cfg(test)]
mod tests;
