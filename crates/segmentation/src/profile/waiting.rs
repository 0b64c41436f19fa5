//! Records of fills that are not in the sums yet, in the order they came.

use crate::profile::fill::Fill;
use crate::profile::record::{size_of_record, RECORD_ROOM};
use allocator_api2::alloc::Allocator;
use allocator_api2::boxed::Box;
use allocator_api2::vec::Vec;
use std::borrow::Cow;

/// Bytes of the chunks, the last one for all that follow: powers of two, since PostgreSQL takes a power of two whatever it is
/// asked for, and slowly larger ones, since most accounts have few fills.
const CHUNKS: [usize; 9] = [512, 512, 512, 512, 1024, 1024, 2048, 2048, 4096];

/// Bytes in chunks, never moved once they are written. A record may go over from one chunk to the next.
///
/// A row of an aggregate reads the first cache line of this, and writes to the end of a chunk: see
/// [`State`](crate::profile::State).
// In this order, for the compiler's own might put `used` behind what a row does not touch.
#[repr(C)]
pub struct Waiting<A: Allocator + Clone> {
    /// Bytes of the current chunk that are in use.
    used: u32,
    /// Bytes of all chunks that are.
    bytes: u32,
    current: Box<[u8], A>,
    full: Vec<Box<[u8], A>, A>,
}

impl<A: Allocator + Clone> Waiting<A> {
    pub fn new(alloc: A) -> Self {
        let current = Vec::new_in(alloc.clone()).into_boxed_slice();
        Waiting { used: 0, bytes: 0, current, full: Vec::new_in(alloc) }
    }

    pub fn allocator(&self) -> &A {
        self.full.allocator()
    }

    pub fn bytes(&self) -> usize {
        self.bytes as usize
    }

    /// Where the next record goes.
    pub fn next_place(&self) -> *const u8 {
        self.current.as_ptr().wrapping_add(self.used as usize)
    }

    /// Adds a record, of no more bytes than the smallest chunk has.
    pub fn push(&mut self, record: &[u8]) {
        let at = self.used as usize;
        self.bytes += record.len() as u32;
        match self.current.get_mut(at..at + record.len()) {
            Some(place) => {
                place.copy_from_slice(record);
                self.used += record.len() as u32;
            }
            None => {
                let (head, tail) = record.split_at(self.current.len() - at);
                self.current[at..].copy_from_slice(head);
                self.next_chunk();
                self.current[..tail.len()].copy_from_slice(tail);
                self.used = tail.len() as u32;
            }
        }
    }

    /// Adds records, of any length together.
    pub fn extend(&mut self, mut records: &[u8]) {
        self.bytes += records.len() as u32;
        while !records.is_empty() {
            let at = self.used as usize;
            let room = (self.current.len() - at).min(records.len());
            let (head, tail) = records.split_at(room);
            self.current[at..at + room].copy_from_slice(head);
            self.used += room as u32;
            records = tail;
            if !records.is_empty() {
                self.next_chunk();
                self.used = 0;
            }
        }
    }

    fn next_chunk(&mut self) {
        let number = self.full.len() + usize::from(!self.current.is_empty());
        let size = CHUNKS[number.min(CHUNKS.len() - 1)];
        let mut chunk = Vec::with_capacity_in(size, self.allocator().clone());
        chunk.resize(size, 0);
        let full = std::mem::replace(&mut self.current, chunk.into_boxed_slice());
        if !full.is_empty() {
            self.full.push(full);
        }
    }

    /// Hands each fill to `visit`, in the order they came, where its record lies: only those that go over from one chunk to the next
    /// are put together first. The records are our own, so a fault ends the loop rather than becoming an error.
    pub fn for_each(&self, mut visit: impl FnMut(&Fill)) {
        let mut fill = Fill::default();
        // The beginning of a record that goes on in the next chunk, and room for the rest.
        let (mut whole, mut begun) = ([0u8; 2 * RECORD_ROOM], 0);
        let last = &self.current[..self.used as usize];
        for chunk in self.full.iter().map(|chunk| &chunk[..]).chain([last]) {
            let mut at = 0;
            if begun > 0 {
                let more = chunk.len().min(RECORD_ROOM);
                whole[begun..begun + more].copy_from_slice(&chunk[..more]);
                let length = fill.read_own(&whole[..begun + more]);
                if length > begun + more {
                    debug_assert!(false, "a record of {length} bytes of which there are {}", begun + more);
                    return;
                }
                visit(&fill);
                (at, begun) = (length - begun, 0);
            }
            while at < chunk.len() {
                let rest = &chunk[at..];
                if rest.len() < RECORD_ROOM && size_of_record(rest) > rest.len() {
                    begun = rest.len();
                    whole[..begun].copy_from_slice(rest);
                    break;
                }
                at += fill.read_own(rest);
                visit(&fill);
            }
        }
        debug_assert!(begun == 0, "a record that does not end");
    }

    /// All records, one after the other.
    pub fn records(&self) -> Cow<'_, [u8]> {
        let last = &self.current[..self.used as usize];
        if self.full.is_empty() {
            return Cow::Borrowed(last);
        }
        let mut records = std::vec::Vec::with_capacity(self.bytes());
        self.full.iter().for_each(|chunk| records.extend_from_slice(chunk));
        records.extend_from_slice(last);
        Cow::Owned(records)
    }

    /// Forgets them; the current chunk is kept for those that follow.
    pub fn clear(&mut self) {
        (self.used, self.bytes) = (0, 0);
        self.full.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use allocator_api2::alloc::Global;

    #[test]
    fn fills_are_read_where_they_lie() {
        let mut waiting = Waiting::new(Global);
        let (mut want, mut got) = (std::vec::Vec::new(), std::vec::Vec::new());
        for i in 0..600u32 {
            // Records of every length there is, so that each boundary is met by every part of one.
            let mut fill = Fill { at: i64::from(i), present: i.wrapping_mul(0x9E37_79B9), ..Fill::default() };
            fill.nums.iter_mut().enumerate().for_each(|(k, v)| *v = f64::from(i) * if k % 2 == 0 { 0.1 } else { 1.0 });
            let mut record = std::vec::Vec::new();
            fill.write(&mut record);
            waiting.push(&record);
            want.extend(record);
            got.clear();
            waiting.for_each(|fill| fill.write(&mut got));
            assert_eq!(got, want, "{i}");
        }
        waiting.clear();
        waiting.for_each(|_| panic!("there is none"));
    }

    #[test]
    fn records_come_back_in_order_whatever_chunks_they_lie_in() {
        for length in [1usize, 18, 149, 242, 511, 512] {
            let mut waiting = Waiting::new(Global);
            for round in 0..3 {
                let mut want = std::vec::Vec::new();
                for i in 0..200usize {
                    let record: std::vec::Vec<u8> = (0..length).map(|j| (i * 7 + j * 3 + round) as u8).collect();
                    waiting.push(&record);
                    want.extend_from_slice(&record);
                    assert_eq!(waiting.bytes(), want.len());
                }
                assert_eq!(&*waiting.records(), &want[..]);
                let mut all = Waiting::new(Global);
                for part in want.chunks(1 + length * 3) {
                    all.extend(part);
                }
                all.extend(&want);
                assert_eq!(&*all.records(), &want.repeat(2)[..]);
                assert_eq!(all.bytes(), 2 * want.len());
                waiting.clear();
                assert!(waiting.records().is_empty() && waiting.bytes() == 0);
            }
        }
    }
}
