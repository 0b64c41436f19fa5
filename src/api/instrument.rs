//! What the names of instruments say: `parse_instrument`, `propose_leveraged_tokens`.

use crate::pg::call::{Call, RowSink, Rows};
use crate::pg::datum::{text_array, Cell};
use crate::pg::error::Result;
use crate::sql_function;
use segmentation::profile::instrument::{parse, Format, Instrument, Reason};
use segmentation::profile::leveraged::propose;

sql_function!("segmentation_parse_instrument", 2, parse_instrument);
sql_function!("segmentation_propose_leveraged_tokens", 1, propose_leveraged_tokens);

/// One row whatever the name, so that a join with it loses no trade.
fn parse_instrument(call: &Call) -> Result<Rows> {
    let format = Format::by_name(call.required(1, "format")?)?;
    let row = match call.text(0)?.map(|name| parse(name, format)) {
        Some(Ok(instrument)) => read(instrument),
        Some(Err(reason)) => unread(reason.text()),
        None => unread("null"),
    };
    Ok(Rows(vec![row]))
}

fn read(instrument: Instrument) -> Vec<Cell> {
    let reason = if instrument.kind.is_none() { Cell::text(Reason::SpotOrPerpetual.text()) } else { Cell::Null };
    vec![
        Cell::option(instrument.kind, |kind| Cell::text(kind.name())),
        Cell::text(instrument.underlying),
        Cell::text(instrument.quote),
        Cell::Bool(instrument.inverse),
        Cell::option(instrument.expiry, Cell::Time),
        Cell::option(instrument.strike, Cell::Float),
        Cell::option(instrument.is_call, |is_call| Cell::text(if is_call { "call" } else { "put" })),
        reason,
    ]
}

fn unread(reason: &str) -> Vec<Cell> {
    let mut row = vec![Cell::Null; 7];
    row.push(Cell::text(reason));
    row
}

fn propose_leveraged_tokens(call: &Call) -> Result<()> {
    let mut names: Vec<String> = call.raw(0).map(text_array).unwrap_or_default().into_iter().flatten().collect();
    names.sort_unstable();
    names.dedup();
    let mut sink = RowSink::new(call)?;
    for (i, name) in names.iter().enumerate() {
        if i % 10_000 == 0 {
            pgrx::check_for_interrupts!();
        }
        if let Some(proposal) = propose(name) {
            sink.push(vec![
                Cell::text(proposal.symbol),
                Cell::text(proposal.underlying),
                Cell::option(proposal.factor, Cell::Float),
                Cell::text(proposal.pattern),
                Cell::option(proposal.doubt, Cell::text),
            ]);
        }
    }
    Ok(())
}
