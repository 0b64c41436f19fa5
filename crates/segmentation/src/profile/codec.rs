//! Little-endian bytes with variable-length integers, and a reader that never panics on what it is given.

use crate::error::{Error, Kind, Result};
use crate::profile::money;
use allocator_api2::alloc::Allocator;

/// Where bytes are written to; a plain `Vec<u8>` or one that lives in a PostgreSQL memory context.
pub trait Sink {
    fn put(&mut self, bytes: &[u8]);

    fn u8(&mut self, v: u8) {
        self.put(&[v]);
    }
    fn u64(&mut self, v: u64) {
        self.put(&v.to_le_bytes());
    }
    fn i64(&mut self, v: i64) {
        self.put(&v.to_le_bytes());
    }
    fn f64(&mut self, v: f64) {
        self.put(&v.to_bits().to_le_bytes());
    }
    /// LEB128: 7 bits a byte, low first.
    fn var(&mut self, mut v: u64) {
        if v < 0x80 {
            return self.u8(v as u8);
        }
        let mut bytes = [0u8; 10];
        let mut n = 0;
        while v >= 0x80 {
            bytes[n] = (v as u8) | 0x80;
            v >>= 7;
            n += 1;
        }
        bytes[n] = v as u8;
        self.put(&bytes[..=n]);
    }
    fn var128(&mut self, v: u128) {
        match u64::try_from(v) {
            Ok(small) => self.var(small),
            Err(_) => {
                // The low 63 bits are nine bytes, and more follow.
                self.put(&std::array::from_fn::<u8, 9, _>(|i| (v >> (7 * i)) as u8 | 0x80));
                self.var128(v >> 63);
            }
        }
    }
    /// Signed, zigzag, LEB128.
    fn signed(&mut self, v: i128) {
        self.var128(((v << 1) ^ (v >> 127)) as u128);
    }
    /// An f64, exactly: as a decimal mantissa and a power of ten where that is shorter, as prices and quantities mostly
    /// are, else its 8 bytes after a 0.
    fn decimal(&mut self, v: f64) {
        match short_decimal(v) {
            Some(coded) => self.var(coded),
            None => {
                self.u8(0);
                self.f64(v);
            }
        }
    }
}

/// 10^0 to 10^13; the largest number of decimals that a number is looked for with.
const POWERS: [f64; 14] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13];

/// zigzag(mantissa)·16 + number of decimals + 1, where v is exactly the nearest double to such a decimal and the code
/// has at most 8 bytes.
fn short_decimal(v: f64) -> Option<u64> {
    const LARGEST: f64 = (1u64 << 50) as f64;
    if v == 0.0 && v.is_sign_negative() {
        return None;
    }
    let mantissa = |power: f64| money::whole(v * power) as i64;
    // What is no decimal with the most digits that there is room for is none with fewer.
    let most = POWERS.iter().rev().find(|&power| (v * power).abs() < LARGEST)?;
    let with_most = mantissa(*most) as f64;
    if with_most / most != v && with_most.abs() < LARGEST {
        return None;
    }
    for (decimals, power) in POWERS.iter().enumerate() {
        if (v * power).abs() >= LARGEST {
            return None;
        }
        let m = mantissa(*power);
        if (m as f64).abs() >= LARGEST {
            return None;
        }
        if m as f64 / power == v {
            return Some((((m << 1) ^ (m >> 63)) as u64) << 4 | (decimals as u64 + 1));
        }
    }
    None
}

/// Appends bytes to a vector whose own `extend_from_slice` takes them one by one.
#[inline]
pub fn append<A: Allocator>(to: &mut allocator_api2::vec::Vec<u8, A>, bytes: &[u8]) {
    let at = to.len();
    to.resize(at + bytes.len(), 0);
    to[at..].copy_from_slice(bytes);
}

impl<A: Allocator> Sink for allocator_api2::vec::Vec<u8, A> {
    fn put(&mut self, bytes: &[u8]) {
        append(self, bytes);
    }
    fn u8(&mut self, v: u8) {
        self.push(v);
    }
}

impl Sink for std::vec::Vec<u8> {
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
    fn u8(&mut self, v: u8) {
        self.push(v);
    }
}

/// Reads what a [`Sink`] wrote; every short or overlong piece is an `InvalidBinary` error.
pub struct Reader<'a> {
    bytes: &'a [u8],
}

