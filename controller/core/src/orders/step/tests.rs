use pretty_assertions::assert_eq;

use super::super::state::{Instance, InstanceFault};
use super::*;

const ASKED: Timestamp = Timestamp::from_secs(1000);
const SETTINGS: Settings = Settings { provision: Span::from_secs(900), look_again: Span::from_secs(10) };

fn order(answer: Option<Answer>, nodes: &[(&str, bool, NodePhase)]) -> OrderState {
    let nodes = nodes.iter().map(|(id, joined, phase)| OrderNode {
        id: Name::from(*id),
        name: joined.then(|| Name::from(*id)),
        phase: *phase,
        missing: None,
    });
    OrderState { count: 2, asked: Some(ASKED), answer, nodes: nodes.collect(), ..OrderState::default() }
}

fn accepted(nodes: &[(&str, bool, NodePhase)]) -> OrderState {
    order(Some(Answer::Accepted(2)), nodes)
}

fn instance(id: &str) -> Instance {
    Instance { id: id.into(), deleting: false, fault: None }
}

fn node(id: &str, ready: bool) -> Registered {
    Registered { name: id.into(), id: id.into(), ready, takes_pods: ready, draining: false }
}

/// One that is ready, and keeps pods off for a while.
fn tainted(id: &str) -> Registered {
    Registered { takes_pods: false, ..node(id, true) }
}

/// The step so many seconds after the asking, when the provider has just answered.
fn after(secs: i64, order: &OrderState, seen: &Seen) -> OrderStep {
    let now = ASKED + Span::from_secs(secs);
    step(order, &Seen { as_of: now, ..seen.clone() }, &SETTINGS, now)
}

fn both() -> Seen {
    Seen { instances: Some(vec![instance("a"), instance("b")]), ..Seen::default() }
}

/// What came in its place is claimed at the next look.
#[test]
fn a_machine_that_gets_another_id_while_it_is_made_has_not_failed() {
    let known =
        accepted(&[("pending-a", false, NodePhase::Creating), ("pending-b", false, NodePhase::Creating)]);
    let phases = |unclaimed: u32| {
        let seen = Seen { instances: Some(vec![]), unclaimed, ..Seen::default() };
        let step = after(10, &known, &seen);
        assert_eq!(step.actions, [], "{unclaimed}");
        step.nodes.iter().map(|node| node.phase).collect::<Vec<_>>()
    };
    assert_eq!((phases(2), phases(1)), (vec![], vec![NodePhase::Creating]));
    let seen = Seen { instances: Some(vec![]), ..Seen::default() };
    let joined = accepted(&[("a", true, NodePhase::Ready)]);
    let seen = Seen { unclaimed: 1, ..seen };
    assert_eq!(after(10, &joined, &seen).nodes[0].phase, NodePhase::GivenBack, "one that has joined is gone");
}

#[test]
fn what_is_recorded_is_asked_for_once_and_what_was_asked_is_found_out_first() {
    let mut recorded = OrderState { count: 2, ..OrderState::default() };
    assert_eq!(after(0, &recorded, &Seen::default()).actions, [Action::Ask]);
    recorded.asked = Some(ASKED);
    let step = after(0, &recorded, &Seen::default());
    assert_eq!((step.phase, step.actions), (Phase::Asked, vec![Action::Settle]));
}

#[test]
fn a_record_deleted_before_anything_was_asked_just_goes() {
    let recorded = OrderState { count: 2, deleted: true, ..OrderState::default() };
    assert_eq!(after(0, &recorded, &Seen::default()).actions, [Action::Finish]);
}

#[test]
fn an_order_is_as_far_as_its_node_that_is_least_far() {
    let mut seen = both();
    let mut phases = Vec::new();
    for nodes in [
        vec![],
        vec![node("a", true)],
        vec![node("a", true), node("b", false)],
        vec![node("a", true), node("b", true)],
    ] {
        seen.nodes = nodes;
        let step = after(60, &accepted(&[]), &seen);
        assert_eq!(step.actions, []);
        phases.push(step.phase.to_string());
    }
    assert_eq!(phases, ["Creating", "Creating", "Registered", "Ready"]);
}

