//! Free ports that nobody else takes between choosing and listening.

use std::{
    collections::hash_map::RandomState,
    fs::{self, File},
    hash::BuildHasher,
    net::{Ipv4Addr, TcpListener},
    ops::Range,
};

use anyhow::{Result, bail};

use crate::tools::cache_dir;

/// Below the ports that the kernel gives to outgoing connections, of which an API server opens many.
const RANGE: Range<u16> = 18_000..32_000;

/// A port that belongs to this value until it is dropped.
///
/// Other test beds on this machine see the claim; other programs are kept away only once something listens.
#[derive(Debug)]
pub struct Port {
    number: u16,
    _claim: File,
}

impl Port {
    /// Claims a port on which nothing listens.
    pub fn claim() -> Result<Self> {
        let claims = cache_dir()?.join("ports");
        fs::create_dir_all(&claims)?;
        let span = usize::from(RANGE.end - RANGE.start);
        let first = RandomState::new().hash_one(std::process::id());
        for number in RANGE.cycle().skip(usize::try_from(first % span as u64)?).take(span) {
            let claim = File::create(claims.join(number.to_string()))?;
            if claim.try_lock().is_ok() && is_free(number) {
                return Ok(Self { number, _claim: claim });
            }
        }
        bail!("no port in {RANGE:?} is free")
    }

    /// Its number.
    pub fn number(&self) -> u16 {
        self.number
    }
}

fn is_free(port: u16) -> bool {
    [Ipv4Addr::LOCALHOST, Ipv4Addr::UNSPECIFIED].iter().all(|host| TcpListener::bind((*host, port)).is_ok())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_port_is_given_twice() {
        let ports: Vec<_> = (0..50).map(|_| Port::claim().unwrap()).collect();
        let numbers: BTreeSet<_> = ports.iter().map(Port::number).collect();
        assert_eq!(numbers.len(), 50);
    }
}
