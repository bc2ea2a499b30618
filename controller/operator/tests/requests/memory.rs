//! What outlives a restart, request by request.

use std::{
    collections::BTreeMap,
    io::{Read as _, Write as _},
    sync::{Arc, Mutex},
    time::Duration,
};

use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use k8s_openapi::ByteString;
use kube::Client;
use plimsoll_core::{
    replicas::{Algorithm, Input, Reading, Settings, TargetView, decide},
    time::Timestamp,
};
use plimsoll_observe::observe_policy;
use plimsoll_operator::{
    checkpoint::{Checkpoint, CheckpointConfig},
    leadership::{Keeper, Leadership, LeaseConfig},
    metrics::Metrics,
    podscaler::memory::Memories,
};
use pretty_assertions::assert_eq;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::script::{Asked, Log, failure, server};

const SHARDS: &str = "/api/v1/namespaces/plimsoll-system/configmaps/plimsoll-memory-";
const KEY: &str = "memory.json.gz";

/// The version of a `ConfigMap`, and what it holds.
type Versioned = (u32, Option<String>);

/// `ConfigMap`s as an API server keeps them: each write counts the version on, and must name the one before.
#[derive(Clone, Default)]
struct Stored(Arc<Mutex<BTreeMap<String, Versioned>>>);

impl Stored {
    fn of_chart() -> Self {
        let empty = (0..8).map(|number| (format!("{SHARDS}{number}"), (1, None)));
        Self(Arc::new(Mutex::new(empty.collect())))
    }

    fn put(&self, number: usize, json: &Value) {
        let mut packer = GzEncoder::new(Vec::new(), Compression::default());
        packer.write_all(json.to_string().as_bytes()).unwrap();
        self.put_bytes(number, packer.finish().unwrap());
    }

    fn put_bytes(&self, number: usize, bytes: Vec<u8>) {
        let text = serde_json::to_value(ByteString(bytes)).unwrap();
        let mut all = self.0.lock().unwrap();
        let (version, data) = all.get_mut(&format!("{SHARDS}{number}")).unwrap();
        *version += 1;
        *data = text.as_str().map(str::to_owned);
    }

    /// What is in a shard.
    fn unpacked(&self, number: usize) -> Value {
        let all = self.0.lock().unwrap();
        let Some(text) = &all[&format!("{SHARDS}{number}")].1 else { return Value::Null };
        let ByteString(bytes) = serde_json::from_value(json!(text)).unwrap();
        let mut text = String::new();
        GzDecoder::new(bytes.as_slice()).read_to_string(&mut text).unwrap();
        serde_json::from_str(&text).unwrap()
    }

    fn answer(&self, asked: &Asked) -> (u16, Value) {
        let mut all = self.0.lock().unwrap();
        let Some((version, data)) = all.get_mut(&asked.path) else {
            return failure(404, "NotFound", "plimsoll-memory");
        };
        if asked.method == "PATCH" {
            if asked.body["metadata"]["resourceVersion"].as_str() != Some(version.to_string().as_str()) {
                return failure(409, "Conflict", "plimsoll-memory");
            }
            *version += 1;
            *data = asked.body["binaryData"][KEY].as_str().map(str::to_owned);
        }
        let mut object = json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": { "name": "plimsoll-memory", "resourceVersion": version.to_string() },
        });
        if let Some(data) = data {
            object["binaryData"] = json!({ KEY: data });
        }
        (200, object)
    }
}

struct Scene {
    memories: Memories,
    checkpoint: Checkpoint,
    metrics: Metrics,
    log: Log,
}

impl Scene {
    fn new((client, log): (Client, Log), leadership: Leadership) -> Self {
        let (memories, metrics) = (Memories::default(), Metrics::new().unwrap());
        let config = CheckpointConfig {
            namespace: "plimsoll-system".into(),
            name: "plimsoll-memory".into(),
            every: Duration::from_secs(30),
        };
        let checkpoint = Checkpoint::new(client, &config, memories.clone(), leadership, metrics.clone());
        Self { memories, checkpoint, metrics, log }
    }

    /// A leader that has taken over, and saves in the background.
    async fn leading(stored: &Stored) -> Self {
        let stored = stored.clone();
        let scene = Self::new(server(move |asked| stored.answer(asked)), Leadership::alone());
        scene.checkpoint.restore().await;
        scene.log.take();
        let checkpoint = scene.checkpoint.clone();
        tokio::spawn(async move { checkpoint.run().await });
        scene
    }

