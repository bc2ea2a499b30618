//! Kubernetes quantities: `100m`, `1.5`, `1Gi`, `1e3`.
//!
//! Exact to a billionth, as `k8s.io/apimachinery/pkg/api/resource` is: what is finer is rounded away from zero.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::numeric::{f64_from_i128, saturate_to_i64};

/// One unit in billionths.
const NANO: i128 = 1_000_000_000;
/// Powers of ten, as precise as a double can have them.
const POWERS: [(i32, f64); 10] = [
    (-9, 1e-9),
    (-6, 1e-6),
    (-3, 1e-3),
    (0, 1.0),
    (3, 1e3),
    (6, 1e6),
    (9, 1e9),
    (12, 1e12),
    (15, 1e15),
    (18, 1e18),
];
/// Beyond this number of digits no accepted value can lie; it keeps every product within `i128`.
const MAX_DIGITS: usize = 400;

/// How a quantity is written. Kept from parsing, since HPA shows a value in the form it came in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Format {
    /// Powers of 1000: `450m`, `2`, `3M`.
    #[default]
    DecimalSI,
    /// Powers of 1024: `128Mi`.
    BinarySI,
    /// Powers of 1000 as exponents: `12e6`.
    DecimalExponent,
}

/// A number with a unit prefix. Compared by value alone is [`Quantity::nano`]; `==` also looks at the format.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Quantity {
    nano: i128,
    format: Format,
}

/// Why a text is not a quantity. The texts are those of apimachinery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QuantityError {
    /// It does not have the form number-suffix.
    Format,
    /// The number does not parse.
    Numeric,
    /// The suffix is unknown.
    Suffix,
}

impl fmt::Display for QuantityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Format => {
                "quantities must match the regular expression \
                 '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
            }
            Self::Numeric => "unable to parse numeric part of quantity",
            Self::Suffix => "unable to parse quantity's suffix",
        })
    }
}

impl std::error::Error for QuantityError {}

impl Quantity {
    /// `milli` thousandths.
    pub fn from_milli(milli: i64, format: Format) -> Self {
        Self { nano: i128::from(milli) * (NANO / 1000), format }
    }

    /// Parses what the Kubernetes API accepts. Values beyond `i64::MAX` units are cut to it.
    pub fn parse(text: &str) -> Result<Self, QuantityError> {
        parse(text)
    }

    /// Billionths, exact.
    pub fn nano(self) -> i128 {
        self.nano
    }

    /// Thousandths, rounded away from zero, saturating. `MilliValue` of apimachinery, which overflows instead, and is
    /// off by one or more for some negative fractions.
    pub fn milli(self) -> i64 {
        saturate_to_i64(div_away_from_zero(self.nano, NANO / 1000))
    }

    /// As a double, computed the way HPA gets it: the canonical integer times the power of ten of its prefix. That may
    /// be one bit away from the nearest double, and tolerances are compared with it.
    pub fn approximate(self) -> f64 {
        let (value, exponent) = self.canonical();
        let power = POWERS.iter().find(|(known, _)| *known == exponent).map_or(1.0, |(_, power)| *power);
        f64_from_i128(value) * power
    }

    /// The shortest integer and the power of ten that belongs to it, a multiple of three.
    fn canonical(self) -> (i128, i32) {
        let (mut value, mut exponent) = (self.nano, -9);
        while value != 0 && value % 1000 == 0 && exponent < 18 {
            value /= 1000;
            exponent += 3;
        }
        (value, exponent)
    }

    /// The way it is written.
    pub fn format(self) -> Format {
        self.format
    }
}

impl FromStr for Quantity {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, QuantityError> {
        parse(text)
    }
}

fn parse(text: &str) -> Result<Quantity, QuantityError> {
    let (negative, unsigned) = match text.as_bytes().first() {
        None => return Err(QuantityError::Format),
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        Some(_) => (false, text),
    };
    let end = unsigned.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(unsigned.len());
    let (number, suffix) = unsigned.split_at(end);
    if !suffix_has_form(suffix) {
        return Err(QuantityError::Format);
    }
    let (scale, format) = Scale::of(suffix).ok_or(QuantityError::Suffix)?;
    // No digits at all are a zero: apimachinery takes `.` and `Ki` for one too.
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if fraction.contains('.') {
        return Err(QuantityError::Format);
    }
    if number.len() > MAX_DIGITS {
        return Err(QuantityError::Numeric);
    }
    let nano = scale.nano(whole, fraction);
    Ok(Quantity { nano: if negative { -nano } else { nano }, format: scale.format_of(nano, format) })
}

/// Letters, then optionally a sign, then digits.
fn suffix_has_form(suffix: &str) -> bool {
    let rest = suffix.trim_start_matches(|c: char| "eEinumkKMGTP".contains(c));
    let digits = rest.strip_prefix(['+', '-']).unwrap_or(rest);
    digits.bytes().all(|b| b.is_ascii_digit())
}

/// What a suffix multiplies by.
#[derive(Clone, Copy)]
enum Scale {
    PowerOfTen(i32),
    PowerOfTwo(u32),
}

