use pretty_assertions::assert_eq;

use super::*;
use crate::ProviderError;

fn read(yaml: &str) -> Result<Catalogue, String> {
    serde_saphyr::from_str(yaml).map_err(|error| error.to_string())
}

const SMALL: &str = "
zones: [zone-a, zone-b]
instanceTypes:
- name: small
  capacity: {cpu: 2, memory: 4Gi, example.com/gpu: 1}
  overhead: {cpu: 100m, memory: 1Gi}
  price: 0.096
  spotDiscountPercent: 50
";

fn with(rest: &str) -> Catalogue {
    read(&format!("{SMALL}{rest}")).unwrap()
}

#[test]
fn an_offering_is_a_type_in_a_zone_as_a_capacity_type() {
    let stock = with("").stock().unwrap();
    let ids: Vec<_> = stock.keys().map(|id| id.0.as_str()).collect();
    assert_eq!(
        ids,
        ["small.zone-a.on-demand", "small.zone-a.spot", "small.zone-b.on-demand", "small.zone-b.spot"]
    );
    let spot = &stock[&"small.zone-b.spot".into()].offering;
    assert_eq!(spot.price, Some(Price::from_micros(48_000)));
    assert_eq!(spot.allocatable["cpu"].to_string(), "1900m");
    assert_eq!(spot.allocatable["memory"].to_string(), "3Gi");
    assert_eq!(spot.allocatable["pods"].to_string(), "110");
    assert_eq!(spot.capacity["example.com/gpu"].to_string(), "1");
    assert_eq!(spot.labels["topology.kubernetes.io/zone"], "zone-b");
    assert_eq!(spot.labels["plimsoll.dev/capacity-type"], "spot");
    assert_eq!(labels::capacity_type(&spot.labels), CapacityType::Spot);
}

#[test]
fn the_default_has_prices_zones_and_survives_being_written() {
    let default = Catalogue::default();
    assert_eq!(default.stock().unwrap().len(), 18 * 3 * 2);
    let written = serde_json::to_string(&default).unwrap();
    let read: Catalogue = serde_json::from_str(&written).unwrap();
    assert_eq!(read, default);
    // 4 × 0.025 + 17.179869184 GB × 0.001
    let price = default.stock().unwrap()[&"s-4x.zone-a.on-demand".into()].offering.price;
    assert_eq!(price, Some(Price::from_micros(117_179)));
}

#[test]
fn what_makes_no_sense_names_its_field() {
    let stock =
        |yaml: &str| read(yaml).and_then(|catalogue| catalogue.stock().map_err(|error| error.to_string()));
    for (yaml, says) in [
        ("instanceTypes: [{name: a b, capacity: {cpu: 1, memory: 1}, price: 1}]", "instanceTypes[0].name"),
        ("instanceTypes: [{name: a, capacity: {memory: 1}, price: 1}]", "instanceTypes[0].capacity.cpu"),
        ("instanceTypes: [{name: a, capacity: {cpu: 1, memory: 1, x/y: -1}, price: 1}]", "capacity.x/y"),
        (
            "instanceTypes: [{name: a, capacity: {cpu: 1, memory: lots}, price: 1}]",
            "\"lots\" is not an amount",
        ),
        ("instanceTypes: [{name: a, capacity: {cpu: 1, memory: 1}, price: -1}]", "not a price"),
        (
            "instanceTypes: [{name: a, capacity: {cpu: 1, memory: 1}, overhead: {cpu: 2}, price: 1}]",
            "overhead.cpu",
        ),
        (
            "instanceTypes: [{name: a, capacity: {cpu: 1, memory: 1}, overhead: {gpu: 2}, price: 1}]",
            "overhead.gpu",
        ),
        (
            "instanceTypes: [{name: a, capacity: {cpu: 1, memory: 1}, price: 1, spotDiscountPercent: 101}]",
            "spotDiscountPercent",
        ),
        (
            "instanceTypes: [{name: a, capacity: {cpu: 1, memory: 1}, price: 1}, \
             {name: a, capacity: {cpu: 1, memory: 1}, price: 1}]",
            "instanceTypes[1].name: \"a\" is there twice",
        ),
        ("zones: ['']", "instanceTypes[0].zones"),
        ("rules: [{zone: nowhere, available: false}]", "rules[0]: matches no offering"),
        ("rules: [{minNodes: 3, maxNodes: 2}]", "minNodes 3"),
        ("rule: []", "unknown field"),
    ] {
        let error = stock(yaml).unwrap_err();
        assert!(error.contains(says), "{error} does not say {says}");
    }
}

#[test]
fn capacity_is_one_offerings_and_quota_is_everybodys() {
    let catalogue = with(
        "
rules:
- {zone: zone-a, capacity: 3}
- {zone: zone-a, capacityType: spot, failure: OutOfCapacity}
- {zone: zone-b, maxNodes: 9}
quota: {nodes: 10, resources: {cpu: 19}}
",
    );
    let stock = catalogue.stock().unwrap();
    let admit = |id: &str, more, used: &[(&str, u32)]| {
        let used = used.iter().map(|(id, count)| ((*id).into(), *count)).collect();
        catalogue.admit(&stock, &id.into(), more, &used).map_err(|error| (error.kind(), error.to_string()))
    };
    let (a, b) = ("small.zone-a.on-demand", "small.zone-b.on-demand");
    assert_eq!(admit(a, 3, &[]), Ok(()));
    let (kind, says) = admit(a, 2, &[(a, 2)]).unwrap_err();
    assert_eq!((kind, says.contains("1 are left, 2 were asked for")), ("OutOfCapacity", true), "{says}");
    assert_eq!(admit("small.zone-a.spot", 1, &[]).unwrap_err().0, "OutOfCapacity");
    assert_eq!(admit(b, 4, &[(a, 3)]), Ok(()), "another offering still works");
    let (kind, says) = admit(b, 10, &[]).unwrap_err();
    assert_eq!((kind, says.contains("at most 9 nodes")), ("Quota", true), "{says}");
    let (kind, says) = admit(b, 8, &[(a, 3)]).unwrap_err();
    assert_eq!((kind, says.contains("at most 10 nodes in all")), ("Quota", true), "{says}");
    let (kind, says) = admit(b, 7, &[(a, 3)]).unwrap_err();
    assert_eq!((kind, says.contains("at most 19 of cpu in all")), ("Quota", true), "{says}");
    let unknown = catalogue.admit(&stock, &"big.zone-a.spot".into(), 1, &Usage::new());
    assert_eq!(unknown, Err(ProviderError::UnknownOffering("big.zone-a.spot".into())));
    assert_eq!(admit(b, u32::MAX, &[(b, u32::MAX)]).unwrap_err().0, "Quota", "nothing overflows");
}
