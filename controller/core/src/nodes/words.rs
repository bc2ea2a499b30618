//! Numbers and moments as people read them.

use crate::cluster::{Pod, Resources};
use crate::time::Timestamp;

/// `125` thousandths as `12.5`.
pub(crate) fn percent(thousandths: i64) -> String {
    let (whole, rest) = (thousandths / 10, (thousandths % 10).abs());
    if rest == 0 { whole.to_string() } else { format!("{whole}.{rest}") }
}

/// A moment in UTC, by the second.
pub(crate) fn moment(at: Timestamp) -> String {
    jiff::Timestamp::from_millisecond(at.as_millis())
        .map_or_else(|_| format!("{} ms", at.as_millis()), |at| at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}

/// An amount of a resource as a quantity of Kubernetes: cores or thousandths of one, whole GiB, MiB or KiB, or
/// plain units.
pub(crate) fn quantity(resource: &str, amount: i64) -> String {
    let units: &[(i64, &str)] = match resource {
        "cpu" if amount % 1000 == 0 => return (amount / 1000).to_string(),
        "cpu" => return format!("{amount}m"),
        "memory" | "ephemeral-storage" => &[(1 << 30, "Gi"), (1 << 20, "Mi"), (1 << 10, "Ki")],
        _ => &[],
    };
    let whole = units.iter().find(|(unit, _)| amount != 0 && amount % unit == 0);
    whole.map_or_else(|| amount.to_string(), |(unit, name)| format!("{}{name}", amount / unit))
}

/// The namespace and name of a pod.
pub(crate) fn full_name(pod: &Pod) -> String {
    format!("{}/{}", pod.shape.namespace, pod.name)
}

/// What is asked for, as `cpu 900m, memory 1Gi`; `nothing` where nothing is.
pub(crate) fn asks(of: &Resources) -> String {
    let fixed = [("cpu", of.cpu), ("memory", of.memory), ("ephemeral-storage", of.ephemeral_storage)];
    let extended = of.extended.iter().map(|(name, amount)| (&**name, *amount));
    let named = fixed.into_iter().chain(extended).filter(|(_, asked)| *asked != 0);
    let parts: Vec<String> = named.map(|(name, asked)| format!("{name} {}", quantity(name, asked))).collect();
    if parts.is_empty() { "nothing".to_owned() } else { parts.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_moments_read_like_people_write_them() {
        assert_eq!((quantity("cpu", 8000), quantity("cpu", 8500)), ("8".to_owned(), "8500m".to_owned()));
        assert_eq!(quantity("memory", 3 << 30), "3Gi");
        assert_eq!((quantity("memory", 5 << 20), quantity("memory", 5)), ("5Mi".to_owned(), "5".to_owned()));
        assert_eq!(
            (quantity("ephemeral-storage", 7 << 10).as_str(), quantity("memory", 0).as_str()),
            ("7Ki", "0")
        );
        assert_eq!((quantity("pods", 1 << 30).as_str(), percent(-125).as_str()), ("1073741824", "-12.5"));
        assert_eq!((percent(125).as_str(), percent(100).as_str()), ("12.5", "10"));
        assert_eq!(moment(Timestamp::from_secs(1_795_428_000)), "2026-11-23T10:00:00Z");
        let asked = Resources { cpu: 900, memory: 3 << 29, pods: 1, ..Resources::default() };
        assert_eq!(asks(&asked), "cpu 900m, memory 1536Mi");
        assert_eq!((asks(&Resources::default()).as_str(), quantity("cpu", 4000).as_str()), ("nothing", "4"));
        assert_eq!(moment(Timestamp::from_millis(i64::MAX)), "9223372036854775807 ms");
    }
}
