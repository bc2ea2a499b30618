//! From a case that fails to a small one that fails too.

use serde_json::Value;

use crate::case::Case;

/// How many cases are tried at most.
const MOST_TRIES: usize = 4_000;

/// Takes away whatever can go: elements of lists and fields of objects, the large ones first, as long as `fails`.
pub(crate) fn shrink(case: &Case, mut fails: impl FnMut(&Case) -> bool) -> Case {
    let mut smallest = serde_json::to_value(case).expect("JSON");
    let mut tries = 0..MOST_TRIES;
    loop {
        let mut paths = Vec::new();
        removable(&smallest, &mut Vec::new(), &mut paths);
        paths.sort_by_key(|(size, _)| std::cmp::Reverse(*size));
        let mut found = false;
        for (_, path) in paths {
            let mut candidate = smallest.clone();
            if !remove(&mut candidate, &path) {
                // Something around it went before.
                continue;
            }
            let Ok(case) = serde_json::from_value::<Case>(candidate.clone()) else { continue };
            if tries.next().is_none() {
                found = false;
                break;
            }
            if fails(&case) {
                (smallest, found) = (candidate, true);
            }
        }
        if !found {
            return serde_json::from_value(smallest).expect("a case");
        }
    }
}

/// A step into JSON.
#[derive(Clone, Debug)]
enum Step {
    Field(String),
    At(usize),
}

/// All that may be taken away, with its size. Of a list the last goes first, so that the others keep their places.
fn removable(value: &Value, at: &mut Vec<Step>, found: &mut Vec<(usize, Vec<Step>)>) {
    let mut visit = |step, value: &Value| {
        let goes = !matches!(&step, Step::Field(name) if name == "metadata");
        at.push(step);
        if goes {
            found.push((value.to_string().len(), at.clone()));
        }
        removable(value, at, found);
        at.pop();
    };
    match value {
        Value::Array(list) => {
            list.iter().enumerate().rev().for_each(|(n, value)| visit(Step::At(n), value));
        }
        Value::Object(fields) => {
            for (name, value) in fields {
                // Both sides tell things apart by them.
                if name == "name" || name == "uid" {
                    continue;
                }
                visit(Step::Field(name.clone()), value);
            }
        }
        _ => {}
    }
}

fn remove(value: &mut Value, path: &[Step]) -> bool {
    match path {
        [] => false,
        [Step::Field(name)] => value.as_object_mut().and_then(|fields| fields.remove(name)).is_some(),
        [Step::At(n)] => {
            let list = value.as_array_mut().filter(|list| *n < list.len());
            list.map(|list| list.remove(*n)).is_some()
        }
        [Step::Field(name), rest @ ..] => value.get_mut(name).is_some_and(|inner| remove(inner, rest)),
        [Step::At(n), rest @ ..] => value.get_mut(n).is_some_and(|inner| remove(inner, rest)),
    }
}
