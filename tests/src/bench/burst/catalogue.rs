//! What can be bought: the same for both, in the words of each.

use serde_json::{Value, json};

/// Zones of the bed.
const ZONES: [&str; 3] = ["zone-a", "zone-b", "zone-c"];
/// Cores of a size of machine.
const SIZES: [u32; 5] = [2, 4, 8, 16, 32];
/// Kinds of machines: their name, and GiB of memory for each core.
const FAMILIES: [(&str, u32); 3] = [("c", 2), ("m", 4), ("r", 8)];
/// What Karpenter's kwok provider keeps from pods on each node; see `newInstanceType` in its module.
pub(super) const RESERVED: [(&str, &str); 2] = [("cpu", "100m"), ("memory", "10Mi")];

/// One type of machine.
#[derive(Clone, Debug)]
pub(super) struct Machine {
    pub(super) name: String,
    pub(super) cores: u32,
    pub(super) memory_gib: u32,
}

impl Machine {
    /// Thousandths of the currency for an hour, in every zone: a core costs eight times what a GiB costs.
    pub(super) fn price_milli(&self) -> u32 {
        self.cores * 32 + self.memory_gib * 4
    }
}

/// All of them.
pub(super) fn machines() -> Vec<Machine> {
    let family = |(family, per_core): (&str, u32)| {
        let family = family.to_owned();
        SIZES.map(move |cores| Machine {
            name: format!("{family}-{cores}"),
            cores,
            memory_gib: cores * per_core,
        })
    };
    FAMILIES.into_iter().flat_map(family).collect()
}

/// As the provider kwok of a `CapacityPool`.
pub(super) fn for_plimsoll() -> Value {
    let types: Vec<_> = machines()
        .iter()
        .map(|machine| {
            json!({
                "name": machine.name,
                "capacity": {
                    "cpu": machine.cores.to_string(),
                    "memory": format!("{}Gi", machine.memory_gib),
                    "pods": "110",
                },
                "price": format!("{}m", machine.price_milli()),
            })
        })
        .collect();
    json!({ "zones": ZONES, "instanceTypes": types })
}

/// As the file of Karpenter's kwok provider.
pub(super) fn for_karpenter() -> Value {
    let requirement = |key: &str, value: &str| json!({ "key": key, "operator": "In", "values": [value] });
    let types: Vec<_> = machines()
        .iter()
        .map(|machine| {
            let offerings = ZONES.map(|zone| {
                json!({
                    "Price": f64::from(machine.price_milli()) / 1000.0,
                    "Available": true,
                    "Requirements": [
                        requirement("karpenter.sh/capacity-type", "on-demand"),
                        requirement("topology.kubernetes.io/zone", zone),
                    ],
                })
            });
            json!({
                "name": machine.name,
                "architecture": "amd64",
                "operatingSystems": ["linux"],
                "resources": {
                    "cpu": machine.cores.to_string(),
                    "memory": format!("{}Gi", machine.memory_gib),
                    "pods": "110",
                },
                "offerings": offerings,
            })
        })
        .collect();
    types.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_are_offered_the_same() {
        let (ours, theirs) = (for_plimsoll(), for_karpenter());
        let ours = ours["instanceTypes"].as_array().unwrap();
        let theirs = theirs.as_array().unwrap();
        assert_eq!(ours.len(), 15);
        for (our, their) in ours.iter().zip(theirs) {
            assert_eq!(our["name"], their["name"]);
            assert_eq!(our["capacity"], their["resources"]);
            let price: f64 = our["price"].as_str().unwrap().trim_end_matches('m').parse().unwrap();
            let prices: Vec<_> =
                their["offerings"].as_array().unwrap().iter().map(|offering| &offering["Price"]).collect();
            assert_eq!(prices, [price / 1000.0; 3]);
        }
    }
}
