//! Which `IngressClass` an Ingress is of, and whose controller that is.

use jiff::Timestamp;
use k8s_openapi::api::networking::v1::IngressClass;
use kube::ResourceExt as _;

use super::problem::Problem;

const IS_DEFAULT: &str = "ingressclass.kubernetes.io/is-default-class";

/// A class, as far as it matters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Class {
    /// Its name.
    pub name: String,
    /// Whose it is.
    pub controller: String,
    /// Whether it is meant where none is named.
    pub is_default: bool,
    /// When it was made.
    pub created: Option<Timestamp>,
}

impl From<&IngressClass> for Class {
    fn from(class: &IngressClass) -> Self {
        let spec = class.spec.as_ref();
        Self {
            name: class.name_any(),
            controller: spec.and_then(|spec| spec.controller.clone()).unwrap_or_default(),
            is_default: class.annotations().get(IS_DEFAULT).is_some_and(|value| value == "true"),
            created: class.creation_timestamp().map(|created| created.0),
        }
    }
}

/// The class of an Ingress which names none: of several defaults the newest, as the API server has it.
pub(super) fn default_of(classes: &[Class]) -> Option<&Class> {
    let defaults = classes.iter().filter(|class| class.is_default);
    defaults.min_by_key(|class| (std::cmp::Reverse(class.created), &class.name))
}

/// The class of an Ingress that asks for `named`. One that is there already, without a name for its class in the spec,
/// keeps the class that it has: a new default moves nobody.
pub(super) fn resolve<'a>(
    named: Option<&str>,
    present: Option<&str>,
    classes: &'a [Class],
) -> Result<&'a Class, Problem> {
    let find = |name: &str| classes.iter().find(|class| class.name == name);
    match named {
        Some(name) => find(name).ok_or_else(|| Problem::ClassMissing(name.to_owned())),
        None => present.and_then(find).or_else(|| default_of(classes)).ok_or(Problem::NoDefaultClass),
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    fn class(name: &str, default_since: Option<i64>) -> Class {
        Class {
            name: name.to_owned(),
            is_default: default_since.is_some(),
            created: default_since.map(|second| Timestamp::from_second(second).unwrap()),
            ..Class::default()
        }
    }

    #[test]
    fn a_class_is_the_named_one_or_the_present_one_or_the_newest_default() {
        let classes =
            [class("a", None), class("old", Some(1)), class("new", Some(2)), class("also", Some(2))];
        let name = |named, present| resolve(named, present, &classes).map(|class| class.name.as_str());
        assert_eq!(name(Some("a"), Some("old")), Ok("a"));
        assert_eq!(name(None, Some("old")), Ok("old"));
        assert_eq!(name(None, Some("gone")), Ok("also"));
        assert_eq!(name(None, None), Ok("also"));
        assert_eq!(name(Some("gone"), Some("a")), Err(Problem::ClassMissing("gone".into())));
        assert_eq!(resolve(None, None, &classes[..1]), Err(Problem::NoDefaultClass));
    }

    #[test]
    fn a_class_is_read_from_its_object() {
        let class: IngressClass = serde_saphyr::from_str(
            "{ metadata: { name: web, annotations: { ingressclass.kubernetes.io/is-default-class: 'true' },
               creationTimestamp: '1970-01-01T00:00:01Z' }, spec: { controller: traefik.io/ingress-controller } }",
        )
        .unwrap();
        let expected = Class {
            name: "web".into(),
            controller: "traefik.io/ingress-controller".into(),
            is_default: true,
            created: Some(Timestamp::from_second(1).unwrap()),
        };
        assert_eq!(Class::from(&class), expected);
    }
}
