//! A profile as bytes: the stored value, and what travels between parallel workers.
//!
//! version (1 byte), form (1 byte: 0 sparse, 1 dense; on the way between processes 2 dense, 3 sparse, each as it is in
//! the state, neither folded nor sorted; 16 more where it says what was open at its beginning), lost sections (varint),
//! rejected counts (4 varints), what was open, then the trades:
//! - sparse: fills (varint); the distinct shapes (presence and marks, varints) and symbols (5 bytes) in order, each
//!   after its count; then a fill a time: index of its shape, microseconds since the fill before (varint; the first one
//!   is an i64), its numbers (decimals), the indexes of its symbols. Sorted by time, so equal sets of trades give equal
//!   bytes;
//! - dense: the sections of `dense.rs`;
//!
//! and then the snapshots: 0, or 1 and what `equity.rs` writes.

use crate::error::{Error, Kind, Result};
use crate::profile::codec::{malformed, Reader, Sink};
use crate::profile::fill::{Fill, REJECTIONS};
use crate::profile::ordered::Openings;
use crate::profile::section::{Lost, LOSABLE};
use crate::profile::state::{
    sorted_fills, wrong_form, Form, State, DENSE_FILLS, LOST_SNAPSHOTS, SPARSE_BYTES, SPARSE_FILLS,
};
use crate::profile::sums::Count;
use crate::profile::symbol::{read_key40, write_key40};
use crate::profile::trade::{NUMS, SYMBOLS};
use allocator_api2::alloc::{Allocator, Global};

/// Version byte of the profile format. Readers accept this and every earlier one.
pub const VERSION: u8 = 1;

const SPARSE: u8 = 0;
const DENSE: u8 = 1;
const DENSE_STATE: u8 = 2;
const SPARSE_STATE: u8 = 3;
/// Added to a form: what was open at the beginning follows the head.
const OPENED: u8 = 16;

impl<A: Allocator + Clone> State<A> {
    /// The profile's bytes: the same for the same multiset of trades, however they were partitioned and merged.
    pub fn write(&mut self, out: &mut impl Sink) {
        let (lost, rejected) = (self.lost(), self.rejected());
        let opening = self.sparse_opening();
        match self.settled() {
            Form::Sparse(waiting) => {
                write_head(SPARSE, opening.as_ref(), lost, rejected, out);
                write_sparse(&sorted_fills(waiting), out);
            }
            Form::Dense(dense) => {
                write_head(DENSE, NOTHING, lost, rejected, out);
                dense.write(false, lost & LOSABLE, out);
            }
            Form::Made(dense) => {
                write_head(DENSE, NOTHING, lost, rejected, out);
                dense.write(false, lost & LOSABLE, out);
            }
        }
        self.write_snapshots(out);
    }

    /// The state's bytes on the way to another process that goes on aggregating.
    pub fn write_unfinished(&mut self, out: &mut impl Sink) {
        let (lost, rejected) = (self.lost(), self.rejected());
        let mut said = Openings::new(Global);
        self.waiting_openings().into_iter().for_each(|waiting| said.add_all(waiting));
        let fills = self.fills();
        match self.unsettled() {
            Form::Sparse(waiting) => {
                write_head(SPARSE_STATE, Some(&said), lost, rejected, out);
                out.var(u64::from(fills));
                out.var(waiting.bytes() as u64);
                waiting.chunks().for_each(|chunk| out.put(chunk));
            }
            Form::Dense(dense) => {
                write_head(DENSE_STATE, Some(&dense.log.openings), lost, rejected, out);
                dense.write(true, lost & LOSABLE, out);
            }
            Form::Made(_) => (),
        }
        self.write_snapshots(out);
    }

    /// The profile's bytes for one that is still to be put in its place: events that do not fit in a sparse profile are
    /// kept, and folded when it is known what was open before them.
    pub fn write_with_events(&mut self, out: &mut impl Sink) {
        match self.is_sparse() {
            true => self.write(out),
            false => self.write_unfinished(out),
        }
    }

    fn write_snapshots(&self, out: &mut impl Sink) {
        match self.equity().filter(|_| self.lost() & LOST_SNAPSHOTS == 0) {
            None => out.u8(0),
            Some(equity) => {
                out.u8(1);
                equity.write(out);
            }
        }
    }

    /// Adds what [`State::write`] or [`State::write_unfinished`] wrote. Bytes that are no profile are an error, and
    /// leave the state unusable.
    pub fn absorb(&mut self, bytes: &[u8]) -> Result<()> {
        self.take_in(bytes, false)
    }

