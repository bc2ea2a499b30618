//! An API server that answers by a script and notes what it was asked.

use std::sync::{Arc, Mutex};

use http::{Method, Request, Response};
use kube::{Client, client::Body};
use serde_json::{Value, json};
use tower_test::mock;

/// A request as it came in.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) body: Value,
}

impl Asked {
    /// Method and path in one, for comparison; and whether it was a dry run.
    pub(crate) fn line(&self) -> String {
        let dry = if self.query.contains("dryRun=All") { " (dry)" } else { "" };
        format!("{} {}{dry}", self.method, self.path)
    }
}

/// What was asked so far.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<Asked>>>);

impl Log {
    /// All requests since the last call.
    pub(crate) fn take(&self) -> Vec<Asked> {
        std::mem::take(&mut self.0.lock().unwrap())
    }

    /// Their lines since the last call.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.take().iter().map(Asked::line).collect()
    }
}

/// A client of an API server that answers each request as `answer` says: a status code and a body.
pub(crate) fn server(mut answer: impl FnMut(&Asked) -> (u16, Value) + Send + 'static) -> (Client, Log) {
    let (service, mut handle) = mock::pair::<Request<Body>, Response<Body>>();
    let log = Log::default();
    let noted = log.clone();
    tokio::spawn(async move {
        while let Some((request, send)) = handle.next_request().await {
            let (head, body) = request.into_parts();
            let bytes = body.collect_bytes().await.unwrap();
            let asked = Asked {
                method: head.method,
                path: head.uri.path().to_owned(),
                query: head.uri.query().unwrap_or_default().to_owned(),
                body: serde_json::from_slice(&bytes).unwrap_or(Value::Null),
            };
            let (code, body) = answer(&asked);
            noted.0.lock().unwrap().push(asked);
            let body = Body::from(serde_json::to_vec(&body).unwrap());
            send.send_response(Response::builder().status(code).body(body).unwrap());
        }
    });
    (Client::new(service, "default"), log)
}

/// The body of an error, as the API server sends it.
pub(crate) fn failure(code: u16, reason: &str, name: &str) -> (u16, Value) {
    let message = format!("{name}: {reason}");
    let body = json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message,
        "reason": reason, "code": code, "details": { "name": name },
    });
    (code, body)
}
