use plimsoll_api::v1alpha1::{Method, PathType};
use pretty_assertions::assert_eq;
use proptest::{collection::vec, prelude::*, sample::subsequence};

use super::*;
use crate::groups::door::fixtures::{group, service};

const METHODS: [Method; 3] = [Method::Get, Method::Post, Method::Put];

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

/// Groups with their creation, namespace and name.
type Groups = Vec<(i64, &'static str, ServiceGroupSpec)>;

fn claims(groups: &Groups) -> Vec<Claim<'_>> {
    groups
        .iter()
        .filter_map(|(created, name, spec)| {
            Claim::of(Claimant { created: at(*created), namespace: "shop", name }, spec, Some("default"))
        })
        .collect()
}

/// What is said of each path of each group, as `GROUP/SERVICE PATH: OWNER`.
fn said(groups: &Groups) -> Vec<String> {
    let claims = claims(groups);
    let mut grants = Grants::new(&claims);
    let mut said = Vec::new();
    for claim in &claims {
        for wanted in claim.wanted() {
            let owner = match grants.owner(claim.who, &wanted) {
                None => "its own".to_owned(),
                Some(Owner::Service(name)) => format!("of the service {name}"),
                Some(Owner::Group(who, host)) => format!("of {}/{} for {host}", who.namespace, who.name),
            };
            let Wanted { service, path, .. } = wanted;
            said.push(format!("{}/{} {}: {owner}", claim.who.name, service.name, path.path));
        }
    }
    said
}

#[test]
fn the_older_group_keeps_a_path_and_the_younger_one_its_others() {
    let groups = vec![
        (2, "young", group(&["shop.com"], "a: ingress", vec![service("web", &["/", "/cart"])])),
        (1, "old", group(&["shop.com"], "a: ingress", vec![service("web", &["/"])])),
    ];
    let expected =
        ["young/web /: of shop/old for shop.com", "young/web /cart: its own", "old/web /: its own"];
    assert_eq!(said(&groups), expected);
}

#[test]
fn groups_of_one_second_go_by_name() {
    let web = || vec![service("web", &["/"])];
    let groups =
        vec![(1, "b", group(&[], "a: ingress", web())), (1, "a", group(&["shop.com"], "a: ingress", web()))];
    assert_eq!(said(&groups), ["b/web /: of shop/a for shop.com", "a/web /: its own"]);
}

#[test]
fn who_was_refused_keeps_nobody_from_it() {
    let web = || vec![service("web", &["/"])];
    let groups = vec![
        (1, "first", group(&["a.com"], "a: ingress", web())),
        (2, "second", group(&["a.com", "b.com"], "a: ingress", web())),
        (3, "third", group(&["b.com"], "a: ingress", web())),
    ];
    let expected = ["first/web /: its own", "second/web /: of shop/first for a.com", "third/web /: its own"];
    assert_eq!(said(&groups), expected);
}

#[test]
fn of_two_services_of_a_group_the_first_has_it() {
    let services = vec![service("get", &["/store", "/store/"]), service("post", &["/store/", "/post"])];
    let groups = vec![(1, "shop", group(&[], "a: ingress", services))];
    let expected =
        ["shop/get /store: its own", "shop/post /store/: of the service get", "shop/post /post: its own"];
    assert_eq!(said(&groups), expected);
}

#[test]
fn services_may_share_a_path_by_method() {
    let by =
        |name, methods: &[Method]| GroupService { methods: methods.to_vec(), ..service(name, &["/store"]) };
    let services = vec![by("get", &[Method::Get]), by("post", &[Method::Post]), by("all", &[])];
    let groups = vec![(1, "shop", group(&[], "a: gateway", services))];
    let expected =
        ["shop/get /store: its own", "shop/post /store: its own", "shop/all /store: of the service get"];
    assert_eq!(said(&groups), expected);
}

#[test]
fn what_comes_through_another_class_or_gateway_is_no_conflict() {
    let web = || vec![service("web", &["/"])];
    let doors = ["a: ingress", "b: ingress", "default: ingress", "a: gateway", "b: gateway"];
    let groups: Groups = (1..).zip(doors).map(|(at, door)| (at, door, group(&[], door, web()))).collect();
    for line in said(&groups) {
        assert!(line.ends_with("its own"), "{line}");
    }
    let no_class = vec![
        (1, "named", group(&[], "default: ingress", web())),
        (2, "left-out", group(&[], ": ingress", web())),
    ];
    assert_eq!(said(&no_class)[1], "left-out/web /: of shop/named for any host");
}

