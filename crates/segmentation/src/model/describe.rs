//! One sentence about a segment that a risk officer can read.

use super::name::telling;
use super::{FeatureProfile, Segment};
use crate::prepare::Column;

/// "42 accounts (18.7 %), 61.3 % of volume; maker share 0.93 (all: 0.40); average trade 12,400 USD (all: 1,900 USD)".
/// The figures are medians; means (marked so) where the medians read the same.
pub(super) fn describe(segment: &Segment, overall: &[FeatureProfile], columns: &[Column], alone: bool) -> String {
    let plural = if segment.accounts == 1 { "account" } else { "accounts" };
    let mut text = format!("{} {plural} ({:.1} %)", whole(segment.accounts as f64), 100.0 * segment.share);
    if let Some(share) = segment.volume_share {
        text += &format!(", {:.1} % of volume", 100.0 * share);
    }
    if alone {
        return text;
    }
    for i in telling(&segment.profile).into_iter().take(2) {
        let (here, all, column) = (&segment.profile[i], &overall[i], &columns[i]);
        let show = |x: f64| with_unit(x, &column.spec.unit, column.spec.title());
        let medians = here.median.zip(all.median).map(|(a, b)| (show(a), show(b), ""));
        let means = here.mean.zip(all.mean).map(|(a, b)| (show(a), show(b), "mean "));
        if let Some((a, b, word)) = medians.filter(|(a, b, _)| a != b).or(means) {
            text += &format!("; {} {word}{a} (all: {b})", column.spec.title());
        }
    }
    text
}

/// A unit that only says "a number" or gives its range, or that the title already names ("active days"), is left out.
pub(super) fn with_unit(x: f64, unit: &str, title: &str) -> String {
    let plain = matches!(unit, "" | "1" | "share" | "ratio" | "count" | "number" | "index") || unit.contains(" to ");
    if plain || title.split_whitespace().any(|word| word == unit) {
        number(x)
    } else {
        format!("{} {unit}", number(x))
    }
}

/// About three significant digits, thousands separated: 12,400, 61.3, 0.40, 0.0012, 3.1e-9. Decimal formatting does the
/// rounding, not logarithms: the text must not depend on the machine's mathematics library.
pub(super) fn number(x: f64) -> String {
    let size = x.abs();
    if size < 1000.0 && x.fract() == 0.0 {
        whole(x)
    } else if !(1e-4..1e15).contains(&size) {
        format!("{x:.1e}")
    } else if size >= 99.95 {
        whole(format!("{x:.2e}").parse().unwrap_or(x))
    } else if size >= 9.995 {
        format!("{x:.1}")
    } else if size >= 0.0995 {
        format!("{x:.2}")
    } else if size >= 0.00995 {
        format!("{x:.3}")
    } else if size >= 0.000_995 {
        format!("{x:.4}")
    } else {
        format!("{x:.5}")
    }
}

fn whole(x: f64) -> String {
    let digits = format!("{:.0}", x.abs());
    let mut text = String::new();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i) % 3 == 0 {
            text.push(',');
        }
        text.push(c);
    }
    if x < 0.0 {
        text.insert(0, '-');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{number, with_unit};

    #[test]
    fn units_are_said_once() {
        assert_eq!(with_unit(12_400.0, "USD", "average trade"), "12,400 USD");
        assert_eq!(with_unit(12.0, "days", "active days"), "12");
        assert_eq!(with_unit(12.0, "days", "tenure"), "12 days");
        assert_eq!(with_unit(-0.5, "-1 to 1", "order-flow imbalance"), "-0.50");
        assert_eq!(with_unit(0.93, "share", "maker share"), "0.93");
    }

    #[test]
    fn numbers_are_short_and_readable() {
        for (x, text) in [
            (0.0, "0"),
            (12_412.0, "12,400"),
            (1_234_567.0, "1,230,000"),
            (61.34, "61.3"),
            (100.0, "100"),
            (-0.0, "0"),
            (-3.0, "-3"),
            (99.96, "100"),
            (0.4, "0.40"),
            (0.0123, "0.012"),
            (-2500.4, "-2,500"),
            (3.14e-9, "3.1e-9"),
            (2e20, "2.0e20"),
            (1000.0, "1,000"),
            (999.9, "1,000"),
        ] {
            assert_eq!(number(x), text, "{x}");
        }
    }
}
