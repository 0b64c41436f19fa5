//! Numbers in texts.

/// The shortest decimal that reads back to the same bits, with an exponent where it would be long: 12400, 0.1, 1e150.
pub(crate) fn digits(x: f64) -> String {
    if x == 0.0 || (1e-5..1e16).contains(&x.abs()) {
        format!("{x}")
    } else {
        format!("{x:e}")
    }
}

#[cfg(test)]
mod tests {
    use super::digits;

    #[test]
    fn short_and_exact() {
        for (x, text) in [
            (12_400.0, "12400"),
            (0.1, "0.1"),
            (-0.5, "-0.5"),
            (0.0, "0"),
            (1e-300, "1e-300"),
            (f64::MAX, "1.7976931348623157e308"),
            (-f64::MAX, "-1.7976931348623157e308"),
            (5e-324, "5e-324"),
            (1e16, "1e16"),
        ] {
            assert_eq!(digits(x), text);
            assert_eq!(text.parse::<f64>().unwrap().to_bits(), x.to_bits());
        }
    }
}
