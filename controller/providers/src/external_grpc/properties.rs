//! Whatever a server says, nothing panics and nothing is lost without a reason.

use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{Config, RngSeed},
};

use super::{
    answers::{group, groups, settle_claims},
    protocol::externalgrpc::{
        Instance, InstanceErrorInfo, InstanceStatus, NodeGroup, NodeGroupNodesResponse,
    },
    template,
};
use crate::{Bounds, Inventory};

/// The same cases on every machine.
fn config() -> Config {
    let given = Config::default();
    let rng_seed = match given.rng_seed {
        RngSeed::Random => RngSeed::Fixed(1),
        fixed @ RngSeed::Fixed(_) => fixed,
    };
    Config { rng_seed, failure_persistence: None, ..given }
}

fn instances() -> impl Strategy<Value = Vec<Instance>> {
    let error = ("(|Ice)", any::<i32>()).prop_map(|(error_code, instance_error_class)| InstanceErrorInfo {
        error_code,
        error_message: "\u{0}\n".repeat(400),
        instance_error_class,
    });
    let status = (-1..6_i32, proptest::option::of(error))
        .prop_map(|(instance_state, error_info)| InstanceStatus { instance_state, error_info });
    vec(("[ab]?", proptest::option::of(status)).prop_map(|(id, status)| Instance { id, status }), 0..8)
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn each_instance_is_kept_or_has_a_reason(said in instances(), target in any::<i32>()) {
        let mut oddities = Vec::new();
        let count = said.len();
        let states = said.iter().filter(|said| {
            said.status.as_ref().is_some_and(|status| !(0..=3).contains(&status.instance_state))
        }).count();
        let answer = NodeGroupNodesResponse { instances: said };
        match group(&"g".into(), Bounds::default(), target, answer, &mut oddities) {
            Err(_) => prop_assert!(target < 0 && oddities.len() == 1),
            Ok(group) => {
                prop_assert_eq!(i64::from(group.target), i64::from(target));
                let left_out = count - group.instances.len();
                prop_assert!((left_out..=left_out + states).contains(&oddities.len()));
                prop_assert!(group.instances.windows(2).all(|pair| pair[0].id < pair[1].id));
                for failure in group.instances.iter().flat_map(|instance| &instance.failure) {
                    prop_assert!(failure.message.len() < 1000 && !failure.message.contains('\n'));
                }
            }
        }
    }

    #[test]
    fn no_instance_is_in_two_groups(said in vec(instances(), 1..4)) {
        let mut inventory = Inventory::default();
        for (index, instances) in said.into_iter().enumerate() {
            let id = crate::OfferingId(index.to_string());
            let answer = NodeGroupNodesResponse { instances };
            let read = group(&id, Bounds::default(), 0, answer, &mut Vec::new());
            inventory.groups.insert(id, read);
        }
        let before = inventory.instances().count();
        let contested = settle_claims(&mut inventory);
        let ids: std::collections::BTreeSet<_> = inventory.instances().map(|instance| &instance.id).collect();
        prop_assert_eq!(ids.len(), inventory.instances().count());
        prop_assert_eq!(before - inventory.instances().count(), inventory.oddities.len());
        prop_assert!(contested.iter().all(|id| ids.contains(id)));
    }

    #[test]
    fn each_group_is_kept_or_has_a_reason(said in vec(("[ab]?", any::<i32>(), any::<i32>()), 0..6)) {
        let count = said.len();
        let of = |(id, min_size, max_size)| NodeGroup { id, min_size, max_size, debug: String::new() };
        let mut oddities = Vec::new();
        let found = groups(said.into_iter().map(of).collect(), &mut oddities);
        let readable = found.values().filter(|bounds| bounds.is_ok()).count();
        prop_assert_eq!(count, readable + oddities.len());
    }

    #[test]
    fn any_bytes_are_a_template_or_say_why_not(bytes in vec(any::<u8>(), 0..64)) {
        if let Err(problem) = template::offering(&"g".into(), &bytes) {
            prop_assert!(!problem.is_empty());
        }
    }
}
