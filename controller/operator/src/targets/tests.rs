use pretty_assertions::assert_eq;

use super::*;

fn reference(api_version: Option<&str>, kind: &str) -> ObjectReference {
    ObjectReference { api_version: api_version.map(Into::into), kind: kind.into(), name: "web".into() }
}

#[test]
fn the_group_and_version_of_a_target_are_read_from_its_api_version() {
    for (api_version, expected) in
        [(Some("apps/v1"), ("apps", "v1")), (Some("v1"), ("", "v1")), (None, ("", "v1"))]
    {
        let gvk = kind_of(&reference(api_version, "Deployment")).unwrap();
        assert_eq!((gvk.group.as_str(), gvk.version.as_str()), expected);
    }
}

#[test]
fn an_api_version_that_is_none_is_named() {
    for api_version in ["apps/", "a/b/c"] {
        let error = kind_of(&reference(Some(api_version), "Deployment")).unwrap_err();
        assert!(error.to_string().contains(api_version), "{error}");
    }
}
