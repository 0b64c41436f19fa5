//! How far two partitions of the same rows agree.

/// Adjusted Rand index of two labelings of the same rows: 1 for equal partitions (whatever the label values), about 0
/// for independent ones, negative below chance (Hubert & Arabie 1985; as scikit-learn's `adjusted_rand_score`).
///
/// Pairs are counted exactly in integers, rounding happens once, in the last division. Equal partitions give exactly 1,
/// degenerate ones (no row, one row, one cluster, all singletons) included. NaN when the lengths differ.
pub fn adjusted_rand_index(a: &[u32], b: &[u32]) -> f64 {
    if a.len() != b.len() {
        return f64::NAN;
    }
    let both = pairs_in_runs(a.iter().zip(b).map(|(&a, &b)| u64::from(a) << 32 | u64::from(b)).collect());
    let in_a = pairs_in_runs(a.iter().map(|&x| u64::from(x)).collect());
    let in_b = pairs_in_runs(b.iter().map(|&x| u64::from(x)).collect());
    if both == in_a && both == in_b {
        return 1.0;
    }
    // With the pairs together in both, in a only, in b only and in neither: the pair confusion form, whose products
    // stay below 2^127 up to 2^32 rows.
    let all = a.len() as i128 * (a.len() as i128 - 1) / 2;
    let (only_a, only_b) = (in_a - both, in_b - both);
    let neither = all - both - only_a - only_b;
    let above = 2.0 * (both * neither - only_a * only_b) as f64;
    above / ((both + only_a) * (only_a + neither) + (both + only_b) * (only_b + neither)) as f64
}

/// Pairs of equal keys.
fn pairs_in_runs(mut keys: Vec<u64>) -> i128 {
    keys.sort_unstable();
    keys.chunk_by(|a, b| a == b).map(|run| run.len() as i128 * (run.len() as i128 - 1) / 2).sum()
}