#[test]
fn nodes_that_never_join_are_given_back_after_the_time_they_have() {
    let mut seen = both();
    seen.nodes = vec![node("a", true)];
    let in_time = after(899, &accepted(&[]), &seen);
    assert_eq!((in_time.actions, in_time.next_look), (vec![], Some(Span::from_secs(1))));
    let late = after(900, &accepted(&[]), &seen);
    assert_eq!(late.actions, [Action::DeleteInstances(vec!["b".into()])]);
    assert_eq!(late.why.unwrap().to_string(), "1 node did not join within 15m: given back");
    assert_eq!(late.phase, Phase::Under(NodePhase::Ready), "the other one serves");
}

#[test]
fn requests_without_an_instance_are_taken_back_after_the_time_they_have() {
    let seen = Seen { instances: Some(vec![]), ..Seen::default() };
    let late = after(901, &accepted(&[]), &seen);
    assert_eq!((late.phase, late.actions), (Phase::Failed, vec![Action::TakeBack(2)]));
    let taken_back = OrderState { taken_back: 2, ..accepted(&[]) };
    assert_eq!(after(902, &taken_back, &seen).actions, [Action::Finish], "once");
}

#[test]
fn a_provider_that_cannot_be_asked_proves_nothing() {
    let seen = Seen::default();
    let ready = [("a", true, NodePhase::Ready), ("b", true, NodePhase::Ready)];
    let step = after(5000, &accepted(&ready), &seen);
    assert_eq!((step.phase, step.actions), (Phase::Under(NodePhase::Ready), vec![]));
}

#[test]
fn an_instance_that_will_not_come_is_deleted_and_says_why() {
    let mut seen = both();
    seen.instances.as_mut().unwrap()[1].fault = Some(InstanceFault::OutOfCapacity);
    let step = after(5, &accepted(&[]), &seen);
    assert_eq!(step.actions, [Action::DeleteInstances(vec!["b".into()])]);
    assert_eq!(step.why.unwrap().word(), "OutOfCapacity");
    seen.nodes = vec![node("b", true)];
    assert_eq!(after(5, &accepted(&[]), &seen).actions, [], "it has joined, whatever is said of it");
}

#[test]
fn a_node_that_its_provider_lost_is_noticed_unless_it_is_ready() {
    let seen = |ready| Seen {
        instances: Some(vec![instance("a")]),
        nodes: vec![node("a", true), node("b", ready)],
        ..Seen::default()
    };
    let ready = [("a", true, NodePhase::Ready), ("b", true, NodePhase::Ready)];
    assert_eq!(after(60, &accepted(&ready), &seen(true)).actions, []);
    let missing = after(60, &accepted(&ready), &seen(false));
    assert_eq!((missing.actions, missing.next_look), (vec![], Some(SETTINGS.look_again)), "it may be behind");
    let noted = OrderState { nodes: missing.nodes, ..accepted(&[]) };
    let lost = after(70, &noted, &seen(false));
    assert_eq!(lost.actions, [Action::ForgetNodes(vec!["b".into()])]);
    assert_eq!(lost.why, Some(Why::Lost { nodes: 1 }));
    assert_eq!(
        after(70, &noted, &Seen { instances: both().instances, ..seen(false) }).nodes[1].missing,
        None
    );
}

