use http::{Request, Response};
use k8s_openapi::api::core::v1::Pod;
use kube::{Client, api::ObjectMeta, client::Body, runtime::watcher::Event};
use plimsoll_signals::Limits;
use pretty_assertions::assert_eq;
use tokio::sync::watch;
use tower_test::mock;

use super::*;

const MAX_AGE: Duration = Duration::from_secs(3);

/// A reader whose requests, by the end of their path, are noted in the list; those of the cluster have `code`.
fn reader(code: u16) -> (UsageReader, Arc<Mutex<Vec<String>>>) {
    let (service, mut handle) = mock::pair::<Request<Body>, Response<Body>>();
    let asked: Arc<Mutex<Vec<String>>> = Arc::default();
    let noted = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Some((request, send)) = handle.next_request().await {
            let path = request.uri().path().trim_start_matches("/apis/metrics.k8s.io/v1beta1/").to_owned();
            let code = if path == "pods" { code } else { 200 };
            // All of a cluster takes a while.
            if path == "pods" {
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
            noted.lock().unwrap().push(path);
            let body = Body::from(r#"{"items":[]}"#.as_bytes().to_vec());
            send.send_response(Response::builder().status(code).body(body).unwrap());
        }
    });
    let limits = Limits { time_out: Duration::from_secs(10), concurrency: 4 };
    let source = ResourceMetrics::new(Client::new(service, "default"));
    (UsageReader::new(Shared::new(source, limits)), asked)
}

/// An index with these many pods in these namespaces.
async fn pods(namespaces: &[(&str, usize)]) -> PodIndex {
    let pod = |namespace: &str, number: usize| Pod {
        metadata: ObjectMeta {
            namespace: Some(namespace.to_owned()),
            name: Some(format!("web-{number}")),
            ..ObjectMeta::default()
        },
        ..Pod::default()
    };
    let all = namespaces.iter().flat_map(|(namespace, count)| {
        (0..*count).map(move |number| Event::InitApply(pod(namespace, number)))
    });
    let events: Vec<_> = [Event::Init].into_iter().chain(all).chain([Event::InitDone]).map(Ok).collect();
    let index = PodIndex::default();
    index.clone().follow(futures::stream::iter(events), watch::channel(false).0).await;
    index
}

/// Asks about four namespaces, chooses, and asks again after a while. What was asked the second time.
async fn asked_again(
    reader: &UsageReader,
    asked: &Mutex<Vec<String>>,
    pods: &PodIndex,
    max_age: Duration,
) -> Vec<String> {
    let four = ["a", "b", "c", "d"];
    for namespace in four {
        reader.read(namespace, max_age).await.unwrap();
    }
    reader.choose(pods);
    tokio::time::advance(MAX_AGE).await;
    asked.lock().unwrap().clear();
    for namespace in four {
        reader.read(namespace, max_age).await.unwrap();
    }
    std::mem::take(&mut *asked.lock().unwrap())
}

const EACH: [&str; 4] = ["namespaces/a/pods", "namespaces/b/pods", "namespaces/c/pods", "namespaces/d/pods"];

#[tokio::test(start_paused = true)]
async fn one_list_serves_all_where_most_pods_are_asked_about() {
    let (reader, asked) = reader(200);
    let pods = pods(&[("a", 2), ("b", 2), ("c", 2), ("d", 2), ("other", 8)]).await;
    assert_eq!(asked_again(&reader, &asked, &pods, MAX_AGE).await, ["pods"]);
}

#[tokio::test(start_paused = true)]
async fn each_namespace_is_listed_where_most_pods_are_none_of_ours() {
    let (reader, asked) = reader(200);
    let pods = pods(&[("a", 2), ("b", 2), ("c", 2), ("d", 2), ("other", 9)]).await;
    assert_eq!(asked_again(&reader, &asked, &pods, MAX_AGE).await, EACH);
}

#[tokio::test(start_paused = true)]
async fn who_wants_fresh_usage_does_not_ask_for_all_of_it() {
    let (reader, asked) = reader(200);
    let pods = pods(&[("a", 2), ("b", 2), ("c", 2), ("d", 2)]).await;
    assert_eq!(asked_again(&reader, &asked, &pods, Duration::from_millis(200)).await, EACH);
}

#[tokio::test(start_paused = true)]
async fn each_namespace_is_listed_when_all_together_fail() {
    let (reader, asked) = reader(403);
    let pods = pods(&[("a", 2), ("b", 2), ("c", 2), ("d", 2)]).await;
    let all: Vec<_> = ["pods"].into_iter().chain(EACH).collect();
    assert_eq!(asked_again(&reader, &asked, &pods, MAX_AGE).await, all);
}

#[tokio::test(start_paused = true)]
async fn namespaces_that_nobody_asks_about_any_more_do_not_count() {
    let (reader, asked) = reader(200);
    let pods = pods(&[("a", 2), ("b", 2), ("c", 2), ("d", 2)]).await;
    asked_again(&reader, &asked, &pods, MAX_AGE).await;
    tokio::time::advance(REMEMBERED).await;
    reader.choose(&pods);
    asked.lock().unwrap().clear();
    reader.read("a", MAX_AGE).await.unwrap();
    assert_eq!(*asked.lock().unwrap(), ["namespaces/a/pods"]);
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_the_usage_of_the_cluster_while_the_last_one_will_do() {
    let (reader, asked) = reader(200);
    let pods = pods(&[("a", 2), ("b", 2), ("c", 2), ("d", 2)]).await;
    asked_again(&reader, &asked, &pods, MAX_AGE).await;
    let begun = Instant::now();
    for _ in 0..60 {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let before = Instant::now();
        reader.read("a", MAX_AGE).await.unwrap();
        assert_eq!(before.elapsed(), Duration::ZERO, "after {:?}", begun.elapsed());
    }
    let lists = asked.lock().unwrap().len();
    assert!((4..=6).contains(&lists), "{lists} in 12 s");
}
