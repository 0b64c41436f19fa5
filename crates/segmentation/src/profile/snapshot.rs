//! The state of one account at an instant, as a value: what `account_snapshot(...)` makes and `account_profile` reads.
//!
//! Bytes: version (1), presence (u16, one bit a number), time (i64 microseconds since 2000-01-01 UTC), then the present
//! numbers (f64, 8 bytes each) in the order below.

use crate::error::{Error, Kind, Result};
use crate::profile::codec::{malformed, Reader, Sink};
use crate::profile::fill::Rejection;
use crate::profile::money;

/// Version byte of the snapshot format.
pub const VERSION: u8 = 1;

/// The numbers, in the order of their presence bits; those whose name ends in `Usd` are in USD.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Field {
    EquityUsd,
    /// Deposits less withdrawals since the account's snapshot before.
    FlowUsd,
    InitialMarginUsd,
    MaintenanceMarginUsd,
    /// Σ |notional| of the positions.
    GrossNotionalUsd,
    /// Σ over underlyings of the |net delta| in each.
    DeltaUsd,
    /// Σ over positions of |delta|.
    GrossDeltaUsd,
    /// Signed Σ of the deltas.
    NetDeltaUsd,
    /// Smallest |S - liquidation price| / S.
    LiquidationDistance,
    /// Funding paid (+) or received since the snapshot before.
    FundingUsd,
    /// Return of the market, and of a second one, over the UTC day of the snapshot.
    MarketReturn,
    SecondMarketReturn,
}
pub const FIELDS: usize = 12;

const KNOWN: u16 = (1 << FIELDS) - 1;

/// Largest |flow| of one snapshot in USD; it is far above any transfer, and keeps the sums of a day within 6 bytes.
pub const FLOW_LIMIT_USD: f64 = 1e11;

/// A snapshot without a time is kept as one at this instant, which no clock can give, and rejected by the profile.
const NO_TIME: i64 = i64::MIN;

/// A snapshot before it is encoded, or after it was decoded. An unset number is 0 with its presence bit off.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Snapshot {
    pub taken_at: Option<i64>,
    pub present: u16,
    pub nums: [f64; FIELDS],
}

impl Snapshot {
    pub fn set(&mut self, field: Field, value: f64) {
        self.present |= 1 << field as usize;
        self.nums[field as usize] = value;
    }

    pub fn get(&self, field: Field) -> Option<f64> {
        (self.present & (1 << field as usize) != 0).then_some(self.nums[field as usize])
    }

    pub fn encode(&self, out: &mut impl Sink) {
        out.u8(VERSION);
        out.put(&self.present.to_le_bytes());
        out.i64(self.taken_at.unwrap_or(NO_TIME));
        self.write_numbers(out);
    }

    /// Reads the bytes, checking every length and every bit.
    pub fn decode(bytes: &[u8]) -> Result<Snapshot> {
        let mut r = Reader::new(bytes);
        let version = r.u8()?;
        if version != VERSION {
            return Err(Error::new(Kind::Corrupted, format!("account snapshot of unknown version {version}"))
                .hint(format!("this version of pg_segmentation reads version {VERSION}")));
        }
        let present = r.take(2)?;
        let present = u16::from_le_bytes([present[0], present[1]]);
        let taken_at = Some(r.i64()?).filter(|&t| t != NO_TIME);
        let snapshot = Snapshot::read_numbers(taken_at, present, &mut r)?;
        r.end()?;
        Ok(snapshot)
    }

    /// Writes the present numbers; presence and time are the caller's.
    pub fn write_numbers(&self, out: &mut impl Sink) {
        (0..FIELDS).filter(|i| self.present >> i & 1 == 1).for_each(|i| out.f64(self.nums[i]));
    }

    /// Reads what [`Snapshot::write_numbers`] wrote.
    pub fn read_numbers(taken_at: Option<i64>, present: u16, r: &mut Reader) -> Result<Snapshot> {
        if present & !KNOWN != 0 {
            return Err(malformed("an account snapshot has unknown fields"));
        }
        let mut snapshot = Snapshot { taken_at, present, nums: [0.0; FIELDS] };
        for i in (0..FIELDS).filter(|i| present >> i & 1 == 1) {
            snapshot.nums[i] = r.f64()?;
        }
        Ok(snapshot)
    }

