//! The numeric conversions the core needs, each with its rule for values that do not fit.
//!
//! Casts are allowed in this file only. Where Go leaves a conversion to the processor, these follow arm64: a float
//! that does not fit saturates, and a float that is not a number becomes zero.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "the rules are in each function"
)]

/// The smallest `i32` that is not below `value`, saturating; 0 for not-a-number.
pub(crate) fn ceil_to_i32(value: f64) -> i32 {
    value.ceil() as i32
}

/// `value` without its fraction, saturating; 0 for not-a-number.
pub(crate) fn trunc_to_i32(value: f64) -> i32 {
    value as i32
}

/// The smallest `i64` that is not below `value`, saturating; 0 for not-a-number.
pub(crate) fn ceil_to_i64(value: f64) -> i64 {
    value.ceil() as i64
}

/// The nearest double. Exact up to 2^53.
pub(crate) fn f64_from_i64(value: i64) -> f64 {
    value as f64
}

/// The nearest double. Exact up to 2^53.
pub(crate) fn f64_from_i128(value: i128) -> f64 {
    value as f64
}

/// The nearest double. Exact up to 2^53, which is far more pods than there are.
pub(crate) fn f64_from_count(count: usize) -> f64 {
    count as f64
}

/// A count as a divisor of milli-units, saturating.
pub(crate) fn i64_from_count(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// `value` if it fits, or the nearest bound.
pub(crate) fn saturate_to_i64(value: i128) -> i64 {
    i64::try_from(value).unwrap_or(if value < 0 { i64::MIN } else { i64::MAX })
}

/// `value` if it fits, or the nearest bound.
pub(crate) fn saturate_to_i32(value: i128) -> i32 {
    i32::try_from(value).unwrap_or(if value < 0 { i32::MIN } else { i32::MAX })
}

/// The low 32 bits, as Go's conversion of an `int64` to an `int32`.
pub(crate) fn wrap_to_i32(value: i64) -> i32 {
    value as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_that_do_not_fit_saturate_and_no_number_is_zero() {
        assert_eq!((ceil_to_i32(1.1), ceil_to_i32(-1.9)), (2, -1));
        assert_eq!((ceil_to_i32(1e300), ceil_to_i32(f64::NEG_INFINITY)), (i32::MAX, i32::MIN));
        assert_eq!((ceil_to_i32(f64::NAN), trunc_to_i32(f64::NAN), ceil_to_i64(f64::NAN)), (0, 0, 0));
        assert_eq!((trunc_to_i32(9.9), trunc_to_i32(-9.9)), (9, -9));
        assert_eq!(ceil_to_i64(f64::INFINITY), i64::MAX);
    }

    #[test]
    fn integers_saturate_or_keep_their_low_bits() {
        assert_eq!((saturate_to_i32(1 << 40), saturate_to_i64(-(1 << 80))), (i32::MAX, i64::MIN));
        assert_eq!(wrap_to_i32((1 << 32) + 7), 7);
    }
}
