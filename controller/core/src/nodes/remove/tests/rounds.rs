//! Plans that are made anew without nodes whose pods stand in each other's way.

use super::*;

/// What a move makes of the domains can forbid one that was made before. Then the node that it was made for stays, and the
/// plan is made anew without it, as often as that takes.
#[test]
fn only_nodes_whose_pods_would_break_a_rule_in_the_end_are_kept() {
    let big = ("big", 2500);
    let job = ("job", 1000);
    let goes = |nodes: &[(&str, &[(&str, i64)])]| World::of_apps(nodes).goes();
    assert_eq!(
        goes(&[
            ("a", &[("api", 500), ("web", 1000), ("db", 100)]),
            ("a", &[("web", 1000)]),
            ("a", &[("api", 500)])
        ]),
        ["n1", "n0"]
    );
    assert_eq!(goes(&[("a", &[("log", 1000)]), ("a", &[job, ("log", 1000)]), ("a", &[job, big])]), ["n2"]);
    let (web, free) = (("web", 500), ("free", 1000));
    assert_eq!(
        goes(&[
            ("a", &[job, free, web]),
            ("a", &[job, web, free]),
            ("a", &[free, web, big]),
            ("c", &[job, free]),
            ("c", &[job, job, free]),
        ]),
        ["n2"]
    );
    let (half, little) = (("half", 500), ("little", 100));
    assert_eq!(
        goes(&[
            ("b", &[half, job, big]),
            ("b", &[half, job]),
            ("b", &[job, job]),
            ("a", &[half, half, job]),
            ("b", &[half, little, half, big]),
            ("b", &[job, half, job]),
            ("b", &[little, job, job]),
        ]),
        ["n4"]
    );
}

/// A fifth and a sixth look would let `n9` and `n8` go, whose pods depend on others as well.
#[test]
fn after_four_plans_that_broke_a_rule_every_node_with_pods_that_depend_on_others_is_kept() {
    let (db, cache, web, big) = (("db", 500), ("cache", 1000), ("web", 1000), ("big", 2500));
    let mut world = World::of_apps(&[
        ("c", &[]),
        ("a", &[db, cache, db]),
        ("a", &[cache, cache, db]),
        ("b", &[db]),
        ("a", &[db, cache]),
        ("c", &[db, cache]),
        ("c", &[cache, web]),
        ("b", &[db, web, big]),
        ("a", &[cache, big]),
        ("a", &[cache]),
        ("c", &[cache, web]),
    ]);
    assert_eq!(world.goes(), ["n0"]);
    let why = world.stays("n9");
    assert!(
        why.ends_with("depends on pods that would move as well, and no plan was right for all of them"),
        "{why}"
    );
}
