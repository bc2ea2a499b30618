use plimsoll_api::v1alpha1::{Method, PathMatch};
use pretty_assertions::assert_eq;
use proptest::{collection::vec, prelude::*};

use super::*;

const ALL: [Method; 9] = [
    Method::Get,
    Method::Head,
    Method::Post,
    Method::Put,
    Method::Delete,
    Method::Connect,
    Method::Options,
    Method::Trace,
    Method::Patch,
];

fn route(service: usize, path: usize, methods: usize) -> Route {
    Route {
        service: format!("s{service}"),
        backend: format!("shop-s{service}"),
        port: 80,
        path: PathMatch { path: format!("/{service}/{path}"), r#type: PathType::Prefix },
        methods: ALL[..methods].to_vec(),
    }
}

fn where_they_are(objects: &BTreeMap<usize, Vec<Route>>) -> Present {
    let of = |(number, routes): (&usize, &Vec<Route>)| {
        let key = |route: &Route| (route.backend.clone(), route.path.r#type, route.path.path.clone());
        routes.iter().map(|route| (key(route), *number)).collect::<Vec<_>>()
    };
    objects.iter().flat_map(of).collect()
}

/// The number of routes in each object.
fn sizes(routes: &[Route], present: &Present) -> Vec<(usize, usize)> {
    split(routes, present).into_iter().map(|(number, routes)| (number, routes.len())).collect()
}

#[test]
fn sixteen_services_are_one_object_and_seventeen_are_two() {
    let services = |count| (0..count).map(|service| route(service, 0, 0)).collect::<Vec<_>>();
    assert_eq!(sizes(&services(16), &Present::new()), [(1, 16)]);
    assert_eq!(sizes(&services(17), &Present::new()), [(1, 16), (2, 1)]);
    assert_eq!(sizes(&services(64), &Present::new()), [(1, 16), (2, 16), (3, 16), (4, 16)]);
}

#[test]
fn matches_are_counted_too() {
    let paths: Vec<_> = (0..16).map(|path| route(0, path, 9)).collect();
    assert_eq!(sizes(&paths, &Present::new()), [(1, 14), (2, 2)]);
}

#[test]
fn a_service_that_goes_moves_no_other() {
    let services: Vec<_> = (0..20).map(|service| route(service, 0, 0)).collect();
    let before = split(&services, &Present::new());
    let after = split(&services[1..], &where_they_are(&before));
    assert_eq!(after[&1], before[&1][1..]);
    assert_eq!(after[&2], before[&2]);
}

#[test]
fn a_new_service_takes_the_room_that_another_left() {
    let services: Vec<_> = (0..20).map(|service| route(service, 0, 0)).collect();
    let present = where_they_are(&split(&services, &Present::new()));
    let mut others = services[1..].to_vec();
    others.insert(0, route(30, 0, 0));
    let after = split(&others, &present);
    assert_eq!(after[&1][0].service, "s30");
    assert_eq!(sizes(&others, &present), [(1, 16), (2, 4)]);
}

proptest! {
    #![proptest_config(crate::groups::door::fixtures::same_everywhere(200))]

    #[test]
    fn every_route_is_in_one_object_within_its_limits_and_stays_there(
        shapes in vec((0_usize..30, 0_usize..10), 1..200),
        gone in vec(any::<prop::sample::Index>(), 0..20),
    ) {
        let routes: Vec<_> =
            shapes.into_iter().enumerate().map(|(path, (service, methods))| route(service, path, methods)).collect();
        let before = split(&routes, &Present::new());
        let mut rest = routes.clone();
        for index in gone {
            if rest.len() > 1 {
                rest.remove(index.index(rest.len()));
            }
        }
        let present = where_they_are(&before);
        let after = split(&rest, &present);
        for (of, objects) in [(&routes, &before), (&rest, &after)] {
            let mut all: Vec<_> = objects.values().flatten().map(|route| &route.path.path).collect();
            let mut given: Vec<_> = of.iter().map(|route| &route.path.path).collect();
            all.sort();
            given.sort();
            prop_assert_eq!(all, given);
            for routes in objects.values() {
                let mut matches: BTreeMap<&str, usize> = BTreeMap::new();
                for route in routes {
                    *matches.entry(&route.service).or_default() += route.methods.len().max(1);
                }
                prop_assert!(matches.values().sum::<usize>() < 128);
                prop_assert!(matches.values().map(|matches| matches.div_ceil(64)).sum::<usize>() <= 16);
            }
        }
        for (key, number) in where_they_are(&after) {
            prop_assert_eq!(present.get(&key), Some(&number));
        }
    }
}
