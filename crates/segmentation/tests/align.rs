//! Agreement of partitions against scikit-learn, and alignment of segments against SciPy and trying everything.

use ndarray::{array, Array2};
use proptest::prelude::*;
use segmentation::cluster::{
    adjusted_mutual_information, adjusted_rand_index, kmeans, mutual_information, optimal_assignment,
    sparse_assignment, variation_of_information, KMeansParams,
};
use segmentation::model::{align, Alignment, Change, Shared};
use segmentation::{Control, Kind};

#[path = "kmeans/oracle.rs"]
#[allow(dead_code)]
mod oracle;

fn close(a: f64, b: f64, tolerance: f64) {
    assert!((a - b).abs() <= tolerance, "{a} is not within {tolerance} of {b}");
}

fn ami(a: &[u32], b: &[u32]) -> f64 {
    adjusted_mutual_information(a, b, &Control::new()).unwrap()
}

/// Labels with this many rows in each cell.
fn labels(cells: &[&[u64]]) -> (Vec<u32>, Vec<u32>) {
    let (mut a, mut b) = (Vec::new(), Vec::new());
    for (i, row) in cells.iter().enumerate() {
        for (j, &n) in row.iter().enumerate() {
            a.extend((0..n).map(|_| i as u32));
            b.extend((0..n).map(|_| 7 - j as u32));
        }
    }
    (a, b)
}

/// The species of iris against its three clusters of k-means, from scikit-learn's confusion matrix.
const IRIS: [&[u64]; 3] = [&[0, 50, 0], &[48, 0, 2], &[14, 0, 36]];

#[test]
fn iris_agrees_with_its_species_as_in_scikit_learn() {
    let (data, species) = oracle::iris();
    let fit = kmeans(data.view(), &KMeansParams::new(3, 7), &Control::new()).unwrap();
    for (a, b) in [labels(&IRIS), (fit.labels, species)] {
        close(adjusted_rand_index(&a, &b), 0.7302382722834697, 1e-15);
        close(ami(&a, &b), 0.7551191675800484, 1e-14);
        close(mutual_information(&a, &b), 0.8255910976, 5e-11);
        close(variation_of_information(&a, &b), 0.5266536795, 5e-11);
        close(ami(&a, &b), ami(&b, &a), 1e-15);
    }
}

/// Contingency tables, and what scikit-learn 1.9.1 says of them (`adjusted_mutual_info_score`, `mutual_info_score`).
#[test]
fn mutual_information_as_in_scikit_learn() {
    let cases: [(&[&[u64]], f64, f64); 5] = [
        (&[&[5, 1], &[2, 7]], 0.24091588868026884, 0.19287510633270333),
        (&[&[1, 1, 1], &[1, 1, 1], &[1, 1, 1]], -0.44115632936888666, 0.0),
        (&[&[1000, 20, 3], &[0, 400, 80], &[7, 9, 2500], &[300, 0, 1]], 0.800544613539532, 0.7943427951991514),
        (&[&[2, 0, 0, 1], &[0, 1, 1, 0], &[0, 0, 0, 3]], 0.46184195176442794, 0.8010279577293631),
        (&[&[100000, 31], &[5, 3]], 0.09660949951484614, 0.00018798958907668165),
    ];
    for (cells, expected, information) in cases {
        let (a, b) = labels(cells);
        close(ami(&a, &b), expected, 1e-12);
        close(mutual_information(&a, &b), information, 1e-13);
    }
}