/// The one error for bytes that do not decode.
pub fn malformed(what: &str) -> Error {
    Error::new(Kind::InvalidBinary, format!("invalid binary representation: {what}"))
}

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Reader { bytes }
    }

    pub fn take(&mut self, n: usize) -> Result<&'a [u8]> {
        if n > self.bytes.len() {
            return Err(malformed("it ends too early"));
        }
        let (head, tail) = self.bytes.split_at(n);
        self.bytes = tail;
        Ok(head)
    }

    fn word(&mut self) -> Result<[u8; 8]> {
        let mut word = [0u8; 8];
        word.copy_from_slice(self.take(8)?);
        Ok(word)
    }

    pub fn u8(&mut self) -> Result<u8> {
        Ok(self.take(1)?[0])
    }
    pub fn u64(&mut self) -> Result<u64> {
        Ok(u64::from_le_bytes(self.word()?))
    }
    pub fn i64(&mut self) -> Result<i64> {
        Ok(i64::from_le_bytes(self.word()?))
    }
    pub fn f64(&mut self) -> Result<f64> {
        Ok(f64::from_bits(self.u64()?))
    }

    pub fn var128(&mut self) -> Result<u128> {
        // Nearly all of them fit in 56 bits.
        let mut small = 0u64;
        for (i, &byte) in self.bytes.iter().take(8).enumerate() {
            small |= u64::from(byte & 0x7F) << (7 * i);
            if byte & 0x80 == 0 {
                if byte == 0 && i > 0 {
                    break;
                }
                self.bytes = &self.bytes[i + 1..];
                return Ok(u128::from(small));
            }
        }
        self.long()
    }

    fn long(&mut self) -> Result<u128> {
        let mut v = 0u128;
        for shift in (0..).step_by(7) {
            let byte = self.u8()?;
            let bits = u128::from(byte & 0x7F);
            if shift > 126 || (bits << shift) >> shift != bits {
                return Err(malformed("an integer is too long"));
            }
            v |= bits << shift;
            if byte & 0x80 == 0 {
                // A padded form would give one value two encodings, and equal profiles different bytes.
                if byte == 0 && shift > 0 {
                    return Err(malformed("an integer is padded"));
                }
                break;
            }
        }
        Ok(v)
    }

    pub fn var(&mut self) -> Result<u64> {
        u64::try_from(self.var128()?).map_err(|_| malformed("an integer is too long"))
    }

    /// A count or index that has to stay below `limit`.
    pub fn below(&mut self, limit: u64, what: &str) -> Result<usize> {
        let v = self.var()?;
        if v >= limit {
            return Err(malformed(&format!("{what} is {v}, which is not below {limit}")));
        }
        Ok(v as usize)
    }

    pub fn signed(&mut self) -> Result<i128> {
        let v = self.var128()?;
        Ok(((v >> 1) as i128) ^ -((v & 1) as i128))
    }

    /// What [`Sink::decimal`] wrote.
    pub fn decimal(&mut self) -> Result<f64> {
        let coded = self.var()?;
        if coded == 0 {
            return self.f64();
        }
        let power = (coded & 15).checked_sub(1).and_then(|d| POWERS.get(d as usize));
        let power = power.ok_or_else(|| malformed("a decimal is out of range"))?;
        let zigzag = coded >> 4;
        Ok(((zigzag >> 1) as i64 ^ -((zigzag & 1) as i64)) as f64 / power)
    }

    /// What has not been read yet.
    pub fn rest(&self) -> &'a [u8] {
        self.bytes
    }

    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub fn end(&self) -> Result<()> {
        if self.is_empty() {
            return Ok(());
        }
        Err(malformed(&format!("{} bytes are left over", self.bytes.len())))
    }
}

/// Which of up to 127 entries are there, the first one lowest.
pub fn write_map(bits: impl Iterator<Item = bool>, out: &mut impl Sink) {
    let map = bits.enumerate().fold(0u128, |map, (i, bit)| map | u128::from(bit) << i);
    out.var128(map);
}

/// What [`write_map`] wrote of `len` entries.
pub fn read_map(len: usize, r: &mut Reader) -> Result<u128> {
    let map = r.var128()?;
    if map >> len != 0 {
        return Err(malformed("a map has unknown entries"));
    }
    Ok(map)
}

