//! «Can we lose a zone now?», as far as nodes go: answered when something has changed, at most once a minute.
//!
//! The answer costs a plan for each zone, with all pods of the zone to place. It is worked out beside the loop, on a copy of
//! what the planner looks at, so that plans for pods that wait are not held up by it.

use plimsoll_api::v1alpha1::ZoneLossStatus;
use plimsoll_core::{
    nodes::{
        add,
        loss::{self, ZoneLoss},
    },
    placement::View,
    time::{Span, Timestamp},
};
use tokio::{sync::oneshot, task::spawn_blocking};

use super::planner::Planner;

/// How long an answer holds at least.
const EVERY: Span = Span::from_secs(60);
/// How many causes a person is told.
const MOST_CAUSES: usize = 3;
/// How many namespaces a status names.
const MOST_NAMESPACES: usize = 100;

/// The last answer, and the next one.
#[derive(Debug, Default)]
pub(super) struct Losses {
    asked: Option<Timestamp>,
    /// Whether something has changed since.
    is_stale: bool,
    coming: Option<oneshot::Receiver<Vec<ZoneLoss>>>,
    of_zones: Vec<ZoneLoss>,
}

/// A condition without its type and times.
pub(super) type Said = (bool, &'static str, String);

impl Losses {
    /// Something has changed.
    pub(super) fn outdate(&mut self) {
        self.is_stale = true;
    }

    /// Whether it is time to ask again.
    fn is_due(&self, now: Timestamp) -> bool {
        // Whoever asked in the future has seen the clock set back since.
        let is_recent = |at: Timestamp| (Span::ZERO..EVERY).contains(&now.since(at));
        self.coming.is_none() && self.asked.is_none_or(|at| self.is_stale && !is_recent(at))
    }

    fn ask(&mut self, view: View, settings: add::Settings, now: Timestamp) {
        let (answer, coming) = oneshot::channel();
        spawn_blocking(move || answer.send(of_zones(&view, &settings, now)));
        (self.asked, self.is_stale, self.coming) = (Some(now), false, Some(coming));
    }

    /// Waits for an answer to what was asked, for ever if nothing was. May be dropped and called again.
    pub(super) async fn answer(&mut self) -> Vec<ZoneLoss> {
        loop {
            let Some(coming) = &mut self.coming else { return std::future::pending().await };
            let answer = coming.await;
            self.coming = None;
            match answer {
                Ok(of_zones) => return of_zones,
                // Nobody works on it any more: it is asked again in a minute.
                Err(_) => self.is_stale = true,
            }
        }
    }

    /// The zones that cannot be lost without pods having no room, as a status has them.
    pub(super) fn shown(&self) -> Vec<ZoneLossStatus> {
        let lacking = self.of_zones.iter().filter(|loss| loss.without_room() > 0);
        let shown = lacking.map(|loss| ZoneLossStatus {
            zone: loss.zone.to_string(),
            without_room: i32::try_from(loss.without_room()).unwrap_or(i32::MAX),
            namespaces: loss.namespaces.iter().take(MOST_NAMESPACES).map(ToString::to_string).collect(),
            more_namespaces: loss.namespaces.len() > MOST_NAMESPACES,
        });
        shown.collect()
    }

    /// What there is to say; None before the first answer, and where there are not several zones.
    pub(super) fn said(&self) -> Option<Said> {
        let worst = self.of_zones.iter().max_by_key(|loss| (loss.without_room(), &loss.zone))?;
        if worst.without_room() > 0 {
            let of = self.of_zones.iter().filter(|loss| loss.without_room() > 0);
            let each: Vec<_> = of
                .map(|loss| format!("{} of {} pods of zone {}", loss.without_room(), loss.pods, loss.zone))
                .collect();
            let why: Vec<_> = worst.why.iter().take(MOST_CAUSES).map(ToString::to_string).collect();
            let why = if why.is_empty() { String::new() } else { format!(": {}", why.join("; ")) };
            let message = format!("no room elsewhere for {}{why}", each.join(", "));
            return Some((false, "NoRoomElsewhere", message));
        }
        let most = self.of_zones.iter().map(|loss| loss.new_nodes).max().unwrap_or_default();
        let message = if most == 0 {
            "the pods of any zone have room on nodes of the others".to_owned()
        } else {
            format!(
                "the pods of any zone have room in the others, with up to {most} new nodes that can be had there"
            )
        };
        Some((true, "RoomElsewhere", message))
    }
}

impl Planner {
    /// Asks what the loss of each zone would mean, if it is time, and it is known what could be had elsewhere.
    pub(super) fn ask_for_losses(&mut self, now: Timestamp) {
        if self.losses.is_due(now) && !self.waits_for_offerings() {
            let settings = add::Settings { most_nodes: self.most_nodes };
            self.losses.ask(self.world.view.clone(), settings, now);
        }
    }

    /// Takes an answer in.
    pub(super) fn take_losses_in(&mut self, of_zones: Vec<ZoneLoss>) {
        self.metrics.without_room.reset();
        for loss in &of_zones {
            let zone = [&*loss.zone];
            self.metrics.without_room.with_label_values(&zone).set(loss.without_room().into());
        }
        self.losses.of_zones = of_zones;
    }
}

/// What the loss of each zone would mean; nothing where there is one only, of which nobody needs to be told that it cannot
/// be lost.
fn of_zones(view: &View, settings: &add::Settings, now: Timestamp) -> Vec<ZoneLoss> {
    let zones = loss::zones(view);
    if zones.len() == 1 {
        return Vec::new();
    }
    zones.iter().map(|zone| loss::lose(view, settings, now, zone)).collect()
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, sync::Arc};

    use futures::FutureExt as _;
    use serde_json::json;
    use tokio::sync::mpsc;

    use super::*;
    use crate::{
        leadership::Leadership,
        nodes::{
            script::{failure, server},
            tests::planner,
        },
    };

    fn loss(zone: &str, pods: u32, at_once: u32, on_new_nodes: u32) -> ZoneLoss {
        let new_nodes = on_new_nodes.div_ceil(4);
        ZoneLoss {
            zone: zone.into(),
            pods,
            at_once,
            on_new_nodes,
            new_nodes,
            namespaces: BTreeSet::from(["shop".into()]),
            why: Vec::new(),
        }
    }

    fn said(of_zones: Vec<ZoneLoss>) -> Option<Said> {
        Losses { of_zones, ..Losses::default() }.said()
    }

    #[test]
    fn the_worst_zone_decides_and_each_that_cannot_be_lost_is_named() {
        assert_eq!(said(Vec::new()), None);
        let (holds, reason, message) = said(vec![loss("a", 4, 4, 0), loss("b", 9, 1, 8)]).unwrap();
        assert_eq!((holds, reason), (true, "RoomElsewhere"));
        assert!(message.contains("up to 2 new nodes"), "{message}");
        let (holds, _, message) =
            said(vec![loss("a", 4, 1, 0), loss("b", 9, 9, 0), loss("c", 2, 0, 0)]).unwrap();
        assert!(!holds);
        assert_eq!(message, "no room elsewhere for 3 of 4 pods of zone a, 2 of 2 pods of zone c");
    }

    /// All zones would look as if nothing could be had in the others.
    #[tokio::test]
    async fn nothing_is_asked_before_providers_were_heard() {
        let (client, _) = server(|_| failure(404, "NotFound", "general"));
        let mut planner = planner(client, Leadership::alone(), mpsc::unbounded_channel().0);
        let pool = json!({ "metadata": { "name": "general" }, "spec": { "provider": {} } });
        planner.world.pools.insert("general".to_owned(), Arc::new(Ok(serde_json::from_value(pool).unwrap())));
        planner.ask_for_losses(Timestamp::from_secs(0));
        assert!(planner.losses.coming.is_none());
        planner.world.pools.clear();
        planner.ask_for_losses(Timestamp::from_secs(0));
        assert!(planner.losses.coming.is_some());
    }

    #[test]
    fn a_status_has_the_zones_that_cannot_be_lost_and_whose_pods_these_are() {
        let mut many = loss("c", 2, 0, 0);
        many.namespaces = (0..101).map(|number| format!("n{number:03}").into()).collect();
        let losses =
            Losses { of_zones: vec![loss("a", 4, 1, 0), loss("b", 9, 9, 0), many], ..Losses::default() };
        let shown = losses.shown();
        assert_eq!(shown.iter().map(|of| of.zone.as_str()).collect::<Vec<_>>(), ["a", "c"]);
        assert_eq!((shown[0].without_room, shown[0].more_namespaces), (3, false));
        assert_eq!(shown[0].namespaces, ["shop"]);
        assert_eq!((shown[1].namespaces.len(), shown[1].more_namespaces), (100, true));
    }

    #[test]
    fn it_is_asked_again_after_a_change_and_no_sooner_than_in_a_minute() {
        let at = Timestamp::from_secs;
        let mut losses = Losses::default();
        assert!(losses.is_due(at(0)), "never answered");
        losses.asked = Some(at(0));
        assert!(!losses.is_due(at(1000)), "nothing has changed");
        losses.outdate();
        assert!(!losses.is_due(at(0)) && !losses.is_due(at(59)) && losses.is_due(at(60)));
        assert!(losses.is_due(at(-1)), "the clock was set back");
        losses.coming = Some(oneshot::channel().1);
        assert!(!losses.is_due(at(60)), "one is being worked on");
    }

    #[tokio::test]
    async fn an_answer_that_never_comes_is_asked_for_again() {
        let mut losses = Losses::default();
        losses.ask(View::default(), add::Settings::default(), Timestamp::from_secs(0));
        assert_eq!(losses.answer().await, []);
        let (lost, coming) = oneshot::channel();
        losses.coming = Some(coming);
        drop(lost);
        assert!(losses.answer().now_or_never().is_none());
        assert!(losses.is_due(Timestamp::from_secs(60)));
    }
}
