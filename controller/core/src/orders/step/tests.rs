use pretty_assertions::assert_eq;

use super::super::state::Instance;
use super::*;

const ASKED: Timestamp = Timestamp::from_secs(1000);
const SETTINGS: Settings = Settings { provision: Span::from_secs(900), look_again: Span::from_secs(10) };

fn order(answer: Option<Answer>, nodes: &[(&str, bool, NodePhase)]) -> OrderState {
    let nodes = nodes.iter().map(|(id, joined, phase)| OrderNode {
        id: Name::from(*id),
        name: joined.then(|| Name::from(*id)),
        phase: *phase,
    });
    OrderState { count: 2, deleted: false, asked: Some(ASKED), answer, nodes: nodes.collect() }
}

fn accepted(nodes: &[(&str, bool, NodePhase)]) -> OrderState {
    order(Some(Answer::Accepted(2)), nodes)
}

fn instance(id: &str) -> Instance {
    Instance { id: id.into(), deleting: false, fault: None }
}

fn node(id: &str, ready: bool) -> Registered {
    Registered { name: id.into(), id: id.into(), ready, draining: false }
}

fn after(secs: i64, order: &OrderState, seen: &Seen) -> OrderStep {
    step(order, seen, &SETTINGS, ASKED + Span::from_secs(secs))
}

fn both() -> Seen {
    Seen { instances: Some(vec![instance("a"), instance("b")]), nodes: Vec::new() }
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
    let seen = Seen { instances: Some(vec![]), nodes: vec![] };
    let late = after(901, &accepted(&[]), &seen);
    assert_eq!((late.phase, late.actions), (Phase::Failed, vec![Action::TakeBack(2), Action::Finish]));
}

#[test]
fn a_provider_that_cannot_be_asked_proves_nothing() {
    let seen = Seen { instances: None, nodes: vec![] };
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
    let seen =
        |ready| Seen { instances: Some(vec![instance("a")]), nodes: vec![node("a", true), node("b", ready)] };
    let ready = [("a", true, NodePhase::Ready), ("b", true, NodePhase::Ready)];
    assert_eq!(after(60, &accepted(&ready), &seen(true)).actions, []);
    let lost = after(60, &accepted(&ready), &seen(false));
    assert_eq!(lost.actions, [Action::ForgetNodes(vec!["b".into()])]);
    assert_eq!(lost.why, Some(Why::Lost { nodes: 1 }));
}

#[test]
fn an_order_ends_when_the_last_of_its_nodes_is_gone() {
    let ready = [("a", true, NodePhase::Deleting), ("b", true, NodePhase::GivenBack)];
    let seen = Seen { instances: Some(vec![]), nodes: vec![] };
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
}
