//! A network namespace of the test's own, in which every pod address leads to this machine.
//!
//! A namespace belongs to a process, so the program runs itself again in one. No right is needed for that where the kernel
//! lets everybody make user namespaces; elsewhere it takes root.

use std::{
    ffi::OsStr,
    net::IpAddr,
    process::{Command, ExitStatus, Stdio},
};

use anyhow::{Context, Result, ensure};
use rustix::process::{Signal, set_parent_process_death_signal};

use crate::tools::{Tools, TrafficTools, gateway_api_crds};

/// The addresses that kwok gives to pods are among these.
const POD_ADDRESSES: &str = "10.0.0.0/8";
/// Set inside the namespace.
const INSIDE: &str = "PLIMSOLL_TRAFFIC_NAMESPACE";
/// A device behind which nobody is: what is sent there is lost, as on the way to a machine without power.
const NOWHERE: &str = "nowhere";

/// Outside a namespace: runs this program with `args` in one, and says how it ended. Inside: nothing.
///
/// What needs the internet is fetched and built before. The inner process ends with the thread that called this.
pub fn enter(args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Result<Option<ExitStatus>> {
    if std::env::var_os(INSIDE).is_some() {
        set_parent_process_death_signal(Some(Signal::KILL))?;
        return Ok(None);
    }
    Tools::ensure()?;
    TrafficTools::ensure()?;
    gateway_api_crds()?;
    let set_up = format!(
        "ip link set lo up && ip route add local {POD_ADDRESSES} dev lo && ip tuntap add {NOWHERE} mode tun && \
         ip address add 10.255.255.1/32 dev {NOWHERE} && ip link set {NOWHERE} up && ip route add default dev {NOWHERE} && exec \"$0\" \"$@\""
    );
    let mut command = unshare()?;
    command.args(["sh", "-c", &set_up]).arg(std::env::current_exe()?);
    command.args(args);
    command.env(INSIDE, "1");
    Ok(Some(command.status().context("cannot start unshare")?))
}

/// Makes connections to these addresses, those under way included, hear nothing any more.
pub fn cut(addresses: impl IntoIterator<Item = IpAddr>) -> Result<()> {
    for address in addresses {
        ip(&["route", "add", &address.to_string(), "dev", NOWHERE, "table", "local"])?;
    }
    Ok(())
}

/// The beginning of a command in a new namespace.
fn unshare() -> Result<Command> {
    let ways: [&[&str]; 2] = [&["--user", "--map-root-user", "--net"], &["--net"]];
    for way in ways {
        let tried = Command::new("unshare").args(way).arg("true").stderr(Stdio::null()).status();
        if tried.context("unshare is missing: apt-get install util-linux")?.success() {
            let mut command = Command::new("unshare");
            command.args(way);
            return Ok(command);
        }
    }
    anyhow::bail!(
        "no network namespace can be made here: permit user namespaces (sysctl user.max_user_namespaces), or run as root"
    )
}

fn ip(args: &[&str]) -> Result<()> {
    let output = Command::new("ip").args(args).output().context("ip is missing: apt-get install iproute2")?;
    ensure!(output.status.success(), "ip {}: {}", args.join(" "), String::from_utf8_lossy(&output.stderr));
    Ok(())
}
