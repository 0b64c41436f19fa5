//! What a model says, apart from how its segments are called: for comparing a model with a refit, and with itself after a
//! journey through other hands.

use super::Model;
use crate::error::{Error, Result};
use serde_json::Value;

impl Model {
    /// A name for the content: xxh3-128 (hex) of the model without the ids and names of its segments and without its
    /// warnings, which speak of both. The sign of a zero does not count: `jsonb` does not keep it, and no distance can tell.
    pub fn content_hash(&self) -> Result<String> {
        let mut plain = self.clone();
        for (i, segment) in plain.segments.iter_mut().enumerate() {
            segment.id = i as i32 + 1;
            segment.name = format!("segment {}", i + 1);
        }
        plain.provenance.warnings.clear();
        let mut value: Value = serde_json::from_str(&plain.to_json()?)
            .map_err(|e| Error::invalid(format!("model cannot be written: {e}")))?;
        unsign(&mut value);
        Ok(format!("{:032x}", xxhash_rust::xxh3::xxh3_128(value.to_string().as_bytes())))
    }
}

fn unsign(value: &mut Value) {
    match value {
        Value::Number(n) if n.as_f64() == Some(0.0) => *value = Value::from(0),
        Value::Array(values) => values.iter_mut().for_each(unsign),
        Value::Object(map) => map.values_mut().for_each(unsign),
        _ => (),
    }
}

#[cfg(test)]
mod tests {
    use crate::control::Control;
    use crate::model::{fit, FitInput, FitOptions, Model};
    use crate::prepare::{FeatureSpec, Transform};
    use ndarray::Array2;

    fn model(seed: u64) -> Model {
        let spec = |name: &str| FeatureSpec {
            name: name.into(),
            label: name.into(),
            unit: String::new(),
            group: "own".into(),
            transform: Transform::Identity,
            absent: Default::default(),
            block: None,
        };
        let raw = Array2::from_shape_fn((40, 2), |(i, j)| (i % 2 * 10) as f64 + (i * (j + 1)) as f64 * 0.01);
        let input = FitInput { specs: vec![spec("a"), spec("b")], raw, volume: None };
        let options = FitOptions { k: Some(2), seed, ..FitOptions::default() };
        fit(input, &options, &Control::new()).unwrap().model
    }

    #[test]
    fn the_content_has_no_ids_names_or_warnings() {
        let mut other = model(1);
        other.segments[0].id = 17;
        other.segments[1].name = "whales".into();
        other.provenance.warnings.push("segment 17 is small".into());
        assert_eq!(other.content_hash().unwrap(), model(1).content_hash().unwrap());
        assert_ne!(other.hash().unwrap(), model(1).hash().unwrap());
    }

    #[test]
    fn anything_else_is_content() {
        let plain = model(1).content_hash().unwrap();
        assert_ne!(model(2).content_hash().unwrap(), plain, "the seed");
        let mut other = model(1);
        other.provenance.lookback = Some("90 days".into());
        assert_ne!(other.content_hash().unwrap(), plain);
        let mut other = model(1);
        other.segments[0].profile[0].mean = other.segments[0].profile[0].mean.map(|m| f64::from_bits(m.to_bits() + 1));
        assert_ne!(other.content_hash().unwrap(), plain, "the last bit of a figure");
    }

    #[test]
    fn the_sign_of_a_zero_is_lost_on_the_way() {
        let with = |zero: f64| {
            let mut model = model(1);
            model.segments[0].profile[0].z = Some(zero);
            model.content_hash().unwrap()
        };
        assert_eq!(with(-0.0), with(0.0));
        assert_ne!(with(1e-300), with(0.0));
    }
}
