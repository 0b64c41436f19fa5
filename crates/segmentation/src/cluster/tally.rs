//! What is remembered of a chunk between the steps of Lloyd's algorithm: labels, and the sums of its clusters.
//!
//! After the first steps few rows change their cluster, so the sums are carried on by what moved. That rounds in
//! another way than adding anew, which is tolerable while Lloyd is on its way (it only has to be the same every time)
//! but not in its result: [`Tally::recount`] gives the sums in the fixed order, and the last centroids are made of those.

use super::packed::{Lanes, LANES};

/// Labels and sums of one chunk.
pub(super) struct Tally {
    /// One label a row; `u32::MAX` before the first assignment.
    pub labels: Vec<u32>,
    pub counts: Vec<u64>,
    /// Sum of the rows of each cluster, `k` × `cols`.
    pub sums: Vec<f64>,
    /// What [`super::bounds`] keeps of each row; empty until it does.
    pub kept: Vec<Lanes>,
    /// Rows moved since the sums were last counted in order; `None` before the first time.
    moved: Option<usize>,
}

impl Tally {
    pub fn new(rows: usize, k: usize, cols: usize) -> Tally {
        Tally {
            labels: vec![u32::MAX; rows],
            counts: vec![0; k],
            sums: vec![0.0; k * cols],
            kept: Vec::new(),
            moved: None,
        }
    }

    /// Whether the sums are those of [`Tally::recount`] to the bit.
    pub fn in_order(&self) -> bool {
        self.moved == Some(0)
    }

    /// Has the sums counted anew at the next chance and every row looked at, because the labels changed without
    /// [`Tally::follow`].
    pub fn forget(&mut self) {
        self.moved = None;
        self.kept.clear();
    }

    /// Brings counts and sums up to date after an assignment; `moves` are the rows whose label changed, in order, with
    /// their old label. Rounding piles up for no more moves than rows, and not at all with `carry` false.
    pub fn follow(&mut self, chunk: &[Lanes], moves: &[(u32, u32)], carry: bool) {
        let rows = self.labels.len();
        match self.moved {
            Some(_) if moves.is_empty() => {}
            Some(before) if carry && moves.len() <= rows / 4 && before + moves.len() <= rows => {
                self.moved = Some(before + moves.len());
                moves.iter().for_each(|&(row, old)| self.carry(chunk, row as usize, old as usize));
            }
            _ => self.recount(chunk),
        }
    }

    fn carry(&mut self, chunk: &[Lanes], row: usize, old: usize) {
        let cols = self.sums.len() / self.counts.len();
        let (block, lane) = (&chunk[row / LANES * cols..][..cols], row % LANES);
        let new = self.labels[row] as usize;
        self.counts[old] -= 1;
        self.counts[new] += 1;
        self.sums[old * cols..][..cols].iter_mut().zip(block).for_each(|(sum, x)| *sum -= x.0[lane]);
        self.sums[new * cols..][..cols].iter_mut().zip(block).for_each(|(sum, x)| *sum += x.0[lane]);
    }

    /// Counts and sums anew, each lane for itself, then lanes 0 to 7.
    pub fn recount(&mut self, chunk: &[Lanes]) {
        let size = self.sums.len();
        let cols = size / self.counts.len();
        let mut lanes = vec![0.0; LANES * size];
        self.counts.fill(0);
        for (block, labels) in chunk.chunks_exact(cols).zip(self.labels.chunks(LANES)) {
            for (l, &label) in labels.iter().enumerate() {
                self.counts[label as usize] += 1;
                let sums = &mut lanes[l * size + label as usize * cols..][..cols];
                sums.iter_mut().zip(block).for_each(|(sum, x)| *sum += x.0[l % LANES]);
            }
        }
        self.sums.fill(0.0);
        for lane in lanes.chunks_exact(size) {
            self.sums.iter_mut().zip(lane).for_each(|(sum, x)| *sum += x);
        }
        self.moved = Some(0);
    }
    /// Counts anew, and leaves the sums.
    pub fn count(&mut self) {
        self.counts.fill(0);
        self.labels.iter().for_each(|&label| self.counts[label as usize] += 1);
    }
}