/// Bytes as `\x…`, as PostgreSQL's bytea does: exact, and portable between servers of any byte order.
pub fn to_hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(2 + 2 * bytes.len());
    text.push_str("\\x");
    for b in bytes {
        text.push(DIGITS[usize::from(b >> 4)] as char);
        text.push(DIGITS[usize::from(b & 15)] as char);
    }
    text
}

/// The reverse of [`to_hex`]; `InvalidText` for anything else.
pub fn from_hex(text: &str, type_name: &str) -> Result<Vec<u8>> {
    let bad = || {
        Error::new(Kind::InvalidText, format!("invalid input syntax for type {type_name}"))
            .hint("its text form is \\x followed by pairs of hexadecimal digits, as this type prints itself")
    };
    let digits = text.trim().strip_prefix("\\x").ok_or_else(bad)?.as_bytes();
    if digits.len() % 2 != 0 {
        return Err(bad());
    }
    let digit = |b: u8| (b as char).to_digit(16).map(|d| d as u8);
    digits.chunks_exact(2).map(|p| Some(digit(p[0])? << 4 | digit(p[1])?)).collect::<Option<Vec<u8>>>().ok_or_else(bad)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn integers_round_trip() {
        for v in [0i128, 1, -1, 63, 64, -65, i64::MAX as i128, i64::MIN as i128, i128::MAX, i128::MIN] {
            let mut out = Vec::new();
            out.signed(v);
            let mut r = Reader::new(&out);
            assert_eq!(r.signed().unwrap(), v);
            assert!(r.is_empty());
        }
    }

    #[test]
    fn decimals_round_trip() {
        let numbers =
            [0.0, -0.0, 1.0, -2.5, 43_125.5, 0.1, 1e-13, 1e300, 5e-324, 0.1 + 0.2, 1e15, -8.123456789, f64::MAX];
        for v in numbers {
            let mut out = Vec::new();
            out.decimal(v);
            assert!(out.len() <= 9);
            let mut r = Reader::new(&out);
            assert_eq!(r.decimal().unwrap().to_bits(), v.to_bits(), "{v}");
            assert!(r.is_empty());
        }
        let mut out = Vec::new();
        out.decimal(43_125.5);
        assert_eq!(out.len(), 4);
        assert!(Reader::new(&[15]).decimal().is_err());
    }

    /// What [`short_decimal`] answers, by trying one number of decimals after the other.
    fn slowly(v: f64) -> Option<u64> {
        let found = POWERS.iter().position(|p| {
            let m = libm::rint(v * p);
            m / p == v || m.abs() >= (1u64 << 50) as f64
        })?;
        let m = libm::rint(v * POWERS[found]);
        let zero = v == 0.0 && v.is_sign_negative();
        (m.abs() < (1u64 << 50) as f64 && !zero)
            .then(|| ((((m as i64) << 1) ^ ((m as i64) >> 63)) as u64) << 4 | (found as u64 + 1))
    }

    proptest! {
        #[test]
        fn the_fewest_decimals_are_found(
            v in prop_oneof![
                any::<f64>(),
                -1e6..1e6,
                (-1i64 << 52..1 << 52, 0usize..14).prop_map(|(m, d)| m as f64 / POWERS[d]),
                (-1i64 << 30..1 << 30, 0usize..14).prop_map(|(m, d)| m as f64 / POWERS[d]),
                ((1i64 << 50) - 3..(1 << 50) + 3, 0usize..14).prop_map(|(m, d)| m as f64 / POWERS[d]),
            ],
            ulps in -2i64..3,
        ) {
            for v in [v, f64::from_bits(v.to_bits().wrapping_add_signed(ulps))] {
                prop_assert_eq!(short_decimal(v), slowly(v), "{:e}", v);
            }
        }
    }

    #[test]
    fn bad_integers_are_errors() {
        assert!(Reader::new(&[0x80; 30]).var128().is_err());
        assert!(Reader::new(&[0x80, 0x00]).var().is_err());
        assert!(Reader::new(&[0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F]).var().is_err());
        assert!(Reader::new(&[]).u64().is_err());
        assert!(from_hex("\\x0", "t").is_err());
        assert!(from_hex("00", "t").is_err());
        assert_eq!(from_hex("\\x00fF", "t").unwrap(), vec![0, 255]);
    }
}
