//! From a group and what was seen to its front door.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use plimsoll_api::v1alpha1::{FrontDoor, GatewayDoor, IngressDoor, ServiceGroupSpec};

use super::{
    certificate,
    claims::{Claim, Claimant},
    class::{default_of, resolve},
    condition::{Outcome, outcome},
    controllers::Controller,
    gateway_api::HttpRouteSpec,
    http_route::{self, Able},
    ingress, parents,
    problem::Problem,
    route::Route,
    routes::routes,
    seen::{Seen, SeenGateway, SeenIngress, SeenSecret},
    settings::Settings,
    split,
};
use crate::groups::{
    kind::{Id, OwnedKind},
    object::Object,
};

/// A group: who, and what it wants.
#[derive(Debug, Clone, Copy)]
pub struct Group<'a> {
    /// Which.
    pub who: Claimant<'a>,
    /// What it wants.
    pub spec: &'a ServiceGroupSpec,
}

/// What should be there, and what there is to say.
#[derive(Debug, Clone, PartialEq)]
pub struct Door {
    /// What should be there; None: what is there stays as it is.
    pub objects: Option<Vec<Object>>,
    /// Whether those serve, so that what is there beside them is of no use any more.
    pub settled: bool,
    /// Annotations for the Services behind it; None: those that are there stay as they are.
    pub services: Option<BTreeMap<String, String>>,
    /// What is amiss.
    pub problems: Vec<Problem>,
    /// What there is to say where nothing is.
    pub fine: String,
    /// What there is to say besides.
    pub warnings: Vec<String>,
    /// Where it is.
    pub address: Option<String>,
}

impl Door {
    /// What the condition says, with what came of the attempt to make it.
    pub fn outcome(&self, failed: Option<&Problem>) -> Outcome {
        let problems = self.problems.iter().chain(failed).cloned().collect();
        outcome(problems, &self.fine, &self.warnings)
    }
}

/// The front door of a group, beside all groups; None: it wants none.
///
/// `services` are the names of those that have a Service.
pub fn design(
    group: Group<'_>,
    groups: &[Group<'_>],
    services: &BTreeSet<String>,
    seen: &Seen,
    now: Timestamp,
) -> Option<Door> {
    let door = group.spec.front_door.as_ref()?;
    Some(match (seen, &door.ingress, &door.gateway) {
        (Seen::Gateway(Some(seen)), _, Some(gateway)) => {
            Look { group, groups, services, door }.gateway(gateway, seen)
        }
        (Seen::Gateway(None), _, Some(_)) => untouched(vec![Problem::NoGatewayApi], None),
        (Seen::Ingress(seen), Some(ingress), None) => {
            Look { group, groups, services, door }.ingress(ingress, seen, now)
        }
        (Seen::NameTaken(object, why), ..) => {
            untouched(vec![Problem::NameTaken(object.clone(), why.clone())], None)
        }
        (Seen::NotRead(why), ..) => untouched(vec![Problem::NotRead(why.clone())], None),
        _ => {
            untouched(vec![Problem::NotRead("the front door has changed since it was read".to_owned())], None)
        }
    })
}

/// Nothing is changed.
fn untouched(problems: Vec<Problem>, address: Option<String>) -> Door {
    let (fine, warnings) = (String::new(), Vec::new());
    Door { objects: None, settled: false, services: None, problems, fine, warnings, address }
}

struct Look<'a> {
    group: Group<'a>,
    groups: &'a [Group<'a>],
    services: &'a BTreeSet<String>,
    door: &'a FrontDoor,
}

