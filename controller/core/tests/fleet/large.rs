//! A cluster as large as Kubernetes supports.

use std::sync::Arc;

use plimsoll_core::cluster::{PodShape, ZONE};
use plimsoll_core::placement::Change;

use super::{ZONES, bound, in_zones, node, pod, pool, shape, spread};

/// 5,000 nodes with 30 pods each: 1,000 workloads, a quarter of them spread over zones.
pub fn changes() -> impl Iterator<Item = Change> {
    let offerings = in_zones(&ZONES, &[("big", 16, 64, 800_000)]);
    let pool = pool("general", offerings.clone());
    let nodes = (0..5000)
        .map(move |index| Change::Node(node(&format!("node-{index:05}"), "general", &offerings[index % 3])));
    let shapes: Vec<Arc<PodShape>> = (0..1000)
        .map(|index| {
            let app = format!("app-{index}");
            let of = [("app", app.as_str())];
            let mut shape = shape(300 + 10 * (index % 20), 1024, &of);
            if index % 4 == 0 {
                shape.spread = vec![spread(ZONE, 1, &of)];
            }
            Arc::new(shape)
        })
        .collect();
    let pods = (0..150_000_usize).map(move |index| {
        let pod = pod(&format!("app-{}-{index:06}", index / 150), &shapes[index / 150]);
        Change::Pod(bound(pod, &format!("node-{:05}", index % 5000)))
    });
    nodes.chain([Change::Pool(pool)]).chain(pods)
}
