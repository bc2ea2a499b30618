//! Where these tests play.

use std::{any::type_name_of_val, mem::ManuallyDrop};

use anyhow::{Context, Result, ensure};
use testbed::{
    Operator,
    traffic::{Bed, network},
};

/// Tells the story of `test` in a network namespace, with a cluster and an operator of its own: by this program again, with
/// this test alone.
pub(crate) fn play<T>(test: &T, story: impl AsyncFnOnce(&Bed, &mut Operator<'_>) -> Result<()>) -> Result<()>
where
    T: Fn() -> Result<()>,
{
    // Without the name of this program, as the harness names tests.
    let name = type_name_of_val(test).split_once("::").context("a test outside any module")?.1;
    match network::enter([name, "--exact", "--include-ignored", "--nocapture", "--test-threads=1"])? {
        Some(status) => {
            ensure!(status.success(), "{name} ended with {status}; what it says is above");
            Ok(())
        }
        None => tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
            let bed = Bed::start().await?;
            let mut operator = ManuallyDrop::new(Operator::install(&bed.cluster, &[]).await?);
            let told = story(&bed, &mut operator).await;
            if told.is_err() {
                // Shows the end of its log. Otherwise it ends with the cluster.
                drop(ManuallyDrop::into_inner(operator));
            }
            told
        }),
    }
}
