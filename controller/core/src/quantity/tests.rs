use super::*;

fn milli(text: &str) -> i64 {
    Quantity::parse(text).unwrap_or_else(|error| panic!("{text}: {error}")).milli()
}

fn canonical(text: &str) -> String {
    Quantity::parse(text).unwrap_or_else(|error| panic!("{text}: {error}")).to_string()
}

#[test]
fn thousandths_are_rounded_away_from_zero() {
    let table = [
        ("0", 0),
        ("100m", 100),
        ("1.5", 1500),
        ("+2", 2000),
        ("-1", -1000),
        (".5", 500),
        ("5.", 5000),
        ("1k", 1_000_000),
        ("1e3", 1_000_000),
        ("1E3", 1_000_000),
        ("9P", 9_000_000_000_000_000_000),
        ("1e-3", 1),
        ("5n", 1),
        ("-5n", -1),
        ("1u", 1),
        ("1001u", 2),
        ("0.1n", 1),
        ("1Ki", 1_024_000),
        ("1.5Gi", 1_610_612_736_000),
        ("0.5Ki", 512_000),
        ("0.0001Ki", 103),
        ("128974848", 128_974_848_000),
        ("129e6", 129_000_000_000),
        ("129M", 129_000_000_000),
        ("123Mi", 128_974_848_000),
        ("0.000000000000000000000000000000000000000000000000001", 1),
        ("1e-999999", 1),
    ];
    for (text, expected) in table {
        assert_eq!(milli(text), expected, "{text}");
    }
}

#[test]
fn what_is_too_large_saturates() {
    for text in ["9223372036854775807", "1e30", "1e2000000000", "8Ei", "99999999999999999999999999999Ei"] {
        assert_eq!(milli(text), i64::MAX, "{text}");
    }
    assert_eq!(milli("-1e30"), i64::MIN);
}

#[test]
fn what_is_no_quantity_is_refused_as_by_apimachinery() {
    let table = [
        ("", QuantityError::Format),
        ("1.2.3", QuantityError::Format),
        ("1 Gi", QuantityError::Format),
        ("abc", QuantityError::Format),
        ("1mb", QuantityError::Format),
        ("1K", QuantityError::Suffix),
        ("1mi", QuantityError::Suffix),
        ("1e", QuantityError::Suffix),
        ("1Gi5", QuantityError::Suffix),
        ("--1", QuantityError::Suffix),
        ("1e99999999999", QuantityError::Suffix),
    ];
    for (text, error) in table {
        assert_eq!(Quantity::parse(text), Err(error), "{text}");
    }
}

#[test]
fn the_canonical_form_loses_nothing() {
    let table = [
        ("0", "0"),
        ("0Gi", "0"),
        ("450m", "450m"),
        ("2000m", "2"),
        ("0.5", "500m"),
        ("1500", "1500"),
        ("3000", "3k"),
        ("1.5", "1500m"),
        ("100u", "100u"),
        ("5n", "5n"),
        ("1Gi", "1Gi"),
        ("1024Mi", "1Gi"),
        ("1.5Gi", "1536Mi"),
        ("0.5Ki", "512"),
        ("0.0001Ki", "102400u"),
        ("1025Ki", "1025Ki"),
        ("12e6", "12e6"),
        ("1200e3", "1200e3"),
        ("-3000", "-3k"),
        ("-2Gi", "-2Gi"),
    ];
    for (text, expected) in table {
        assert_eq!(canonical(text), expected, "{text}");
        assert_eq!(canonical(expected), expected, "{expected} again");
    }
}

#[test]
fn a_status_value_is_shown_as_hpa_shows_it() {
    assert_eq!(Quantity::from_milli(450, Format::DecimalSI).to_string(), "450m");
    assert_eq!(Quantity::from_milli(1_073_741_824_000, Format::BinarySI).to_string(), "1Gi");
    assert_eq!(Quantity::from_milli(500, Format::BinarySI).to_string(), "500m");
    assert_eq!(Quantity::from_milli(1_073_741_824_500, Format::BinarySI).to_string(), "1073741824500m");
}

#[test]
fn tolerances_are_read_as_doubles() {
    let approximate = |text| Quantity::parse(text).expect("parses").approximate();
    assert!((approximate("0.1") - 0.1).abs() < f64::EPSILON);
    assert!((approximate("75m") - 0.075).abs() < f64::EPSILON);
    assert!(approximate("0.00") <= 0.0);
}
