//! Scoring with a model as a value, or by the name of a segmentation.

use crate::api::catalogue;
use crate::api::models::names::NEW;
use crate::pg::call::Call;
use crate::pg::datum;
use crate::pg::error::{Failure, Result};
use crate::pg::identity::current_user;
use crate::pg::lookup;
use crate::sql_function;
use pgrx::pg_sys;
use segmentation::model::{Assignment, Model, Standing};
use segmentation::profile::features::{index_of, select, Market};
use serde_json::Value;

sql_function!("segmentation_score", 2, score);
sql_function!("segmentation_assign_vector", 2, assign_vector);
sql_function!("segmentation_assign_jsonb", 2, assign_jsonb);
sql_function!("segmentation_assign_profile", 3, assign_profile);
sql_function!("segmentation_assign_vector_by_name", 2, assign_vector_by_name);
sql_function!("segmentation_assign_jsonb_by_name", 2, assign_jsonb_by_name);

/// A call site keeps its model decoded: a query scores many rows with one.
#[derive(Default)]
pub struct Site {
    key: Vec<u8>,
    generation: u64,
    /// Who may read the model that a name stands for; nobody need be asked for one given as a value
    user: Option<pg_sys::Oid>,
    model: Option<Model>,
    row: Vec<f64>,
    scratch: Vec<f64>,
}

impl Site {
    /// The model given as a value in argument `i`. Where it may be another one in the next row it is compared as it is
    /// stored, compressed or toasted: equal bytes are an equal model, and decompressing it for every row would cost more
    /// than scoring.
    fn value(&mut self, call: &Call, i: usize) -> Result<()> {
        if self.model.is_some() && call.constant(i) {
            return Ok(());
        }
        let Some(given) = call.raw(i) else { return Ok(()) };
        let key = datum::stored_bytes(given);
        if self.model.is_none() || self.key != key {
            let json = datum::checked_utf8(call.bytes(i).unwrap_or_default())?;
            self.model = Some(Model::from_json(json)?);
            self.key = key.to_vec();
        }
        Ok(())
    }

    /// The active model of the segmentation named in argument `i`, looked up again when the catalogue or the user changed: one
    /// statement of a function may run under several roles.
    fn named(&mut self, call: &Call, i: usize) -> Result<()> {
        let name = call.required(i, "segmentation")?;
        let (generation, user) = (lookup::generation(), Some(current_user()));
        let same = self.generation == generation && self.user == user && self.key == name.as_bytes();
        if self.model.is_none() || !same {
            let definition = catalogue::resolve(Some(name))?;
            definition.check_model_reader()?;
            self.model = Some(definition.model(None)?.1);
            self.key = name.as_bytes().to_vec();
            self.generation = generation;
            self.user = user;
        }
        Ok(())
    }

    fn vector(&mut self, call: &Call) -> Result<Option<(Assignment, &Model)>> {
        let (Some(array), Some(model)) = (call.raw(0), &self.model) else { return Ok(None) };
        datum::float_array(array, &mut self.row)?;
        Ok(Some((model.assign_with(&self.row, &mut self.scratch)?, model)))
    }

    fn jsonb(&mut self, call: &Call) -> Result<Option<(Assignment, &Model)>> {
        let (Some(json), Some(model)) = (call.raw(0), &self.model) else { return Ok(None) };
        match datum::json(json)? {
            Value::Object(features) => Ok(Some((model.assign_named(&features)?, model))),
            _ => Err(Failure::invalid("features are not a JSON object")
                .hint("for example '{\"volume_usd\": 1000, \"maker_ratio\": 0.5}'")),
        }
    }
}

/// The segment's name; `None` where too much is missing to say, and for noise.
pub fn name_of(assigned: Option<(Assignment, &Model)>) -> Option<String> {
    let (assignment, model) = assigned?;
    assignment.index.filter(|_| !assignment.insufficient).map(|index| model.segments[index].name.clone())
}

fn assign_vector(call: &Call) -> Result<Option<String>> {
    let site = call.site(Site::default);
    site.value(call, 1)?;
    Ok(name_of(site.vector(call)?))
}

