//! What the loop waits for: changes, which are taken in together, questions, and what the loss of zones would mean.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::{Planner, now};

/// How long after a change the next one is waited for.
const SETTLES: Duration = Duration::from_millis(100);
/// How long changes are gathered at most.
const LONGEST: Duration = Duration::from_secs(1);

impl Planner {
    /// Waits for a change, or for `pause`, and takes in what comes close after it. False when nothing will come any more.
    pub(super) async fn take_in(&mut self, pause: Duration) -> bool {
        // Whether we lead is seen within a renewal, whatever else happens.
        let pause = pause.min(Duration::from_secs(5));
        let until = Instant::now() + pause;
        let first = loop {
            tokio::select! {
                change = timeout_at(until, self.incoming.recv()) => match change {
                    Err(_) => return true,
                    Ok(None) => return false,
                    Ok(Some(first)) => break first,
                },
                // To be asked is no reason to plan.
                Some(question) = self.questions.recv() => self.answer(question, now()),
                of_zones = self.losses.answer() => {
                    self.take_losses_in(of_zones);
                    return true;
                }
            }
        };
        first(&mut self.world);
        self.losses.outdate();
        let latest = Instant::now() + LONGEST;
        loop {
            while let Ok(change) = self.incoming.try_recv() {
                change(&mut self.world);
            }
            let until = (Instant::now() + SETTLES).min(latest);
            match timeout_at(until, self.incoming.recv()).await {
                Ok(Some(change)) => change(&mut self.world),
                Ok(None) => return false,
                Err(_) => return true,
            }
            if Instant::now() >= latest {
                return true;
            }
        }
    }
}
