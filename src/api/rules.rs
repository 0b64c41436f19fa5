//! `segment_rules` and `segment_rules_sql`: a model's segments in a few questions.

use crate::api::catalogue;
use crate::api::profiles::tell_of_chance;
use crate::pg::call::{Call, Rows};
use crate::pg::datum::Cell;
use crate::pg::error::Result;
use crate::sql_function;
use segmentation::model::Model;

sql_function!("segmentation_segment_rules", 2, segment_rules);
sql_function!("segmentation_segment_rules_sql", 2, segment_rules_sql);

fn model(call: &Call) -> Result<Model> {
    let definition = catalogue::resolve(call.text(0)?)?;
    definition.check_model_reader()?;
    Ok(definition.model(call.get(1))?.1)
}

fn segment_rules(call: &Call) -> Result<Rows> {
    let model = model(call)?;
    let Some(rules) = model.rules() else { return Ok(Rows(Vec::new())) };
    tell_of_chance(&model);
    let verdict = if rules.is_faithful() { "faithful" } else { "low fidelity" };
    let row = |line: segmentation::model::RuleLine| {
        let (segment, quality) = (&model.segments[line.segment], &rules.segments[line.segment]);
        vec![
            Cell::Int(segment.id),
            Cell::text(segment.name.clone()),
            Cell::text(line.text),
            Cell::option(quality.precision, Cell::Float),
            Cell::option(quality.coverage, Cell::Float),
            Cell::option(rules.fidelity, Cell::Float),
            Cell::text(verdict),
        ]
    };
    Ok(Rows(model.rule_lines().into_iter().map(row).collect()))
}

fn segment_rules_sql(call: &Call) -> Result<Option<String>> {
    Ok(model(call)?.rules_sql())
}
