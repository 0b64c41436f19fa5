//! Records of fills that are not in the sums yet, in the order they came.

use crate::profile::codec::append;
use crate::profile::fill::Fill;
use crate::profile::record::{size_of_record, RECORD_ROOM};
use allocator_api2::alloc::Allocator;
use allocator_api2::vec::Vec;
use std::borrow::Cow;

/// Bytes of the chunks, the last one for all that follow: powers of two, since PostgreSQL takes a power of two whatever it is
/// asked for, and slowly larger ones, since most accounts have few fills.
const CHUNKS: [usize; 9] = [512, 512, 512, 512, 1024, 1024, 2048, 2048, 4096];

/// Bytes in chunks, never moved once they are written. A record may go over from one chunk to the next.
///
/// A row of an aggregate reads the first cache line of this, and writes to the end of a chunk: see
/// [`State`](crate::profile::State). A chunk is as it was allocated until then, for clearing it would fetch all of it.
// In this order, for the compiler's own might put `current` behind what a row does not touch.
#[repr(C)]
pub struct Waiting<A: Allocator + Clone> {
    /// As many bytes as it has room for, and no more.
    current: Vec<u8, A>,
    /// Bytes of all chunks.
    bytes: usize,
    full: Vec<Vec<u8, A>, A>,
}

impl<A: Allocator + Clone> Waiting<A> {
    pub fn new(alloc: A) -> Self {
        Waiting { current: Vec::new_in(alloc.clone()), bytes: 0, full: Vec::new_in(alloc) }
    }

    pub fn allocator(&self) -> &A {
        self.full.allocator()
    }

    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Where the next record goes.
    pub fn next_place(&self) -> *const u8 {
        self.current.as_ptr().wrapping_add(self.current.len())
    }

    /// Adds records, of any length together.
    #[inline]
    pub fn extend(&mut self, mut records: &[u8]) {
        self.bytes += records.len();
        loop {
            let room = self.current.capacity() - self.current.len();
            if records.len() <= room {
                return append(&mut self.current, records);
            }
            let (head, tail) = records.split_at(room);
            append(&mut self.current, head);
            self.next_chunk();
            records = tail;
        }
    }

    #[cold]
    fn next_chunk(&mut self) {
        let number = self.full.len() + usize::from(self.current.capacity() > 0);
        let size = CHUNKS[number.min(CHUNKS.len() - 1)];
        let chunk = Vec::with_capacity_in(size, self.allocator().clone());
        let full = std::mem::replace(&mut self.current, chunk);
        if !full.is_empty() {
            self.full.push(full);
        }
    }

    /// All chunks, in order.
    pub fn chunks(&self) -> impl Iterator<Item = &[u8]> {
        self.full.iter().map(|chunk| &chunk[..]).chain([&self.current[..]])
    }

    /// Hands each fill to `visit`, in the order they came, where its record lies: only those that go over from one chunk to the next
    /// are put together first. The records are our own, so a fault ends the loop rather than becoming an error.
    pub fn for_each(&self, mut visit: impl FnMut(&Fill)) {
        let mut fill = Fill::default();
        // The beginning of a record that goes on in the next chunk, and room for the rest.
        let (mut whole, mut begun) = ([0u8; 2 * RECORD_ROOM], 0);
        for chunk in self.chunks() {
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
        if self.full.is_empty() {
            return Cow::Borrowed(&self.current);
        }
        let mut records = std::vec::Vec::with_capacity(self.bytes());
        self.chunks().for_each(|chunk| records.extend_from_slice(chunk));
        Cow::Owned(records)
    }

    /// Forgets them; the current chunk is kept for those that follow.
    pub fn clear(&mut self) {
        self.bytes = 0;
        self.current.clear();
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
            waiting.extend(&record);
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
                    waiting.extend(&record);
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
