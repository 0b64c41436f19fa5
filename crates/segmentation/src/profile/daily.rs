//! The last days one by one (class G): volume and profit of each UTC day, for trends and returns by day.
//!
//! Kept are the days of the 16-day block of the last day and of the three blocks before it, 49 to 64 days. How many
//! fills are older than those is counted, for without them the days that come into the window when the last ones are
//! taken away would not be complete.

use crate::error::Result;
use crate::profile::codec::{malformed, Reader, Sink};
use allocator_api2::alloc::Allocator;
use allocator_api2::vec::Vec;

/// Days of a block, and blocks kept.
const BLOCK: i32 = 16;
const BLOCKS: i32 = 4;
/// Most days kept.
pub const DAYS: usize = (BLOCK * BLOCKS) as usize;
/// Units of money in a cent.
const CENT: i128 = 10_000_000;
/// Days of all 64-bit instants are within this many of day 0.
const LAST_DAY: i128 = 1 << 27;
/// Days that a trend looks back on, and the fewest that make one.
const TREND_DAYS: i32 = 35;
const TREND_LEAST: i32 = 14;

#[derive(Clone, Copy)]
struct Entry {
    day: i32,
    fills: u64,
    /// Fills with a profit or loss.
    closes: u64,
    /// Both in cents.
    volume: i128,
    pnl: i128,
}

/// Volume and profit by day; every fill is rounded to a cent, so the sums of a day are exact.
pub struct Daily<A: Allocator + Clone> {
    /// Fills of days that are older than those kept.
    older: u64,
    /// In the order of time, none without a fill.
    days: Vec<Entry, A>,
}

/// The nearest cent, half away from zero.
fn cents(units: i128) -> i128 {
    // Almost every amount fits in 64 bits, where dividing by a constant is a multiplication.
    match i64::try_from(units) {
        Ok(small) => {
            let (whole, rest) = (small / CENT as i64, small % CENT as i64);
            i128::from(whole + i64::from(rest >= CENT as i64 / 2) - i64::from(rest <= -(CENT as i64) / 2))
        }
        Err(_) => {
            let (whole, rest) = (units / CENT, units % CENT);
            whole + i128::from(rest >= CENT / 2) - i128::from(rest <= -CENT / 2)
        }
    }
}

/// First day kept when `last` is the last one.
fn first_kept(last: i32) -> i32 {
    (last.div_euclid(BLOCK) - (BLOCKS - 1)) * BLOCK
}

impl<A: Allocator + Clone> Daily<A> {
    pub fn new(alloc: A) -> Self {
        Daily { older: 0, days: Vec::new_in(alloc) }
    }

    /// Makes room for the days of so many fills.
    pub fn reserve(&mut self, fills: usize) {
        self.days.reserve_exact(fills.min(DAYS));
    }

    /// Adds one fill of a day (0 is 2000-01-01) with its volume and its profit in units of money, where known.
    pub fn add(&mut self, day: i32, volume: Option<i128>, pnl: Option<i128>) {
        self.put(&Entry {
            day,
            fills: 1,
            closes: u64::from(pnl.is_some()),
            volume: volume.map_or(0, cents),
            pnl: pnl.map_or(0, cents),
        });
    }

    fn put(&mut self, more: &Entry) {
        // Trades mostly arrive in the order of time, so the last day is the one.
        let place = match self.days.last() {
            Some(last) if last.day == more.day => Ok(self.days.len() - 1),
            Some(last) if more.day < first_kept(last.day) => {
                self.older = self.older.saturating_add(more.fills);
                return;
            }
            _ => self.days.binary_search_by_key(&more.day, |d| d.day),
        };
        match place {
            Ok(i) => {
                let entry = &mut self.days[i];
                entry.fills = entry.fills.saturating_add(more.fills);
                entry.closes = entry.closes.saturating_add(more.closes);
                entry.volume = entry.volume.saturating_add(more.volume);
                entry.pnl = entry.pnl.saturating_add(more.pnl);
            }
            Err(i) => {
                self.days.insert(i, *more);
                self.forget();
            }
        }
    }

