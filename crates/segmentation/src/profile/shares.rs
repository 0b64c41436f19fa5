//! What an allocation says to the outside: volume by key or by group of keys, and how far two of them lie apart.

use crate::profile::money::to_usd;
use crate::profile::symbol::KEY_BITS;

/// The `bits` leading bits of a key.
pub(super) fn mask(bits: u32) -> u64 {
    if bits == 0 {
        return 0;
    }
    u64::MAX << (64 - bits)
}

/// Volume by key, in units of money above zero, in the order of the keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shares {
    /// How many leading bits of a key count: [`KEY_BITS`] where every key has its own volume. With fewer, an entry is the volume of all
    /// keys that begin with these bits, and the key is those bits followed by zeros.
    pub bits: u32,
    pub entries: Vec<(u64, i128)>,
}

impl Default for Shares {
    /// No volume.
    fn default() -> Self {
        Shares { bits: KEY_BITS, entries: Vec::new() }
    }
}

impl Shares {
    /// Whether the entries are groups of keys. The key of a group is the key of no name, whatever it looks like: it must not be looked
    /// for in, or ranked among, the keys of names.
    pub fn is_grouped(&self) -> bool {
        self.bits < KEY_BITS
    }

    /// The volume of all keys, in USD.
    pub fn total_usd(&self) -> f64 {
        to_usd(self.entries.iter().map(|e| e.1).fold(0, i128::saturating_add))
    }

    /// (leading bits, share of the whole) in the order of the keys, as if only `bits` of them were known.
    fn leading(&self, bits: u32) -> Vec<(u64, f64)> {
        let total = self.total_usd();
        let mut groups: Vec<(u64, i128)> = Vec::with_capacity(self.entries.len());
        for &(key, amount) in &self.entries {
            let key = key & mask(bits);
            match groups.last_mut().filter(|g| g.0 == key) {
                Some((_, sum)) => *sum = sum.saturating_add(amount),
                None => groups.push((key, amount)),
            }
        }
        groups.into_iter().map(|(key, amount)| (key, to_usd(amount) / total)).collect()
    }

    /// Total variation between the shares of two allocations, Σ |w - w'| / 2: 0 the same, 1 nothing in common. `None` where one has no
    /// volume. Where one is grouped, both are compared by the leading bits known of either: never above what the keys themselves would
    /// give, since adding up parts of two distributions alike cannot move them apart.
    pub fn drift(&self, other: &Shares) -> Option<f64> {
        if self.total_usd() <= 0.0 || other.total_usd() <= 0.0 {
            return None;
        }
        let bits = self.bits.min(other.bits);
        let (a, b) = (self.leading(bits), other.leading(bits));
        let (mut i, mut j, mut sum) = (0, 0, 0.0);
        while i < a.len() || j < b.len() {
            let key = a.get(i).map_or(u64::MAX, |x| x.0).min(b.get(j).map_or(u64::MAX, |x| x.0));
            let share = |of: &[(u64, f64)], at: &mut usize| match of.get(*at) {
                Some(x) if x.0 == key => {
                    *at += 1;
                    x.1
                }
                _ => 0.0,
            };
            sum += (share(&a, &mut i) - share(&b, &mut j)).abs();
        }
        Some((sum / 2.0).min(1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::allocation::Allocation;
    use crate::profile::symbol::hash;
    use allocator_api2::alloc::Global;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    /// Dollars by key, kept with the given bound.
    fn shares(bound: usize, dollars: &[(u64, u32)]) -> Shares {
        let mut a = Allocation::new(Global, bound);
        dollars.iter().for_each(|&(key, usd)| a.add(key, i128::from(usd) * 1_000_000_000));
        a.shares()
    }

    /// Total variation by its definition, of the first `bits` bits.
    fn plain(bits: u32, a: &[(u64, u32)], b: &[(u64, u32)]) -> f64 {
        let mut w: BTreeMap<u64, [f64; 2]> = BTreeMap::new();
        for (which, side) in [a, b].into_iter().enumerate() {
            let total: f64 = side.iter().map(|x| f64::from(x.1)).sum();
            for (key, usd) in side {
                w.entry(key >> (64 - bits)).or_default()[which] += f64::from(*usd) / total;
            }
        }
        w.values().map(|[x, y]| (x - y).abs()).sum::<f64>() / 2.0
    }

    fn numbered(n: u64) -> Vec<(u64, u32)> {
        (0..n).map(|i| (hash(&i.to_le_bytes()), 1 + i as u32)).collect()
    }

    #[test]
    fn says_when_it_is_grouped() {
        assert!(!shares(12, &numbered(12)).is_grouped() && shares(12, &numbered(13)).is_grouped());
        assert!(!Shares::default().is_grouped());
        // Eight keys, one for each value of the first three bits, in four places: two bits are left.
        let eight: Vec<(u64, u32)> = (0..8).map(|i| (i << 61, 1 + i as u32)).collect();
        let grouped = shares(4, &eight);
        assert_eq!((grouped.bits, grouped.total_usd()), (2, 36.0));
        assert_eq!(grouped.entries.iter().map(|e| e.0 >> 61).collect::<Vec<_>>(), [0, 2, 4, 6]);
        assert_eq!(grouped.entries.iter().map(|e| to_usd(e.1)).collect::<Vec<_>>(), [3.0, 7.0, 11.0, 15.0]);
    }

    #[test]
    fn drift_of_one_key_more() {
        // The thirteenth key makes all others groups; it carries 13 of 91 dollars, which is all that moved.
        let (before, after) = (shares(12, &numbered(12)), shares(12, &numbered(13)));
        let moved = 13.0 / 91.0;
        let drift = before.drift(&after).unwrap();
        assert!(drift <= moved + 1e-15 && drift > moved / 2.0, "{drift} of {moved}");
        assert_eq!(after.drift(&before), Some(drift));
        assert_eq!(after.drift(&after), Some(0.0));
    }

    #[test]
    fn drift_without_volume_and_without_anything_in_common() {
        let (a, b) = (shares(12, &numbered(3)), shares(12, &[(1 << 63 | 1 << 40, 5)]));
        assert_eq!((a.drift(&Shares::default()), Shares::default().drift(&a)), (None, None));
        assert_eq!(a.drift(&b), Some(1.0));
    }

    fn dollars() -> impl Strategy<Value = Vec<(u64, u32)>> {
        let key = prop_oneof![(0u64..60).prop_map(|i| hash(&i.to_le_bytes())), (0u64..60).prop_map(|i| i << 26)];
        prop::collection::vec((key, 1u32..1_000_000), 1..60)
    }

    proptest! {
        #[test]
        fn drift_is_that_of_the_leading_bits_both_know(a in dollars(), b in dollars(), bounds in (1usize..40, 1usize..40)) {
            let (one, other) = (shares(bounds.0, &a), shares(bounds.1, &b));
            let drift = one.drift(&other).unwrap();
            // By one bit or none at all everything is in one or two groups; `plain` cannot shift by 64.
            let bits = one.bits.min(other.bits);
            let expected = if bits == 0 { 0.0 } else { plain(bits, &a, &b) };
            prop_assert!((drift - expected).abs() < 1e-12, "{} {}", drift, expected);
            prop_assert!(drift <= plain(KEY_BITS, &a, &b) + 1e-12);
            prop_assert_eq!(other.drift(&one), Some(drift));
        }
    }
}