#[test]
fn partitions_at_the_edge() {
    let control = Control::new();
    for (a, b) in [(vec![], vec![]), (vec![3], vec![9]), (vec![1, 1, 1], vec![0, 0, 0]), (vec![2, 0, 1], vec![5, 6, 7])]
    {
        assert_eq!((ami(&a, &b), variation_of_information(&a, &b)), (1.0, 0.0));
    }
    assert_eq!(ami(&[0, 0, 0, 0], &[0, 0, 1, 1]), 0.0);
    assert_eq!(ami(&[0, 1, 2, 3], &[0, 0, 1, 1]), 0.0);
    assert_eq!(mutual_information(&[0, 0, 1, 1], &[0, 1, 0, 1]), 0.0);
    close(variation_of_information(&[0, 0, 1, 1], &[0, 1, 0, 1]), 2.0 * 2f64.ln(), 1e-15);
    assert!(ami(&[0], &[0, 1]).is_nan() && mutual_information(&[0], &[]).is_nan());
    assert!(variation_of_information(&[0], &[]).is_nan());
    control.cancel();
    let halves = adjusted_mutual_information(&[0, 0, 1, 1], &[0, 1, 1, 1], &control);
    assert_eq!(halves.unwrap_err().kind, Kind::Cancelled);
}

/// Entries for counts[old][new]; ids of the old ones are 10, 20, ...
fn shared(counts: &[&[u64]]) -> (Vec<i32>, Vec<Shared>) {
    let ids: Vec<i32> = (1..=counts.len() as i32).map(|i| 10 * i).collect();
    let cell = |(i, j): (usize, usize)| Shared { old: Some(ids[i]), new: Some(j), accounts: counts[i][j] };
    let all = (0..counts.len()).flat_map(|i| (0..counts[i].len()).map(move |j| (i, j)));
    (ids.clone(), all.map(cell).collect())
}

fn aligned(counts: &[&[u64]]) -> Alignment {
    let (ids, shared) = shared(counts);
    align(&ids, counts[0].len(), &shared, None, &Control::new()).unwrap()
}

fn changes(found: &Alignment) -> (Vec<Change>, Vec<Change>) {
    (found.old.iter().map(|s| s.change).collect(), found.new.iter().map(|s| s.change).collect())
}

#[test]
fn iris_keeps_all_three() {
    let found = aligned(&IRIS);
    let jaccards: Vec<f64> = found.old.iter().map(|s| s.jaccard).collect();
    assert_eq!(jaccards, [1.0, 0.75, 36.0 / 52.0]);
    assert_eq!((found.matched, found.common, found.overlap), (134, 150, Some(134.0 / 150.0)));
    assert_eq!(found.new.iter().map(|s| s.keeps).collect::<Vec<_>>(), [Some(20), Some(10), Some(30)]);
    assert_eq!(found.old[2].went_to, [(2, 36), (0, 14)]);
    assert_eq!(found.new[0].came_from, [(20, 48), (30, 14)]);
    assert_eq!(changes(&found), (vec![Change::Kept; 3], vec![Change::Kept; 3]));
    let json = serde_json::to_string(&found).unwrap();
    assert_eq!(serde_json::from_str::<Alignment>(&json).unwrap(), found);
}

