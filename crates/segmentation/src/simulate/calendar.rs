//! Days since the start of the simulation, and the Fridays on which its futures and options expire.

/// Monday 2024-01-01 00:00 UTC, in microseconds since 2000-01-01 as PostgreSQL counts.
pub(super) const START: i64 = 8_766 * DAY;
pub(super) const HOUR: i64 = 3_600_000_000;
pub(super) const DAY: i64 = 24 * HOUR;
/// Contracts expire at 08:00 UTC.
pub(super) const EXPIRY_HOUR: i64 = 8 * HOUR;
const MONTHS: [&str; 12] = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];

/// One expiry date.
pub(super) struct Friday {
    /// Days since the start of the simulation.
    pub day: i64,
    /// As in instrument names: 28JUN24.
    pub label: String,
    /// Index of this Friday, or of the next that is the last one of a month.
    pub monthly: usize,
    /// Index of this Friday, or of the next that is the last one of March, June, September or December.
    pub quarterly: usize,
}

/// Every Friday that a contract traded within `days` may expire on.
pub(super) fn fridays(days: u32) -> Vec<Friday> {
    let mut list: Vec<Friday> = (0..i64::from(days) / 7 + 60)
        .map(|week| {
            let day = 4 + 7 * week;
            let (year, month, date) = date(day);
            let label = format!("{date}{}{:02}", MONTHS[month - 1], year % 100);
            Friday { day, label, monthly: 0, quarterly: 0 }
        })
        .collect();
    let (mut monthly, mut quarterly) = (list.len() - 1, list.len() - 1);
    for i in (0..list.len()).rev() {
        let month = date(list[i].day).1;
        if month != date(list[i].day + 7).1 {
            monthly = i;
            if month.is_multiple_of(3) {
                quarterly = i;
            }
        }
        list[i].monthly = monthly;
        list[i].quarterly = quarterly;
    }
    list
}

/// Index of the first Friday whose expiry is after `at` (microseconds since the start).
pub(super) fn next_friday(at: i64) -> usize {
    // Friday number i expires at (4 + 7 i) days + 8 hours.
    let since_first = at - 4 * DAY - EXPIRY_HOUR;
    if since_first < 0 {
        0
    } else {
        (since_first / (7 * DAY)) as usize + 1
    }
}

/// Proleptic Gregorian (year, month 1..=12, day of month) of a day of the simulation
/// (Hinnant, "chrono-compatible low-level date algorithms").
fn date(day: i64) -> (i64, usize, i64) {
    let shifted = day + 8_766 + 10_957 + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let date = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month as usize, date)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_expiries() {
        assert_eq!(date(0), (2024, 1, 1));
        assert_eq!(date(59), (2024, 2, 29));
        assert_eq!(date(366), (2025, 1, 1));
        let list = fridays(60);
        assert_eq!(list[0].label, "5JAN24");
        assert_eq!(list[list[0].monthly].label, "26JAN24");
        assert_eq!(list[list[0].quarterly].label, "29MAR24");
        assert_eq!(next_friday(0), 0);
        assert_eq!(next_friday(4 * DAY + EXPIRY_HOUR - 1), 0);
        assert_eq!(next_friday(4 * DAY + EXPIRY_HOUR), 1);
    }
}
