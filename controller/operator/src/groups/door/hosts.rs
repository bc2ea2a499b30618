//! Which hosts two front doors have in common.

/// A host that both lists mean, in the narrower of its spellings; none if there is none. An empty list is any host.
///
/// `*.` stands for one part or more. That is what the Gateway API says, and what some controllers make of an Ingress,
/// of which Kubernetes says one part: two doors that agree on no host here agree on none anywhere.
pub(super) fn common(one: &[String], other: &[String]) -> Option<String> {
    const ANY: &str = "any host";
    match (one.first(), other.first()) {
        (None, None) => Some(ANY.to_owned()),
        (None, Some(host)) | (Some(host), None) => Some(host.clone()),
        (Some(_), Some(_)) => {
            let pairs = one.iter().flat_map(|one| other.iter().map(move |other| (one, other)));
            let mut hosts = pairs.filter_map(|(one, other)| narrower(one, other));
            hosts.next().map(str::to_owned)
        }
    }
}

/// Whether both lists mean a host.
pub fn share_hosts(one: &[String], other: &[String]) -> bool {
    common(one, other).is_some()
}

fn narrower<'a>(one: &'a str, other: &'a str) -> Option<&'a str> {
    match (one.strip_prefix('*'), other.strip_prefix('*')) {
        _ if one == other => Some(one),
        (Some(suffix), _) if other.ends_with(suffix) => Some(other),
        (_, Some(suffix)) if one.ends_with(suffix) => Some(one),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(one: &[&str], other: &[&str]) -> Option<String> {
        let owned = |hosts: &[&str]| hosts.iter().map(|host| (*host).to_owned()).collect::<Vec<_>>();
        let found = common(&owned(one), &owned(other));
        assert_eq!(found.is_some(), common(&owned(other), &owned(one)).is_some(), "{one:?} {other:?}");
        found
    }

    #[test]
    fn hosts_meet_where_one_request_could_be_for_both() {
        let met: [(&[&str], &[&str], Option<&str>); 12] = [
            (&["a.com"], &["a.com"], Some("a.com")),
            (&["a.com"], &["b.com"], None),
            (&["a.com", "b.com"], &["c.com", "b.com"], Some("b.com")),
            (&[], &[], Some("any host")),
            (&[], &["a.com"], Some("a.com")),
            (&["*.a.com"], &["x.a.com"], Some("x.a.com")),
            (&["*.a.com"], &["x.y.a.com"], Some("x.y.a.com")),
            (&["*.a.com"], &["a.com"], None),
            (&["*.a.com"], &["xa.com"], None),
            (&["*.a.com"], &["*.a.com"], Some("*.a.com")),
            (&["*.a.com"], &["*.b.a.com"], Some("*.b.a.com")),
            (&["*.a.com"], &["*.a.org"], None),
        ];
        for (one, other, host) in met {
            assert_eq!(of(one, other).as_deref(), host, "{one:?} {other:?}");
        }
    }
}