    /// The snapshot as a profile keeps it, with its time, or why it is not counted: no finite time, a number that is
    /// NaN or infinite, an amount beyond [`money::LIMIT_USD`] or a flow beyond [`FLOW_LIMIT_USD`].
    pub fn checked(mut self) -> Result<(i64, Snapshot), Rejection> {
        let at = self.taken_at.filter(|&t| t != NO_TIME && t != i64::MAX).ok_or(Rejection::Time)?;
        if self.nums.iter().any(|v| !v.is_finite()) {
            return Err(Rejection::Number);
        }
        let no_money = [Field::LiquidationDistance, Field::MarketReturn, Field::SecondMarketReturn].map(|f| f as usize);
        let beyond = |(i, v): (usize, &f64)| !no_money.contains(&i) && !money::within_limit(*v);
        if self.nums.iter().enumerate().any(beyond) || self.nums[Field::FlowUsd as usize].abs() > FLOW_LIMIT_USD {
            return Err(Rejection::TooLarge);
        }
        // -0 and 0 are equal but not byte-equal.
        self.nums.iter_mut().for_each(|v| *v += 0.0);
        Ok((at, self))
    }

    /// What tells snapshots apart, and puts them in the order they are written in.
    pub fn order(&self) -> (i64, u16, [u64; FIELDS]) {
        (self.taken_at.unwrap_or(NO_TIME), self.present, self.nums.map(f64::to_bits))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_round_trip() {
        let mut s = Snapshot { taken_at: Some(-5), ..Snapshot::default() };
        s.set(Field::EquityUsd, 1000.5);
        s.set(Field::SecondMarketReturn, f64::NAN);
        let mut bytes = Vec::new();
        s.encode(&mut bytes);
        let back = Snapshot::decode(&bytes).unwrap();
        assert_eq!(
            (back.taken_at, back.get(Field::EquityUsd), back.get(Field::FlowUsd)),
            (Some(-5), Some(1000.5), None)
        );
        assert!(back.get(Field::SecondMarketReturn).unwrap().is_nan());
        let mut again = Vec::new();
        back.encode(&mut again);
        assert_eq!(bytes, again);
        for n in 0..bytes.len() {
            assert!(Snapshot::decode(&bytes[..n]).is_err());
        }
        bytes.push(0);
        assert!(Snapshot::decode(&bytes).is_err());
        assert!(Snapshot::decode(&[1, 0, 0x10, 0, 0, 0, 0, 0, 0, 0, 0]).is_err());
        assert_eq!(Snapshot::decode(&[2]).unwrap_err().kind, Kind::Corrupted);
        let timeless = Snapshot::default();
        bytes.clear();
        timeless.encode(&mut bytes);
        assert_eq!(Snapshot::decode(&bytes).unwrap(), timeless);
    }

    #[test]
    fn rules() {
        let with = |field, value| {
            let mut s = Snapshot { taken_at: Some(0), ..Snapshot::default() };
            s.set(field, value);
            s.checked().map(|(at, _)| at)
        };
        assert_eq!(with(Field::EquityUsd, -1e20), Ok(0));
        assert_eq!(with(Field::EquityUsd, 1.1e20), Err(Rejection::TooLarge));
        assert_eq!(with(Field::FlowUsd, -1.1e11), Err(Rejection::TooLarge));
        assert_eq!(with(Field::MarketReturn, 1e300), Ok(0));
        assert_eq!(with(Field::LiquidationDistance, f64::INFINITY), Err(Rejection::Number));
        for taken_at in [None, Some(i64::MAX)] {
            assert_eq!(Snapshot { taken_at, ..Snapshot::default() }.checked().unwrap_err(), Rejection::Time);
        }
        let mut zero = Snapshot { taken_at: Some(0), ..Snapshot::default() };
        zero.set(Field::FlowUsd, -0.0);
        assert_eq!(zero.checked().unwrap().1.order().2, [0; FIELDS]);
    }
}