/// A server that has just started may list nothing, once.
#[test]
fn what_one_answer_lacks_is_not_gone_before_a_later_answer_lacks_it_too() {
    let machine = |joined: bool| {
        let phase = if joined { NodePhase::Ready } else { NodePhase::Creating };
        OrderState { count: 1, ..order(Some(Answer::Accepted(1)), &[("a", joined, phase)]) }
    };
    // The same answer, ten seconds later and more.
    let look = |secs: i64, order: &OrderState, joined: bool, ids: &[&str]| {
        let nodes = if joined { vec![node("a", false)] } else { vec![] };
        let as_of = ASKED + Span::from_secs(60);
        let instances = Some(ids.iter().map(|id| instance(id)).collect());
        let seen = Seen { instances, as_of, nodes, ..Seen::default() };
        let step = step(order, &seen, &SETTINGS, ASKED + Span::from_secs(secs));
        (OrderState { nodes: step.nodes.clone(), ..order.clone() }, step)
    };
    for joined in [false, true] {
        let before = machine(joined);
        let (noted, first) = look(61, &before, joined, &[]);
        assert_eq!((first.actions, first.next_look), (vec![], Some(SETTINGS.look_again)), "{joined}");
        assert_eq!(noted.nodes[0].missing, Some(ASKED + Span::from_secs(61)), "{joined}");
        let (same, again) = look(120, &noted, joined, &[]);
        assert_eq!((again.actions, &same), (vec![], &noted), "{joined}: it was judged once");
        let (back, _) = look(120, &noted, joined, &["a"]);
        assert_eq!(back, before, "{joined}: it was there all the time");
        let gone = Seen {
            instances: Some(vec![]),
            nodes: if joined { vec![node("a", false)] } else { vec![] },
            ..Seen::default()
        };
        assert_eq!(after(70, &noted, &gone).nodes[0].missing, noted.nodes[0].missing, "{joined}: too soon");
        let later = after(71, &noted, &gone);
        assert_eq!(later.nodes[0].phase, NodePhase::Failed, "{joined}");
        assert_eq!(later.phase, Phase::Failed, "{joined}");
    }
}

#[test]
fn a_machine_that_joins_was_there_whatever_its_provider_lacked_before() {
    let mut known = accepted(&[("a", false, NodePhase::Creating), ("b", false, NodePhase::Creating)]);
    known.nodes[1].missing = Some(ASKED);
    let seen =
        Seen { instances: Some(vec![instance("a")]), nodes: vec![node("b", false)], ..Seen::default() };
    let step = after(60, &known, &seen);
    assert_eq!((step.actions, step.nodes[1].phase), (vec![], NodePhase::Registered));
    assert_eq!(step.nodes[1].missing, Some(ASKED + Span::from_secs(60)), "it is lacked anew");
}

/// Its provider says whose they are, and gives machines other ids.
#[test]
fn what_comes_in_place_of_machines_that_may_be_gone_is_no_surplus() {
    let known = accepted(&[("a", false, NodePhase::Creating), ("b", false, NodePhase::Creating)]);
    let seen = Seen { instances: Some(["c", "d"].map(instance).to_vec()), ..Seen::default() };
    let step = after(10, &known, &seen);
    assert_eq!((step.phase, step.actions), (Phase::Under(NodePhase::Creating), vec![]));
}

/// Its provider may be behind: what matters there is whether the machine is alive.
#[test]
fn a_ready_node_that_takes_no_pods_yet_is_registered_and_not_lost() {
    let seen = Seen { instances: Some(vec![]), nodes: vec![tainted("a")], ..Seen::default() };
    let young = OrderState { count: 1, ..order(Some(Answer::Accepted(1)), &[]) };
    let first = after(60, &young, &seen);
    let noted = OrderState { nodes: first.nodes.clone(), ..young };
    for step in [first, after(600, &noted, &seen)] {
        assert_eq!((step.phase, step.actions), (Phase::Under(NodePhase::Registered), vec![]));
    }
}

#[test]
fn a_node_that_has_taken_pods_stays_ready_with_a_taint() {
    let ready = accepted(&[("a", true, NodePhase::Ready), ("b", true, NodePhase::Ready)]);
    let seen = Seen { nodes: vec![tainted("a"), node("b", true)], ..both() };
    let step = after(60, &ready, &seen);
    assert_eq!((step.phase, step.actions), (Phase::Under(NodePhase::Ready), vec![]));
}

