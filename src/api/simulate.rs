//! `simulate_trades` and what belongs to them (snapshots, quotes, prices, instruments).

use crate::pg::call::{Call, RowSink};
use crate::pg::datum::Cell;
use crate::pg::error::{Failure, Result};
use crate::sql_function;
use segmentation::simulate::{self, account_name, Params, SimTrade};

sql_function!("segmentation_simulate_trades", 5, simulate_trades);
sql_function!("segmentation_simulate_snapshots", 5, simulate_snapshots);
sql_function!("segmentation_simulate_quotes", 5, simulate_quotes);
sql_function!("segmentation_simulate_prices", 3, simulate_prices);
sql_function!("segmentation_simulate_instruments", 2, simulate_instruments);

/// An integer argument; `None` for NULL.
fn count(call: &Call, i: usize, name: &str) -> Result<Option<u32>> {
    let below =
        |n: i32| Failure::invalid(format!("{name} = {n} is below the limit of 1")).hint("leave it out for the default");
    call.get::<i32>(i).map(|n| u32::try_from(n).map_err(|_| below(n))).transpose()
}

/// The arguments (accounts, days, seed, noise, crash_day); NULL is the default.
fn params(call: &Call) -> Result<Params> {
    let usual = Params::default();
    Ok(Params {
        accounts: count(call, 0, "accounts")?.unwrap_or(usual.accounts),
        days: count(call, 1, "days")?.unwrap_or(usual.days),
        seed: call.i64(2).map_or(usual.seed, |seed| seed as u64),
        noise: call.f64(3).unwrap_or(usual.noise),
        crash_day: count(call, 4, "crash_day")?,
    })
}

/// Rows go straight to the tuplestore: a million accounts are never in memory at once.
fn push<T>(call: &Call, rows: impl Iterator<Item = T>, cells: impl Fn(T) -> Vec<Cell>) -> Result<()> {
    let mut sink = RowSink::new(call)?;
    for (i, row) in rows.enumerate() {
        if i % 10_000 == 0 {
            pgrx::check_for_interrupts!();
        }
        sink.push(cells(row));
    }
    Ok(())
}

fn simulate_trades(call: &Call) -> Result<()> {
    push(call, simulate::trades(&params(call)?)?, trade_cells)
}

fn trade_cells(t: SimTrade) -> Vec<Cell> {
    let (order_id, combo_id) = (t.order_id(), t.combo_id());
    vec![
        Cell::Big(t.trade_id),
        Cell::text(account_name(t.account)),
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
        Cell::text(order_id),
        Cell::text(t.counterparty.name()),
        Cell::text(t.venue),
        Cell::text(t.collateral),
        Cell::Float(t.contract_size),
        Cell::Bool(t.inverse),
        Cell::option(t.strike, Cell::Float),
        Cell::option(t.expiry, Cell::Time),
        Cell::option(t.option_type, Cell::text),
        Cell::Float(t.underlying_price),
        Cell::option(t.implied_volatility, Cell::Float),
        Cell::option(t.token_factor, Cell::Float),
        Cell::option(t.leverage, Cell::Float),
        Cell::option(t.realised_pnl_usd, Cell::Float),
        Cell::Bool(t.is_liquidation),
        Cell::text(t.order_type),
        Cell::option(combo_id, Cell::Text),
        Cell::Float(t.own_flow_usd),
        Cell::Float(t.others_flow_usd),
        Cell::Bool(t.is_toxic),
        Cell::option(t.margin_mode, Cell::text),
    ]
}

fn simulate_snapshots(call: &Call) -> Result<()> {
    push(call, simulate::snapshots(&params(call)?)?, |s| {
        vec![
            Cell::text(account_name(s.account)),
            Cell::Time(s.taken_at),
            Cell::Float(s.equity_usd),
            Cell::Float(s.flow_usd),
            Cell::Float(s.initial_margin_usd),
            Cell::Float(s.maintenance_margin_usd),
            Cell::Float(s.gross_notional_usd),
            Cell::Float(s.delta_usd),
            Cell::Float(s.gross_delta_usd),
            Cell::Float(s.net_delta_usd),
            Cell::option(s.liquidation_distance, Cell::Float),
            Cell::Float(s.funding_usd),
        ]
    })
}

fn simulate_quotes(call: &Call) -> Result<()> {
    push(call, simulate::quotes(&params(call)?)?, |q| {
        vec![
            Cell::text(q.instrument),
            Cell::Time(q.quoted_at),
            Cell::Float(q.bid),
            Cell::Float(q.ask),
            Cell::option(q.implied_volatility, Cell::Float),
            Cell::Float(q.underlying_price),
        ]
    })
}

fn simulate_prices(call: &Call) -> Result<()> {
    let usual = Params::default();
    let days = count(call, 0, "days")?.unwrap_or(usual.days);
    let seed = call.i64(1).map_or(usual.seed, |seed| seed as u64);
    push(call, simulate::prices(days, seed, count(call, 2, "crash_day")?)?, |p| {
        vec![Cell::text(p.underlying), Cell::Time(p.priced_at), Cell::Float(p.price)]
    })
}

fn simulate_instruments(call: &Call) -> Result<()> {
    let usual = Params::default();
    let days = count(call, 0, "days")?.unwrap_or(usual.days);
    let seed = call.i64(1).map_or(usual.seed, |seed| seed as u64);
    push(call, simulate::instruments(days, seed)?, |i| {
        vec![
            Cell::text(i.instrument),
            Cell::text(i.kind),
            Cell::text(i.underlying),
            Cell::option(i.strike, Cell::Float),
            Cell::option(i.expiry, Cell::Time),
            Cell::option(i.option_type, Cell::text),
            Cell::Float(i.contract_size),
            Cell::Bool(i.inverse),
            Cell::option(i.token_factor, Cell::Float),
        ]
    })
}
