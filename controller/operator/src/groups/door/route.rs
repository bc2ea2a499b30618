//! What a front door serves in the end, whatever it is made of.

use plimsoll_api::v1alpha1::{Method, PathMatch};

use super::paths;

/// One path of one service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Route {
    /// The name of the service in its group.
    pub(super) service: String,
    /// Its Service.
    pub(super) backend: String,
    /// The port of that.
    pub(super) port: i32,
    /// The path.
    pub(super) path: PathMatch,
    /// In their order; none is all.
    pub(super) methods: Vec<Method>,
}

/// Routes as requests are matched: exact paths first, then the longer ones, those with methods before those without.
///
/// The APIs say so themselves; a controller that goes by the order of what is written comes to the same.
pub(super) fn by_precedence(routes: &mut [Route]) {
    routes.sort_by(|one, other| {
        let key = |route: &'_ Route| (route.methods.is_empty(), route.methods.clone());
        let by_path = paths::precedence(&one.path).cmp(&paths::precedence(&other.path));
        by_path.then_with(|| key(one).cmp(&key(other)))
    });
}
