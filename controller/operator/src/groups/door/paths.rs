//! Which requests a path means, and which texts are paths.

use plimsoll_api::v1alpha1::{Method, PathMatch, PathType};

/// What two paths have in common that mean the same requests. `/a` and `/a/` do so as prefixes, and not as they stand.
pub(super) fn key(path: &PathMatch) -> (PathType, &str) {
    let text = match path.r#type {
        PathType::Exact => path.path.as_str(),
        PathType::Prefix => path.path.trim_end_matches('/'),
    };
    (path.r#type, text)
}

/// What sorts paths as requests are matched: exact ones first, then the longer ones.
pub(super) fn precedence(path: &PathMatch) -> impl Ord + use<'_> {
    let (kind, text) = key(path);
    (kind != PathType::Exact, std::cmp::Reverse(text.len()), text)
}

/// Whether a request could have a method of both. An empty list is every method.
pub(super) fn methods_meet(one: &[Method], other: &[Method]) -> bool {
    one.is_empty() || other.is_empty() || one.iter().any(|method| other.contains(method))
}

/// Why the API server takes this text as the path neither of an Ingress nor of an `HTTPRoute`; none where it takes it.
pub(super) fn why_refused(path: &str) -> Option<String> {
    const PARTS: [&str; 5] = ["//", "/./", "/../", "%2f", "%2F"];
    const ENDS: [&str; 2] = ["/.", "/.."];
    if !path.starts_with('/') {
        return Some("it does not begin with /".to_owned());
    }
    if let Some(part) = PARTS.into_iter().find(|part| path.contains(part)) {
        return Some(format!("it contains {part}"));
    }
    if let Some(end) = ENDS.into_iter().find(|end| path.ends_with(end)) {
        return Some(format!("it ends with {end}"));
    }
    let mut rest = path.bytes();
    while let Some(byte) = rest.next() {
        let hex = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_hexdigit());
        let fits = match byte {
            b'%' => hex(rest.next()) && hex(rest.next()),
            _ => byte.is_ascii_alphanumeric() || b"-/._~!$&'()*+,;=:@".contains(&byte),
        };
        if !fits {
            return Some("it contains a character that must be written as % and two digits".to_owned());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(r#type: PathType, path: &str) -> PathMatch {
        PathMatch { path: path.to_owned(), r#type }
    }

    #[test]
    fn a_slash_at_the_end_of_a_prefix_says_nothing() {
        let same = |kind, one, other| key(&path(kind, one)) == key(&path(kind, other));
        assert!(same(PathType::Prefix, "/a", "/a/"));
        assert!(!same(PathType::Exact, "/a", "/a/"));
        assert!(!same(PathType::Prefix, "/", "/a"));
        assert_eq!(key(&path(PathType::Prefix, "/")), (PathType::Prefix, ""));
    }

    #[test]
    fn exact_paths_come_first_and_then_the_longer_ones() {
        let mut paths = [
            path(PathType::Prefix, "/"),
            path(PathType::Prefix, "/b"),
            path(PathType::Prefix, "/a/b"),
            path(PathType::Prefix, "/a"),
            path(PathType::Exact, "/"),
        ];
        paths.sort_by(|one, other| precedence(one).cmp(&precedence(other)));
        let texts: Vec<_> = paths.iter().map(|path| path.path.as_str()).collect();
        assert_eq!(texts, ["/", "/a/b", "/a", "/b", "/"]);
        assert_eq!(paths[0].r#type, PathType::Exact);
    }

    #[test]
    fn texts_that_no_api_server_takes_are_told() {
        for fine in ["/", "/store/get", "/a%20b/", "/~a;b=c:d@e,f", "/a..b", "/.well-known"] {
            assert_eq!(why_refused(fine), None, "{fine}");
        }
        let refused = [
            "a", "", "/a//b", "/a/./b", "/a/../b", "/a%2Fb", "/a/.", "/a/..", "/a b", "/a?b", "/ä", "/%2",
            "/{id}",
        ];
        for text in refused {
            assert!(why_refused(text).is_some(), "{text}");
        }
    }

    #[test]
    fn no_methods_are_all_methods() {
        assert!(methods_meet(&[], &[Method::Get]));
        assert!(methods_meet(&[Method::Get, Method::Post], &[Method::Post]));
        assert!(!methods_meet(&[Method::Get], &[Method::Post]));
    }
}
