//! Names in which `*` stands for any text.

use std::{convert::Infallible, str::FromStr};

/// A name in which `*` stands for any text, even none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wildcard(String);

impl Wildcard {
    /// Whether the whole of `text` is meant. Case counts.
    pub fn matches(&self, text: &str) -> bool {
        let mut parts = self.0.split('*');
        let first = parts.next().unwrap_or_default();
        let Some(mut rest) = text.strip_prefix(first) else { return false };
        let mut parts: Vec<&str> = parts.collect();
        let Some(last) = parts.pop() else { return rest.is_empty() };
        for part in parts {
            match rest.find(part) {
                Some(at) => rest = &rest[at + part.len()..],
                None => return false,
            }
        }
        rest.ends_with(last)
    }
}

impl From<&str> for Wildcard {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl FromStr for Wildcard {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(text.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text() {
        for (pattern, text, expected) in [
            ("shop", "shop", true),
            ("shop", "shop2", false),
            ("shop", "my-shop", false),
            ("*", "", true),
            ("*", "anything", true),
            ("team-*", "team-a", true),
            ("team-*", "a-team-a", false),
            ("*.monitoring.svc", "prometheus.monitoring.svc", true),
            ("*.monitoring.svc", "monitoring.svc.evil.com", false),
            ("a*b*c", "a1b2c", true),
            ("a*b*c", "abc", true),
            ("a*b*c", "ac", false),
            ("ab*ba", "aba", false),
            ("a*a", "a", false),
            ("", "x", false),
        ] {
            assert_eq!(Wildcard::from(pattern).matches(text), expected, "{pattern} {text}");
        }
    }
}