fn assign_jsonb(call: &Call) -> Result<Option<String>> {
    let site = call.site(Site::default);
    site.value(call, 1)?;
    Ok(name_of(site.jsonb(call)?))
}

fn assign_vector_by_name(call: &Call) -> Result<Option<String>> {
    let site = call.site(Site::default);
    site.named(call, 1)?;
    Ok(name_of(site.vector(call)?))
}

fn assign_jsonb_by_name(call: &Call) -> Result<Option<String>> {
    let site = call.site(Site::default);
    site.named(call, 1)?;
    Ok(name_of(site.jsonb(call)?))
}

fn assign_profile(call: &Call) -> Result<Option<String>> {
    let Some(profile) = call.bytes(0) else { return Ok(None) };
    let site = call.site(Site::default);
    site.value(call, 1)?;
    let Some(model) = &site.model else { return Ok(None) };
    let (row, trades) = of_profile(profile, &model.feature_names(), call.i64(2), model.provenance.market.as_ref())?;
    let assigned = model.assign(&row)?;
    Ok(match model.standing(&assigned, trades) {
        Standing::New { .. } => Some(NEW.to_string()),
        _ => name_of(Some((assigned, model))),
    })
}

/// The named features of a profile, NaN where there is no value, and the trades it counts.
pub fn of_profile(
    profile: &[u8],
    names: &[&str],
    as_of: Option<i64>,
    market: Option<&Market>,
) -> Result<(Vec<f64>, Option<u64>)> {
    let names: Vec<&str> = names.iter().copied().chain(["trades"]).collect();
    let mut row = built_in_values(profile, &names, as_of, market)?;
    let trades = row.pop().filter(|n| *n >= 0.0).map(|n| n as u64);
    Ok((row, trades))
}

/// The named features of a profile, NaN where there is no value.
fn built_in_values(profile: &[u8], names: &[&str], as_of: Option<i64>, market: Option<&Market>) -> Result<Vec<f64>> {
    let places = names
        .iter()
        .map(|name| {
            index_of(name).ok_or_else(|| {
                Failure::invalid(format!("the model's feature \"{name}\" is not a feature of profiles"))
                    .hint("pass its features as float8[] or jsonb: they are ready-made, or from a source of attributes")
            })
        })
        .collect::<Result<Vec<_>>>()?;
    let values = select(&mut crate::api::types::read_profile(profile)?, as_of, market, &places);
    Ok(values.into_iter().map(|v| v.value.unwrap_or(f64::NAN)).collect())
}

/// For the statements that write segments: [place from 1, id, distance, margin, 1 where insufficient, 1 for an outlier];
/// place and id are null for noise.
fn score(call: &Call) -> Result<Option<Vec<Option<f64>>>> {
    let site = call.site(Site::default);
    site.value(call, 1)?;
    Ok(site.vector(call)?.map(|(a, _)| {
        vec![
            a.index.map(|index| index as f64 + 1.0),
            a.segment_id.map(f64::from),
            Some(a.distance),
            a.margin,
            Some(f64::from(u8::from(a.insufficient))),
            Some(f64::from(u8::from(a.outlier))),
        ]
    }))
}

/// The columns of `<name>_segments` that come from a score.
pub const SCORED: &str = "segment_id, segment, model_segment_id, margin, outlier, quality";

/// SQL for [`SCORED`] of a score `s`, where `ids` and `names` are the model's. Without a score, the account is new.
pub fn score_columns(ids: &str, names: &str) -> String {
    format!(
        "CASE WHEN s[5] = 0 THEN ({ids})[s[1]::int] END,
         CASE WHEN s IS NULL THEN '{NEW}' WHEN s[5] = 0 THEN ({names})[s[1]::int] END,
         ({ids})[s[1]::int], CASE WHEN s[5] = 0 THEN s[4] END, CASE WHEN s[5] = 0 THEN s[6] = 1 END, {QUALITY}"
    )
}

/// SQL for the quality of a score `s`.
pub const QUALITY: &str = "CASE WHEN s IS NULL THEN 'new' WHEN s[5] <> 0 THEN 'insufficient_data' WHEN s[1] IS NULL THEN 'noise' ELSE 'ok' END";
