//! Server-side apply of one object, and what a refusal means.

use kube::{
    api::{Patch, PatchParams},
    core::DynamicObject,
};

use super::{
    FIELD_MANAGER, Groups,
    object::{Object, Owner},
};
use crate::{in_time::Unanswered, targets::WRITE_TIME};

/// Why an object was not written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failure {
    /// The API server does not want it so: in its words. Trying again changes nothing.
    Refused(String),
    /// It may work the next time.
    Failed(String),
    /// The lease may end before the write does, so it was not begun.
    NotLeading,
}

/// Whether it is only asked what would become of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Run {
    /// Yes.
    Dry,
    /// No.
    Real,
}

/// Applies an object over the one that was seen of this uid, or over nothing.
///
/// Where there was one of ours, what others have set of our fields is taken back. Where there was none, it is not: whoever
/// made it in this moment keeps it, and the next look will see that it is not ours.
pub(super) async fn apply(
    groups: &Groups,
    owner: &Owner,
    object: &Object,
    uid: Option<&str>,
    run: Run,
) -> Result<DynamicObject, Failure> {
    if !groups.context.leadership.outlives(WRITE_TIME) {
        return Err(Failure::NotLeading);
    }
    let api = object.id.kind.api(&groups.context.client, &owner.namespace);
    let params = PatchParams {
        dry_run: run == Run::Dry,
        force: uid.is_some(),
        field_manager: Some(FIELD_MANAGER.to_owned()),
        ..PatchParams::default()
    };
    let body = Patch::Apply(object.body(owner, uid));
    in_time(api.patch(&object.id.name, &params, &body)).await
}

/// What came of a request, if the API server answers in time.
pub(super) async fn in_time<T>(request: impl Future<Output = Result<T, kube::Error>>) -> Result<T, Failure> {
    crate::in_time::in_time(request).await.map_err(failure)
}

/// What an error means.
pub(super) fn failure(error: Unanswered) -> Failure {
    let words = error.words();
    let Unanswered::Failed(kube::Error::Api(status)) = error else { return Failure::Failed(words) };
    // A field that the schema does not have, or an item of a list without its key, is told as a defect of the
    // API server's.
    let is_refused = matches!(status.code, 400 | 403 | 413 | 422)
        || (status.code == 500 && status.message.contains("failed to create typed patch object"));
    // That a namespace goes is nobody's mistake.
    let is_refused = is_refused && !status.message.contains("because it is being terminated");
    if is_refused { Failure::Refused(words) } else { Failure::Failed(words) }
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;

    #[test]
    fn what_trying_again_would_not_change_is_a_refusal() {
        let of = |code, message: &str| {
            let status = Status { code, message: message.to_owned(), ..Status::default() };
            matches!(failure(kube::Error::Api(Box::new(status)).into()), Failure::Refused(_))
        };
        assert!(of(422, "invalid") && of(403, "quota") && of(400, "unknown field"));
        assert!(of(
            500,
            "failed to create typed patch object (shop/web; apps/v1, Kind=Deployment): .spec.x: ..."
        ));
        assert!(!of(500, "etcdserver: request timed out") && !of(409, "conflict") && !of(429, "later"));
        assert!(!of(404, "no namespace") && !of(403, "in namespace shop because it is being terminated"));
    }
}
