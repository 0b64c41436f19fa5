//! `account_snapshot(...)`: equity, margin and exposure of an account at a time, as a value.

use crate::pg::call::{Call, Raw};
use crate::pg::datum::varlena;
use crate::pg::error::Result;
use crate::sql_function;
use segmentation::profile::snapshot::{Field, Snapshot};

sql_function!("segmentation_account_snapshot", ARGUMENTS, account_snapshot);

// Positions in the SQL signature, which is fixed: views that users made hold it.
const ARGUMENTS: usize = 13;

const FIELDS: [(usize, Field); 12] = [
    (1, Field::EquityUsd),
    (2, Field::FlowUsd),
    (3, Field::InitialMarginUsd),
    (4, Field::MaintenanceMarginUsd),
    (5, Field::GrossNotionalUsd),
    (6, Field::DeltaUsd),
    (7, Field::GrossDeltaUsd),
    (8, Field::NetDeltaUsd),
    (9, Field::LiquidationDistance),
    (10, Field::FundingUsd),
    (11, Field::MarketReturn),
    (12, Field::SecondMarketReturn),
];

fn account_snapshot(call: &Call) -> Result<Option<Raw>> {
    let mut snapshot = Snapshot { taken_at: call.i64(0), ..Snapshot::default() };
    for (i, field) in FIELDS {
        if let Some(value) = call.f64(i) {
            snapshot.set(field, value);
        }
    }
    let mut bytes = Vec::with_capacity(128);
    snapshot.encode(&mut bytes);
    Ok(Some(Raw(varlena(&bytes))))
}