    /// The same for bytes that another process of ours has just written: fills are taken over without a look at them.
    pub fn absorb_own(&mut self, bytes: &[u8]) -> Result<()> {
        self.take_in(bytes, true)
    }

    fn take_in(&mut self, bytes: &[u8], own: bool) -> Result<()> {
        let mut r = Reader::new(bytes);
        let head = read_head(&mut r)?;
        let form = head.form;
        self.lose(head.lost);
        head.rejected.into_iter().enumerate().for_each(|(reason, n)| self.reject(reason, n));
        if head.opened {
            self.openings_mut().absorb(&mut r)?;
        }
        match form {
            SPARSE => read_sparse(&mut r, |fill| self.push(fill))?,
            SPARSE_STATE => {
                let mut left = r.below(1 << 20, "a number of fills")?;
                let len = r.below(1 << 20, "a number of bytes")?;
                let records = r.take(len)?;
                if own {
                    self.push_records(records, left as u32);
                    left = 0;
                } else {
                    let mut fills = Reader::new(records);
                    while !fills.is_empty() {
                        self.push(&Fill::read(&mut fills)?);
                        left = left.checked_sub(1).ok_or_else(wrong_form)?;
                    }
                }
                if left > 0 {
                    return Err(wrong_form());
                }
            }
            _ => {
                let dense = self.sum_up();
                let before = dense.sums.count(Count::Fills);
                dense.absorb(head.lost & LOSABLE, &mut r)?;
                if head.lost == 0 && dense.sums.count(Count::Fills) - before < DENSE_FILLS {
                    return Err(wrong_form());
                }
            }
        }
        if r.below(2, "a number of snapshot parts")? == 1 {
            self.equity_mut().absorb(&mut r)?;
        }
        r.end()
    }

    /// Reads a stored profile.
    pub fn read(bytes: &[u8], alloc: A) -> Result<Self> {
        let mut state = State::new(alloc);
        state.absorb(bytes)?;
        Ok(state)
    }

    /// Takes away what [`State::absorb`] of the same bytes would have added. Exact where both profiles are sparse; from a
    /// dense profile the sums of class G are taken away exactly, and what is no group is unknown from then on (the
    /// features say `subtracted`). Errors: 22023 where the other profile is not part of this one.
    pub fn subtract(&mut self, bytes: &[u8]) -> Result<()> {
        let not_part = || {
            Error::invalid("the profile to subtract is not part of the other one")
                .hint("subtract a profile of trades that the other profile was made of; a profile of more trades than a sparse one holds can only be subtracted from a dense one")
        };
        let mut other = State::read(bytes, Global)?;
        if !self.unreject(other.rejected()) {
            return Err(not_part());
        }
        if other.lost() & LOST_SNAPSHOTS != 0 {
            self.lose(LOST_SNAPSHOTS);
        } else if let Some(theirs) = other.equity() {
            let mut bytes = Vec::new();
            theirs.write(&mut bytes);
            if !self.equity_mut().subtract(&mut Reader::new(&bytes)).map_err(|_| not_part())? {
                self.lose(LOST_SNAPSHOTS);
            }
        }
        if self.is_sparse() {
            let Form::Sparse(theirs) = other.settled() else { return Err(not_part()) };
            let theirs = sorted_fills(theirs);
            let Form::Sparse(mine) = self.settled() else { return Err(not_part()) };
            let rest = without(sorted_fills(mine), &theirs).ok_or_else(not_part)?;
            // What lies between the two beginnings is not known.
            let said = self.waiting_openings().is_some() || other.waiting_openings().is_some();
            if said && !theirs.is_empty() {
                self.openings_mut().forget(rest.first().map(|fill| fill.at));
            }
            self.keep(&rest);
            return Ok(());
        }
        if other.is_sparse() && other.is_empty_of_trades() {
            return Ok(());
        }
        let (mine, lost) = (self.lost(), other.lost() & LOSABLE);
        let mut sections = Vec::new();
        other.sum_up().write(false, lost, &mut sections);
        let mut r = Reader::new(&sections);
        let lost = self.sum_up().subtract(mine, lost, &mut r).map_err(|_| not_part())?.ok_or_else(not_part)?;
        self.lose(lost);
        Ok(())
    }

    fn is_empty_of_trades(&mut self) -> bool {
        matches!(self.settled(), Form::Sparse(waiting) if waiting.bytes() == 0)
    }
}