#[test]
fn an_order_ends_when_the_last_of_its_nodes_is_gone() {
    let ready = [("a", true, NodePhase::Deleting), ("b", true, NodePhase::GivenBack)];
    let seen = Seen { instances: Some(vec![]), ..Seen::default() };
    let step = after(60, &accepted(&ready), &seen);
    assert_eq!((step.phase, step.actions), (Phase::Done, vec![Action::Finish]));
}

#[test]
fn a_deleted_order_drains_its_nodes_and_gives_back_those_that_are_coming() {
    let mut seen = both();
    seen.nodes = vec![node("a", true)];
    let deleted = OrderState { deleted: true, ..accepted(&[]) };
    let step = after(60, &deleted, &seen);
    assert_eq!(step.actions, [Action::DeleteInstances(vec!["b".into()]), Action::Drain(vec!["a".into()])]);
}

#[test]
fn a_refused_order_has_failed() {
    let step = after(1, &order(Some(Answer::Refused("quota".into())), &[]), &both());
    assert_eq!((step.phase, step.actions), (Phase::Failed, vec![Action::Finish]));
    assert_eq!(step.why.unwrap().to_string(), "the provider refused: quota");
    let never_asked =
        OrderState { asked: None, ..order(Some(Answer::Refused("no such server".into())), &[]) };
    assert_eq!(after(1, &never_asked, &both()).actions, [Action::Finish], "it is not asked any more");
}

#[test]
fn a_node_that_its_provider_has_taken_after_a_drain_is_given_back_and_not_lost() {
    let mut seen = Seen { instances: Some(vec![]), nodes: vec![node("a", false)], ..Seen::default() };
    seen.nodes[0].draining = true;
    let mut order = accepted(&[("a", true, NodePhase::Draining), ("b", true, NodePhase::GivenBack)]);
    order.nodes[0].missing = Some(ASKED);
    let step = after(60, &order, &seen);
    assert_eq!(step.actions, [Action::ForgetNodes(vec!["a".into()]), Action::Finish]);
    assert_eq!((step.phase, step.why), (Phase::Done, None));
}

#[test]
fn a_surplus_is_given_back_while_it_has_not_joined() {
    let surplus = OrderState { surplus: 2, ..accepted(&[]) };
    let three = Seen {
        instances: Some(["a", "b", "c"].map(instance).to_vec()),
        nodes: vec![node("c", true)],
        ..Seen::default()
    };
    let step = after(20, &surplus, &three);
    assert_eq!(
        step.actions,
        [Action::DeleteInstances(vec!["b".into()]), Action::TakeBack(1)],
        "a request without an instance, and of those that have not joined the last"
    );
    assert_eq!(step.why, Some(Why::Surplus { nodes: 2 }));
    let joined = Seen {
        instances: Some(["a", "b", "c", "d"].map(instance).to_vec()),
        nodes: ["a", "b", "c", "d"].map(|id| node(id, true)).to_vec(),
        ..Seen::default()
    };
    assert_eq!(after(20, &surplus, &joined).actions, [], "what has joined goes when nobody needs it");
    let unreadable = Seen::default();
    assert_eq!(after(20, &surplus, &unreadable).actions, []);
}

#[test]
fn what_comes_after_an_order_seemed_not_to_be_taken_is_given_back() {
    let none = order(Some(Answer::Accepted(0)), &[]);
    let empty = Seen { instances: Some(vec![]), ..Seen::default() };
    let waiting = after(60, &none, &empty);
    assert_eq!((waiting.phase, waiting.actions), (Phase::Failed, vec![]), "it may come yet");
    assert_eq!(waiting.next_look, Some(SETTINGS.look_again));
    assert_eq!(none.may_claim(), 2);
    let late = after(120, &none, &both());
    assert_eq!(late.actions, [Action::DeleteInstances(vec!["a".into(), "b".into()])]);
    assert_eq!(after(900, &none, &empty).actions, [Action::Finish]);
}