#[test]
fn changes_have_names() {
    use Change::*;
    // 20 falls into two; the larger part has 60 of 100 and keeps the id.
    let found = aligned(&[&[100, 0, 0], &[0, 60, 40]]);
    assert_eq!(changes(&found), (vec![Kept, Split], vec![Kept, Split, Split]));
    assert_eq!((found.ids(31).unwrap(), found.overlap), (vec![10, 20, 31], Some(0.8)));
    // Into three: no part is half of it, so all have new ids.
    let found = aligned(&[&[40, 35, 25]]);
    assert_eq!(changes(&found), (vec![Split], vec![Split; 3]));
    assert_eq!((found.ids(11).unwrap(), found.overlap), (vec![11, 12, 13], Some(0.0)));
    // Two become one; the larger keeps its id.
    let found = aligned(&[&[60, 0], &[40, 0], &[0, 50]]);
    assert_eq!(changes(&found), (vec![Merged, Merged, Kept], vec![Merged, Kept]));
    assert_eq!(found.ids(31).unwrap(), [10, 30]);
    // A quarter of 10 moves over to 20, which stays mostly what it was: accounts move, nothing splits.
    let found = aligned(&[&[75, 25], &[0, 100]]);
    assert_eq!(changes(&found), (vec![Kept, Kept], vec![Kept, Kept]));
    // 10 is scattered over all, and what is made of a bit of each is new.
    let found = aligned(&[&[30, 30, 30, 10], &[100, 0, 0, 10], &[0, 100, 0, 10], &[0, 0, 100, 10]]);
    assert_eq!(changes(&found), (vec![Dissolved, Kept, Kept, Kept], vec![Kept, Kept, Kept, New]));
    assert_eq!(found.ids(41).unwrap(), [20, 30, 40, 41]);
    // Exactly half in common is the same segment, for one of the two only.
    let found = aligned(&[&[50, 50, 0], &[0, 0, 40]]);
    assert_eq!((found.ids(21).unwrap(), found.old[0].jaccard, found.old[0].continues), (vec![10, 21, 20], 0.5, true));
    // All accounts together are no segment, whatever most of them become or come from; in noise they are not all.
    let found = aligned(&[&[70, 30]]);
    assert_eq!(
        (changes(&found), found.ids(11).unwrap(), found.overlap),
        ((vec![Split], vec![Split; 2]), vec![11, 12], Some(0.0))
    );
    let found = aligned(&[&[70], &[30]]);
    assert_eq!(
        (changes(&found), found.ids(21).unwrap(), found.overlap),
        ((vec![Merged; 2], vec![Merged]), vec![21], Some(0.0))
    );
    assert_eq!(aligned(&[&[90]]).ids(11).unwrap(), [10]);
    let noisy = [Shared { old: Some(5), new: Some(0), accounts: 90 }, Shared { old: None, new: Some(1), accounts: 10 }];
    assert_eq!(align(&[5], 2, &noisy, None, &Control::new()).unwrap().ids(6).unwrap(), [5, 6]);
    let one_is_noise_now =
        [Shared { old: Some(5), new: Some(0), accounts: 99 }, Shared { old: Some(5), new: None, accounts: 1 }];
    assert_eq!(align(&[5], 1, &one_is_noise_now, None, &Control::new()).unwrap().ids(6).unwrap(), [5]);
}

#[test]
fn accounts_in_no_segment_count() {
    let entry = |old, new, accounts| Shared { old, new, accounts };
    let given =
        [entry(Some(5), Some(0), 40), entry(Some(5), None, 60), entry(None, Some(1), 30), entry(None, None, 1000)];
    let found = align(&[5, 6], 2, &given, None, &Control::new()).unwrap();
    assert_eq!((found.common, found.matched, found.continuing), (130, 40, 0));
    assert_eq!(
        (found.old[0].jaccard, found.old[0].change, found.old[1].change),
        (0.4, Change::Dissolved, Change::Dissolved)
    );
    assert_eq!(changes(&found).1, [Change::New, Change::New]);
    let nothing = align(&[1], 1, &[], None, &Control::new()).unwrap();
    assert_eq!((nothing.overlap, nothing.old[0].change, nothing.new[0].change), (None, Change::Dissolved, Change::New));
}

#[test]
fn equal_counts_are_told_apart_by_distance() {
    let (ids, entries) = shared(&[&[50, 50], &[50, 50]]);
    for (distances, kept) in [(array![[1.0, 2.0], [2.0, 1.0]], [0, 1]), (array![[2.0, 1.0], [1.0, 2.0]], [1, 0])] {
        let found = align(&ids, 2, &entries, Some(distances.view()), &Control::new()).unwrap();
        assert_eq!(found.old.iter().map(|s| s.matched).collect::<Vec<_>>(), kept.map(Some));
    }
    // However near, one account counts more.
    let (ids, entries) = shared(&[&[51, 50], &[50, 50]]);
    let far = array![[9.0, 0.0], [0.0, 9.0]];
    let found = align(&ids, 2, &entries, Some(far.view()), &Control::new()).unwrap();
    assert_eq!(found.old.iter().map(|s| s.matched).collect::<Vec<_>>(), [Some(0), Some(1)]);
}

