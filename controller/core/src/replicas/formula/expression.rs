//! A formula as it is computed.

use std::collections::BTreeMap;

use super::Terms;

/// Something that is a number.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Number {
    Literal(f64),
    Of {
        metric: String,
        field: Field,
    },
    Unary(Unary, Box<Self>),
    Binary(Binary, Box<(Self, Self)>),
    /// The lowest of one or more.
    Min(Vec<Self>),
    /// The highest of one or more.
    Max(Vec<Self>),
    If(Box<(Truth, Self, Self)>),
}

/// Something that holds or does not.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Truth {
    Literal(bool),
    Compare(Comparison, Box<(Number, Number)>),
    Not(Box<Self>),
    All(Vec<Self>),
    Any(Vec<Self>),
}

/// A number of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Value,
    Target,
    Ratio,
    Replicas,
}

impl Field {
    pub(super) const ALL: [(&'static str, Self); 4] = [
        ("value", Self::Value),
        ("target", Self::Target),
        ("ratio", Self::Ratio),
        ("replicas", Self::Replicas),
    ];
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unary {
    Negate,
    Ceil,
    Floor,
    Abs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Binary {
    Add,
    Subtract,
    Multiply,
    Divide,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Equal,
    NotEqual,
}

impl Number {
    /// Not a number if a metric is missing, and wherever IEEE 754 says so.
    pub(super) fn value(&self, terms: &BTreeMap<&str, Terms>) -> f64 {
        match self {
            Self::Literal(number) => *number,
            Self::Of { metric, field } => terms.get(metric.as_str()).map_or(f64::NAN, |terms| match field {
                Field::Value => terms.value,
                Field::Target => terms.target,
                Field::Ratio => terms.ratio,
                Field::Replicas => terms.replicas,
            }),
            Self::Unary(unary, of) => {
                let of = of.value(terms);
                match unary {
                    Unary::Negate => -of,
                    Unary::Ceil => of.ceil(),
                    Unary::Floor => of.floor(),
                    Unary::Abs => of.abs(),
                }
            }
            Self::Binary(binary, sides) => {
                let (left, right) = (sides.0.value(terms), sides.1.value(terms));
                match binary {
                    Binary::Add => left + right,
                    Binary::Subtract => left - right,
                    Binary::Multiply => left * right,
                    Binary::Divide => left / right,
                }
            }
            Self::Min(of) => extreme(of, terms, f64::min),
            Self::Max(of) => extreme(of, terms, f64::max),
            Self::If(parts) => {
                let (condition, then, otherwise) = &**parts;
                if condition.holds(terms) { then.value(terms) } else { otherwise.value(terms) }
            }
        }
    }
}

/// Not a number if one of them is not: `f64::min` would take the other.
fn extreme(of: &[Number], terms: &BTreeMap<&str, Terms>, better: fn(f64, f64) -> f64) -> f64 {
    let values = of.iter().map(|number| number.value(terms));
    values
        .reduce(|best, next| if best.is_nan() || next.is_nan() { f64::NAN } else { better(best, next) })
        .unwrap_or(f64::NAN)
}

#[allow(clippy::float_cmp, reason = "what == of CEL means")]
fn equal(left: f64, right: f64) -> bool {
    left == right
}

impl Truth {
    fn holds(&self, terms: &BTreeMap<&str, Terms>) -> bool {
        match self {
            Self::Literal(truth) => *truth,
            Self::Compare(comparison, sides) => {
                let (left, right) = (sides.0.value(terms), sides.1.value(terms));
                match comparison {
                    Comparison::Less => left < right,
                    Comparison::LessOrEqual => left <= right,
                    Comparison::Greater => left > right,
                    Comparison::GreaterOrEqual => left >= right,
                    Comparison::Equal => equal(left, right),
                    Comparison::NotEqual => !equal(left, right),
                }
            }
            Self::Not(of) => !of.holds(terms),
            Self::All(of) => of.iter().all(|truth| truth.holds(terms)),
            Self::Any(of) => of.iter().any(|truth| truth.holds(terms)),
        }
    }
}
