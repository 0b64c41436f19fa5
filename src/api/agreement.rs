//! How well two labellings of the same rows agree.

use crate::pg::call::Call;
use crate::pg::datum::labels;
use crate::pg::error::{Failure, Result};
use crate::pg::threads;
use crate::sql_function;
use segmentation::{cluster, Control};

sql_function!("segmentation_adjusted_rand_index", 2, adjusted_rand_index);
sql_function!("segmentation_adjusted_mutual_information", 2, adjusted_mutual_information);
sql_function!("segmentation_variation_of_information", 2, variation_of_information);

/// More rows are counted where a cancel is heard.
const MANY: usize = 50_000;

/// One of the measures of the crate.
type Measure = fn(&[u32], &[u32], &Control) -> segmentation::Result<f64>;

fn adjusted_rand_index(call: &Call) -> Result<Option<f64>> {
    measured(call, cluster::adjusted_rand_index_with, MANY)
}

fn adjusted_mutual_information(call: &Call) -> Result<Option<f64>> {
    // Of few rows in many clusters it is long, too.
    measured(call, cluster::adjusted_mutual_information, 0)
}

fn variation_of_information(call: &Call) -> Result<Option<f64>> {
    measured(call, cluster::variation_of_information_with, MANY)
}

fn measured(call: &Call, measure: Measure, many: usize) -> Result<Option<f64>> {
    let Some((a, b)) = labellings(call)? else { return Ok(None) };
    if a.len() <= many {
        return Ok(Some(measure(&a, &b, &Control::new())?));
    }
    threads::compute(move |control| measure(&a, &b, control)).map(Some)
}

/// Both labellings as numbers; `None` where one is NULL or they are empty.
fn labellings(call: &Call) -> Result<Option<(Vec<u32>, Vec<u32>)>> {
    let (Some(a), Some(b)) = (call.raw(0).map(labels), call.raw(1).map(labels)) else { return Ok(None) };
    if a.len() != b.len() {
        return Err(Failure::invalid(format!("the labellings have {} and {} elements", a.len(), b.len()))
            .hint("label the same rows twice, in the same order"));
    }
    Ok((!a.is_empty()).then_some((a, b)))
}