impl Scale {
    fn of(suffix: &str) -> Option<(Self, Format)> {
        let decimal = |exponent| Some((Self::PowerOfTen(exponent), Format::DecimalSI));
        let binary = |exponent| Some((Self::PowerOfTwo(exponent), Format::BinarySI));
        match suffix {
            "" => decimal(0),
            "n" => decimal(-9),
            "u" => decimal(-6),
            "m" => decimal(-3),
            "k" => decimal(3),
            "M" => decimal(6),
            "G" => decimal(9),
            "T" => decimal(12),
            "P" => decimal(15),
            "E" => decimal(18),
            "Ki" => binary(10),
            "Mi" => binary(20),
            "Gi" => binary(30),
            "Ti" => binary(40),
            "Pi" => binary(50),
            "Ei" => binary(60),
            _ => {
                let exponent = suffix.strip_prefix(['e', 'E'])?.parse::<i32>().ok()?;
                Some((Self::PowerOfTen(exponent), Format::DecimalExponent))
            }
        }
    }

    /// `whole.fraction` times this scale in billionths, rounded up, at most `i64::MAX` units.
    fn nano(self, whole: &str, fraction: &str) -> i128 {
        let cap = i128::from(i64::MAX) * NANO;
        let (exponent, multiplier) = match self {
            Self::PowerOfTen(exponent) => (i64::from(exponent) + 9, 1),
            Self::PowerOfTwo(bits) => (9, 1_i128 << bits),
        };
        // The digits as one integer, of which the last `-shift` ones lie behind the point.
        let digits = format!("{whole}{fraction}");
        let digits = digits.trim_start_matches('0');
        let shift = exponent - i64::try_from(fraction.len()).unwrap_or(i64::MAX);
        if digits.is_empty() {
            return 0;
        }
        let length = i64::try_from(digits.len()).unwrap_or(i64::MAX);
        let magnitude = length.saturating_add(shift);
        if magnitude > 29 {
            return cap;
        }
        scaled(digits, multiplier, shift).min(cap)
    }

    /// Fractions below one have no binary form.
    fn format_of(self, nano: i128, format: Format) -> Format {
        match self {
            Self::PowerOfTwo(_) if nano > 0 && nano < NANO => Format::DecimalSI,
            _ => format,
        }
    }
}

/// `digits * multiplier * 10^shift`, rounded up. The caller made sure that the result without the multiplier has at
/// most 29 digits.
fn scaled(digits: &str, multiplier: i128, shift: i64) -> i128 {
    let keep = if shift < 0 { digits.len().min(38) } else { digits.len() };
    let (head, tail) = digits.split_at(keep);
    let inexact = tail.bytes().any(|b| b != b'0');
    let value = head.parse::<i128>().unwrap_or(i128::MAX);
    let shift = shift.saturating_add(i64::try_from(tail.len()).unwrap_or(i64::MAX));
    if shift >= 0 {
        let power =
            u32::try_from(shift).ok().and_then(|shift| 10_i128.checked_pow(shift)).unwrap_or(i128::MAX);
        return value.saturating_mul(power).saturating_mul(multiplier);
    }
    let Some(power) = u32::try_from(-shift).ok().and_then(|shift| 10_i128.checked_pow(shift)) else {
        return 1;
    };
    // value * multiplier may exceed i128, so the quotient and the remainder are multiplied apart.
    let quotient = (value / power).saturating_mul(multiplier);
    let remainder = value % power;
    let rest = remainder.checked_mul(multiplier).map_or_else(
        || (remainder / (power / multiplier).max(1)).saturating_add(1),
        |product| product / power + i128::from(product % power != 0 || inexact),
    );
    quotient.saturating_add(rest)
}

fn div_away_from_zero(value: i128, by: i128) -> i128 {
    let exact = i128::from(value % by != 0);
    value / by + if value < 0 { -exact } else { exact }
}

/// The canonical form: no precision lost, no fraction, the largest prefix that allows it.
impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.nano == 0 {
            return f.write_str("0");
        }
        let whole = self.nano / NANO;
        if self.format == Format::BinarySI && self.nano % NANO == 0 && whole.abs() >= 1024 {
            let (mut value, mut prefix) = (whole, 0);
            let prefixes = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
            while value % 1024 == 0 && prefix + 1 < prefixes.len() {
                value /= 1024;
                prefix += 1;
            }
            return write!(f, "{value}{}", prefixes[prefix]);
        }
        let (value, exponent) = self.canonical();
        match (self.format, exponent) {
            (_, 0) => write!(f, "{value}"),
            (Format::DecimalExponent, exponent) => write!(f, "{value}e{exponent}"),
            (_, exponent) => {
                let prefixes = ["n", "u", "m", "", "k", "M", "G", "T", "P", "E"];
                let index = usize::try_from((exponent + 9) / 3).unwrap_or_default();
                write!(f, "{value}{}", prefixes[index])
            }
        }
    }
}

#[cfg(test)]
mod tests;