#[test]
fn listeners_of_one_gateway_are_apart_where_their_names_or_ports_differ() {
    let parent = |section: Option<&str>, port, namespace: Option<&str>| ParentReference {
        name: "web".into(),
        namespace: namespace.map(Into::into),
        section_name: section.map(Into::into),
        port,
    };
    let meet =
        |one: &ParentReference, other: &ParentReference| listeners_meet(("shop", one), ("shop", other));
    let plain = parent(None, None, None);
    assert!(meet(&plain, &parent(Some("https"), None, Some("shop"))));
    assert!(meet(&parent(Some("https"), None, None), &parent(None, Some(443), None)));
    assert!(!meet(&parent(Some("https"), None, None), &parent(Some("http"), None, None)));
    assert!(!meet(&parent(None, Some(80), None), &parent(None, Some(443), None)));
    assert!(!meet(&plain, &parent(None, None, Some("infra"))));
}

fn any_group() -> impl Strategy<Value = ServiceGroupSpec> {
    let hosts = subsequence(vec!["a.com", "*.a.com", "x.a.com", "b.com"], 0..=3);
    let door = prop_oneof![Just("a: ingress"), Just("a: gateway"), Just("b: gateway")];
    let paths = vec((prop_oneof![Just("/"), Just("/x"), Just("/x/")], any::<bool>()), 1..3);
    let services = vec((paths, subsequence(METHODS.to_vec(), 0..=2)), 1..3);
    (hosts, door, services).prop_map(|(hosts, door, services)| {
        let services = services.into_iter().zip(["one", "two"]).map(|((paths, methods), name)| {
            let methods = if door.ends_with("gateway") { methods } else { Vec::new() };
            let paths = paths.into_iter().map(|(path, exact)| PathMatch {
                path: path.to_owned(),
                r#type: if exact { PathType::Exact } else { PathType::Prefix },
            });
            GroupService { paths: paths.collect(), methods, ..service(name, &[]) }
        });
        group(&hosts, door, services.collect())
    })
}

/// Every request that can be told from another here: class or Gateway, host, path by its key, method.
type Request = (String, &'static str, (PathType, String), Method);

fn requests(claim: &Claim<'_>, wanted: &Wanted<'_>) -> Vec<Request> {
    let vias: Vec<_> = match claim.via {
        Via::Class(class) => vec![format!("class {class}")],
        Via::Gateways(_, parents) => {
            parents.iter().map(|parent| format!("gateway {}", parent.name)).collect()
        }
    };
    let hosts = ["a.com", "x.a.com", "y.a.com", "b.com", "c.com"];
    let hosts = hosts.into_iter().filter(|host| hosts::common(claim.hosts, &[(*host).to_owned()]).is_some());
    let (kind, text) = paths::key(wanted.path);
    let methods =
        METHODS.into_iter().filter(|method| paths::methods_meet(&wanted.service.methods, &[*method]));
    let methods: Vec<_> = methods.collect();
    hosts
        .flat_map(|host| methods.iter().map(move |method| (host, *method)))
        .flat_map(|(host, method)| {
            vias.iter().map(move |via| (via.clone(), host, (kind, text.to_owned()), method))
        })
        .collect()
}

proptest! {
    #![proptest_config(crate::groups::door::fixtures::same_everywhere(300))]

    #[test]
    fn the_order_in_which_groups_are_seen_does_not_matter(
        specs in vec((1_i64..3, any_group()), 1..6),
        turns in 0_usize..6,
    ) {
        let names = ["a", "b", "c", "d", "e"];
        let groups: Groups = specs.into_iter().zip(names).map(|((at, spec), name)| (at, name, spec)).collect();
        let mut other = groups.clone();
        other.reverse();
        let turns = turns % other.len();
        other.rotate_left(turns);
        let (mut one, mut two) = (said(&groups), said(&other));
        one.sort();
        two.sort();
        prop_assert_eq!(one, two);
    }

    #[test]
    fn no_request_has_two_owners_and_none_is_refused_without_one(
        specs in vec((1_i64..3, any_group()), 1..6),
    ) {
        let names = ["a", "b", "c", "d", "e"];
        let groups: Groups = specs.into_iter().zip(names).map(|((at, spec), name)| (at, name, spec)).collect();
        let claims = claims(&groups);
        let mut grants = Grants::new(&claims);
        let mut owners: BTreeMap<Request, (Claimant<'_>, String)> = BTreeMap::new();
        let mut refused = Vec::new();
        for claim in &claims {
            for wanted in claim.wanted() {
                let requests = requests(claim, &wanted);
                if grants.owner(claim.who, &wanted).is_some() {
                    refused.push((claim.who, requests));
                    continue;
                }
                for request in requests {
                    let who = (claim.who, wanted.service.name.clone());
                    let before = owners.insert(request.clone(), who.clone());
                    prop_assert_eq!(before.filter(|before| *before != who), None, "{:?}", request);
                }
            }
        }
        for (who, requests) in refused {
            let older = requests.iter().filter_map(|request| owners.get(request)).any(|(owner, _)| *owner <= who);
            prop_assert!(older, "{who:?} was refused {requests:?} for nobody");
        }
    }
}
