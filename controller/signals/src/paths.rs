//! Paths of requests whose parts come from users.

use form_urlencoded::Serializer;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

/// What cannot stand as it is in a segment of a path.
const RESERVED: &AsciiSet =
    &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'<').add(b'>').add(b'?').add(b'`').add(b'{').add(b'}');

/// A name as a segment of a path.
///
/// # Errors
/// The name with what is wrong with it, when it would lead somewhere else.
pub(crate) fn segment(name: &str) -> Result<String, String> {
    if name.is_empty() || name == "." || name == ".." || name.contains(['/', '%']) {
        return Err(format!("{name:?} cannot be asked for: a name is not empty, ., .. and has no / or %"));
    }
    Ok(utf8_percent_encode(name, RESERVED).to_string())
}

/// The query of the parameters that are not empty, with its question mark.
pub(crate) fn query(parameters: &[(&str, &str)]) -> String {
    let mut query = Serializer::new(String::new());
    query.extend_pairs(parameters.iter().filter(|(_, value)| !value.is_empty()));
    match query.finish() {
        empty if empty.is_empty() => empty,
        query => format!("?{query}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_leads_elsewhere_is_refused() {
        for name in ["", ".", "..", "a/b", "%2e%2e"] {
            assert!(segment(name).unwrap_err().contains("cannot be asked for"), "{name}");
        }
        assert_eq!(segment("http_requests").unwrap(), "http_requests");
        assert_eq!(segment("a b?c#d").unwrap(), "a%20b%3Fc%23d");
    }

    #[test]
    fn what_is_not_asked_for_is_left_out() {
        assert_eq!(query(&[("labelSelector", ""), ("metricLabelSelector", "")]), "");
        assert_eq!(
            query(&[("labelSelector", "app in (a,b)"), ("x", "")]),
            "?labelSelector=app+in+%28a%2Cb%29"
        );
    }
}
