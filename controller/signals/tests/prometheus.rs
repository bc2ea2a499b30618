//! A Prometheus over a real socket: what it answers, and what its answers mean.

// A test that cannot go on should say where.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use http::{HeaderMap, HeaderValue};
use plimsoll_core::time::Timestamp;
use plimsoll_signals::{Endpoint, Limits, Prometheus, Shared, SignalError};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpSocket},
};

const LIMITS: Limits = Limits { time_out: Duration::from_secs(5), concurrency: 2 };

/// Answers every request with the same bytes, or, if there are none, never. Answers where, and the requests so far.
async fn serve(answer: String) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let requests = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&requests);
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            let (seen, answer) = (Arc::clone(&seen), answer.clone());
            tokio::spawn(async move {
                let mut request = vec![0; 16 * 1024];
                let read = connection.read(&mut request).await.unwrap_or(0);
                seen.lock().unwrap().push(String::from_utf8_lossy(&request[..read]).into_owned());
                if answer.is_empty() {
                    let _ = connection.read(&mut request).await;
                }
                let _ = connection.write_all(answer.as_bytes()).await;
            });
        }
    });
    (address, requests)
}

fn http(status: &str, kind: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )
}

fn result(kind: &str, result: &str) -> String {
    let body = format!(r#"{{"status":"success","data":{{"resultType":"{kind}","result":{result}}}}}"#);
    http("200 OK", "application/json", &body)
}

fn asks(address: &str, headers: HeaderMap) -> Shared<Prometheus> {
    let endpoint = Endpoint { address: address.to_owned(), headers, ..Endpoint::default() };
    Shared::new(Prometheus::new(endpoint).unwrap(), LIMITS)
}

async fn error_of(answer: String) -> String {
    let (address, _) = serve(answer).await;
    let answer = asks(&address, HeaderMap::new()).read(&"load".to_owned(), Duration::ZERO).await;
    answer.map(|sample| format!("{sample:?}")).unwrap_err().to_string()
}

#[tokio::test]
async fn a_scalar_and_a_vector_of_one_series_are_a_value() {
    for answer in [
        result("scalar", r#"[1795428000.5,"12.25"]"#),
        result("vector", r#"[{"metric":{"app":"web"},"value":[1795428000.5,"12.25"]}]"#),
    ] {
        let (address, _) = serve(answer).await;
        let sample = asks(&address, HeaderMap::new()).read(&"load".to_owned(), Duration::ZERO).await.unwrap();
        assert_eq!((sample.value, sample.timestamp), (12_250, Timestamp::from_millis(1_795_428_000_500)));
    }
}

#[tokio::test]
async fn the_query_is_sent_with_the_credentials() {
    let (address, requests) = serve(result("scalar", r#"[1,"1"]"#)).await;
    let headers = HeaderMap::from_iter([("x-api-key".parse().unwrap(), HeaderValue::from_static("s3cret"))]);
    asks(&format!("{address}/prom/"), headers)
        .read(&"sum(a{b=\"c d\"}) + 1".to_owned(), Duration::ZERO)
        .await
        .unwrap();
    let requests = requests.lock().unwrap();
    assert!(requests[0].starts_with("POST /prom/api/v1/query HTTP/1.1\r\n"), "{requests:?}");
    assert!(requests[0].contains("x-api-key: s3cret\r\n"), "{requests:?}");
    assert!(requests[0].ends_with("query=sum%28a%7Bb%3D%22c+d%22%7D%29+%2B+1"), "{requests:?}");
}

#[tokio::test]
async fn many_who_ask_the_same_share_one_request() {
    let (address, requests) = serve(result("scalar", r#"[1,"1"]"#)).await;
    let prometheus = asks(&address, HeaderMap::new());
    let query = "load".to_owned();
    let asked = (0..50).map(|_| prometheus.read(&query, Duration::from_mins(1)));
    assert!(futures::future::join_all(asked).await.iter().all(Result::is_ok));
    assert_eq!(requests.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn answers_that_are_no_load_are_told_in_words() {
    let json = |body: &str| http("200 OK", "application/json", body);
    let one = |value: &str| result("scalar", &format!(r#"[1,"{value}"]"#));
    let series = r#"{"metric":{},"value":[1,"1"]}"#;
    let table = [
        (result("vector", "[]"), "the query has no result"),
        (result("vector", &format!("[{series},{series},{series}]")), "the query has 3 series as its result"),
        (result("string", r#"[1,"x"]"#), "the result of the query is a string"),
        (result("matrix", "[]"), "the result of the query is a matrix"),
        (one("NaN"), "not a number (NaN)"),
        (one("+Inf"), "the value is infinite"),
        (one("-Inf"), "the value is infinite"),
        (one("-3"), "the value is negative"),
        (one("1e300"), "larger than 9.2e15"),
        (one("many"), "is not a number"),
        (result("scalar", "7"), "does not have the form of one"),
        (json(r#"{"status":"success"}"#), "has no data"),
        (
            http(
                "400 Bad Request",
                "application/json",
                r#"{"status":"error","errorType":"bad_data","error":"parse error"}"#,
            ),
            "the query failed (bad_data): parse error",
        ),
        (http("502 Bad Gateway", "text/html", "\n <html>oops"), "it answered 502 Bad Gateway with HTML"),
        (http("200 OK", "text/plain", "hello"), "with something else than the JSON of a query: hello"),
        (http("401 Unauthorized", "text/plain", ""), "401 Unauthorized: check the credentials"),
        (http("403 Forbidden", "text/plain", ""), "403 Forbidden: check the credentials"),
        (json(&"[".repeat(10_000_000)), "more than 1048576 bytes"),
        ("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{".to_owned(), "failed: "),
        ("nonsense\r\n\r\n".to_owned(), "failed: "),
    ];
    for (answer, problem) in table {
        let start: String = answer.chars().take(200).collect();
        let error = error_of(answer).await;
        assert!(error.contains(problem), "{start}\n{error}");
    }
}

/// Without the rule, credentials would go wherever the server says.
#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (elsewhere, requests) = serve(result("scalar", r#"[1,"1"]"#)).await;
    let error = error_of(format!(
        "HTTP/1.1 307 x\r\nlocation: {elsewhere}/api/v1/query\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    ))
    .await;
    assert!(
        error.contains(&format!("it redirects to {elsewhere}/api/v1/query, which is not followed")),
        "{error}"
    );
    assert!(requests.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_server_that_hangs_is_given_up_after_the_time_out() {
    let (address, _) = serve(String::new()).await;
    let error = asks(&address, HeaderMap::new()).read(&"load".to_owned(), Duration::ZERO).await.unwrap_err();
    assert!(matches!(&error, SignalError::TimedOut { after, .. } if *after == LIMITS.time_out), "{error}");
}

#[tokio::test]
async fn nobody_there_and_no_tls_there_are_told() {
    // Nobody listens there, and nobody else gets it meanwhile.
    let taken = TcpSocket::new_v4().unwrap();
    taken.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let free = taken.local_addr().unwrap();
    let refused =
        asks(&format!("http://{free}"), HeaderMap::new()).read(&"load".to_owned(), Duration::ZERO).await;
    let error = refused.unwrap_err().to_string();
    assert!(error.contains("Connection refused"), "{error}");

    let (plain, _) = serve(http("200 OK", "text/plain", "hello")).await;
    let tls = asks(&plain.replace("http://", "https://"), HeaderMap::new());
    let error = tls.read(&"load".to_owned(), Duration::ZERO).await.unwrap_err().to_string();
    assert!(error.starts_with("reading the Prometheus at 127.0.0.1:"), "{error}");
}
