//! Where these tests play.

use std::any::type_name_of_val;

use anyhow::{Context, Result, ensure};
use testbed::traffic::network;

/// Runs the story of `test` in a network namespace: this program again, with this test alone.
pub(crate) fn play<T, F>(test: &T, story: F) -> Result<()>
where
    T: Fn() -> Result<()>,
    F: Future<Output = Result<()>>,
{
    // Without the name of this program, as the harness names tests.
    let name = type_name_of_val(test).split_once("::").context("a test outside any module")?.1;
    match network::enter([name, "--exact", "--include-ignored", "--nocapture", "--test-threads=1"])? {
        Some(status) => {
            ensure!(status.success(), "{name} ended with {status}; what it says is above");
            Ok(())
        }
        None => tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(story),
    }
}
