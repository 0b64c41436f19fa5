//! A stored model: it is refused as corrupted, or it scores every row and goes to JSON and back without losing a bit.

use segmentation::model::Model;
use segmentation::Kind;

/// Numbers that rows are made of, beside random ones.
const EDGES: [f64; 12] =
    [0.0, -0.0, 1.0, -1.0, 1e-300, 1e300, -1e300, f64::MAX, f64::MIN, f64::NAN, f64::INFINITY, f64::NEG_INFINITY];
const ROWS: u64 = 12;

/// SplitMix64: rows that depend on nothing but their number.
fn mix(x: u64) -> u64 {
    let x = x.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let x = (x ^ x >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let x = (x ^ x >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ x >> 31
}

/// A third of the values are edges, a third ordinary, a third any double.
fn value(row: u64, column: usize) -> f64 {
    let random = mix(row << 32 | column as u64);
    let edge = EDGES[(random >> 8) as usize % EDGES.len()];
    match (row, random % 3) {
        (0, _) => 0.0,
        (1, _) => f64::NAN,
        (_, 0) => edge,
        (_, 1) => (random >> 40) as f64 / 1e3 - 5e3,
        _ => f64::from_bits(random),
    }
}

pub fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let model = match Model::from_json(text) {
        Ok(model) => model,
        Err(e) => {
            assert_eq!(e.kind, Kind::Corrupted, "{e}");
            assert!(!e.message.is_empty() && e.message.len() < 1000 + 8 * data.len());
            return;
        }
    };
    let (k, width) = (model.k(), model.feature_names().len());
    for row in 0..ROWS {
        let raw: Vec<f64> = (0..width).map(|column| value(row, column)).collect();
        scores(&model, &raw, k);
    }
    // Rows of another length are refused.
    assert_eq!(model.assign(&vec![0.0; width + 1]).unwrap_err().kind, Kind::InvalidParameter);
    let json = model.to_json().unwrap();
    let again = Model::from_json(&json).unwrap();
    assert_eq!(again.to_json().unwrap(), json);
    assert_eq!(again.hash().unwrap(), model.hash().unwrap());
    assert_eq!(again.content_hash().unwrap(), model.content_hash().unwrap());
    // What is left out for readers is no model any more.
    let personal = model.disclosure(20);
    let masked = model.masked(&personal).unwrap().to_string();
    assert_eq!(Model::from_json(&masked).is_ok(), personal.is_empty(), "{personal:?}");
    assert_eq!(personal.reasons(&model).is_empty(), personal.is_empty(), "{personal:?}");
}

fn scores(model: &Model, raw: &[f64], k: usize) {
    let a = match model.assign(raw) {
        Ok(a) => a,
        // Where missing values are an error.
        Err(e) => {
            assert_eq!(e.kind, Kind::InvalidParameter, "{e}");
            assert!(raw.iter().any(|x| !x.is_finite()), "{e}");
            return;
        }
    };
    let id = |index: usize| model.segments[index].id;
    assert!(a.index.is_none_or(|index| index < k));
    assert_eq!(a.segment_id, a.index.map(id));
    assert!(a.distance.is_finite() && a.distance >= 0.0, "distance {}", a.distance);
    assert!(k > 1 || a.second_id.is_none() && a.margin.is_none());
    assert!(a.second_id.is_none() || a.second_id != a.segment_id);
    assert!(a.second_id.is_none_or(|second| (0..k).any(|index| id(index) == second)));
    assert!(a.margin.is_none_or(|m| (0.0..=1.0).contains(&m)), "margin {:?}", a.margin);
    assert!(a.imputed <= raw.len() && a.clipped <= raw.len());
    if let Some(p) = model.probabilities(raw).unwrap() {
        assert_eq!(p.len(), k);
        assert!(p.iter().all(|p| (0.0..=1.0).contains(p)) && (p.iter().sum::<f64>() - 1.0).abs() < 1e-9, "{p:?}");
    }
    explains(model, raw);
    if let Err(e) = model.lacks(raw) {
        assert!(matches!(e.kind, Kind::InvalidParameter | Kind::Unsupported), "{e}");
    }
    let again = model.assign(raw).map(|b| (b.index, b.distance.to_bits()));
    assert_eq!(again, Ok((a.index, a.distance.to_bits())));
}

/// Whatever the numbers are, an explanation is one, and a change that is told leads where it says.
fn explains(model: &Model, raw: &[f64]) {
    match model.explain(raw, None) {
        Ok(Some(e)) => {
            assert!(e.segment != e.other && e.segment < model.k() && e.other < model.k());
            assert!(e.lead.is_finite() && e.features.iter().all(|f| f.contribution.is_finite()), "{e:?}");
        }
        Ok(None) => (),
        Err(e) => assert_eq!(e.kind, Kind::Unsupported, "{e}"),
    }
    match model.counterfactual(raw, None) {
        Ok(changes) => {
            for change in changes.iter().filter_map(|c| c.change.as_ref()) {
                assert_eq!(model.assign(&change.apply(raw)).unwrap().index, Some(change.segment));
            }
        }
        Err(e) => assert_eq!(e.kind, Kind::Unsupported, "{e}"),
    }
}
