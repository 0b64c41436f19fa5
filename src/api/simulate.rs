//! `simulate_trades` and `adjusted_rand_index`.

use crate::pg::call::{Call, RowSink};
use crate::pg::datum::{text_array, Cell};
use crate::pg::error::{Failure, Result};
use crate::sql_function;
use segmentation::cluster;
use segmentation::simulate::{self, Params};
use std::collections::HashMap;

sql_function!("segmentation_simulate_trades", 4, simulate_trades);
sql_function!("segmentation_adjusted_rand_index", 2, adjusted_rand_index);

/// Rows go straight to the tuplestore: a million accounts are never in memory at once.
fn simulate_trades(call: &Call) -> Result<()> {
    let count = |i, name: &str| -> Result<u32> {
        let n = call.get::<i32>(i).unwrap_or(0);
        u32::try_from(n).map_err(|_| {
            Failure::invalid(format!("{name} = {n} is below the limit of 1")).hint("leave it out for the default")
        })
    };
    let params = Params {
        accounts: count(0, "accounts")?,
        days: count(1, "days")?,
        seed: call.i64(2).unwrap_or(1) as u64,
        noise: call.f64(3).unwrap_or(0.0),
    };
    let mut sink = RowSink::new(call)?;
    for (i, t) in simulate::trades(&params)?.enumerate() {
        if i % 10_000 == 0 {
            pgrx::check_for_interrupts!();
        }
        sink.push(vec![
            Cell::Big(t.trade_id),
            Cell::text(format!("acct_{:04}", t.account + 1)),
            Cell::Time(t.executed_at),
            Cell::text(t.instrument),
            Cell::text(t.underlying),
            Cell::text(t.kind),
            Cell::text(if t.is_buy { "buy" } else { "sell" }),
            Cell::Float(t.quantity),
            Cell::Float(t.price),
            Cell::Float(t.notional_usd),
            Cell::Float(t.fee_usd),
            Cell::Bool(t.is_maker),
            Cell::text(t.archetype.name()),
        ]);
    }
    Ok(())
}

fn adjusted_rand_index(call: &Call) -> Result<Option<f64>> {
    let (Some(a), Some(b)) = (call.raw(0).map(text_array), call.raw(1).map(text_array)) else { return Ok(None) };
    if a.len() != b.len() {
        return Err(Failure::invalid(format!("the labellings have {} and {} elements", a.len(), b.len()))
            .hint("label the same rows twice, in the same order"));
    }
    if a.is_empty() {
        return Ok(None);
    }
    Ok(Some(cluster::adjusted_rand_index(&numbered(a), &numbered(b))))
}

fn numbered(labels: Vec<Option<String>>) -> Vec<u32> {
    let mut known = HashMap::new();
    labels
        .into_iter()
        .map(|label| {
            let next = known.len() as u32;
            *known.entry(label).or_insert(next)
        })
        .collect()
}
