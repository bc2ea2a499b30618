//! The string form of a label selector, as a scale subresource gives it.

use std::collections::BTreeSet;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::core::{Expression, Selector};

/// Why a selector does not parse.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{part:?} in the selector {selector:?} is not understood: write key=value, key!=value, key in (a,b), key notin (a,b), key or !key"
)]
pub struct SelectorError {
    selector: String,
    part: String,
}

/// Parses requirements joined by commas: `a=b`, `a==b`, `a!=b`, `a in (b,c)`, `a notin (b,c)`,
/// `a`, `!a`. The comparisons `>` and `<`, which no selector of a workload can produce, are refused.
///
/// # Errors
/// [`SelectorError`] names the part that is not understood.
pub fn parse_selector(selector: &str) -> Result<Selector, SelectorError> {
    let parts = split_requirements(selector);
    parts
        .into_iter()
        .map(|part| {
            requirement(part)
                .ok_or_else(|| SelectorError { selector: selector.to_owned(), part: part.to_owned() })
        })
        .collect()
}

/// A selector of a workload as the API server writes it in a scale: requirements in the order of their keys.
pub fn selector_text(selector: &LabelSelector) -> String {
    let labels = selector.match_labels.iter().flatten();
    let mut parts: Vec<(&str, String)> =
        labels.map(|(key, value)| (key.as_str(), format!("{key}={value}"))).collect();
    for expression in selector.match_expressions.iter().flatten() {
        let key = expression.key.as_str();
        let values = || {
            let mut values = expression.values.clone().unwrap_or_default();
            values.sort();
            values.join(",")
        };
        let text = match expression.operator.as_str() {
            "In" => format!("{key} in ({})", values()),
            "NotIn" => format!("{key} notin ({})", values()),
            "DoesNotExist" => format!("!{key}"),
            _ => key.to_owned(),
        };
        parts.push((key, text));
    }
    parts.sort_by(|one, other| one.0.cmp(other.0));
    let parts: Vec<_> = parts.into_iter().map(|(_, text)| text).collect();
    parts.join(",")
}

/// Splits at commas outside of parentheses.
fn split_requirements(selector: &str) -> Vec<&str> {
    let mut depth = 0_usize;
    let mut parts: Vec<&str> = selector
        .split(|c| {
            match c {
                '(' => depth += 1,
                ')' => depth = depth.saturating_sub(1),
                _ => {}
            }
            c == ',' && depth == 0
        })
        .map(str::trim)
        .collect();
    if parts == [""] {
        parts.clear();
    }
    parts
}

fn requirement(part: &str) -> Option<Expression> {
    if let Some(name) = part.strip_prefix('!') {
        return Some(Expression::DoesNotExist(key(name)?));
    }
    if let Some((name, value)) = part.split_once("!=") {
        return Some(Expression::NotEqual(key(name)?, value_of(value)?));
    }
    if let Some((name, value)) = part.split_once("==").or_else(|| part.split_once('=')) {
        return Some(Expression::Equal(key(name)?, value_of(value)?));
    }
    if let Some(rest) = part.strip_suffix(')') {
        let (head, values) = rest.split_once('(')?;
        let values = values.split(',').map(value_of).collect::<Option<BTreeSet<_>>>()?;
        let (name, operator) = head.trim().split_once(char::is_whitespace)?;
        return match operator.trim() {
            "in" => Some(Expression::In(key(name)?, values)),
            "notin" => Some(Expression::NotIn(key(name)?, values)),
            _ => None,
        };
    }
    Some(Expression::Exists(key(part)?))
}

fn key(text: &str) -> Option<String> {
    let text = text.trim();
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/');
    (!text.is_empty() && text.chars().all(legal)).then(|| text.to_owned())
}

/// A value may be empty.
fn value_of(text: &str) -> Option<String> {
    let text = text.trim();
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    text.chars().all(legal).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use kube::core::SelectorExt as _;
    use pretty_assertions::assert_eq;

    use super::*;

    fn matches(selector: &str, labels: &[(&str, &str)]) -> bool {
        let labels: BTreeMap<String, String> =
            labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        parse_selector(selector).unwrap().matches(&labels)
    }

    #[test]
    fn every_form_selects_what_kubectl_selects() {
        let web = [("app", "web"), ("tier", "front")];
        for (selector, expected) in [
            ("app=web", true),
            ("app==web", true),
            ("app = web", true),
            ("app=api", false),
            ("app!=api", true),
            ("app!=web", false),
            ("app in (api, web)", true),
            ("app in (api)", false),
            ("app notin (api,db)", true),
            ("zone notin (a)", true),
            ("tier", true),
            ("zone", false),
            ("!zone", true),
            ("!tier", false),
            ("app in (web),tier=front,!zone", true),
            ("app=web,tier=back", false),
            ("zone=", false),
        ] {
            assert_eq!(matches(selector, &web), expected, "{selector}");
        }
    }

    #[test]
    fn a_selector_of_a_workload_is_written_as_the_api_server_writes_it() {
        let selector: LabelSelector = serde_saphyr::from_str(
            r"{ matchLabels: { tier: front, app: web }, matchExpressions: [
                { key: zone, operator: NotIn, values: [b, a] },
                { key: beta, operator: DoesNotExist },
                { key: color, operator: In, values: [red, blue] },
                { key: owner, operator: Exists } ] }",
        )
        .unwrap();
        let text = selector_text(&selector);
        assert_eq!(text, "app=web,!beta,color in (blue,red),owner,tier=front,zone notin (a,b)");
        assert!(parse_selector(&text).is_ok());
        assert_eq!(selector_text(&LabelSelector::default()), "");
    }

    #[test]
    fn an_empty_selector_has_no_requirements() {
        assert!(parse_selector("").unwrap().selects_all());
    }

    #[test]
    fn what_is_not_understood_is_named() {
        for part in ["a b", "a>1", "in (a)", "a within (b)", "=b", "!", "a=b c"] {
            let error = parse_selector(&format!("x=y,{part}")).unwrap_err();
            assert_eq!(error.part, part);
        }
    }
}
