//! A stored model that was damaged: every place times every kind of damage is an error or a model that still scores.

use super::{accounts, run};
use proptest::prelude::*;
use segmentation::model::Model;
use serde_json::{json, Value};

/// Paths to everything in a JSON document.
fn paths(v: &Value, here: String, all: &mut Vec<String>) {
    match v {
        Value::Object(m) => m.iter().for_each(|(k, v)| paths(v, format!("{here}/{k}"), all)),
        Value::Array(a) => a.iter().enumerate().for_each(|(i, v)| paths(v, format!("{here}/{i}"), all)),
        _ => {}
    }
    if !here.is_empty() {
        all.push(here);
    }
}

fn mutate(root: &mut Value, path: &str, how: usize, other: &Value) {
    let (parent, key) = path.rsplit_once('/').unwrap();
    let parent = root.pointer_mut(parent).unwrap();
    let replacement = match how {
        0 => Some(Value::Null),
        1 => Some(json!(0)),
        2 => Some(json!(-1)),
        3 => Some(json!(1e308)),
        4 => Some(json!(5e-324)),
        5 => Some(json!(u64::MAX)),
        6 => Some(json!([])),
        7 => Some(json!("")),
        8 => Some(json!({})),
        9 => Some(other.clone()),
        10 => Some(json!(1)),
        _ => None,
    };
    match (parent, replacement) {
        (Value::Object(m), Some(r)) => drop(m.insert(key.into(), r)),
        (Value::Object(m), None) => drop(m.remove(key)),
        (Value::Array(a), Some(r)) => a[key.parse::<usize>().unwrap()] = r,
        (Value::Array(a), None) if how == 11 => drop(a.remove(key.parse().unwrap())),
        (Value::Array(a), None) => a.push(a[0].clone()),
        _ => {}
    }
}

fn survives(text: &str) {
    if let Ok(model) = Model::from_json(text) {
        let n = model.feature_names().len();
        for row in [vec![0.5; n], vec![f64::NAN; n], vec![f64::MAX; n], vec![-1e300; n]] {
            if let Ok(a) = model.assign(&row) {
                assert!(a.index.is_none_or(|index| index < model.k()) && a.distance.is_finite());
            }
        }
        let again = model.to_json().unwrap();
        assert_eq!(Model::from_json(&again).unwrap().to_json().unwrap(), again);
    }
}

fn small_model(pca: bool) -> Value {
    let (input, _) = accounts();
    let f = run(input, None, if pca { json!({"winsorise": null}) } else { json!({"pca": null}) }).unwrap();
    serde_json::from_str(&f.model.to_json().unwrap()).unwrap()
}

#[test]
fn any_damage_is_an_error_or_harmless() {
    for pca in [true, false] {
        let whole = small_model(pca);
        let mut all = Vec::new();
        paths(&whole, String::new(), &mut all);
        for path in &all {
            for how in 0..13 {
                let mut damaged = whole.clone();
                mutate(&mut damaged, path, how, &whole["shape"]["centres"]);
                survives(&damaged.to_string());
            }
        }
    }
}

proptest! {
    /// Damaged bytes, too.
    #[test]
    fn any_damaged_text_is_an_error_or_harmless(
        edits in prop::collection::vec((any::<prop::sample::Index>(), prop::sample::select(b"0123456789-.e\"[]{},:ntf ".to_vec())), 1..4),
    ) {
        use std::sync::OnceLock;
        static TEXT: OnceLock<String> = OnceLock::new();
        let mut bytes = TEXT.get_or_init(|| small_model(true).to_string()).clone().into_bytes();
        for (at, byte) in edits {
            let i = at.index(bytes.len());
            bytes[i] = byte;
        }
        if let Ok(text) = String::from_utf8(bytes) {
            survives(&text);
        }
    }
}
