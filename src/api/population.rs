//! What is known of all accounts together: the market that some features are told against.

use crate::api::catalogue::{self, Definition};
use crate::api::matrix::order_collation;
use crate::api::sources::snapshots::assumptions;
use crate::api::sources::Sources;
use crate::api::vector::Vector;
use crate::pg::error::Result;
use crate::pg::spi::{self, time};
use segmentation::profile::features::Market;

/// Underlyings that are not in the long tail.
pub const TOP: usize = 20;

/// The market of the profiles in `table` (account, profile), as far as the features need it; `None` where they do not, or
/// nothing of it is known. Sums are in the order of the keys, so that they do not depend on how the table lies on disk.
pub fn market(
    definition: &Definition,
    sources: &Sources,
    vector: &Vector,
    table: &str,
    as_of: i64,
) -> Result<Option<Market>> {
    let functions = catalogue::function_schema()?;
    let order = format!("w.account{}", order_collation(definition.key_type));
    let mut market = Market::default();
    if vector.needs("market.venue_volume_usd") {
        let sql = volume_sql(&functions, table, &order, "$1");
        let volume = spi::write(&sql, &[time(Some(as_of))], |r| Ok(r.get::<f64>(0, 1)))?;
        market.venue_volume_usd = volume.filter(|v| *v > 0.0 && v.is_finite());
    }
    if vector.needs("market.top_underlyings") {
        let keys = spi::write(&top_sql(&functions, table, &order), &[], |r| {
            Ok((0..r.len()).filter_map(|i| r.get::<i64>(i, 1)).map(|k| k as u64).collect::<Vec<_>>())
        })?;
        market.top_underlyings = Some(keys).filter(|k| !k.is_empty());
    }
    if ["market.expected_return", "market.volatility", "market.risk_free"].iter().any(|n| vector.needs(n)) {
        let assumed = assumptions(sources, as_of)?;
        market.expected_return = assumed.expected_return;
        market.volatility = assumed.volatility;
        market.risk_free = assumed.risk_free;
    }
    Ok(Some(market).filter(|m| *m != Market::default()))
}

/// SQL of the volume of all accounts.
pub fn volume_sql(functions: &str, table: &str, order: &str, as_of: &str) -> String {
    format!(
        "SELECT pg_catalog.sum({functions}.feature(w.profile, 'volume_usd', {as_of}) ORDER BY {order}) FROM {table} w"
    )
}

/// SQL of the keys of the largest underlyings, the largest first. An account with so many underlyings that its profile groups them has no
/// vote: what it keeps are keys of groups, which would stand among the underlyings as if they were some.
pub fn top_sql(functions: &str, table: &str, order: &str) -> String {
    format!(
        "SELECT u.key FROM (
           SELECT n.key, pg_catalog.sum(n.volume_usd ORDER BY {order}) AS volume
           FROM {table} w CROSS JOIN LATERAL {functions}.allocation(w.profile, 'underlying') n
           WHERE NOT n.grouped GROUP BY n.key) u
         ORDER BY u.volume DESC, u.key LIMIT {TOP}"
    )
}
