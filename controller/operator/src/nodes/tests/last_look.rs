//! Drains: before a node is given back the API server itself is asked what is on it.

use std::sync::atomic::{AtomicBool, Ordering};

use plimsoll_core::nodes::drain::Drain;
use pretty_assertions::assert_eq;

use super::{
    drains::{NODE, drain},
    *,
};

const PODS: &str = "GET /api/v1/pods";
const EVICTION: &str = "POST /api/v1/namespaces/shop/pods/web-a/eviction";

fn listed(pods: &[Value]) -> (u16, Value) {
    (200, json!({ "apiVersion": "v1", "kind": "PodList", "metadata": {}, "items": pods }))
}

/// A planner that drains node `a`, on which no watch has shown a pod.
fn emptied(drain: &Drain, answer: impl FnMut(&Asked) -> (u16, Value) + Send + 'static) -> Bench {
    let mut bench = Bench::new(answer);
    bench.pool();
    bench.drains(drain);
    bench
}

fn is_given_back(bench: &Bench) -> bool {
    bench.planner.world.calls.contains_key("node/a")
}

#[tokio::test]
async fn a_node_is_not_given_back_while_the_api_server_has_a_pod_there_that_no_watch_has_shown() {
    let is_there = Arc::new(AtomicBool::new(true));
    let still = Arc::clone(&is_there);
    let mut bench = emptied(&drain(), move |asked| match asked.line().as_str() {
        PODS if still.load(Ordering::SeqCst) => listed(&[pod("web-a", "a")]),
        PODS => listed(&[]),
        _ => stored(asked),
    });
    bench.planner.drains(NOW).await;
    let asked = bench.log.take();
    let lines: Vec<String> = asked.iter().map(Asked::line).collect();
    assert_eq!(lines, [PODS, EVICTION], "what is there moves by its budgets");
    let query = &asked[0].query;
    assert!(query.contains("spec.nodeName%3Da") && !query.contains("resourceVersion"), "{query}");
    assert!(!is_given_back(&bench) && bench.planner.world.drains["a"].deleted.is_none());

    is_there.store(false, Ordering::SeqCst);
    bench.planner.world.drop_pod(&"uid-web-a".into());
    bench.planner.drains(NOW).await;
    let lines = bench.log.lines();
    assert_eq!(lines[..2].to_vec(), [PODS.to_owned(), format!("PATCH {NODE}")]);
    assert!(is_given_back(&bench));
}

#[tokio::test]
async fn what_goes_with_its_node_or_has_ended_does_not_keep_it() {
    let mut bench = emptied(&drain(), |asked| match asked.line().as_str() {
        PODS => {
            let mut daemon = pod("logs-a", "a");
            daemon["metadata"]["ownerReferences"][0]["kind"] = json!("DaemonSet");
            let mut ended = pod("job-a", "a");
            ended["status"]["phase"] = json!("Succeeded");
            listed(&[daemon, ended])
        }
        _ => stored(asked),
    });
    bench.planner.drains(NOW).await;
    assert!(is_given_back(&bench));
}

#[tokio::test]
async fn a_node_stays_while_the_api_server_does_not_say_what_is_on_it() {
    let asked_for = Drain { deleted: Some(NOW), ..drain() };
    for drain in [drain(), asked_for] {
        let mut bench = emptied(&drain, |asked| match asked.line().as_str() {
            PODS => failure(500, "InternalError", "pods"),
            _ => stored(asked),
        });
        bench.planner.world.to_give_back.insert("a".into());
        let again = bench.planner.drains(NOW).await;
        assert_eq!(bench.log.lines(), [PODS]);
        assert!(!is_given_back(&bench) && again <= Duration::from_secs(5), "{again:?}");
        assert_eq!(bench.planner.world.drains["a"], drain);
    }
}

/// The provider could not be asked at once, and there are pods meanwhile.
#[tokio::test]
async fn what_is_on_a_node_is_asked_again_before_its_provider_is() {
    for pods in [vec![], vec![pod("web-a", "a")]] {
        let is_empty = pods.is_empty();
        let mut bench =
            emptied(&Drain { deleted: Some(NOW), ..drain() }, move |asked| match asked.line().as_str() {
                PODS => listed(&pods),
                _ => stored(asked),
            });
        bench.planner.world.to_give_back.insert("a".into());
        bench.planner.drains(NOW).await;
        assert_eq!(bench.log.lines().first().map(String::as_str), Some(PODS));
        assert_eq!(is_given_back(&bench), is_empty);
        assert!(bench.planner.world.to_give_back.is_empty());
    }
}

/// Its pods would not be saved by waiting.
#[tokio::test]
async fn nobody_is_asked_about_a_node_that_its_provider_takes_away_anyway() {
    let mut bench = emptied(&Drain { interrupted: true, ..drain() }, |asked| match asked.line().as_str() {
        PODS => failure(500, "InternalError", "pods"),
        _ => stored(asked),
    });
    bench.planner.drains(NOW).await;
    let lines = bench.log.lines();
    assert!(is_given_back(&bench) && !lines.contains(&PODS.to_owned()), "{lines:?}");
}
