//! A measured number, as the core counts.

use thiserror::Error;

/// Why a measured number cannot be a load.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum BadNumber {
    #[error("the value is not a number (NaN), as a division of nothing by nothing gives it")]
    NotANumber,
    #[error("the value is infinite, as a division by zero gives it")]
    Infinite,
    #[error("the value is negative, and a load cannot be")]
    Negative,
    #[error("the value is larger than 9.2e15, the most that can be counted with")]
    TooLarge,
}

/// The largest number whose thousandths fit.
const MOST: f64 = 9.2e15;

/// The number in thousandths, rounded up like a quantity: the least load is load. A part beyond the ninth digit is the
/// noise of floating point.
pub(crate) fn milli(value: f64) -> Result<i64, BadNumber> {
    match value {
        _ if value.is_nan() => Err(BadNumber::NotANumber),
        _ if value.is_infinite() => Err(BadNumber::Infinite),
        _ if value < 0.0 => Err(BadNumber::Negative),
        _ if value > MOST => Err(BadNumber::TooLarge),
        _ => {
            let exact = value * 1000.0;
            let nearest = exact.round();
            let is_noise = (exact - nearest).abs() <= exact * 1e-12;
            // In range by the arm above.
            #[allow(clippy::cast_possible_truncation)]
            Ok((if is_noise { nearest } else { exact.ceil() }) as i64)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_load_is_rounded_up_to_the_thousandth() {
        for (value, expected) in
            [(0.0, 0), (-0.0, 0), (1.0, 1000), (16.1, 16_100), (0.1 + 0.2, 300), (1e-9, 1), (2.0001, 2001)]
        {
            assert_eq!(milli(value), Ok(expected), "{value}");
        }
        assert_eq!(milli(9e15), Ok(9_000_000_000_000_000_000));
    }

    #[test]
    fn what_is_no_load_is_refused() {
        for (value, expected) in [
            (f64::NAN, BadNumber::NotANumber),
            (f64::INFINITY, BadNumber::Infinite),
            (f64::NEG_INFINITY, BadNumber::Infinite),
            (-1e-9, BadNumber::Negative),
            (1e16, BadNumber::TooLarge),
        ] {
            assert_eq!(milli(value), Err(expected), "{value}");
        }
    }
}
