//! What the process that scales nodes answers over HTTP: `/healthz`, `/readyz`, `/metrics`, and `/plan`.

use std::{net::SocketAddr, time::Duration};

use axum::{
    Router,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use prometheus::{Registry, TextEncoder};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::timeout,
};

use super::{
    explain::{Answer, Object, Question},
    shown::Shown,
};
use crate::{
    http::{answer, listen, readiness},
    leadership::Leadership,
};

/// How long an answer may take: as long as the longest pass.
const ANSWERS_IN: Duration = Duration::from_secs(20);

/// What the endpoints tell of.
#[derive(Clone)]
pub(crate) struct Endpoints {
    /// True once everything was seen.
    pub(crate) ready: watch::Receiver<bool>,
    pub(crate) registry: Registry,
    pub(crate) shown: Shown,
    pub(crate) leadership: Leadership,
    /// To the planner.
    pub(crate) questions: mpsc::Sender<Question>,
}

/// Answers for ever.
///
/// # Errors
/// When the address cannot be listened on.
pub(crate) async fn serve(address: SocketAddr, endpoints: Endpoints) -> anyhow::Result<()> {
    listen(address, router(endpoints), "/healthz, /readyz, /metrics and /plan").await
}

fn router(endpoints: Endpoints) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .route("/plan", get(plan))
        .route("/plan/pods/{namespace}/{name}", get(pod))
        .route("/plan/nodes/{name}", get(node))
        .route("/plan/pools/{name}", get(pool))
        .with_state(endpoints)
}

async fn readyz(State(endpoints): State<Endpoints>) -> impl IntoResponse {
    readiness(&endpoints.ready, "waiting for the first list of nodes, pods and pools\n")
}

async fn metrics(State(endpoints): State<Endpoints>) -> impl IntoResponse {
    match TextEncoder::new().encode_to_string(&endpoints.registry.gather()) {
        Ok(text) => (StatusCode::OK, text),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    }
}

/// The last plan. Only the leader makes one.
async fn plan(State(endpoints): State<Endpoints>) -> Response {
    let Some(plan) = endpoints.shown.get() else { return no_plan(&endpoints.leadership) };
    match serde_json::to_string(&*plan) {
        Ok(json) => answer(json),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

async fn pod(
    State(endpoints): State<Endpoints>,
    Path((namespace, name)): Path<(String, String)>,
) -> Response {
    explain(&endpoints, Object::Pod(namespace, name)).await
}

async fn node(State(endpoints): State<Endpoints>, Path(name): Path<String>) -> Response {
    explain(&endpoints, Object::Node(name)).await
}

async fn pool(State(endpoints): State<Endpoints>, Path(name): Path<String>) -> Response {
    explain(&endpoints, Object::Pool(name)).await
}

/// What the planner says of an object.
async fn explain(endpoints: &Endpoints, object: Object) -> Response {
    if endpoints.shown.get().is_none() {
        return no_plan(&endpoints.leadership);
    }
    let (send, receive) = oneshot::channel();
    let asked = async {
        endpoints.questions.send(Question { object, answer: send }).await.ok()?;
        receive.await.ok()
    };
    match timeout(ANSWERS_IN, asked).await {
        Ok(Some(Answer::Explained(explained))) => answer(explained.to_string()),
        Ok(Some(Answer::Unknown(why))) => (StatusCode::NOT_FOUND, format!("{why}\n")).into_response(),
        Ok(Some(Answer::NoPlan) | None) => no_plan(&endpoints.leadership),
        Err(_) => {
            let busy = format!("the planner did not answer within {} s\n", ANSWERS_IN.as_secs());
            (StatusCode::SERVICE_UNAVAILABLE, busy).into_response()
        }
    }
}

fn no_plan(leadership: &Leadership) -> Response {
    let text = if leadership.is_leader() {
        "no plan yet: not everything was seen, or a provider was not heard\n".to_owned()
    } else {
        let leader = leadership.other_leader().unwrap_or_else(|| "nobody yet".to_owned());
        format!("no plan here: {leader} leads\n")
    };
    (StatusCode::CONFLICT, text).into_response()
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;
    use futures::FutureExt as _;
    use plimsoll_core::{
        nodes::{NodePlan, remove::RemovalPlan},
        time::Timestamp,
    };
    use pretty_assertions::assert_eq;
    use serde_json::json;

    use super::*;

    /// The endpoints of a leader with a plan, and the questions that are asked.
    fn endpoints() -> (Endpoints, mpsc::Receiver<Question>) {
        let (questions, asked) = mpsc::channel(1);
        let shown = Shown::default();
        shown.plan(NodePlan::default(), RemovalPlan::default(), None, Timestamp::from_secs(1));
        let (_, ready) = watch::channel(true);
        let leadership = Leadership::alone();
        (Endpoints { ready, registry: Registry::new(), shown, leadership, questions }, asked)
    }

    async fn read(response: Response) -> (StatusCode, String) {
        let status = response.status();
        let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn the_planner_is_asked_about_what_the_path_names() {
        let (endpoints, mut asked) = endpoints();
        let here = || State(endpoints.clone());
        let answers = [
            (
                pod(here(), Path(("shop".into(), "web".into()))).boxed(),
                Object::Pod("shop".into(), "web".into()),
            ),
            (node(here(), Path("a".into())).boxed(), Object::Node("a".into())),
            (pool(here(), Path("general".into())).boxed(), Object::Pool("general".into())),
        ];
        for (answer, object) in answers {
            let planner = async {
                let question = asked.recv().await.unwrap();
                assert_eq!(question.object, object);
                question.answer.send(Answer::Explained(json!({ "name": "a" }))).unwrap();
            };
            let (response, ()) = tokio::join!(answer, planner);
            assert_eq!(read(response).await, (StatusCode::OK, json!({ "name": "a" }).to_string()));
        }
    }

    #[tokio::test]
    async fn an_unknown_name_is_not_found_and_says_so() {
        let (endpoints, mut asked) = endpoints();
        let planner = async {
            let question = asked.recv().await.unwrap();
            question.answer.send(Answer::Unknown("no node a is known here".into())).unwrap();
        };
        let (response, ()) = tokio::join!(node(State(endpoints), Path("a".into())), planner);
        assert_eq!(read(response).await, (StatusCode::NOT_FOUND, "no node a is known here\n".to_owned()));
    }

    #[tokio::test]
    async fn without_a_plan_nobody_is_asked() {
        let (endpoints, mut asked) = endpoints();
        endpoints.shown.clear();
        let response = node(State(endpoints), Path("a".into())).await;
        assert_eq!(
            read(response).await,
            (
                StatusCode::CONFLICT,
                "no plan yet: not everything was seen, or a provider was not heard\n".to_owned()
            )
        );
        assert!(asked.try_recv().is_err());
    }
}
