//! `segment_model` and `segment_profiles`: a model as a value, and as rows.

use crate::api::catalogue;
use crate::pg::call::{Call, Raw, Rows};
use crate::pg::datum::{varlena, Cell};
use crate::pg::error::{notice, Result};
use crate::sql_function;
use segmentation::model::Model;

sql_function!("segmentation_segment_model", 2, segment_model);
sql_function!("segmentation_segment_profiles", 2, segment_profiles);

fn segment_model(call: &Call) -> Result<Option<Raw>> {
    let definition = catalogue::resolve(call.text(0)?)?;
    definition.check_model_reader()?;
    let (_, json) = definition.model_json(call.get(1))?;
    Ok(Some(Raw(varlena(json.as_bytes()))))
}

/// What is typical of segments reads as if they were there: so whoever asks is told where they may be chance.
pub fn tell_of_chance(model: &Model) {
    // A notice and no warning: tools ask often, and the server's log is for other things.
    if model.quality.guard.is_chance() {
        notice(&format!("these segments may be chance: {}", model.quality.guard.in_words()));
    }
}

fn segment_profiles(call: &Call) -> Result<Rows> {
    let definition = catalogue::resolve(call.text(0)?)?;
    definition.check_model_reader()?;
    let (_, model) = definition.model(call.get(1))?;
    tell_of_chance(&model);
    let units: Vec<String> = model.preparation().columns().iter().map(|c| c.spec.unit.clone()).collect();
    let mut rows = Vec::new();
    for segment in &model.segments {
        for (profile, unit) in segment.profile.iter().zip(&units) {
            let number = |v| Cell::option(v, Cell::Float);
            rows.push(vec![
                Cell::Int(segment.id),
                Cell::text(segment.name.clone()),
                Cell::Big(segment.accounts as i64),
                Cell::Float(segment.share),
                number(segment.volume_share),
                Cell::text(profile.feature.clone()),
                Cell::text(unit.clone()),
                number(profile.q25),
                number(profile.median),
                number(profile.q75),
                number(profile.z),
                number(profile.lift),
                number(profile.effect),
                number(profile.p_adjusted),
            ]);
        }
    }
    Ok(Rows(rows))
}
