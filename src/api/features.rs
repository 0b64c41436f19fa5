//! What reads single profiles: `feature`, `features`, `feature_vector`, `allocation`, `+` and `-`.

use crate::api::types::{read_profile, write_profile};
use crate::pg::call::{Call, Raw, Rows};
use crate::pg::datum::{self, varlena, Cell};
use crate::pg::error::{Failure, Result};
use crate::sql_function;
use pgrx::PgSqlErrorCode;
use segmentation::profile::features::{index_of, select, values, FeatureValue};
use segmentation::profile::money::to_usd;
use segmentation::profile::section::Tag;
use segmentation::profile::shares::Shares;
use segmentation::profile::symbol::{hash, key40};
use segmentation::profile::{Feature, Market, FEATURES};

sql_function!("segmentation_profile_plus", 2, plus);
sql_function!("segmentation_profile_minus", 2, minus);
sql_function!("segmentation_profile_rejected", 1, rejected);
sql_function!("segmentation_feature", 4, feature);
sql_function!("segmentation_features", 3, features);
sql_function!("segmentation_feature_vector", 4, feature_vector);
sql_function!("segmentation_allocation", 2, allocation);
sql_function!("segmentation_allocation_key", 1, allocation_key);
sql_function!("segmentation_trade_size_tdigest", 1, trade_size_tdigest);
sql_function!("segmentation_allocation_drift", 3, allocation_drift);
sql_function!("segmentation_catalogue_of_features", 0, catalogue_of_features);

fn plus(call: &Call) -> Result<Option<Raw>> {
    let (Some(a), Some(b)) = (call.bytes(0), call.bytes(1)) else { return Ok(None) };
    let mut state = read_profile(a)?;
    state.absorb(b)?;
    Ok(Some(Raw(varlena(&write_profile(state)))))
}

fn minus(call: &Call) -> Result<Option<Raw>> {
    let (Some(a), Some(b)) = (call.bytes(0), call.bytes(1)) else { return Ok(None) };
    let mut state = read_profile(a)?;
    state.subtract(b)?;
    Ok(Some(Raw(varlena(&write_profile(state)))))
}

fn rejected(call: &Call) -> Result<Option<i64>> {
    let Some(bytes) = call.bytes(0) else { return Ok(None) };
    Ok(Some(read_profile(bytes)?.rejected().iter().sum::<u64>().min(i64::MAX as u64) as i64))
}

fn trade_size_tdigest(call: &Call) -> Result<Option<String>> {
    let Some(bytes) = call.bytes(0) else { return Ok(None) };
    Ok(read_profile(bytes)?.size_tdigest())
}

fn known(name: &str) -> Result<usize> {
    index_of(name).ok_or_else(|| {
        Failure::new(PgSqlErrorCode::ERRCODE_UNDEFINED_OBJECT, format!("there is no feature \"{name}\""))
            .hint("the view segmentation.features lists the features")
    })
}

/// The market argument of a call.
pub fn market(call: &Call, i: usize) -> Result<Option<Market>> {
    let Some(json) = call.raw(i).map(datum::json).transpose()? else { return Ok(None) };
    Ok(Some(Market::from_json(&json)?))
}

fn feature(call: &Call) -> Result<Option<f64>> {
    let (Some(profile), Some(name)) = (call.bytes(0), call.text(1)?) else { return Ok(None) };
    let index = known(name)?;
    let market = market(call, 3)?;
    Ok(select(&mut read_profile(profile)?, call.i64(2), market.as_ref(), &[index])[0].value)
}

fn features(call: &Call) -> Result<Rows> {
    let Some(profile) = call.bytes(0) else { return Ok(Rows(Vec::new())) };
    let values = values(&mut read_profile(profile)?, call.i64(1), market(call, 2)?.as_ref());
    let row = |(f, v): (&Feature, FeatureValue)| {
        vec![
            Cell::text(f.name),
            Cell::option(v.value, Cell::Float),
            Cell::text(f.unit),
            Cell::option(v.reason, Cell::text),
        ]
    };
    Ok(Rows(FEATURES.iter().zip(values).map(row).collect()))
}

/// What a call site keeps: in bulk the names and the market are constants, and equal bytes are equal values.
struct Site {
    names: Vec<u8>,
    indexes: Vec<usize>,
    stored_market: Option<Vec<u8>>,
    market: Option<Market>,
}

