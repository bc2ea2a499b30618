//! Drains: pods are asked to go, and what happens when they may not or nobody answers.

use http::{Request, Response};
use kube::client::Body;
use pretty_assertions::assert_eq;
use tower_test::mock;

use super::{
    drains::{EVICTION, drain, drained},
    *,
};

#[tokio::test]
async fn a_pod_is_evicted_by_its_uid() {
    let mut bench = Bench::new(stored);
    bench.pool();
    bench.drains(&drain());
    bench.pod(pod("web-a", "a"));
    bench.planner.drains(NOW).await;
    let asked = bench.log.take();
    let lines: Vec<String> = asked.iter().map(Asked::line).collect();
    assert_eq!(lines, [EVICTION]);
    assert_eq!(asked[0].body["deleteOptions"], json!({ "preconditions": { "uid": "uid-web-a" } }));
}

/// A budget that has changed meanwhile is not told twice within a pass, and ends nothing.
#[tokio::test]
async fn an_eviction_that_may_pass_later_is_tried_again_at_the_next_look() {
    for code in [404, 409, 429] {
        let mut bench = Bench::new(move |_| {
            let (code, mut body) = failure(code, "Refused", "web-a");
            body["details"]["causes"] = json!([{ "reason": "DisruptionBudget", "message": "it needs 2" }]);
            (code, body)
        });
        bench.pool();
        bench.drains(&drain());
        bench.pod(pod("web-a", "a"));
        for _ in 0..2 {
            bench.planner.drains(NOW).await;
            assert_eq!(bench.log.lines(), [EVICTION], "{code}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_pod_whose_eviction_is_refused_is_left_alone_for_a_while() {
    for code in [403, 429, 500] {
        let mut bench = Bench::new(move |_| failure(code, "Refused", "web-a"));
        bench.pool();
        bench.drains(&drain());
        bench.pod(pod("web-a", "a"));
        for (seconds, lines) in [(0, vec![EVICTION]), (5, vec![]), (6, vec![EVICTION])] {
            tokio::time::advance(Duration::from_secs(seconds)).await;
            bench.planner.drains(NOW).await;
            assert_eq!(bench.log.lines(), lines, "{code}, {seconds} s later");
        }
    }
}

/// As long as it is left alone, too.
#[tokio::test]
async fn a_drain_waits_for_a_pod_whose_eviction_is_refused_in_the_words_of_the_api_server() {
    let mut bench = Bench::new(|_| failure(403, "Refused", "web-a"));
    bench.pool();
    bench.drains(&drain());
    bench.pod(pod("web-a", "a"));
    for _ in 0..2 {
        bench.planner.drains(NOW).await;
        assert_eq!(bench.planner.waits["a"], "pod shop/web-a is not evicted: web-a: Refused");
    }
}

/// Each would hold up the planner for as long.
#[tokio::test(start_paused = true)]
async fn after_an_eviction_that_gets_no_answer_no_other_is_asked_for_in_a_pass() {
    let (service, mut requests) = mock::pair::<Request<Body>, Response<Body>>();
    let (asked, mut seen) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let mut unanswered = Vec::new();
        while let Some((request, answer)) = requests.next_request().await {
            asked.send(request.uri().path().to_owned()).unwrap();
            unanswered.push(answer);
        }
    });
    let (send, changes) = mpsc::unbounded_channel();
    let planner = planner(Client::new(service, "default"), Leadership::alone(), send);
    let mut bench = Bench { planner, log: Log::default(), changes };
    bench.pool();
    bench.drains(&drain());
    let mut other = drained(&drain());
    other["metadata"]["name"] = json!("b");
    other["metadata"]["uid"] = json!("uid-b");
    bench.node(other);
    for (name, node) in [("web-a", "a"), ("web-b", "a"), ("web-c", "b")] {
        bench.pod(pod(name, node));
    }
    let again = bench.planner.drains(NOW).await;
    assert!(again <= Duration::from_secs(5), "{again:?}");
    let mut paths = Vec::new();
    while let Ok(path) = seen.try_recv() {
        paths.push(path);
    }
    assert_eq!(paths, ["/api/v1/namespaces/shop/pods/web-a/eviction"]);
}
