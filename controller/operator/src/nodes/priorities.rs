//! Priority classes. A template names one, and admission gives its value to the pods.

use std::collections::BTreeMap;

use k8s_openapi::api::{core::v1::PodTemplateSpec, scheduling::v1::PriorityClass};
use kube::ResourceExt as _;

/// The priority classes of the cluster.
#[derive(Default)]
pub(crate) struct Priorities {
    values: BTreeMap<String, i32>,
    /// Those that count where a template names none; of several the least does.
    defaults: BTreeMap<String, i32>,
}

/// What a template says of the priority of its pods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Said {
    Priority(i32),
    Class(String),
    Nothing,
}

impl Said {
    pub(super) fn by(template: &PodTemplateSpec) -> Self {
        let spec = template.spec.as_ref();
        let class = spec.and_then(|spec| spec.priority_class_name.clone()).filter(|name| !name.is_empty());
        let priority = spec.and_then(|spec| spec.priority);
        priority.map(Self::Priority).or_else(|| class.map(Self::Class)).unwrap_or(Self::Nothing)
    }
}

impl Priorities {
    pub(super) fn apply(&mut self, class: &PriorityClass) {
        let name = class.name_any();
        self.forget(&name);
        if class.global_default == Some(true) {
            self.defaults.insert(name.clone(), class.value.unwrap_or(0));
        }
        self.values.insert(name, class.value.unwrap_or(0));
    }

    pub(super) fn forget(&mut self, name: &str) {
        self.values.remove(name);
        self.defaults.remove(name);
    }

    /// The priority of the pods of a template; None where there is no such class, so that none can be made.
    pub(super) fn of(&self, said: &Said) -> Option<i32> {
        match said {
            Said::Priority(priority) => Some(*priority),
            Said::Class(name) => self.values.get(name).copied(),
            Said::Nothing => Some(self.defaults.values().min().copied().unwrap_or(0)),
        }
    }
}
