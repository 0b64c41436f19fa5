//! The optimal assignment: each row of a table of costs gets a column of its own, at the least sum.

use crate::control::Control;
use crate::error::Result;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// For each row of `cost` (`rows` × `columns`, row by row) the column it is assigned to. As many rows as the smaller side
/// allows are assigned, at the smallest sum of costs; the others get None. Costs are integers, so the sum is exact; they
/// must stay below 2^120 / (rows + columns) in size. Of equal sums the same one is chosen every time.
///
/// Shortest augmenting paths with potentials (Kuhn 1955, Munkres 1957, in the form of Jonker & Volgenant 1987):
/// O(min² × max) steps.
pub fn optimal_assignment(cost: &[i128], rows: usize, columns: usize, control: &Control) -> Result<Vec<Option<usize>>> {
    if rows > columns {
        let turned: Vec<i128> = (0..columns * rows).map(|i| cost[i % rows * columns + i / rows]).collect();
        let mut assigned = vec![None; rows];
        for (column, row) in optimal_assignment(&turned, columns, rows, control)?.into_iter().enumerate() {
            if let Some(row) = row {
                assigned[row] = Some(column);
            }
        }
        return Ok(assigned);
    }
    // Row and column 0 stand for "none yet".
    let mut of_row = vec![0i128; rows + 1];
    let mut of_column = vec![0i128; columns + 1];
    let mut owner = vec![0usize; columns + 1];
    for row in 1..=rows {
        owner[0] = row;
        let mut column = 0;
        let mut least = vec![i128::MAX; columns + 1];
        let mut before = vec![0usize; columns + 1];
        let mut done = vec![false; columns + 1];
        while owner[column] != 0 {
            control.check()?;
            done[column] = true;
            let at = owner[column];
            let (mut step, mut next) = (i128::MAX, 0);
            for j in (1..=columns).filter(|&j| !done[j]) {
                let reduced = cost[(at - 1) * columns + j - 1] - of_row[at] - of_column[j];
                if reduced < least[j] {
                    least[j] = reduced;
                    before[j] = column;
                }
                if least[j] < step {
                    step = least[j];
                    next = j;
                }
            }
            for j in 0..=columns {
                if done[j] {
                    of_row[owner[j]] += step;
                    of_column[j] -= step;
                } else if j > 0 {
                    least[j] -= step;
                }
            }
            column = next;
        }
        while column != 0 {
            owner[column] = owner[before[column]];
            column = before[column];
        }
    }
    let mut assigned = vec![None; rows];
    for (column, &row) in owner.iter().enumerate().skip(1).filter(|(_, &row)| row > 0) {
        assigned[row - 1] = Some(column - 1);
    }
    Ok(assigned)
}

/// The same for a table of `columns` columns of which most pairs are not allowed: for each row the columns that it may have, with
/// their costs. A row may also go without, which costs 0; so only costs below 0 are taken. Of equal sums the same one is
/// chosen every time. Memory: that of the costs given. A column that does not exist is passed over.
///
/// Shortest augmenting paths as above, found by Dijkstra's algorithm (1959) over the pairs that are allowed: at most rows × pairs
/// × log(pairs) steps, and far fewer where few rows want the same columns.
pub fn sparse_assignment(rows: &[Vec<(usize, i128)>], columns: usize, control: &Control) -> Result<Vec<Option<usize>>> {
    // Going without is a column that no other row may have.
    let all = columns + rows.len();
    let choices = |row: usize| {
        let given = rows[row].iter().copied().filter(|&(column, _)| column < columns);
        given.chain([(columns + row, 0)])
    };
    let mut price = vec![0i128; all];
    let mut owner: Vec<Option<usize>> = vec![None; all];
    // What each row has, and what that costs.
    let mut taken: Vec<Option<(usize, i128)>> = vec![None; rows.len()];
    // Of the path to each column: its length, the last row and what the column costs that row.
    let mut least = vec![i128::MAX; all];
    let mut before = vec![(0, 0i128); all];
    let mut done = vec![false; all];
    let mut touched = Vec::new();
    let mut queue = BinaryHeap::new();
    for start in 0..rows.len() {
        let mut reach = Some((start, 0i128));
        let mut reached = Vec::new();
        loop {
            control.check()?;
            if let Some((row, base)) = reach.take() {
                for (column, cost) in choices(row).filter(|&(column, _)| !done[column]) {
                    let length = cost - price[column] - base;
                    if length < least[column] {
                        if least[column] == i128::MAX {
                            touched.push(column);
                        }
                        least[column] = length;
                        before[column] = (row, cost);
                        queue.push(Reverse((length, column)));
                    }
                }
            }
            // There is always one: the row's own column is free.
            let Some(Reverse((length, column))) = queue.pop() else { break };
            if done[column] || length > least[column] {
                continue;
            }
            let Some(row) = owner[column] else {
                reached.iter().for_each(|&on: &usize| price[on] += least[on] - length);
                let mut free = Some(column);
                while let Some(column) = free {
                    let (row, cost) = before[column];
                    owner[column] = Some(row);
                    free = taken[row].replace((column, cost)).map(|(column, _)| column);
                }
                break;
            };
            done[column] = true;
            reached.push(column);
            reach = taken[row].map(|(_, cost)| (row, cost - price[column] - length));
        }
        queue.clear();
        for column in touched.drain(..) {
            least[column] = i128::MAX;
            done[column] = false;
        }
    }
    Ok(taken.into_iter().map(|taken| taken.map(|(column, _)| column).filter(|&column| column < columns)).collect())
}