#[test]
fn what_was_given_up_and_is_still_there_is_given_back_again() {
    let failed = accepted(&[("a", false, NodePhase::Failed), ("b", false, NodePhase::Failed)]);
    let seen = Seen { instances: Some(vec![instance("a")]), ..Seen::default() };
    assert_eq!(after(1000, &failed, &seen).actions, [Action::DeleteInstances(vec!["a".into()])]);
    let deleting = Instance { deleting: true, ..instance("a") };
    let going = Seen { instances: Some(vec![deleting]), ..Seen::default() };
    assert_eq!(after(1000, &failed, &going).actions, [], "not twice");
}

#[test]
fn an_instance_whose_node_was_deleted_by_hand_may_join_again_and_is_given_back_if_it_does_not() {
    let mut order = accepted(&[("a", true, NodePhase::Ready), ("b", true, NodePhase::Ready)]);
    let seen = Seen { nodes: vec![node("a", true)], ..both() };
    let noticed = after(1000, &order, &seen);
    assert_eq!((noticed.phase, noticed.actions), (Phase::Under(NodePhase::Registered), vec![]));
    order.nodes = noticed.nodes;
    assert_eq!(after(1899, &order, &seen).actions, []);
    let given_up = after(1900, &order, &seen);
    assert_eq!(given_up.actions, [Action::DeleteInstances(vec!["b".into()])]);
    assert_eq!(given_up.why.map(|why| why.word()), Some("NodeDeleted"));
    let back = Seen { nodes: vec![node("a", true), node("b", true)], ..both() };
    let joined = after(1900, &order, &back);
    assert_eq!((joined.phase, joined.nodes[1].missing), (Phase::Under(NodePhase::Ready), None));
}

#[test]
fn an_instance_that_was_being_deleted_when_its_node_went_is_asked_for_again_at_once() {
    let order = accepted(&[("a", true, NodePhase::Ready), ("b", true, NodePhase::Deleting)]);
    let seen = Seen { nodes: vec![node("a", true)], ..both() };
    let step = after(1000, &order, &seen);
    assert_eq!(step.actions, [Action::DeleteInstances(vec!["b".into()])]);
    assert_eq!(step.nodes[1].phase, NodePhase::Deleting);
}

#[test]
fn an_instance_whose_node_went_is_not_asked_for_while_its_provider_deletes_it() {
    let order = accepted(&[("a", true, NodePhase::Ready), ("b", true, NodePhase::Deleting)]);
    let going = Instance { deleting: true, ..instance("b") };
    let seen =
        Seen { instances: Some(vec![instance("a"), going]), nodes: vec![node("a", true)], ..Seen::default() };
    assert_eq!(after(1000, &order, &seen).actions, []);
}

#[test]
fn an_order_without_a_pool_says_so_until_it_is_over() {
    let gone = |seen: Seen| Seen { pool_is_gone: true, ..seen };
    let asked = order(None, &[]);
    assert_eq!(after(0, &asked, &gone(Seen::default())).why, Some(Why::PoolGone));
    let up = accepted(&[("a", true, NodePhase::Ready), ("b", true, NodePhase::Ready)]);
    let seen = Seen { nodes: vec![node("a", true), node("b", true)], ..Seen::default() };
    assert_eq!(after(0, &up, &gone(seen.clone())).why, Some(Why::PoolGone));
    assert_eq!(after(0, &up, &seen).why, None);
    let deleted = OrderState { deleted: true, ..up };
    assert_eq!(after(0, &deleted, &gone(seen)).why, Some(Why::PoolGone));
    let over = accepted(&[("a", true, NodePhase::GivenBack), ("b", true, NodePhase::GivenBack)]);
    assert_eq!(after(0, &over, &gone(Seen::default())).why, None);
}
