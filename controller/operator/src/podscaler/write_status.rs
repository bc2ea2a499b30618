//! When a status is worth a write, and how it is written.

use std::{borrow::Cow, sync::Arc, time::Duration};

use kube::{
    Resource as _,
    api::{Patch, PatchParams},
    core::Request,
};
use plimsoll_api::{PodScaler, v1alpha1::PodScalerStatus};
use serde::Serialize;
use tokio::time::{Instant, timeout};

use crate::{
    context::Context,
    hpa,
    podscaler::{
        Error, Subject,
        memory::{Remembered, Written},
        report::Report,
        status::{self, Change},
    },
    targets::{FIELD_MANAGER, TIME_OUT, WRITE_TIME},
};

/// When values that are only shown are first written after something was decided differently.
const SHOWN_SOON: Duration = Duration::from_mins(1);

/// How often they are written after that: at a period of 15 s, less than one write for ten decisions.
const SHOWN_EVERY: Duration = Duration::from_mins(3);

/// How often they are written while they hardly move. A write costs the API server as much as dozens of looks.
const SLIGHTLY_EVERY: Duration = Duration::from_mins(10);

/// Begins no write that might end when the lease is no longer ours, and gives up one that takes too long:
/// after a look that was slow, what there is to tell is the next leader's. None if it was not begun.
pub(super) async fn in_time<T>(
    context: &Context,
    write: impl Future<Output = Result<T, kube::Error>>,
) -> Result<Option<T>, Error> {
    if !context.leadership.outlives(WRITE_TIME) {
        return Ok(None);
    }
    match timeout(TIME_OUT, write).await {
        Ok(written) => written.map(Some).map_err(Error::Report),
        Err(_) => Err(Error::ReportTimedOut),
    }
}

/// Writes the status of a PodScaler where that is due. Answers whether it says now what was decided: not where the lease
/// might end before the write does.
pub(super) async fn write_status(
    context: &Context,
    subject: &Subject<'_>,
    report: &Report<'_>,
    remembered: &mut Remembered,
) -> Result<bool, Error> {
    let written = remembered.written.as_ref();
    let nothing = PodScalerStatus::default();
    let before = written.map(|written| &*written.status).or(subject.status).unwrap_or(&nothing);
    let Report { decision, conditions, rescaled, now, .. } = report;
    let after = status::after(before, subject, decision, conditions, *rescaled, *now);
    let change = status::change(before, &after);
    let shown_every = if written.is_some_and(|written| written.shown) { SHOWN_EVERY } else { SHOWN_SOON };
    let due = match change {
        Change::None => false,
        Change::Slight => {
            let uid = subject.metadata.uid.as_deref().unwrap_or_default();
            let since = written.map(|written| written.at);
            context.schedule.has_passed(uid, SLIGHTLY_EVERY, since, Instant::now())
        }
        Change::Shown => written.is_none_or(|written| written.at.elapsed() >= shown_every),
        Change::Decided => true,
    };
    if !due {
        return Ok(true);
    }
    match in_time(context, patch_status(context, subject, &after)).await {
        Ok(None) => return Ok(false),
        Ok(Some(())) => {}
        // The API server writes no status to an object whose spec it would not take. The event tells it all.
        Err(Error::Report(kube::Error::Api(refused)))
            if subject.spec.is_none() && [422, 500].contains(&refused.code) =>
        {
            let Subject { namespace, name, .. } = *subject;
            tracing::warn!(%namespace, %name, error = %refused.message, "no status can be written to this object");
        }
        Err(error) => return Err(error),
    }
    let shown = change != Change::Decided;
    remembered.written = Some(Written { status: Arc::new(after), at: Instant::now(), shown });
    Ok(true)
}

/// Like the built-in controller, whenever anything in it has changed. Answers whether it says now what was decided.
pub(super) async fn write_hpa_status(
    context: &Context,
    subject: &Subject<'_>,
    report: &Report<'_>,
) -> Result<bool, Error> {
    let nothing = PodScalerStatus::default();
    let before = subject.status.unwrap_or(&nothing);
    let Report { decision, conditions, rescaled, rewritten, now, .. } = report;
    let after = status::after(before, subject, decision, conditions, *rescaled, *now);
    let over_all = *rescaled || *rewritten;
    let Some(patch) = hpa::status::patch(subject, &after, conditions, over_all, *now) else {
        return Ok(true);
    };
    match in_time(context, hpa::status::write(context, subject, &patch)).await {
        // Somebody has written to it since we read it, which the next look will have seen.
        Err(Error::Report(kube::Error::Api(refused))) if refused.is_conflict() => Ok(false),
        written => written.map(|written| written.is_some()),
    }
}

/// Applies the whole status: what it no longer says is gone.
pub(super) async fn patch_status(
    context: &Context,
    subject: &Subject<'_>,
    status: &PodScalerStatus,
) -> Result<(), kube::Error> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Applied<'a> {
        api_version: Cow<'static, str>,
        kind: Cow<'static, str>,
        metadata: Metadata<'a>,
        status: &'a PodScalerStatus,
    }
    #[derive(Serialize)]
    struct Metadata<'a> {
        name: &'a str,
        /// Keeps us from writing to another object of the same name.
        uid: Option<&'a str>,
    }
    let applied = Applied {
        api_version: PodScaler::api_version(&()),
        kind: PodScaler::kind(&()),
        metadata: Metadata { name: subject.name, uid: subject.metadata.uid.as_deref() },
        status,
    };
    let params = PatchParams::apply(FIELD_MANAGER).force();
    let scalers = Request::new(PodScaler::url_path(&(), Some(subject.namespace)));
    let request = scalers.patch_subresource("status", subject.name, &params, &Patch::Apply(&applied));
    // The answer is the whole object, which nobody needs, and which may not even decode.
    let answer = context.client.request_text(request.map_err(kube::Error::BuildRequest)?).await;
    answer.map(drop)
}
