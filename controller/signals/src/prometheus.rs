//! The instant query API of Prometheus, and of what answers like one.

use std::borrow::Cow;

use http::{
    HeaderMap, Request, StatusCode,
    header::{ACCEPT, CONTENT_TYPE, LOCATION},
};
use plimsoll_core::{
    replicas::Sample,
    time::{Span, Timestamp},
};
use serde::Deserialize;
use serde_json::Value;

use crate::{
    SignalError, Source,
    http_client::{HttpClient, Lost, Tls, client, fetch},
    number::milli,
};

/// The most that is read of an answer, in bytes. One series needs a hundred.
const MOST: usize = 1024 * 1024;

/// How many characters are repeated of what a server says.
const SHOWN: usize = 300;

/// Where to ask, and as whom.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Endpoint {
    /// `http://` or `https://`, a host, and what stands before `/api/v1/query`.
    pub address: String,
    /// How to speak TLS.
    pub tls: Tls,
    /// What is sent with each request: credentials and the tenant.
    pub headers: HeaderMap,
}

/// A Prometheus that can be asked.
pub struct Prometheus {
    client: HttpClient,
    address: String,
    headers: HeaderMap,
    host: String,
}

impl Prometheus {
    /// Prepares to ask; nothing is sent yet.
    ///
    /// # Errors
    /// What is wrong with the endpoint, in words.
    pub fn new(endpoint: Endpoint) -> Result<Self, String> {
        let Endpoint { address, tls, headers } = endpoint;
        let uri: http::Uri =
            address.parse().map_err(|error| format!("address {address:?} is not a URL: {error}"))?;
        let host = uri.authority().map(ToString::to_string).unwrap_or_default();
        let address = format!("{}/api/v1/query", address.trim_end_matches('/'));
        Ok(Self { client: client(&tls, 4)?, address, headers, host })
    }

    fn failed(&self, problem: impl Into<String>) -> SignalError {
        SignalError::Failed { what: self.title(), problem: problem.into() }
    }

    fn request(&self, query: &str) -> Result<Request<String>, http::Error> {
        let body = form_urlencoded::Serializer::new(String::new()).append_pair("query", query).finish();
        let mut request = Request::post(&self.address)
            .header(ACCEPT, "application/json")
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(body)?;
        request.headers_mut().extend(self.headers.clone());
        Ok(request)
    }
}

impl Source for Prometheus {
    type Question = String;
    type Answer = Sample;

    const NAME: &'static str = "prometheus";

    fn title(&self) -> Cow<'static, str> {
        format!("the Prometheus at {}", self.host).into()
    }

    async fn ask(&self, query: &String) -> Result<Sample, SignalError> {
        let request = self.request(query).map_err(|error| self.failed(error.to_string()))?;
        let (head, body) = fetch(&self.client, request, MOST).await.map_err(|lost| match lost {
            Lost::TooLarge => SignalError::TooLarge { what: self.title(), most: MOST },
            Lost::Failed(words) => self.failed(words),
        })?;
        let code = head.status;
        if code.is_redirection() {
            let to = head.headers.get(LOCATION).and_then(|to| to.to_str().ok()).unwrap_or("elsewhere");
            return Err(self.failed(format!(
                "it redirects to {}, which is not followed, since credentials belong to one address: write that address into the source",
                shown(to)
            )));
        }
        if code == StatusCode::UNAUTHORIZED || code == StatusCode::FORBIDDEN {
            return Err(self.failed(format!("it answered {code}: check the credentials of the source")));
        }
        match serde_json::from_slice::<Answer>(&body) {
            Ok(answer) => sample(answer).map_err(SignalError::Refused),
            Err(_) if body.trim_ascii_start().starts_with(b"<") => Err(self.failed(format!(
                "it answered {code} with HTML instead of JSON: is the address that of a Prometheus?"
            ))),
            Err(_) => Err(self.failed(format!(
                "it answered {code} with something else than the JSON of a query: {}",
                shown(&String::from_utf8_lossy(&body))
            ))),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    status: String,
    #[serde(default)]
    data: Option<Data>,
    #[serde(default)]
    error_type: String,
    #[serde(default)]
    error: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Data {
    result_type: String,
    result: Value,
}

#[derive(Deserialize)]
struct Series {
    value: (f64, String),
}

fn sample(answer: Answer) -> Result<Sample, String> {
    if answer.status != "success" {
        return Err(format!("the query failed ({}): {}", shown(&answer.error_type), shown(&answer.error)));
    }
    let data = answer.data.ok_or("the answer says success, but has no data")?;
    let misshaped = |error: serde_json::Error| format!("the answer does not have the form of one: {error}");
    let (at, text) = match data.result_type.as_str() {
        "scalar" => serde_json::from_value(data.result).map_err(misshaped)?,
        "vector" => {
            let mut series: Vec<Series> = serde_json::from_value(data.result).map_err(misshaped)?;
            match (series.pop(), series.len()) {
                (Some(only), 0) => only.value,
                (Some(_), others) => {
                    return Err(format!(
                        "the query has {} series as its result, where one is needed: aggregate them, as with sum(…)",
                        others + 1
                    ));
                }
                (None, _) => {
                    return Err(
                        "the query has no result: no series matches at the moment (for a load of 0, \
                                append: or vector(0))"
                            .to_owned(),
                    );
                }
            }
        }
        other => {
            return Err(format!(
                "the result of the query is a {}, where a scalar or a vector of one series is needed",
                shown(other)
            ));
        }
    };
    let value: f64 = text.parse().map_err(|_| format!("the value {:?} is not a number", shown(&text)))?;
    // Moments within the lifetime of the universe fit.
    #[allow(clippy::cast_possible_truncation)]
    let timestamp = Timestamp::from_millis((at * 1000.0) as i64);
    let value = milli(value).map_err(|error| error.to_string())?;
    Ok(Sample { value, timestamp, window: Span::ZERO })
}

/// The beginning of what a server says, on one line.
fn shown(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}
