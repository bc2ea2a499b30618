//! `/healthz`, `/readyz`, `/metrics` and `/shadow`.

use std::net::SocketAddr;

use anyhow::Context as _;
use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
    routing::get,
};
use tokio::{net::TcpListener, sync::watch};

use crate::{hpa::shadow::Shadows, leadership::Leadership, metrics::Metrics};

/// What the endpoints tell of.
#[derive(Clone)]
pub struct Endpoints {
    /// True once every store has seen the whole cluster.
    pub ready: watch::Receiver<bool>,
    /// What `/metrics` shows.
    pub metrics: Metrics,
    /// What `/shadow` shows.
    pub shadows: Shadows,
    /// Whether we are the one to ask for it.
    pub leadership: Leadership,
}

/// Answers for ever.
///
/// # Errors
/// When the address cannot be listened on.
pub async fn serve(address: SocketAddr, endpoints: Endpoints) -> anyhow::Result<()> {
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on --http-address={address}"))?;
    tracing::info!(address = %listener.local_addr()?, "answering /healthz, /readyz, /metrics and /shadow");
    axum::serve(listener, router(endpoints)).await?;
    Ok(())
}

fn router(endpoints: Endpoints) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .route("/shadow", get(shadow))
        .with_state(endpoints)
}

/// A follower is ready too: it is warm and waits for the lease.
async fn readyz(State(endpoints): State<Endpoints>) -> impl IntoResponse {
    if *endpoints.ready.borrow() {
        (StatusCode::OK, "ok\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "waiting for the first list of PodScalers, pods and workloads\n")
    }
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
