//! Who owns a path: of two groups the older one, of two services of a group the first.

use std::{collections::BTreeMap, rc::Rc};

use jiff::Timestamp;
use plimsoll_api::v1alpha1::{FrontDoor, GroupService, ParentReference, PathMatch, ServiceGroupSpec};

use super::{hosts, paths};

/// A group in the order of its rights: the oldest first, those of one second by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Claimant<'a> {
    /// When it was created.
    pub created: Timestamp,
    /// Its namespace.
    pub namespace: &'a str,
    /// Its name.
    pub name: &'a str,
}

/// What requests come through.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Via<'a> {
    /// The controller of a class.
    Class(&'a str),
    /// Gateways, named from a namespace.
    Gateways(&'a str, &'a [ParentReference]),
}

/// What a group wants to serve.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Claim<'a> {
    /// Who.
    pub(super) who: Claimant<'a>,
    /// Through what.
    pub(super) via: Via<'a>,
    /// For which hosts; none is any.
    pub(super) hosts: &'a [String],
    /// Which paths.
    pub(super) services: &'a [GroupService],
}

/// One path of a service, and where it stands in the spec.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Wanted<'a> {
    pub(super) service: &'a GroupService,
    pub(super) path: &'a PathMatch,
    pub(super) at: (usize, usize),
}

/// Who has what was asked for.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Owner<'a> {
    /// A service of the same group.
    Service(&'a str),
    /// Another group, for this host.
    Group(Claimant<'a>, String),
}

impl<'a> Claim<'a> {
    /// What a group wants; none if it wants no front door, or one of a class that is not known.
    ///
    /// `default_class` is that of an Ingress which names none.
    pub(super) fn of(
        who: Claimant<'a>,
        spec: &'a ServiceGroupSpec,
        default_class: Option<&'a str>,
    ) -> Option<Self> {
        let FrontDoor { hosts, ingress, gateway, .. } = spec.front_door.as_ref()?;
        let via = match (ingress, gateway) {
            (_, Some(gateway)) => Via::Gateways(who.namespace, &gateway.parent_refs),
            (Some(ingress), None) => Via::Class(ingress.class_name.as_deref().or(default_class)?),
            (None, None) => return None,
        };
        Some(Self { who, via, hosts, services: &spec.services })
    }

    /// Whether requests can be told by their method.
    pub(super) fn can_tell_methods(&self) -> bool {
        matches!(self.via, Via::Gateways(..))
    }

    /// Each path that can be asked for, in the order of the spec. A path that a service names twice is one.
    pub(super) fn wanted(&self) -> impl Iterator<Item = Wanted<'a>> + use<'a> {
        let by_method = self.can_tell_methods();
        let services = self.services.iter().enumerate();
        let able = services.filter(move |(_, service)| by_method || service.methods.is_empty());
        able.flat_map(|(number, service)| {
            let unlike_before = move |(at, path): &(usize, &PathMatch)| {
                service.paths[..*at].iter().all(|before| paths::key(before) != paths::key(path))
            };
            let paths = service.paths.iter().enumerate().filter(unlike_before);
            let valid = paths.filter(|(_, path)| paths::why_refused(&path.path).is_none());
            valid.map(move |(at, path)| Wanted { service, path, at: (number, at) })
        })
    }
}

impl Wanted<'_> {
    fn meets(&self, other: &Wanted<'_>) -> bool {
        paths::key(self.path) == paths::key(other.path)
            && paths::methods_meet(&self.service.methods, &other.service.methods)
    }
}

/// Says of paths whose they are.
///
/// The rule: in the order of age, and within a group in that of its spec, a path is granted unless it meets one that is
/// granted already. Two meet if one request could be for both by host, path, type and method, through the same class or
/// Gateway. So nothing has two owners, whatever the order in which groups are seen, and who was refused keeps nobody from
/// what the owner does not want.
pub(super) struct Grants<'a> {
    claims: Vec<&'a Claim<'a>>,
    /// The older groups that a group could meet, each with a host.
    older: BTreeMap<usize, Rc<[(usize, String)]>>,
    known: BTreeMap<(usize, (usize, usize)), bool>,
}

impl<'a> Grants<'a> {
    /// Of all claims there are.
    pub(super) fn new(claims: impl IntoIterator<Item = &'a Claim<'a>>) -> Self {
        let mut claims: Vec<_> = claims.into_iter().collect();
        claims.sort_by_key(|claim| claim.who);
        Self { claims, older: BTreeMap::new(), known: BTreeMap::new() }
    }

    /// Who keeps `wanted` of the group `who` from being granted; none if nobody does.
    pub(super) fn owner(&mut self, who: Claimant<'_>, wanted: &Wanted<'a>) -> Option<Owner<'a>> {
        let position = self.claims.iter().position(|claim| claim.who == who)?;
        self.owner_at(position, wanted)
    }

    fn owner_at(&mut self, position: usize, wanted: &Wanted<'a>) -> Option<Owner<'a>> {
        let mine = self.claims[position];
        for (older, host) in self.older(position).iter() {
            let theirs = self.claims[*older];
            for other in theirs.wanted().filter(|other| other.meets(wanted)) {
                if self.is_granted(*older, &other) {
                    return Some(Owner::Group(theirs.who, host.clone()));
                }
            }
        }
        let before = mine.wanted().take_while(|other| other.at < wanted.at);
        for other in before.filter(|other| other.meets(wanted)) {
            if self.is_granted(position, &other) {
                return Some(Owner::Service(&other.service.name));
            }
        }
        None
    }

    fn older(&mut self, position: usize) -> Rc<[(usize, String)]> {
        let claims = &self.claims;
        let older = self.older.entry(position).or_insert_with(|| {
            let before = claims[..position].iter().enumerate();
            before.filter_map(|(at, older)| Some((at, older.meets(claims[position])?))).collect()
        });
        Rc::clone(older)
    }

    fn is_granted(&mut self, position: usize, wanted: &Wanted<'a>) -> bool {
        let key = (position, wanted.at);
        if let Some(known) = self.known.get(&key) {
            return *known;
        }
        let granted = self.owner_at(position, wanted).is_none();
        self.known.insert(key, granted);
        granted
    }
}

impl Claim<'_> {
    /// A host for which both could get the same request.
    fn meets(&self, other: &Self) -> Option<String> {
        if !self.via.meets(&other.via) {
            return None;
        }
        hosts::common(self.hosts, other.hosts)
    }
}

impl Via<'_> {
    fn meets(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Class(one), Self::Class(other)) => one == other,
            (Self::Gateways(here, ones), Self::Gateways(there, others)) => {
                ones.iter().any(|one| others.iter().any(|other| listeners_meet((here, one), (there, other))))
            }
            _ => false,
        }
    }
}

fn listeners_meet((here, one): (&str, &ParentReference), (there, other): (&str, &ParentReference)) -> bool {
    fn may_be<T: PartialEq>(one: Option<&T>, other: Option<&T>) -> bool {
        one.zip(other).is_none_or(|(one, other)| one == other)
    }
    let of =
        |parent: &'_ ParentReference, home: &str| parent.namespace.clone().unwrap_or_else(|| home.to_owned());
    one.name == other.name
        && of(one, here) == of(other, there)
        && may_be(one.section_name.as_ref(), other.section_name.as_ref())
        && may_be(one.port.as_ref(), other.port.as_ref())
}

#[cfg(test)]
mod tests;
