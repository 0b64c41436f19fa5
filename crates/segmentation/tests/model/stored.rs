//! A model as it is stored: the same bytes whatever the threads, no bit lost, nothing else read.

use super::{accounts, run, spec};
use ndarray::Array2;
use segmentation::cluster::Settings;
use segmentation::model::{fit, FitInput, FitOptions, Model};
use segmentation::prepare::{FeatureSpec, Transform};
use segmentation::{Control, Kind};
use serde_json::json;

#[test]
fn the_same_bytes_for_any_number_of_threads() {
    let raw = Array2::from_shape_fn((9_000, 6), |(i, j)| {
        (i % 3) as f64 * 8.0 * ((j % 3) as f64 - 1.0) + ((i * (j + 3)) as f64 * 0.37).sin() * 3.0
    });
    let specs: Vec<FeatureSpec> =
        (0..6).map(|i| spec(&format!("f{i}"), &format!("feature {i}"), "", Transform::SignedLog1p)).collect();
    let json = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let input = FitInput { specs: specs.clone(), raw: raw.clone(), volume: Some(raw.column(1).to_vec()) };
        let settings = Settings { n_init: 3, ..Settings::default() };
        let options = FitOptions { k_max: 4, settings, ..FitOptions::default() };
        let f = pool.install(|| fit(input, &options, &Control::new())).unwrap();
        (f.model.to_json().unwrap(), f.labels)
    };
    let one = json(1);
    assert!(one == json(2) && one == json(4));
}

#[test]
fn json_keeps_every_bit_and_its_version() {
    let (input, _) = accounts();
    let f = run(input, Some(3), json!({"winsorise": [0.01, 0.99]})).unwrap();
    let text = f.model.to_json().unwrap();
    let back = Model::from_json(&text).unwrap();
    assert_eq!(back.to_json().unwrap(), text);
    assert_eq!(back.hash().unwrap(), f.model.hash().unwrap());
    assert_eq!(back.hash().unwrap().len(), 32);
    let e = Model::from_json(&text.replacen("\"format\":1", "\"format\":2", 1)).unwrap_err();
    assert_eq!(e.kind, Kind::Corrupted);
    assert_eq!(e.message, "model format 2 is not known, this version reads format 1");
    for broken in ["", "null", "[]", "{}", "{\"format\":1}", "{\"format\":-1}", "nonsense", &text[..text.len() / 2]] {
        assert_eq!(Model::from_json(broken).unwrap_err().kind, Kind::Corrupted, "{broken}");
    }
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(Model::from_json(&deep).unwrap_err().kind, Kind::Corrupted);
    assert_eq!(Model::from_json(&format!("{{\"x\":{deep},\"format\":1}}")).unwrap_err().kind, Kind::Corrupted);

    let long = " ".repeat((256 << 20) + 1);
    assert_eq!(Model::from_json(&long).unwrap_err().kind, Kind::LimitExceeded);

    let mut renamed = back.clone();
    renamed.segments[0].name = renamed.segments[1].name.clone();
    assert_eq!(renamed.to_json().unwrap_err().kind, Kind::InvalidParameter);
    let mut renamed = back;
    renamed.quality.inertia = f64::NAN;
    assert_eq!(renamed.to_json().unwrap_err().kind, Kind::InvalidParameter);
}