    /// One look at a PodScaler; the size that was written.
    fn look(&self, uid: &str, input: &Input) -> i32 {
        let mut remembered = self.memories.recall(uid);
        let (decision, memory) = decide(input, &remembered.before(input));
        remembered.after(input, memory.rescaled(input, &decision));
        self.memories.keep(uid, remembered);
        decision.desired
    }

    /// Lets time pass, and answers which shards were written and when.
    async fn written_within(&self, seconds: u64) -> Vec<(u64, String)> {
        let mut written = Vec::new();
        for second in 1..=seconds {
            pass(Duration::from_secs(1)).await;
            let lines = self.log.lines().into_iter().filter(|line| line.starts_with("PATCH"));
            written.extend(lines.map(|line| (second, line.replace(&format!("PATCH {SHARDS}"), ""))));
        }
        written
    }

    fn shows(&self, line: &str) -> bool {
        self.metrics.render().unwrap().lines().any(|shown| shown == line)
    }
}

/// Lets time pass in steps, so that what is due meanwhile is done.
async fn pass(time: Duration) {
    let until = Instant::now() + time;
    while Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// `size` pods and a queue that needs `wanted` of them.
fn queue(algorithm: Algorithm, at: i64, size: i32, wanted: i64) -> Input {
    let policies = |kind: &str, value: i32, seconds: i32| json!([{ "type": kind, "value": value, "periodSeconds": seconds }]);
    let metric = json!({ "type": "External", "external": {
        "metric": { "name": "queue" }, "target": { "type": "AverageValue", "averageValue": "1" } } });
    let spec = json!({
        "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": "web" },
        "maxReplicas": 1000,
        "algorithm": algorithm.to_string(),
        "metrics": [metric],
        "behavior": {
            "scaleUp": { "policies": policies("Pods", 4, 600) },
            "scaleDown": { "policies": policies("Percent", 100, 15), "stabilizationWindowSeconds": 300 },
        },
    });
    Input {
        now: Timestamp::from_secs(at),
        settings: Settings::default(),
        namespace: "shop".to_owned(),
        policy: observe_policy(&serde_json::from_value(spec).unwrap()).unwrap(),
        target: TargetView { spec_replicas: size, status_replicas: size },
        pods: Vec::new(),
        readings: vec![Reading::Value(wanted * 1000)],
        scaled_to_zero: false,
        obstacle: None,
        zones: None,
        nodes: None,
    }
}

/// Near the real time, which decides what is spent.
fn start() -> i64 {
    jiff::Timestamp::now().as_second()
}