impl Look<'_> {
    /// The routes that there may be, and what is wrong with the others.
    fn routes(&self, default_class: Option<&str>) -> (Vec<Route>, Vec<Problem>) {
        let Some(mine) = Claim::of(self.group.who, self.group.spec, default_class) else {
            return (Vec::new(), Vec::new());
        };
        let others = self.groups.iter().filter(|other| !other.is(&self.group));
        let others: Vec<_> =
            others.filter_map(|other| Claim::of(other.who, other.spec, default_class)).collect();
        routes(&mine, std::iter::once(&mine).chain(&others), self.services)
    }

    /// Whether the spec asks for a path at all.
    fn asks_for_nothing(&self) -> bool {
        self.group.spec.services.iter().all(|service| service.paths.is_empty())
    }

    /// What is done where no route is left: nothing, unless nothing was asked for.
    fn without_routes(&self, mut problems: Vec<Problem>, address: Option<String>) -> Door {
        problems.push(Problem::NoPaths);
        let mut door = untouched(problems, address);
        if self.asks_for_nothing() {
            door.objects = Some(Vec::new());
            door.settled = true;
            door.services = Some(BTreeMap::new());
            door.address = None;
        }
        door
    }

    fn ingress(&self, ingress: &IngressDoor, seen: &SeenIngress, now: Timestamp) -> Door {
        let address = seen.address.clone();
        let class = match resolve(ingress.class_name.as_deref(), seen.class.as_deref(), &seen.classes) {
            Ok(class) => class,
            Err(problem) => return untouched(vec![problem], address),
        };
        let default = ingress.class_name.is_none().then_some(class).or_else(|| default_of(&seen.classes));
        let (routes, mut problems) = self.routes(default.map(|class| class.name.as_str()));
        if routes.is_empty() {
            return self.without_routes(problems, address);
        }
        let (settings, odd) = Settings::of(self.door);
        problems.extend(odd);
        let fine = told(&routes, &self.door.hosts, &format!("the class {}", class.name));
        let controller = Controller::named(&class.controller);
        let made = ingress::make(ingress, &class.name, controller, &self.door.hosts, &settings, routes);
        problems.extend(made.problems);
        let mut warnings = Vec::new();
        if let Some(tls) = &ingress.tls {
            match secret(&tls.secret_name, &seen.secret, &self.door.hosts, now) {
                Ok(said) => warnings.extend(said),
                Err(problem) => problems.push(problem),
            }
        }
        let object = Object {
            id: Id::new(OwnedKind::Ingress, self.group.who.name),
            service: None,
            annotations: made.annotations,
            spec: serde_json::to_value(made.spec).unwrap_or_default(),
        };
        Door {
            objects: Some(vec![object]),
            settled: true,
            services: Some(made.services),
            problems,
            fine,
            warnings,
            address,
        }
    }

    fn gateway(&self, gateway: &GatewayDoor, seen: &SeenGateway) -> Door {
        let Claimant { namespace, name, .. } = self.group.who;
        let there = |parent| seen.gateways.get(&parents::key(namespace, parent)).and_then(Option::as_ref);
        let mut addresses =
            gateway.parent_refs.iter().filter_map(there).filter_map(|seen| seen.address.clone());
        let address = addresses.next();
        let (routes, mut problems) = self.routes(None);
        if routes.is_empty() {
            return self.without_routes(problems, address);
        }
        let (settings, odd) = Settings::of(self.door);
        problems.extend(odd);
        let present = seen
            .routes
            .iter()
            .filter_map(|(written, route)| Some((http_route::number(name, written)?, &route.spec)));
        let present = split::present(present);
        let able = Able::of(seen);
        let (specs, refused) =
            http_route::make(&gateway.parent_refs, &self.door.hosts, &settings, &routes, &able, &present);
        problems.extend(refused);
        let names: Vec<_> = specs.keys().map(|number| http_route::name(name, *number)).collect();
        let said = names.iter().map(|name| seen.routes.get(name).map(parents::Said::of));
        let said: Vec<_> = said.collect();
        let unsettled = parents::problems(namespace, &gateway.parent_refs, &seen.gateways, &said);
        let settled = unsettled.is_empty();
        problems.extend(unsettled);
        let through: Vec<_> = gateway.parent_refs.iter().map(|parent| parent.name.as_str()).collect();
        let fine = told(&routes, &self.door.hosts, &format!("the Gateway {}", through.join(", ")));
        let object = |(name, spec): (&String, HttpRouteSpec)| Object {
            id: Id::new(OwnedKind::HttpRoute, name),
            service: None,
            annotations: BTreeMap::new(),
            spec: serde_json::to_value(spec).unwrap_or_default(),
        };
        Door {
            objects: Some(names.iter().zip(specs.into_values()).map(object).collect()),
            settled,
            services: Some(BTreeMap::new()),
            problems,
            fine,
            warnings: Vec::new(),
            address,
        }
    }
}

impl Group<'_> {
    fn is(&self, other: &Self) -> bool {
        (self.who.namespace, self.who.name) == (other.who.namespace, other.who.name)
    }
}

/// What there is to know of the Secret `name`.
fn secret(name: &str, seen: &SeenSecret, hosts: &[String], now: Timestamp) -> Result<Vec<String>, Problem> {
    match seen {
        SeenSecret::NotAsked => Ok(Vec::new()),
        SeenSecret::Unread(why) => Ok(vec![why.clone()]),
        SeenSecret::Missing => Err(Problem::SecretMissing(name.to_owned())),
        SeenSecret::There(secret) => match certificate::check(secret, hosts, now) {
            Ok(warnings) => {
                Ok(warnings.into_iter().map(|warning| format!("the Secret {name}: {warning}")).collect())
            }
            Err(why) => Err(Problem::SecretMalformed(name.to_owned(), why)),
        },
    }
}

fn told(routes: &[Route], hosts: &[String], through: &str) -> String {
    let services: BTreeSet<_> = routes.iter().map(|route| &route.service).collect();
    let plural = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    let hosts = if hosts.is_empty() { "any host".to_owned() } else { hosts.join(", ") };
    format!(
        "{} of {} at {hosts} through {through}",
        plural(routes.len(), "path"),
        plural(services.len(), "service")
    )
}
