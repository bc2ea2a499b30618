//! `/healthz`, `/readyz`, `/metrics`, `/decisions` and `/shadow`.

use std::net::SocketAddr;

use anyhow::Context as _;
use axum::{
    Router,
    extract::{Path, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::json;
use tokio::{net::TcpListener, sync::watch};

use crate::{decisions::Decisions, hpa::shadow::Shadows, leadership::Leadership, metrics::Metrics};

/// What the endpoints tell of.
#[derive(Clone)]
pub struct Endpoints {
    /// True once every store has seen the whole cluster.
    pub ready: watch::Receiver<bool>,
    /// What `/metrics` shows.
    pub metrics: Metrics,
    /// What `/shadow` shows.
    pub shadows: Shadows,
    /// What `/decisions` shows.
    pub decisions: Decisions,
    /// Whether we are the one to ask for both.
    pub leadership: Leadership,
}

/// Answers for ever.
///
/// # Errors
/// When the address cannot be listened on.
pub async fn serve(address: SocketAddr, endpoints: Endpoints) -> anyhow::Result<()> {
    listen(address, router(endpoints), "/healthz, /readyz, /metrics, /decisions and /shadow").await
}

/// Answers for ever at this address; `paths` are what it tells that it answers.
///
/// # Errors
/// When the address cannot be listened on.
pub(crate) async fn listen(address: SocketAddr, router: Router, paths: &str) -> anyhow::Result<()> {
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on --http-address={address}"))?;
    let address = listener.local_addr()?;
    tracing::info!(%address, "answering {paths}");
    axum::serve(listener, router).await?;
    Ok(())
}

fn router(endpoints: Endpoints) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .route("/shadow", get(shadow))
        .route("/decisions", get(index))
        .route("/decisions/{namespace}/{name}", get(decisions))
        .with_state(endpoints)
}

/// A follower is ready too: it is warm and waits for the lease.
async fn readyz(State(endpoints): State<Endpoints>) -> impl IntoResponse {
    readiness(&endpoints.ready, "waiting for the first list of PodScalers, pods and workloads\n")
}

/// Whether everything was seen; `waiting` says for what if not.
pub(crate) fn readiness(ready: &watch::Receiver<bool>, waiting: &'static str) -> (StatusCode, &'static str) {
    if *ready.borrow() { (StatusCode::OK, "ok\n") } else { (StatusCode::SERVICE_UNAVAILABLE, waiting) }
}

async fn metrics(State(endpoints): State<Endpoints>) -> impl IntoResponse {
    match endpoints.metrics.render() {
        Ok(text) => (StatusCode::OK, [(header::CONTENT_TYPE, prometheus::TEXT_FORMAT)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

/// What the shadow of each HPA says. Only the leader looks, so a follower has nothing to say.
async fn shadow(State(endpoints): State<Endpoints>) -> impl IntoResponse {
    let shown = serde_json::json!({
        "leader": endpoints.leadership.is_leader(),
        "hpas": endpoints.shadows.all(),
    });
    ([(header::CONTENT_TYPE, "application/json")], shown.to_string())
}

/// What is kept of which PodScaler.
async fn index(State(endpoints): State<Endpoints>) -> Response {
    if let Some(refusal) = refusal_of_a_follower(&endpoints.leadership) {
        return refusal;
    }
    let index = json!({ "version": VERSION, "podscalers": endpoints.decisions.index() });
    answer(index.to_string().into_bytes())
}

/// The recent decisions on one PodScaler, newest first.
async fn decisions(
    State(endpoints): State<Endpoints>,
    Path((namespace, name)): Path<(String, String)>,
) -> Response {
    if let Some(refusal) = refusal_of_a_follower(&endpoints.leadership) {
        return refusal;
    }
    let Some(records) = endpoints.decisions.of(&namespace, &name) else {
        let nothing = format!("no decision on the PodScaler {namespace}/{name} is kept here\n");
        return (StatusCode::NOT_FOUND, nothing).into_response();
    };
    let next_look = endpoints.decisions.next_look(&namespace, &name);
    let head = json!({ "version": VERSION, "namespace": namespace, "name": name, "nextLook": next_look });
    let head = head.to_string();
    // The records as they are: to parse them would be to write them anew.
    let mut body = head.trim_end_matches('}').as_bytes().to_vec();
    body.extend(b",\"decisions\":[");
    body.extend(records.join(&b','));
    body.extend(b"]}");
    answer(body)
}

/// Which rules the decisions were taken by.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// An answer in JSON.
pub(crate) fn answer(json: impl IntoResponse) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], json).into_response()
}

/// Only the leader decides.
fn refusal_of_a_follower(leadership: &Leadership) -> Option<Response> {
    if leadership.is_leader() {
        return None;
    }
    let leader = leadership.other_leader().unwrap_or_else(|| "not known yet".to_owned());
    let text = format!("this replica does not lead, so it decides nothing: the leader is {leader}\n");
    Some((StatusCode::SERVICE_UNAVAILABLE, text).into_response())
}
