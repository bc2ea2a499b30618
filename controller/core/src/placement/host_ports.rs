//! Ports of the host can be bound once (`nodeports`).

use super::class::Class;
use super::packing::{NodeIx, Packing};
use crate::cluster::HostPort;
use crate::placement::Refusal;

const EVERY_ADDRESS: &str = "0.0.0.0";

/// Whether two pods cannot have these on one host.
fn conflict(one: &HostPort, other: &HostPort) -> bool {
    let every = |port: &HostPort| port.ip.is_empty() || &*port.ip == EVERY_ADDRESS;
    one.port > 0
        && one.port == other.port
        && one.protocol == other.protocol
        && (one.ip == other.ip || every(one) || every(other))
}

/// The first port of a class that pods of another have as well.
pub(crate) fn shared<'c>(class: &'c Class, other: &Class) -> Option<&'c HostPort> {
    let theirs = &other.shape.host_ports;
    class.shape.host_ports.iter().find(|mine| theirs.iter().any(|theirs| conflict(mine, theirs)))
}

/// Why a node refuses one more pod of a class, if it does.
pub(crate) fn refuses(packing: &Packing, class: &Class, node: NodeIx) -> Option<Refusal> {
    if class.shape.host_ports.is_empty() {
        return None;
    }
    let others = packing.residents(node).iter().map(|(other, _)| packing.class(*other));
    others.filter_map(|other| shared(class, other)).min().map(|port| Refusal::HostPort(port.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port(ip: &str, protocol: &str, port: i32) -> HostPort {
        HostPort { ip: ip.into(), protocol: protocol.into(), port }
    }

    #[test]
    fn ports_conflict_when_protocol_port_and_address_meet() {
        for (expected, one, other) in [
            (true, port("10.0.0.1", "TCP", 80), port("10.0.0.1", "TCP", 80)),
            (true, port("0.0.0.0", "TCP", 80), port("10.0.0.1", "TCP", 80)),
            (true, port("10.0.0.1", "TCP", 80), port("", "TCP", 80)),
            (false, port("10.0.0.1", "TCP", 80), port("10.0.0.2", "TCP", 80)),
            (false, port("0.0.0.0", "TCP", 80), port("0.0.0.0", "UDP", 80)),
            (false, port("0.0.0.0", "TCP", 80), port("0.0.0.0", "TCP", 81)),
            (false, port("0.0.0.0", "TCP", 0), port("0.0.0.0", "TCP", 0)),
        ] {
            assert_eq!(conflict(&one, &other), expected, "{one:?} {other:?}");
        }
    }
}
