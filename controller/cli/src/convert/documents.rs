//! A text as YAML documents, each on its own: an error in one leaves the others readable.

use serde_json::Value;

/// One document.
pub(super) struct Document<'a> {
    /// Where it is, as in `hpa.yaml, document 2`.
    pub(super) place: String,
    /// As it was written.
    pub(super) text: &'a str,
    /// As a value, or why it is none.
    pub(super) value: Result<Value, String>,
}

/// The documents of a text that are not empty. `name` is the file's.
pub(super) fn documents<'a>(name: &str, text: &'a str) -> Vec<Document<'a>> {
    let parts = split(text);
    let document = |(index, text): (usize, &'a str)| {
        let value = serde_saphyr::from_str::<Value>(text).map_err(|error| format!("not YAML: {error}"));
        // Nothing but comments.
        if matches!(value, Ok(Value::Null)) || text.trim().is_empty() {
            return None;
        }
        let value = value.and_then(|value| match value {
            Value::Object(_) => Ok(value),
            _ => Err("not an object: a manifest begins with apiVersion, kind, metadata".to_owned()),
        });
        Some(Document { place: format!("{name}, document {}", index + 1), text, value })
    };
    parts.into_iter().enumerate().filter_map(document).collect()
}

/// Lines that begin with `---` stand between documents, also within a block scalar. What is before the first and
/// empty is no document.
fn split(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut start, mut at) = (0, 0);
    for line in text.split_inclusive('\n') {
        let rest = line.strip_prefix("---");
        if rest.is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n'])) {
            parts.push(&text[start..at]);
            start = at + "---".len();
        }
        at += line.len();
    }
    parts.push(&text[start..]);
    if parts.len() > 1 && parts[0].lines().all(|line| line.trim().is_empty() || line.starts_with(['#', '%']))
    {
        parts.remove(0);
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_counted_as_people_count_them() {
        let text =
            "# a file\n---\na: 1\n---\n\n--- # empty\n# only words\n---\nb: |\n  ---\nc: [\n--- {d: 4}\n";
        let told: Vec<_> =
            documents("f", text).into_iter().map(|doc| (doc.place, doc.value.is_ok())).collect();
        let place = |number| format!("f, document {number}");
        assert_eq!(told, [(place(1), true), (place(4), false), (place(5), true)]);
        assert!(documents("f", "- 1\n- 2\n")[0].value.is_err());
    }
}