    /// Leaves out the days that the last one has made too old.
    fn forget(&mut self) {
        let Some(first) = self.days.last().map(|d| first_kept(d.day)) else { return };
        let gone = self.days.partition_point(|d| d.day < first);
        for entry in self.days.drain(..gone) {
            self.older = self.older.saturating_add(entry.fills);
        }
    }

    /// Each day with a fill, in order: the day, its volume in USD (0 when no fill could be priced), and its profit in
    /// USD (`None` when no fill had one).
    pub fn iter(&self) -> impl Iterator<Item = (i32, f64, Option<f64>)> + '_ {
        let usd = |cents: i128| cents as f64 / 100.0;
        self.days.iter().map(move |d| (d.day, usd(d.volume), (d.closes > 0).then(|| usd(d.pnl))))
    }

    /// Slope of ln(1 + volume in USD) on the day, by least squares, over the days without trades too. Looks at the 35
    /// days before `end_day`, from `first_day` (the first of the account) on; `None` for fewer than 14 of them.
    /// `end_day` is later than the last day kept.
    pub fn trend(&self, first_day: i32, end_day: i32) -> Option<f64> {
        let start = end_day.saturating_sub(TREND_DAYS).max(first_day);
        if end_day < start || end_day.saturating_sub(start) < TREND_LEAST {
            return None;
        }
        let n = f64::from(end_day - start);
        // A day without volume has y = 0 and adds nothing to the sum of (x - mean x) y.
        let moment: f64 = self
            .iter()
            .filter(|d| (start..end_day).contains(&d.0))
            .map(|(day, volume, _)| (f64::from(day - start) - (n - 1.0) / 2.0) * libm::log1p(volume.max(0.0)))
            .sum();
        Some(moment / (n * (n * n - 1.0) / 12.0))
    }

    /// Four times the volume of the 7 days before `end_day` over that of the 28 days before them; `None` when those are
    /// empty. Whether the account is old enough to be asked is for the caller to know.
    pub fn ratio_7d_28d(&self, end_day: i32) -> Option<f64> {
        let volume = |from: i32, to: i32| {
            let days = end_day.saturating_sub(from)..end_day.saturating_sub(to);
            self.days.iter().filter(|d| days.contains(&d.day)).fold(0i128, |sum, d| sum.saturating_add(d.volume))
        };
        let (late, early) = (volume(7, 0), volume(TREND_DAYS, 7));
        (early > 0).then(|| 4.0 * (late as f64 / early as f64))
    }

    pub fn write(&self, out: &mut impl Sink) {
        out.var(self.older);
        out.var(self.days.len() as u64);
        let mut before = None;
        for d in &self.days {
            match before {
                None => out.signed(i128::from(d.day)),
                Some(before) => out.var(u64::from(d.day.abs_diff(before)) - 1),
            }
            out.var(d.fills);
            out.var(d.closes);
            out.signed(d.volume);
            if d.closes > 0 {
                out.signed(d.pnl);
            }
            before = Some(d.day);
        }
    }

    /// What [`Daily::write`] wrote: the number of older fills, and each day.
    fn read(r: &mut Reader, mut visit: impl FnMut(&Entry) -> Result<()>) -> Result<u64> {
        let bad = || malformed("a day is out of range");
        let older = r.var()?;
        let n = r.below(DAYS as u64 + 1, "a number of days")?;
        if n == 0 && older > 0 {
            return Err(bad());
        }
        let (mut first, mut before) = (0, None);
        for _ in 0..n {
            let day = match before {
                None => r.signed()?,
                Some(before) => i128::from(before) + 1 + i128::from(r.var()?),
            };
            if day.abs() > LAST_DAY {
                return Err(bad());
            }
            let day = day as i32;
            let (fills, closes, volume) = (r.var()?, r.var()?, r.signed()?);
            let pnl = if closes > 0 { r.signed()? } else { 0 };
            first = if before.is_none() { day } else { first };
            if fills == 0 || closes > fills || first < first_kept(day) {
                return Err(bad());
            }
            before = Some(day);
            visit(&Entry { day, fills, closes, volume, pnl })?;
        }
        Ok(older)
    }

    /// Adds what [`Daily::write`] wrote.
    pub fn absorb(&mut self, r: &mut Reader) -> Result<()> {
        let older = Self::read(r, |entry| {
            self.put(entry);
            Ok(())
        })?;
        self.older = self.older.saturating_add(older);
        Ok(())
    }

    /// Takes away what [`Daily::write`] wrote. `false` when the last days go and there were fills older than the days
    /// kept: some of these would have to come back.
    pub fn subtract(&mut self, r: &mut Reader) -> Result<bool> {
        let stranger = || malformed("days to take away were not part of these");
        let first = self.days.last().map_or(i32::MAX, |d| first_kept(d.day));
        let mut gone = 0u64;
        let older = Self::read(r, |part| {
            if part.day < first {
                gone = gone.saturating_add(part.fills);
                return Ok(());
            }
            let i = self.days.binary_search_by_key(&part.day, |d| d.day).map_err(|_| stranger())?;
            let entry = &mut self.days[i];
            entry.fills = entry.fills.checked_sub(part.fills).ok_or_else(stranger)?;
            entry.closes = entry.closes.checked_sub(part.closes).ok_or_else(stranger)?;
            entry.volume = entry.volume.saturating_sub(part.volume);
            entry.pnl = entry.pnl.saturating_sub(part.pnl);
            let rest = |closes: u64, cents: i128| closes == 0 && cents != 0;
            if entry.closes > entry.fills || rest(entry.fills, entry.volume) || rest(entry.closes, entry.pnl) {
                return Err(stranger());
            }
            Ok(())
        })?;
        self.older = self.older.checked_sub(gone.saturating_add(older)).ok_or_else(stranger)?;
        self.days.retain(|d| d.fills > 0);
        Ok(self.older == 0 || self.days.last().is_some_and(|d| first_kept(d.day) == first))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::money::from_usd;
    use crate::profile::testing::{any_tree, bytes, harm, hostile, merged, merges, taken_away};
    use allocator_api2::alloc::Global;
    use proptest::prelude::*;

    type Fill = (i32, Option<i128>, Option<i128>);

    fn daily(fills: &[Fill]) -> Daily<Global> {
        let mut d = Daily::new(Global);
        fills.iter().for_each(|&(day, volume, pnl)| d.add(day, volume, pnl));
        d
    }

    fn volumes(days: impl IntoIterator<Item = (i32, f64)>) -> Daily<Global> {
        daily(&days.into_iter().map(|(d, v)| (d, from_usd(v), None)).collect::<std::vec::Vec<_>>())
    }

    #[test]
    fn a_fill_is_rounded_to_a_cent() {
        for (units, whole) in [(4_999_999i128, 0), (5_000_000, 1), (-4_999_999, 0), (-5_000_000, -1), (-15_000_001, -2)]
        {
            assert_eq!(cents(units), whole);
            assert_eq!(cents(units + (CENT << 70) * units.signum()), whole + (1i128 << 70) * units.signum());
        }
        let d = volumes([(3, 0.004), (3, 0.004), (3, 1.006), (5, 2.0)]);
        assert_eq!(d.iter().collect::<std::vec::Vec<_>>(), [(3, 1.01, None), (5, 2.0, None)]);
        let d = daily(&[(7, None, None), (8, from_usd(10.0), from_usd(-1.5)), (8, None, from_usd(0.25))]);
        assert_eq!(d.iter().collect::<std::vec::Vec<_>>(), [(7, 0.0, None), (8, 10.0, Some(-1.25))]);
    }

    #[test]
    fn a_constant_growth_is_its_own_trend() {
        // ln(1 + v) = 3 + 0.05 day; a cent of rounding shifts the slope by less than 1e-5.
        let d = volumes((100..160).map(|day| (day, libm::expm1(3.0 + 0.05 * f64::from(day - 100)))));
        assert!((d.trend(100, 160).unwrap() - 0.05).abs() < 1e-5);
        assert!((d.trend(146, 160).unwrap() - 0.05).abs() < 1e-5);
        assert_eq!(d.trend(147, 160), None);
        assert_eq!(d.trend(i32::MIN, i32::MIN), None);
        assert_eq!(d.trend(i32::MAX, i32::MIN), None);
        assert_eq!(d.trend(-100, 1000), Some(0.0));
    }

    #[test]
    fn days_without_trades_are_part_of_the_trend() {
        // Least squares through (0, ln 101), (19, ln 1001) and 18 zeros between them.
        let d = volumes([(10, 100.0), (29, 1000.0)]);
        assert!((d.trend(10, 30).unwrap() - 0.032766203749628006).abs() < 1e-15);
    }

    #[test]
    fn the_last_week_against_four_weeks() {
        let d = volumes([(64, 1e9), (65, 10.0), (92, 30.0), (93, 25.0), (99, 5.0)]);
        assert_eq!(d.ratio_7d_28d(100), Some(3.0));
        assert_eq!(d.ratio_7d_28d(101), Some(4.0 * (5.0 / 55.0)));
        assert_eq!([d.ratio_7d_28d(1000), d.ratio_7d_28d(i32::MIN), d.ratio_7d_28d(i32::MAX)], [None; 3]);
    }

    #[test]
    fn the_window_moves_by_blocks() {
        let mut d = daily(&[]);
        assert_eq!(bytes(&d), [0, 0]);
        (-1000..=1000).for_each(|day| d.add(day, Some(i128::MAX / 3), Some(-1)));
        assert_eq!(d.iter().next().map(|e| e.0), Some((1000 / 16 - 3) * 16));
        assert_eq!((d.older + d.days.len() as u64, d.days.len()), (2001, 48 + 1000 % 16 + 1));
        // Every day kept, and each with the largest amounts that an account of any size could have.
        let full =
            daily(&(0..64).flat_map(|d| [(d, from_usd(1e15), from_usd(-1e15)); 9]).collect::<std::vec::Vec<_>>());
        assert!(full.days.len() == DAYS && bytes(&full).len() < 64 * 22);
        for day in [crate::profile::days::day_of(i64::MAX), crate::profile::days::day_of(i64::MIN)] {
            let d = daily(&[(day, None, None), (0, None, None)]);
            assert_eq!(bytes(&merged(daily(&[]), &[&bytes(&d)]).unwrap()), bytes(&d));
        }
    }

    fn fills() -> impl Strategy<Value = std::vec::Vec<Fill>> {
        let amount =
            prop_oneof![Just(None), (-1i128 << 60..1 << 60).prop_map(Some), (-1i128 << 97..1 << 97).prop_map(Some)];
        prop::collection::vec((prop_oneof![-200i32..200, 90i32..130], amount.clone(), amount), 0..80)
    }

    proptest! {
        #[test]
        fn any_tree_of_merges_gives_the_same_bytes(fills in fills(), merges in merges()) {
            any_tree(&fills, &merges, daily)?;
        }

        #[test]
        fn what_was_added_can_be_taken_away(a in fills(), b in fills()) {
            let last = |fills: &[Fill]| fills.iter().map(|f| f.0).max();
            let known = taken_away(&a, &b, daily)?;
            prop_assert!(known || last(&a) < last(&b));
        }

        #[test]
        fn hostile_bytes_are_errors_or_days(fills in fills(), harm in harm()) {
            hostile(&daily(&fills), &harm, || daily(&[]), || daily(&fills), |d| {
                prop_assert!(d.days.len() <= DAYS);
                prop_assert!(d.trend(-200, 201).is_none_or(f64::is_finite));
                prop_assert!(d.ratio_7d_28d(201).is_none_or(f64::is_finite));
                Ok(())
            })?;
        }
    }
}