fn feature_vector(call: &Call) -> Result<Option<Vec<Option<f64>>>> {
    let (Some(profile), Some(names)) = (call.bytes(0), call.raw(1)) else { return Ok(None) };
    let site = call.site::<Option<Site>>(|| None);
    let stored = datum::stored_bytes(names);
    let given = call.raw(3).map(datum::stored_bytes);
    if site.as_ref().is_none_or(|s| s.names != stored || s.stored_market.as_deref() != given) {
        let indexes = datum::text_array(names)
            .into_iter()
            .map(|name| {
                known(&name.ok_or_else(|| {
                    Failure::new(PgSqlErrorCode::ERRCODE_NULL_VALUE_NOT_ALLOWED, "a feature's name must not be null")
                })?)
            })
            .collect::<Result<_>>()?;
        *site = Some(Site {
            names: stored.to_vec(),
            indexes,
            stored_market: given.map(|bytes| bytes.to_vec()),
            market: market(call, 3)?,
        });
    }
    let Some(site) = site else { return Ok(None) };
    let values = select(&mut read_profile(profile)?, call.i64(2), site.market.as_ref(), &site.indexes);
    Ok(Some(values.into_iter().map(|v| v.value).collect()))
}

/// What the volumes are asked by.
enum By {
    Section(Tag),
    Kind,
}

impl By {
    fn read(word: Option<&str>) -> Result<By> {
        match word.unwrap_or("underlying") {
            "underlying" => Ok(By::Section(Tag::ByUnderlying)),
            "kind" => Ok(By::Kind),
            "venue" => Ok(By::Section(Tag::ByVenue)),
            "collateral" => Ok(By::Section(Tag::ByCollateral)),
            other => Err(Failure::invalid(format!("an allocation by \"{other}\" is not kept"))
                .hint("allowed are underlying, kind, venue, collateral")),
        }
    }

    fn of(&self, profile: &[u8]) -> Result<Shares> {
        let mut state = read_profile(profile)?;
        Ok(match self {
            By::Section(tag) => state.allocation(*tag),
            By::Kind => state.allocation_by_kind(),
        })
    }
}

fn allocation(call: &Call) -> Result<Rows> {
    let by = By::read(call.text(1)?)?;
    let Some(profile) = call.bytes(0) else { return Ok(Rows(Vec::new())) };
    let mut volumes = by.of(profile)?;
    let (grouped, total) = (volumes.is_grouped(), volumes.total_usd());
    volumes.entries.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
    let row = |(key, units): (u64, i128)| {
        let usd = to_usd(units);
        let share = (total > 0.0).then(|| usd / total);
        vec![Cell::Big(key as i64), Cell::Float(usd), Cell::option(share, Cell::Float), Cell::Bool(grouped)]
    };
    Ok(Rows(volumes.entries.into_iter().map(row).collect()))
}

fn allocation_key(call: &Call) -> Result<Option<i64>> {
    Ok(call.text(0)?.map(|name| key40(hash(name.as_bytes())) as i64))
}

fn allocation_drift(call: &Call) -> Result<Option<f64>> {
    let by = By::read(call.text(2)?)?;
    let (Some(earlier), Some(later)) = (call.bytes(0), call.bytes(1)) else { return Ok(None) };
    Ok(by.of(earlier)?.drift(&by.of(later)?))
}

/// The rows of the view `segmentation.features`.
fn catalogue_of_features(_: &Call) -> Result<Rows> {
    let row = |f: &Feature| {
        vec![
            Cell::text(f.name),
            Cell::text(f.group),
            Cell::text(f.unit),
            Cell::text(f.class.to_string()),
            Cell::Texts(f.needs.iter().map(|n| n.to_string()).collect()),
            Cell::text(f.transform.name()),
            Cell::Bool(f.in_fit),
            Cell::text(f.label),
            Cell::text(f.meaning),
            Cell::text(f.at_least),
            Cell::text(f.formula),
            Cell::text(f.source),
            Cell::option((!f.absence.is_empty()).then_some(f.absence), Cell::text),
        ]
    };
    Ok(Rows(FEATURES.iter().map(row).collect()))
}
