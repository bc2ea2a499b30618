//! Reading the metrics APIs, which other servers serve behind the API server.

use http::{Method, Request, StatusCode, header::ACCEPT};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use kube::{Client, client::Body, core::Status};
use serde::{Deserialize, de::DeserializeOwned};

use crate::SignalError;

/// How much is read of an answer that is no success, in bytes.
const MOST_OF_A_FAILURE: usize = 64 * 1024;

/// How many characters are shown of an answer that nobody expected.
const SHOWN: usize = 200;

/// What an API server says of a resource that it does not serve.
const NOT_SERVED: &str = "the server could not find the requested resource";

/// One of the metrics APIs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MetricsApi {
    /// In sentences.
    pub(crate) title: &'static str,
    /// What to look at when nobody serves it.
    pub(crate) way_out: &'static str,
}

impl MetricsApi {
    /// GETs `path`, of whose answer at most `most` bytes are read.
    pub(crate) async fn get<T: DeserializeOwned>(
        self,
        client: &Client,
        path: &str,
        most: usize,
    ) -> Result<T, SignalError> {
        self.read(&self.get_text(client, path, most).await?)
    }

    /// The answer of [`Self::get_text`].
    pub(crate) fn read<'a, T: Deserialize<'a>>(self, text: &'a [u8]) -> Result<T, SignalError> {
        serde_json::from_slice(text).map_err(|error| {
            self.failed(format!("the answer does not have the form of this API: {error}: {}", shown(text)))
        })
    }

    /// GETs `path` as text, of which at most `most` bytes are read.
    pub(crate) async fn get_text(
        self,
        client: &Client,
        path: &str,
        most: usize,
    ) -> Result<Vec<u8>, SignalError> {
        let request = Request::builder()
            .method(Method::GET)
            .uri(path)
            .header(ACCEPT, "application/json")
            .body(Body::empty())
            .map_err(|error| self.failed(format!("{path} is no path: {error}")))?;
        let response = client.send(request).await.map_err(|error| self.failed(error))?;
        let (head, body) = response.into_parts();
        if !head.status.is_success() {
            let text = self.text(body, MOST_OF_A_FAILURE).await?;
            return Err(self.refusal(head.status, &text));
        }
        self.text(body, most).await
    }

    /// An answer that nobody can use.
    pub(crate) fn failed(self, problem: impl std::fmt::Display) -> SignalError {
        SignalError::Failed { what: self.title.into(), problem: problem.to_string() }
    }

    async fn text(self, body: Body, most: usize) -> Result<Vec<u8>, SignalError> {
        match Limited::new(body, most).collect().await {
            Ok(collected) => Ok(collected.to_bytes().into()),
            Err(error) if error.is::<LengthLimitError>() => {
                Err(SignalError::TooLarge { what: self.title.into(), most })
            }
            Err(error) => Err(self.failed(error)),
        }
    }

    fn refusal(self, code: StatusCode, text: &[u8]) -> SignalError {
        let what = self.title.into();
        let told = serde_json::from_slice::<Status>(text).ok().filter(|status| !status.message.is_empty());
        // A group that nobody serves is answered with plain text instead of a status.
        let served = told.as_ref().is_some_and(|status| !status.message.starts_with(NOT_SERVED));
        let answer = told.map_or_else(|| shown(text), |status| status.message);
        match code {
            StatusCode::FORBIDDEN => SignalError::Forbidden { what, answer },
            StatusCode::SERVICE_UNAVAILABLE => self.unavailable(answer),
            StatusCode::NOT_FOUND if !served => self.unavailable(answer),
            _ if served => SignalError::Refused(answer),
            _ => self.failed(format!("{code}: {answer}")),
        }
    }

    /// Nobody serves it.
    pub(crate) fn unavailable(self, answer: String) -> SignalError {
        SignalError::Unavailable { what: self.title.into(), way_out: self.way_out.into(), answer }
    }
}

/// The beginning of an answer, for people.
fn shown(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let text = text.trim();
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
