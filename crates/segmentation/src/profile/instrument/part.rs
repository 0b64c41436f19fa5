//! The parts of a name: symbols, dates, numbers. All of them take capitals.

use super::Reason;

/// Everything here expires at 08:00 UTC.
const EXPIRY_HOUR: i64 = 8;
const HOUR: i64 = 3_600_000_000;
/// Days from 1970-01-01 to 2000-01-01, where PostgreSQL's clock begins.
const EPOCH: i64 = 10_957;

const MONTHS: [&str; 12] = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];

/// The parts between hyphens, as far as there is room; one more than a format knows is enough to see that there are
/// too many.
pub(super) fn split<'a, 'b>(name: &'a str, parts: &'b mut [&'a str]) -> &'b [&'a str] {
    let mut n = 0;
    for (slot, part) in parts.iter_mut().zip(name.split('-')) {
        *slot = part;
        n += 1;
    }
    &parts[..n]
}

pub(super) fn is_symbol(text: &str) -> bool {
    (1..=20).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
}

pub(super) fn starts_with_digit(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit())
}

/// The short name of a combination: CS, STRG, PBUT111.
pub(super) fn is_code(text: &str) -> bool {
    text != "PERPETUAL" && !starts_with_digit(text) && (2..=10).contains(&text.len()) && is_symbol(text)
}

/// 27DEC24, 27DEC24_PERP: what a combination goes on with.
pub(super) fn is_leg(text: &str) -> bool {
    text.split('_').all(|leg| leg == "PERP" || !matches!(worded_date(leg), Err(Reason::UnknownFormat)))
}

/// 5JAN24: a day of one or two digits, a month, a year of this century.
pub(super) fn worded_date(text: &str) -> Result<i64, Reason> {
    let letters = text.bytes().position(|b| !b.is_ascii_digit()).unwrap_or(text.len());
    // `get` also refuses to cut a letter of several bytes in two.
    let (Some(day), Some(month), Some(year)) =
        (text.get(..letters), text.get(letters..letters + 3), text.get(letters + 3..))
    else {
        return Err(Reason::UnknownFormat);
    };
    let month = MONTHS.iter().position(|&m| m == month).ok_or(Reason::UnknownFormat)?;
    if !(1..=2).contains(&day.len()) || year.len() != 2 {
        return Err(Reason::UnknownFormat);
    }
    expiry(digits(year)?, month as i64 + 1, digits(day)?)
}

/// 241227: year of this century, month, day.
pub(super) fn numbered_date(text: &str) -> Result<i64, Reason> {
    let date = digits(text)?;
    if text.len() != 6 {
        return Err(Reason::UnknownFormat);
    }
    expiry(date / 10_000, date / 100 % 100, date % 100)
}

/// 08:00 UTC of a day that exists, in microseconds since 2000-01-01.
fn expiry(year: i64, month: i64, day: i64) -> Result<i64, Reason> {
    let leap = year % 4 == 0;
    let length = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return Err(Reason::NoSuchDate),
    };
    if !(1..=length).contains(&day) {
        return Err(Reason::NoSuchDate);
    }
    Ok(((days(2000 + year, month, day) - EPOCH) * 24 + EXPIRY_HOUR) * HOUR)
}

/// Days since 1970-01-01 of a proleptic Gregorian date (Hinnant, "chrono-compatible low-level date algorithms").
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// A number of digits alone, short enough for any part of a date.
fn digits(text: &str) -> Result<i64, Reason> {
    if text.is_empty() || text.len() > 6 || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Reason::UnknownFormat);
    }
    text.parse().map_err(|_| Reason::UnknownFormat)
}

/// 100000 or 0d625: digits, and after the point at least one more.
pub(super) fn decimal(text: &str, point: char) -> Result<f64, Reason> {
    let (whole, fraction) = text.split_once(point).unwrap_or((text, "0"));
    let numeric = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    if !numeric(whole) || !numeric(fraction) {
        return Err(Reason::UnknownFormat);
    }
    match format!("{whole}.{fraction}").parse::<f64>() {
        Ok(strike) if strike > 0.0 && strike.is_finite() => Ok(strike),
        _ => Err(Reason::NoStrike),
    }
}
