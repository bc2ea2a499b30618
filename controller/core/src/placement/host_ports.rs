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

/// Why a node refuses one more pod of a class, if it does.
pub(crate) fn refuses(packing: &Packing, class: &Class, node: NodeIx) -> Option<Refusal> {
    let mine = &class.shape.host_ports;
    if mine.is_empty() {
        return None;
    }
    let used = |mine: &&HostPort| {
        let mut others = packing.residents(node).iter().map(|(other, _)| packing.class(*other));
        others.any(|other| other.shape.host_ports.iter().any(|theirs| conflict(mine, theirs)))
    };
    mine.iter().find(used).map(|port| Refusal::HostPort(port.clone()))
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
