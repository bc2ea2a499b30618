//! Pods over real sockets: each has an address of its own on the loopback.

// A test that cannot go on should say where.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use plimsoll_core::replicas::{PodPort, Scrape, ScrapeValue};
use plimsoll_signals::{Limits, PodEndpoint, Scraper};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

/// A pod that serves a page, which the test may change.
async fn pod(name: &str, page: &str) -> (PodEndpoint, Arc<Mutex<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address: SocketAddr = listener.local_addr().unwrap();
    let page = Arc::new(Mutex::new(page.to_owned()));
    let served = Arc::clone(&page);
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            let page = served.lock().unwrap().clone();
            tokio::spawn(async move {
                let mut request = [0; 4096];
                let _ = connection.read(&mut request).await;
                if page == "hang" {
                    let _ = connection.read(&mut request).await;
                }
                let answer = format!(
                    "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{page}",
                    page.len()
                );
                let _ = connection.write_all(answer.as_bytes()).await;
            });
        }
    });
    (PodEndpoint { pod: name.to_owned(), started: None, address: Ok(address) }, page)
}

fn scraper() -> Scraper {
    Scraper::new(Limits { time_out: Duration::from_secs(5), concurrency: 8 }).unwrap()
}

fn hits(value: ScrapeValue) -> Scrape {
    let (port, path, metric) = (PodPort::Number(80), "/metrics".to_owned(), "hits".to_owned());
    Scrape { port, path, tls: false, metric, selector: None, value }
}

#[tokio::test]
async fn each_pod_has_its_own_value_and_one_that_hangs_has_none() {
    let (a, _) = pod("a", "hits 2\n").await;
    let (b, _) = pod("b", "hits 5.5\n").await;
    let (c, _) = pod("c", "hang").await;
    let gone = PodEndpoint { pod: "d".to_owned(), started: None, address: Err("no such port".to_owned()) };
    let samples =
        scraper().scrape("shop", &[a, b, c, gone], &hits(ScrapeValue::Gauge), Duration::ZERO).await.unwrap();
    let values: Vec<_> = samples.iter().map(|(pod, sample)| (pod.as_str(), sample.value)).collect();
    assert_eq!(values, [("a", 2000), ("b", 5500)]);
}

#[tokio::test]
async fn a_rate_needs_two_scrapes_and_is_per_second() {
    let (a, page) = pod("a", "hits 100\n").await;
    let (scraper, rate, pods) = (scraper(), hits(ScrapeValue::Rate), [a]);
    let first = scraper.scrape("shop", &pods, &rate, Duration::ZERO).await.unwrap_err().to_string();
    assert_eq!(first, "pod a: a rate needs two scrapes, and this was the first");
    *page.lock().unwrap() = "hits 400\n".to_owned();
    // The time between two scrapes is what a rate is made of, so it has to pass.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let samples = scraper.scrape("shop", &pods, &rate, Duration::ZERO).await.unwrap();
    let sample = samples["a"];
    let hits = sample.value * sample.window.as_millis() / 1_000_000;
    assert!((297..=303).contains(&hits), "{sample:?}");
}

#[tokio::test]
async fn without_any_value_the_first_pod_is_named() {
    let (a, _) = pod("a", "<html>\n").await;
    let (b, _) = pod("b", "other 1\n").await;
    let error =
        scraper().scrape("shop", &[a, b], &hits(ScrapeValue::Gauge), Duration::ZERO).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "pod a: line 1 is not a metric: it does not begin with a name (and 1 more pods)"
    );
}
