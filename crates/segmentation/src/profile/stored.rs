//! A profile as bytes: the stored value, and what travels between parallel workers.
//!
//! version (1 byte), form (1 byte: 0 sparse, 1 dense; on the way between processes 2 dense, 3 sparse, each as it is in
//! the state, neither folded nor sorted), rejected counts (4 varints), then
//! - sparse: fills (varint); the distinct shapes (presence and marks, varints) and symbols (u64) in order, each after
//!   its count; then a fill a time: index of its shape, microseconds since the fill before (varint; the first one is
//!   an i64), its numbers (f64), the indexes of its symbols. Sorted by time, so equal sets of trades give equal bytes;
//! - dense: the sections of `dense.rs`.

use crate::error::{Error, Kind, Result};
use crate::profile::codec::{malformed, Reader, Sink};
use crate::profile::dense::Count;
use crate::profile::fill::{Fill, REJECTIONS};
use crate::profile::state::{sorted_fills, wrong_form, Form, State, SPARSE_FILLS};
use crate::profile::trade::{NUMS, TEXTS};
use allocator_api2::alloc::Allocator;

/// Version byte of the profile format. Readers accept this and every earlier one.
pub const VERSION: u8 = 1;

const SPARSE: u8 = 0;
const DENSE: u8 = 1;
const DENSE_STATE: u8 = 2;
const SPARSE_STATE: u8 = 3;

impl<A: Allocator + Clone> State<A> {
    /// The profile's bytes: the same for the same multiset of trades, however they were partitioned and merged.
    pub fn write(&mut self, out: &mut impl Sink) {
        self.write_head(SPARSE, DENSE, out);
        match self.settled() {
            Form::Sparse(parts) => write_sparse(&sorted_fills(parts), out),
            Form::Dense(dense) => dense.write(false, out),
        }
    }

    /// The state's bytes on the way to another process that goes on aggregating.
    pub fn write_unfinished(&mut self, out: &mut impl Sink) {
        self.write_head(SPARSE_STATE, DENSE_STATE, out);
        match self.settled() {
            Form::Sparse(parts) => parts.into_iter().for_each(|part| out.put(part)),
            Form::Dense(dense) => dense.write(true, out),
        }
    }

    fn write_head(&self, sparse: u8, dense: u8, out: &mut impl Sink) {
        out.u8(VERSION);
        out.u8(if self.is_sparse() { sparse } else { dense });
        self.rejected().iter().for_each(|&n| out.var(n));
    }

    /// Adds what [`State::write`] or [`State::write_unfinished`] wrote. Bytes that are no profile are an error, and
    /// leave the state unusable.
    pub fn absorb(&mut self, bytes: &[u8]) -> Result<()> {
        let mut r = Reader::new(bytes);
        let version = r.u8()?;
        if version != VERSION {
            return Err(Error::new(Kind::Corrupted, format!("account profile of unknown version {version}"))
                .hint(format!("this version of pg_segmentation reads version {VERSION}")));
        }
        let form = r.u8()?;
        for reason in 0..REJECTIONS {
            self.reject(reason, r.var()?);
        }
        match form {
            SPARSE => read_sparse(&mut r, |fill| self.push(fill))?,
            SPARSE_STATE => {
                while !r.is_empty() {
                    self.push(&Fill::read(&mut r)?);
                }
            }
            DENSE | DENSE_STATE => {
                let dense = self.dense();
                let before = dense.sums.count(Count::Fills);
                dense.absorb(&mut r)?;
                if dense.sums.count(Count::Fills) - before <= u64::from(SPARSE_FILLS) {
                    return Err(wrong_form());
                }
            }
            _ => return Err(malformed(&format!("a profile has the unknown form {form}"))),
        }
        r.end()
    }

    /// Reads a stored profile.
    pub fn read(bytes: &[u8], alloc: A) -> Result<Self> {
        let mut state = State::new(alloc);
        state.absorb(bytes)?;
        Ok(state)
    }
}

fn symbols_of(fill: &Fill) -> impl Iterator<Item = u64> + '_ {
    (0..TEXTS).filter(|i| fill.present >> (NUMS + i) & 1 == 1).map(|i| fill.symbols[i])
}

fn write_sparse(fills: &[Fill], out: &mut impl Sink) {
    let mut shapes: Vec<(u32, u16)> = fills.iter().map(|f| (f.present, f.marks)).collect();
    let mut symbols: Vec<u64> = fills.iter().flat_map(symbols_of).collect();
    shapes.sort_unstable();
    shapes.dedup();
    symbols.sort_unstable();
    symbols.dedup();
    out.var(fills.len() as u64);
    if fills.is_empty() {
        return;
    }
    out.var(shapes.len() as u64);
    shapes.iter().for_each(|&(present, marks)| {
        out.var(u64::from(present));
        out.var(u64::from(marks));
    });
    out.var(symbols.len() as u64);
    symbols.iter().for_each(|&s| out.u64(s));
    let mut before = None;
    for fill in fills {
        out.var(shapes.binary_search(&(fill.present, fill.marks)).unwrap_or(0) as u64);
        match before {
            None => out.i64(fill.at),
            Some(at) => out.var(fill.at.abs_diff(at)),
        }
        before = Some(fill.at);
        (0..NUMS).filter(|i| fill.present >> i & 1 == 1).for_each(|i| out.f64(fill.nums[i]));
        symbols_of(fill).for_each(|s| out.var(symbols.binary_search(&s).unwrap_or(0) as u64));
    }
}

fn read_sparse(r: &mut Reader, mut push: impl FnMut(&Fill)) -> Result<()> {
    let n = r.below(u64::from(SPARSE_FILLS) + 1, "a number of fills")?;
    if n == 0 {
        return Ok(());
    }
    let mut shapes = Vec::with_capacity(SPARSE_FILLS as usize);
    for _ in 0..r.below(u64::from(SPARSE_FILLS) + 1, "a number of shapes")? {
        shapes.push((r.below(1 << 32, "a presence")? as u32, r.below(1 << 16, "marks")? as u16));
    }
    let symbols = r.below(u64::from(SPARSE_FILLS) * TEXTS as u64 + 1, "a number of symbols")?;
    let symbols: Vec<u64> = (0..symbols).map(|_| r.u64()).collect::<Result<_>>()?;
    let mut at = None;
    for _ in 0..n {
        let shape = r.below(shapes.len() as u64, "a shape")?;
        let time = match at {
            None => r.i64()?,
            Some(before) => {
                i64::checked_add_unsigned(before, r.var()?).ok_or_else(|| malformed("a time is out of range"))?
            }
        };
        if time == i64::MIN || time == i64::MAX {
            return Err(malformed("a time is infinite"));
        }
        at = Some(time);
        let mut fill = Fill { at: time, present: shapes[shape].0, marks: shapes[shape].1, ..Fill::default() };
        fill.read_fields(|r| Ok(symbols[r.below(symbols.len() as u64, "a symbol")?]), r)?;
        push(&fill);
    }
    Ok(())
}