/// The fills without those of `part`, each as often as it is there; `None` where one is missing.
fn without(mut fills: Vec<Fill>, part: &[Fill]) -> Option<Vec<Fill>> {
    let bytes = |fill: &Fill| {
        let mut bytes = Vec::with_capacity(fill.size());
        fill.write(&mut bytes);
        bytes
    };
    for gone in part {
        let gone = bytes(gone);
        let at = fills.iter().position(|fill| bytes(fill) == gone)?;
        fills.remove(at);
    }
    Some(fills)
}

/// Whether a profile's bytes say that there is a trade, without reading them all.
pub fn has_trades(bytes: &[u8]) -> Result<bool> {
    let mut r = Reader::new(bytes);
    let head = read_head(&mut r)?;
    if head.opened {
        Openings::new(Global).absorb(&mut r)?;
    }
    Ok(matches!(head.form, DENSE | DENSE_STATE) || r.var()? > 0)
}

/// Whether a profile's bytes are those of a sparse one.
pub fn is_sparse(bytes: &[u8]) -> Result<bool> {
    Ok(read_head(&mut Reader::new(bytes))?.form == SPARSE)
}

struct Head {
    form: u8,
    opened: bool,
    lost: Lost,
    rejected: [u64; REJECTIONS],
}

fn read_head(r: &mut Reader) -> Result<Head> {
    let version = r.u8()?;
    if version != VERSION {
        return Err(Error::new(Kind::Corrupted, format!("account profile of unknown version {version}"))
            .hint(format!("this version of pg_segmentation reads version {VERSION}")));
    }
    let head = r.u8()?;
    let (form, opened) = (head & !OPENED, head & OPENED != 0);
    if form > SPARSE_STATE || (opened && form == DENSE) {
        return Err(malformed(&format!("a profile has the unknown form {head}")));
    }
    let lost = r.below(1 << 32, "a set of lost sections")? as Lost;
    let losable = LOST_SNAPSHOTS | if form == DENSE || form == DENSE_STATE { LOSABLE } else { 0 };
    if lost & !losable != 0 {
        return Err(malformed("a profile has lost what it cannot lose"));
    }
    let mut rejected = [0; REJECTIONS];
    for n in &mut rejected {
        *n = r.var()?;
    }
    Ok(Head { form, opened, lost, rejected })
}

/// No openings.
const NOTHING: Option<&Openings<Global>> = None;

fn write_head<A: Allocator + Clone>(
    form: u8,
    said: Option<&Openings<A>>,
    lost: Lost,
    rejected: [u64; REJECTIONS],
    out: &mut impl Sink,
) {
    let said = said.filter(|said| !said.is_empty());
    out.u8(VERSION);
    out.u8(form | if said.is_some() { OPENED } else { 0 });
    out.var(u64::from(lost));
    rejected.iter().for_each(|&n| out.var(n));
    if let Some(said) = said {
        said.write(out);
    }
}

fn symbols_of(fill: &Fill) -> impl Iterator<Item = u64> + '_ {
    (0..SYMBOLS).filter(|i| fill.present >> (NUMS + i) & 1 == 1).map(|i| fill.symbols[i])
}

fn write_sparse(fills: &[Fill], out: &mut impl Sink) {
    let mut shapes: Vec<(u32, u32)> = fills.iter().map(|f| (f.present, f.marks)).collect();
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
    symbols.iter().for_each(|&s| write_key40(s, out));
    let mut before = None;
    for fill in fills {
        out.var(shapes.binary_search(&(fill.present, fill.marks)).unwrap_or(0) as u64);
        match before {
            None => out.i64(fill.at),
            Some(at) => out.var(fill.at.abs_diff(at)),
        }
        before = Some(fill.at);
        (0..NUMS).filter(|i| fill.present >> i & 1 == 1).for_each(|i| out.decimal(fill.nums[i]));
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
        shapes.push((r.below(1 << 32, "a presence")? as u32, r.below(1 << 32, "marks")? as u32));
    }
    let symbols = r.below(u64::from(SPARSE_FILLS) * SYMBOLS as u64 + 1, "a number of symbols")?;
    let symbols: Vec<u64> = (0..symbols).map(|_| read_key40(r)).collect::<Result<_>>()?;
    let (mut at, mut bytes) = (None, 0);
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
        fill.read_fields(|_, r| r.decimal(), |r| Ok(symbols[r.below(symbols.len() as u64, "a symbol")?]), r)?;
        bytes += fill.size();
        if bytes > SPARSE_BYTES {
            return Err(wrong_form());
        }
        push(&fill);
    }
    Ok(())
}
