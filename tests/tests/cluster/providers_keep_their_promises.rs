//! What every provider of nodes promises, of kwok over a real API server: nodes that are there at once, and machines that
//! are still booting.

use anyhow::Result;

use crate::providers::OverKwok;

async fn kwok() -> Result<OverKwok> {
    OverKwok::new(0).await
}

/// They do not appear before the test ends.
async fn booting_kwok() -> Result<OverKwok> {
    OverKwok::new(3600).await
}

mod kwok_with_nodes {
    cloud::contract!(super::kwok);
}

mod kwok_with_booting_machines {
    cloud::contract!(super::booting_kwok);
}
