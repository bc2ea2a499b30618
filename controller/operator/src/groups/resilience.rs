//! «Can we lose a zone now?», for all services of a group together: what their PodScalers say, each for its own pods, and
//! what CapacityPools say of the nodes that pods which come again need.

use std::collections::BTreeSet;

use kube::core::DynamicObject;
use plimsoll_core::reason::ConditionKind;

use super::{
    Groups,
    decide::Decision,
    desired, gather,
    kind::{Id, OwnedKind},
    object::Owner,
    reason::LossReason,
    status::Said,
};

/// What one service says.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Answer {
    service: String,
    /// Whether a zone can be lost; None where its PodScaler has not said.
    holds: Option<bool>,
    message: String,
}

/// The condition of the whole; None for a group without services.
pub(super) fn can_lose_zone(groups: &Groups, owner: &Owner, decision: &Decision) -> Option<Said> {
    let answers = decision.services.iter().map(|service| {
        let id = Id::new(OwnedKind::PodScaler, &desired::name(&owner.name, &service.name));
        let scaler = groups.owned.get(&owner.namespace, &id).filter(|scaler| gather::is_of(owner, scaler));
        answer(&service.name, scaler.as_deref())
    });
    whole(&answers.collect::<Vec<_>>(), groups.rooms.lacking(&owner.namespace).as_ref())
}

fn answer(service: &str, scaler: Option<&DynamicObject>) -> Answer {
    let kind = ConditionKind::CanLoseZone.to_string();
    let conditions = scaler.and_then(|scaler| scaler.data["status"]["conditions"].as_array());
    let said = conditions.into_iter().flatten().find(|condition| condition["type"] == kind.as_str());
    let holds = said.and_then(|said| match said["status"].as_str() {
        Some("True") => Some(true),
        Some("False") => Some(false),
        _ => None,
    });
    let message = said.and_then(|said| said["message"].as_str()).unwrap_or_default().to_owned();
    Answer { service: service.to_owned(), holds, message }
}

/// `lacking` are the zones whose pods would find no room elsewhere, where that is known.
fn whole(answers: &[Answer], lacking: Option<&BTreeSet<String>>) -> Option<Said> {
    let kind = ConditionKind::CanLoseZone;
    let told = |wanted: Option<bool>| answers.iter().filter(move |answer| answer.holds == wanted);
    let cannot: Vec<_> =
        told(Some(false)).map(|answer| format!("{}: {}", answer.service, answer.message)).collect();
    let unknown: Vec<_> = told(None).map(|answer| answer.service.as_str()).collect();
    if answers.is_empty() {
        return None;
    }
    Some(if !cannot.is_empty() {
        Said::new(&kind, false, &LossReason::TooFewLeft, cannot.join("; "))
    } else if !unknown.is_empty() {
        let message = format!("the PodScaler of {} has not said", unknown.join(" and "));
        Said::new(&kind, None, &LossReason::NotKnown, message)
    } else {
        const CARRIED: &str = "after the loss of any zone the ready pods of each service carry its load";
        match lacking {
            Some(zones) if !zones.is_empty() => {
                let zones = zones.iter().map(String::as_str).collect::<Vec<_>>().join(" and ");
                let message = format!(
                    "{CARRIED}, but not all pods of this namespace that run in {zones} would find a node elsewhere: the \
                     condition RoomForZoneLoss of any CapacityPool says why"
                );
                Said::new(&kind, false, &LossReason::NoRoomElsewhere, message)
            }
            Some(_) => {
                let message = format!("{CARRIED}, and pods that come again find nodes elsewhere");
                Said::new(&kind, true, &LossReason::EnoughLeft, message)
            }
            None => Said::new(&kind, true, &LossReason::EnoughLeft, CARRIED),
        }
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(service: &str, status: &str, message: &str) -> Answer {
        let conditions = json!([{ "type": "CanLoseZone", "status": status, "message": message }]);
        let scaler = json!({
            "apiVersion": "plimsoll.dev/v1alpha1", "kind": "PodScaler", "metadata": { "name": "shop-get" },
            "status": { "conditions": conditions },
        });
        answer(service, Some(&serde_json::from_value(scaler).unwrap()))
    }

    #[test]
    fn one_service_that_cannot_lose_a_zone_speaks_for_the_whole() {
        let get = of("get", "True", "fine");
        let cannot = of("post", "False", "without zone a, 1 of 3 are left");
        let said = whole(&[get.clone(), cannot], None).unwrap();
        assert_eq!((said.holds, said.reason.as_str()), (Some(false), "TooFewLeft"));
        assert_eq!(said.message, "post: without zone a, 1 of 3 are left");
        let said = whole(&[get.clone(), answer("post", None)], None).unwrap();
        assert_eq!((said.holds, said.reason.as_str()), (None, "NotKnown"));
        assert_eq!(said.message, "the PodScaler of post has not said");
        assert_eq!(whole(&[get], None).unwrap().holds, Some(true));
        assert_eq!(whole(&[], None), None);
    }

    #[test]
    fn pods_that_would_find_no_node_elsewhere_are_as_bad_as_pods_that_are_missing() {
        let get = [of("get", "True", "fine")];
        let lacking = BTreeSet::from(["zone-a".to_owned(), "zone-c".to_owned()]);
        let said = whole(&get, Some(&lacking)).unwrap();
        assert_eq!((said.holds, said.reason.as_str()), (Some(false), "NoRoomElsewhere"));
        assert!(
            said.message.contains("run in zone-a and zone-c would find a node elsewhere"),
            "{}",
            said.message
        );
        let said = whole(&get, Some(&BTreeSet::new())).unwrap();
        assert_eq!((said.holds, said.reason.as_str()), (Some(true), "EnoughLeft"));
        assert!(said.message.ends_with("find nodes elsewhere"), "{}", said.message);
        let cannot = [of("post", "False", "too few")];
        assert_eq!(whole(&cannot, Some(&lacking)).unwrap().reason, "TooFewLeft");
    }
}
