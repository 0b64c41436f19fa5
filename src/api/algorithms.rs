//! The rows of the view `segmentation.algorithms`.

use crate::pg::call::{Call, Rows};
use crate::pg::datum::Cell;
use crate::pg::error::Result;
use crate::sql_function;
use segmentation::cluster::Algorithm;

sql_function!("segmentation_catalogue_of_algorithms", 0, catalogue_of_algorithms);

fn catalogue_of_algorithms(_: &Call) -> Result<Rows> {
    let row = |a: &Algorithm| {
        let s = a.supports();
        vec![
            Cell::text(a.name()),
            Cell::text(a.meaning()),
            Cell::Bool(s.takes_k),
            Cell::Bool(s.new_rows),
            Cell::Bool(s.soft),
            Cell::Bool(s.noise),
            Cell::Bool(s.explains),
            Cell::Bool(s.explains_without_pca),
            Cell::Bool(s.counterfactuals),
            Cell::option(s.max_rows, |n| Cell::Big(n as i64)),
            Cell::Texts(a.settings().iter().map(|s| s.to_string()).collect()),
        ]
    };
    Ok(Rows(Algorithm::ALL.iter().map(row).collect()))
}