fn uid(number: i64) -> String {
    // Spread as those of Kubernetes are, since random digits do not compress.
    let hash = (u128::try_from(number).unwrap() + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835);
    let hex = format!("{hash:032x}");
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

#[tokio::test(start_paused = true)]
async fn windows_and_budgets_go_on_with_the_next_leader() {
    let (stored, at) = (Stored::of_chart(), start());
    let first = Scene::leading(&stored).await;
    assert_eq!(first.look("grows", &queue(Algorithm::Plimsoll1, at, 2, 9)), 6);
    first.look("waits", &queue(Algorithm::Plimsoll1, at, 9, 9));
    first.look("by-the-hpa", &queue(Algorithm::Hpa137, at, 2, 9));
    first.checkpoint.flush().await;

    let next = Scene::leading(&stored).await;
    assert_eq!(next.look("grows", &queue(Algorithm::Plimsoll1, at + 20, 6, 9)), 6, "the budget is used");
    assert_eq!(next.look("waits", &queue(Algorithm::Plimsoll1, at + 20, 9, 3)), 9, "within the window");
    assert_eq!(next.look("waits", &queue(Algorithm::Plimsoll1, at + 301, 9, 3)), 3, "not begun anew");
    assert_eq!(next.look("by-the-hpa", &queue(Algorithm::Hpa137, at + 20, 6, 9)), 9, "HPA forgets");
    assert_eq!(stored.unpacked(0)["memories"].as_object().unwrap().len(), 2, "{}", stored.unpacked(0));
}

#[tokio::test(start_paused = true)]
async fn a_rescale_is_saved_at_once_and_what_is_recommended_after_a_while() {
    let (stored, at) = (Stored::of_chart(), start());
    let scene = Scene::leading(&stored).await;
    scene.look("web", &queue(Algorithm::Plimsoll1, at, 5, 5));
    let written = scene.written_within(40).await;
    assert_eq!(written.len(), 1, "{written:?}");
    assert!((30..=32).contains(&written[0].0), "{written:?}");

    scene.look("web", &queue(Algorithm::Plimsoll1, at + 40, 5, 7));
    let written = scene.written_within(40).await;
    assert_eq!(written.len(), 1, "{written:?}");
    assert!(written[0].0 <= 2, "{written:?}");
}

#[tokio::test(start_paused = true)]
async fn many_rescales_are_one_write_every_few_seconds() {
    let (stored, at) = (Stored::of_chart(), start());
    let scene = Scene::leading(&stored).await;
    let mut written = Vec::new();
    for second in 0..30 {
        scene.look(&uid(second), &queue(Algorithm::Plimsoll1, at, 5, 7));
        written.extend(scene.written_within(1).await);
    }
    assert!((5..=7).contains(&written.len()), "{written:?}");
}

#[tokio::test(start_paused = true)]
async fn what_only_goes_on_is_not_written() {
    let (stored, at) = (Stored::of_chart(), start());
    let scene = Scene::leading(&stored).await;
    let mut written = Vec::new();
    for look in 0..40 {
        scene.look("web", &queue(Algorithm::Plimsoll1, at + look * 15, 5, 5));
        written.extend(scene.written_within(15).await);
    }
    assert_eq!(written.len(), 1, "{written:?}");
}

#[tokio::test(start_paused = true)]
async fn a_write_names_the_version_that_was_read() {
    let (stored, at) = (Stored::of_chart(), start());
    let scene = Scene::leading(&stored).await;
    scene.look("web", &queue(Algorithm::Plimsoll1, at, 5, 7));
    // Another leader writes after our read: ours is refused, and we ask before the next try.
    stored.put(0, &json!({ "form": 1, "at": at * 1000, "memories": {} }));
    pass(Duration::from_secs(2)).await;
    let asked = scene.log.take();
    assert_eq!(asked.iter().map(|asked| asked.method.as_str()).collect::<Vec<_>>(), ["PATCH"]);
    assert_eq!(asked[0].body["metadata"]["resourceVersion"], "1");
    assert_eq!(stored.unpacked(0)["memories"], json!({}), "never over what we have not seen");
    assert!(scene.shows("plimsoll_memory_writes_total{result=\"error\"} 1"));
    pass(Duration::from_secs(6)).await;
    let asked = scene.log.take();
    assert_eq!(asked.iter().map(|asked| asked.method.as_str()).collect::<Vec<_>>(), ["GET", "PATCH"]);
    assert_eq!(stored.unpacked(0)["memories"].as_object().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_replica_without_the_lease_reads_and_writes_nothing() {
    let (client, log) = server(|_| failure(500, "InternalError", "plimsoll-memory"));
    let config = LeaseConfig {
        namespace: "plimsoll-system".into(),
        name: "plimsoll-operator".into(),
        identity: "plimsoll-2".into(),
        duration: Duration::from_secs(15),
        renew_every: Duration::from_secs(5),
    };
    let (_keeper, leadership) = Keeper::new(client.clone(), config);
    let scene = Scene::new((client, log), leadership);
    scene.checkpoint.restore().await;
    scene.look("web", &queue(Algorithm::Plimsoll1, start(), 5, 7));
    scene.checkpoint.flush().await;
    assert_eq!(scene.log.lines(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_read_that_fails_is_tried_again_and_no_look_begins_before() {
    let (stored, at) = (Stored::of_chart(), start());
    stored
        .put(0, &json!({ "form": 1, "at": at * 1000, "memories": { "web": { "recs": [[9, at * 1000]] } } }));
    let until = Instant::now() + Duration::from_secs(10);
    let scene = Scene::new(
        server(move |asked| {
            if Instant::now() < until {
                failure(503, "ServiceUnavailable", "down")
            } else {
                stored.answer(asked)
            }
        }),
        Leadership::alone(),
    );
    let checkpoint = scene.checkpoint.clone();
    let restoring = tokio::spawn(async move { checkpoint.restore().await });
    pass(Duration::from_secs(9)).await;
    assert!(!scene.memories.are_of(1), "a look would begin");
    restoring.await.unwrap();
    assert!(scene.memories.are_of(1));
    assert_eq!(scene.look("web", &queue(Algorithm::Plimsoll1, at + 10, 9, 3)), 9);
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_cannot_read_for_half_a_minute_goes_on_without_and_says_so() {
    let scene = Scene::new(server(|_| failure(403, "Forbidden", "plimsoll-memory")), Leadership::alone());
    let started = Instant::now();
    scene.checkpoint.restore().await;
    assert!((25..=31).contains(&started.elapsed().as_secs()), "{:?}", started.elapsed());
    assert!(scene.memories.are_of(1));
    assert!(scene.shows("plimsoll_memory_restores_total{result=\"given_up\"} 1"));
}

#[tokio::test(start_paused = true)]
async fn a_shard_that_cannot_be_read_is_written_anew_and_the_others_are_taken_over() {
    let (stored, at) = (Stored::of_chart(), start());
    let memory = json!({ "recs": [[9, at * 1000]] });
    stored.put_bytes(0, b"not what we wrote".to_vec());
    stored.put(1, &json!({ "form": 1, "at": at * 1000, "memories": { "web": memory } }));
    let scene = Scene::leading(&stored).await;
    assert!(scene.shows("plimsoll_memory_restores_total{result=\"unreadable\"} 1"));
    assert_eq!(scene.look("web", &queue(Algorithm::Plimsoll1, at, 9, 3)), 9, "the other one was read");
    pass(Duration::from_secs(2)).await;
    assert_eq!(stored.unpacked(0)["form"], 1, "replaced");
}

#[tokio::test(start_paused = true)]
async fn missing_config_maps_stop_nobody() {
    let scene = Scene::leading(&Stored::default()).await;
    assert!(scene.memories.are_of(1));
    assert!(scene.shows("plimsoll_memory_restores_total{result=\"absent\"} 8"));
    scene.look("web", &queue(Algorithm::Plimsoll1, start(), 5, 7));
    pass(Duration::from_secs(2)).await;
    assert!(scene.shows("plimsoll_memory_writes_total{result=\"error\"} 1"));
}

#[tokio::test(start_paused = true)]
async fn of_a_memory_in_two_shards_the_newer_counts() {
    let (stored, at) = (Stored::of_chart(), start());
    let shard = |age: i64, replicas: i32| json!({ "form": 1, "at": (at - age) * 1000, "memories": { "web": { "recs": [[replicas, at * 1000]] } } });
    stored.put(0, &shard(10, 20));
    stored.put(1, &shard(5, 9));
    let scene = Scene::leading(&stored).await;
    assert_eq!(scene.look("web", &queue(Algorithm::Plimsoll1, at, 30, 3)), 9);
}

#[tokio::test(start_paused = true)]
async fn what_is_gone_is_saved_no_more() {
    let (stored, at) = (Stored::of_chart(), start());
    let old = json!({ "recs": [[9, (at - 90_000) * 1000]] });
    stored.put(0, &json!({ "form": 1, "at": at * 1000, "memories": { "long-gone": old } }));
    let scene = Scene::leading(&stored).await;
    scene.look("gone", &queue(Algorithm::Plimsoll1, at, 5, 7));
    scene.look("there", &queue(Algorithm::Plimsoll1, at, 5, 7));
    pass(Duration::from_secs(2)).await;
    scene.memories.forget("gone");
    scene.checkpoint.flush().await;
    let saved = stored.unpacked(0)["memories"].clone();
    assert_eq!(saved.as_object().unwrap().keys().collect::<Vec<_>>(), ["there"]);
}

/// The cost that docs/memory.md states: a thousand PodScalers for ten minutes, of which every tenth sees its load
/// change at every look and one is rescaled every other second.
#[tokio::test(start_paused = true)]
async fn a_thousand_podscalers_cost_few_writes_of_few_bytes() {
    let (stored, at) = (Stored::of_chart(), start());
    let scene = Scene::leading(&stored).await;
    let (mut decisions, mut writes) = (0_usize, Vec::new());
    for look in 0..40_i64 {
        for number in 0..1000 {
            let wanted = if number % 10 == 0 { 20 + (look * 7 + number) % 11 } else { 20 };
            // Every look of 15 s rescales seven of them.
            let is_rescaled = (number - look * 7).rem_euclid(1000) < 7;
            let size = if is_rescaled { 18 } else { 20 };
            scene.look(&uid(number), &queue(Algorithm::Plimsoll1, at + look * 15, size, wanted));
            decisions += 1;
        }
        pass(Duration::from_secs(15)).await;
        writes.extend(scene.log.take().into_iter().filter(|asked| asked.method == "PATCH"));
    }
    let sent: usize = writes.iter().map(|asked| asked.body.to_string().len()).sum();
    let stored: usize = (0..8).map(|number| stored.unpacked(number).to_string().len()).sum();
    let packed = scene.metrics.render().unwrap();
    let packed =
        packed.lines().find_map(|line| line.strip_prefix("plimsoll_memory_bytes ")).unwrap().to_owned();
    let line = format!(
        "{decisions} decisions: {} writes of {} bytes on average; {packed} bytes are kept, unpacked {stored}",
        writes.len(),
        sent / writes.len()
    );
    println!("{line}");
    assert!(writes.len() * 50 < decisions, "{line}");
    assert!(packed.parse::<usize>().unwrap() < 150 * 1000, "{line}");
}
