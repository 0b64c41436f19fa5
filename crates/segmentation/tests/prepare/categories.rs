//! Categories: 0/1 coordinates, or codes for k-prototypes.

use super::{close, fit_specs, plain, spec, with};
use ndarray::{s, Array2};
use segmentation::prepare::{FeatureSpec, Of, Preparation, Spread, Transform};
use serde_json::{json, Value};

/// Two numbers and a region of three values, the last of which one account has; 1 in 20 regions is missing, and 1 in 20 is none
/// of the three.
fn data() -> (Vec<FeatureSpec>, Array2<f64>) {
    let mut specs = vec![spec("a", "own", Transform::Asinh), spec("b", "own", Transform::Identity)];
    for value in ["east", "north", "west"] {
        specs.push(FeatureSpec {
            block: Some("region".into()),
            ..spec(&format!("region={value}"), "custom", Transform::Log1p)
        });
    }
    let raw = Array2::from_shape_fn((200, 5), |(i, j)| match j {
        0 => ((i * 37) % 101) as f64,
        1 => ((i * 53) % 97) as f64 * 2.0,
        _ if i % 20 == 19 => f64::NAN,
        _ => f64::from(u8::from(region(i) == Some(j - 2))),
    });
    (specs, raw)
}

fn region(i: usize) -> Option<usize> {
    match i {
        7 => Some(2),
        _ if i % 20 == 18 => None,
        _ => Some(usize::from(!i.is_multiple_of(3))),
    }
}

fn fitted(plan: Value) -> (Preparation, Array2<f64>) {
    let (specs, raw) = data();
    fit_specs(plan, &specs, &raw).unwrap()
}

#[test]
fn two_values_are_one_apart() {
    let (p, m) = fitted(with(plain(), "correlated", json!(0.9)));
    assert_eq!((p.codes(), p.width(), m.ncols()), (0, 5, 5));
    for c in &p.columns()[2..] {
        // Neither winsorised (one account of 200 is in the west) nor transformed nor scaled.
        let kept = c.kept.as_ref().unwrap();
        assert_eq!((kept.transform, kept.bounds, kept.spread), (Transform::Identity, None, Spread::Unit));
        assert_eq!((kept.center, kept.scale, kept.weight), (0.0, 1.0, std::f64::consts::FRAC_1_SQRT_2));
    }
    let distance = |a: usize, b: usize| {
        let (a, b) = (m.slice(s![a, 2..]), m.slice(s![b, 2..]));
        a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum::<f64>().sqrt()
    };
    close(distance(0, 1), 1.0, 1e-12);
    close(distance(0, 7), 1.0, 1e-12);
    assert_eq!(distance(0, 3), 0.0);
    // A category counts as one feature of its group, and as one that is missing.
    let (p, _) = fitted(with(plain(), "weights", json!("group")));
    let weight = |j: usize| p.columns()[j].kept.as_ref().unwrap().weight;
    close(weight(0), (1.5f64 / 2.0).sqrt(), 1e-12);
    close(weight(3), 1.5f64.sqrt() / 2f64.sqrt(), 1e-12);
    let o = p.apply(&[1.0, 1.0, f64::NAN, f64::NAN, f64::NAN], &mut Vec::new()).unwrap();
    assert_eq!((o.used, o.imputed), (3, 1));
    assert_eq!(p.raw_of(2, weight(2)), Some(1.0));
    assert_eq!((p.raw_of(2, 0.0), p.raw_of(2, 0.4 * weight(2))), (Some(0.0), None));
}

#[test]
fn codes_come_last_and_stay_out_of_the_rotation() {
    let plan = |c: &str| json!({"categorical": c, "pca": {"components": 1}, "weights": null});
    let (p, m) = fitted(plan("codes"));
    assert_eq!((p.codes(), p.width(), m.ncols()), (1, 2, 2));
    let (specs, raw) = data();
    let numbers = raw.slice(s![.., ..2]).to_owned();
    let (alone, n) = fit_specs(plan("codes"), &specs[..2], &numbers).unwrap();
    assert_eq!((alone.codes(), m.column(0)), (0, n.column(0)));
    for (i, code) in m.column(1).iter().enumerate() {
        // Missing: the most frequent one; none of the three: one of its own.
        let expected = if i % 20 == 19 { 1 } else { region(i).unwrap_or(3) };
        assert_eq!(*code, expected as f64, "{i}");
    }
    assert_eq!((p.categories()[0].mode, p.categories()[0].name.as_str()), (1, "region"));
    let coordinates = p.coordinates();
    assert_eq!((coordinates.len(), coordinates[2].of, coordinates[2].name.as_str()), (3, Of::Code(0), "region"));
    assert_eq!(p.raw_of(2, 1.0), None);
    let mut out = Vec::new();
    let o = p.apply(&[1.0, 1.0, f64::NAN, f64::NAN, f64::NAN], &mut out).unwrap();
    assert_eq!((o.used, o.imputed, out[1]), (3, 1, 1.0));
    p.scaled(&[1.0, 1.0, 0.0, 0.0, 0.0], &mut out).unwrap();
    assert_eq!((out.len(), out[2]), (3, 3.0));
    let back = p.back(&[0.5, 2.0]).unwrap();
    assert_eq!((back.len(), back[2]), (3, 2.0));

    let back: Preparation = serde_json::from_str(&serde_json::to_string(&p).unwrap()).unwrap();
    assert_eq!((back.codes(), back.width()), (1, 2));
    // Without categories there is nothing to encode.
    let (p, _) =
        fitted(json!({"categorical": "codes", "weights": {"region=east": 0, "region=north": 0, "region=west": 0}}));
    assert_eq!(p.codes(), 0);
}

#[test]
fn only_categories() {
    let (specs, raw) = data();
    let (p, m) = fit_specs(json!({"categorical": "codes"}), &specs[2..], &raw.slice(s![.., 2..]).to_owned()).unwrap();
    assert_eq!((p.codes(), p.width(), m.dim(), p.pca().is_none()), (1, 1, (200, 1), true));
}

#[test]
fn a_weight_that_a_code_cannot_have_is_said() {
    let (p, _) = fitted(json!({"categorical": "codes", "weights": {"region=east": 3, "a": 2}}));
    let said: Vec<String> = p.warnings().into_iter().filter(|w| w.contains("weight")).collect();
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].contains("region") && !said[0].contains("\"a\""), "{said:?}");
}
