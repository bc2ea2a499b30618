//! An API server that answers by a script and notes what it was asked.

use std::sync::{Arc, Mutex};

use http::{Request, Response};
use kube::{Client, client::Body};
use tower_test::mock;

/// An answer.
pub(crate) enum Answer {
    /// A status code and a body.
    Now(u16, Vec<u8>),
    /// The connection stays open, and nothing comes.
    Never,
}

/// A good answer.
pub(crate) fn ok(body: &str) -> Answer {
    Answer::Now(200, body.as_bytes().to_vec())
}

/// An answer that says why there is none, as the API server sends it.
pub(crate) fn status(code: u16, message: &str) -> Answer {
    let status = serde_json::json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "code": code});
    Answer::Now(code, status.to_string().into_bytes())
}

/// Paths with queries, in the order in which they were asked for.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    /// What was asked since the last call.
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

/// A client of an API server that answers each path as `answer` says.
pub(crate) fn server(mut answer: impl FnMut(&str) -> Answer + Send + 'static) -> (Client, Log) {
    let (service, mut handle) = mock::pair::<Request<Body>, Response<Body>>();
    let log = Log::default();
    let noted = log.clone();
    tokio::spawn(async move {
        let mut unanswered = Vec::new();
        while let Some((request, send)) = handle.next_request().await {
            let path = request.uri().path_and_query().unwrap().to_string();
            let answer = answer(&path);
            noted.0.lock().unwrap().push(path);
            match answer {
                Answer::Now(code, body) => {
                    send.send_response(Response::builder().status(code).body(Body::from(body)).unwrap());
                }
                Answer::Never => unanswered.push(send),
            }
        }
    });
    (Client::new(service, "default"), log)
}