/// Every segment keeps 30 accounts and loses 29 to each of ten others: nothing has more in common than what it was. A table of all
/// pairs would have 10^8 costs.
#[test]
fn ten_thousand_segments_that_fell_apart_are_aligned() {
    const SEGMENTS: usize = 10_000;
    let ids: Vec<i32> = (1..=SEGMENTS as i32).collect();
    let place = |old: usize| (old * 7919 + 13) % SEGMENTS;
    let lost = |old: usize, i: usize| (place(old) + i * i * 37) % SEGMENTS;
    let entry = |old: usize, new, accounts| Shared { old: Some(ids[old]), new: Some(new), accounts };
    let flows = |old: usize| (0..=10).map(move |i| (lost(old, i), if i == 0 { 30 } else { 29 }));
    let entries: Vec<Shared> =
        (0..SEGMENTS).flat_map(|old| flows(old).map(move |(new, n)| entry(old, new, n))).collect();
    let found = align(&ids, SEGMENTS, &entries, None, &Control::new()).unwrap();
    assert_eq!(found.matched, 30 * SEGMENTS as u64);
    assert!((0..SEGMENTS).all(|old| found.old[old].matched == Some(place(old))));
}

#[test]
fn what_cannot_be_aligned_is_an_error() {
    let control = Control::new();
    let entry = |old, new| [Shared { old: Some(old), new: Some(new), accounts: 1 }];
    let kind = |found: segmentation::Result<Alignment>| found.unwrap_err().kind;
    assert_eq!(kind(align(&[1, 1], 1, &[], None, &control)), Kind::InvalidParameter);
    assert_eq!(kind(align(&[1], 1, &entry(2, 0), None, &control)), Kind::InvalidParameter);
    assert_eq!(kind(align(&[1], 1, &entry(1, 1), None, &control)), Kind::InvalidParameter);
    for distances in [array![[1.0, 2.0]], array![[f64::NAN]]] {
        assert_eq!(kind(align(&[1], 1, &entry(1, 0), Some(distances.view()), &control)), Kind::InvalidParameter);
    }
    assert_eq!(aligned(&[&[0]]).ids(i32::MAX).unwrap(), [i32::MAX]);
    assert_eq!(aligned(&[&[0, 0]]).ids(i32::MAX).unwrap_err().kind, Kind::LimitExceeded);
    control.cancel();
    let (ids, entries) = shared(&[&[1, 1, 1]]);
    assert_eq!(kind(align(&ids, 3, &entries, None, &control)), Kind::Cancelled);
}

/// A 6 × 5 and a 5 × 6 table; sums from scipy.optimize.linear_sum_assignment (SciPy 1.17.1).
#[test]
fn assignment_as_in_scipy() {
    let cost: [i128; 30] = [
        50, 70, -47, 71, 20, 27, 44, -8, 96, -42, -9, 7, 35, 11, -31, -44, -50, -43, -28, 99, -22, 47, 62, -15, -8, 15,
        -11, 96, -24, 84,
    ];
    for (rows, columns, least) in [(6, 5, -185), (5, 6, -184), (3, 10, -121)] {
        let found = optimal_assignment(&cost, rows, columns, &Control::new()).unwrap();
        let sum: i128 = found.iter().enumerate().filter_map(|(r, c)| Some(cost[r * columns + (*c)?])).sum();
        assert_eq!(sum, least);
        assert_eq!(found.iter().flatten().count(), rows.min(columns));
    }
}

/// The smallest sum over all ways to give every row a column of its own (rows <= columns).
fn least_by_trying(cost: &Array2<i64>, row: usize, used: &mut Vec<bool>) -> i64 {
    if row == cost.nrows() {
        return 0;
    }
    let mut best = i64::MAX;
    for column in 0..cost.ncols() {
        if !used[column] {
            used[column] = true;
            best = best.min(cost[(row, column)] + least_by_trying(cost, row + 1, used));
            used[column] = false;
        }
    }
    best
}

proptest! {
    #[test]
    fn assignment_equals_trying_everything(rows in 0usize..6, more in 0usize..3, values in prop::collection::vec(-9i64..9, 48)) {
        let columns = rows + more;
        let cost = Array2::from_shape_fn((rows, columns), |(i, j)| values[i * 8 + j]);
        let least = least_by_trying(&cost, 0, &mut vec![false; columns]);
        for turned in [false, true] {
            let table = if turned { cost.t().to_owned() } else { cost.clone() };
            let flat: Vec<i128> = table.iter().map(|&x| i128::from(x)).collect();
            let found = optimal_assignment(&flat, table.nrows(), table.ncols(), &Control::new()).unwrap();
            let mut columns: Vec<usize> = found.iter().flatten().copied().collect();
            prop_assert_eq!(columns.len(), rows);
            columns.sort_unstable();
            columns.dedup();
            prop_assert_eq!(columns.len(), rows);
            let sum: i64 = found.iter().enumerate().filter_map(|(r, c)| Some(table[(r, (*c)?)])).sum();
            prop_assert_eq!(sum, least);
        }
    }

    /// Where most pairs are not allowed; a row may also go without.
    #[test]
    fn sparse_assignment_equals_trying_everything(rows in 0usize..6, columns in 0usize..6, values in prop::collection::vec(-9i64..14, 36)) {
        // What costs 9 or more is not allowed.
        let allowed = |i: usize, j: usize| Some(values[i * 6 + j]).filter(|&cost| cost < 9);
        let given: Vec<Vec<(usize, i128)>> =
            (0..rows).map(|i| (0..columns).filter_map(|j| Some((j, allowed(i, j)?.into()))).collect()).collect();
        let found = sparse_assignment(&given, columns, &Control::new()).unwrap();
        // Going without is a column more for each row.
        let cost = Array2::from_shape_fn((rows, columns + rows), |(i, j)| if j < columns { allowed(i, j).unwrap_or(0).min(0) } else { 0 });
        let least = least_by_trying(&cost, 0, &mut vec![false; columns + rows]);
        let sum: Option<i64> = found.iter().enumerate().filter_map(|(i, j)| j.map(|j| allowed(i, j))).sum();
        prop_assert_eq!(sum, Some(least));
        let mut used: Vec<usize> = found.iter().flatten().copied().collect();
        let count = used.len();
        used.sort_unstable();
        used.dedup();
        prop_assert_eq!(used.len(), count);
    }

    /// As many accounts as possible are matched, also where pairs above one half are settled beforehand.
    #[test]
    fn alignment_matches_as_many_as_trying_everything(counts in prop::collection::vec(0u64..12, 25), big in 0u64..60) {
        let counts = Array2::from_shape_fn((4, 5), |(i, j)| counts[i * 5 + j] + if (i, j) == (1, 3) { big } else { 0 });
        let rows: Vec<Vec<u64>> = counts.outer_iter().map(|r| r.to_vec()).collect();
        let found = aligned(&rows.iter().map(Vec::as_slice).collect::<Vec<_>>());
        let most = -least_by_trying(&counts.mapv(|n| -(n as i64)), 0, &mut vec![false; 5]);
        prop_assert_eq!(found.matched as i64, most);
        for (j, segment) in found.new.iter().enumerate() {
            let same = found.old.iter().find(|s| s.continues && s.matched == Some(j));
            prop_assert_eq!(segment.keeps, same.map(|s| s.id));
        }
        for segment in &found.old {
            prop_assert_eq!(segment.continues, segment.jaccard >= 0.5);
        }
    }
}
