//! Values that cannot be there against values that are not known.

use super::{close, fit_specs, plain, spec, with};
use ndarray::{Array2, ArrayView1};
use segmentation::model::{fit as fit_model, FitInput, FitOptions};
use segmentation::prepare::{Absence, FeatureSpec, Of, Preparation, Transform};
use segmentation::profile::FEATURES;
use segmentation::{Control, Kind};
use serde_json::{json, Value};

/// Volume, two features of options, one of tokens, one of the user's own.
fn features() -> Vec<FeatureSpec> {
    let of = |name: &str, group: &str, what: &str| FeatureSpec {
        absent: if what.is_empty() { Absence::Unknown } else { Absence::Structural(what.into()) },
        ..spec(name, group, Transform::Identity)
    };
    vec![
        of("volume", "volume", ""),
        of("moneyness", "derivatives", "options"),
        of("days_to_expiry", "derivatives", "options"),
        of("token_leverage", "derivatives", "tokens"),
        of("tier", "own", ""),
    ]
}

/// Every third account trades no options, every fourth no tokens; `tier` is not known of every tenth.
fn accounts() -> Array2<f64> {
    Array2::from_shape_fn((120, 5), |(i, j)| {
        let value = ((i * (7 + 4 * j)) % 41) as f64 + 0.1 * j as f64;
        match j {
            1 | 2 if i % 3 == 0 => f64::NAN,
            3 if i % 4 == 0 => f64::INFINITY,
            4 if i % 10 == 0 => f64::NAN,
            _ => value,
        }
    })
}

fn unrotated(plan: Value) -> (Preparation, Array2<f64>) {
    fit_specs(with(plain(), "missing", plan), &features(), &accounts()).unwrap()
}

fn names(p: &Preparation) -> Vec<String> {
    p.coordinates().into_iter().map(|c| c.name).collect()
}

#[test]
fn what_cannot_be_there_has_an_indicator() {
    let (p, m) = unrotated(json!("auto"));
    assert_eq!(
        names(&p),
        ["volume", "moneyness", "days_to_expiry", "token_leverage", "tier", "has_options", "has_tokens"]
    );
    assert_eq!((p.width(), m.ncols()), (7, 7));
    let found = p.indicators();
    assert_eq!((found[0].features.clone(), found[0].absent, found[1].absent), (vec![1, 2], 40, 30));
    assert!(matches!(p.coordinates()[5].of, Of::Indicator(0)));
    for (i, row) in m.outer_iter().enumerate() {
        assert_eq!(row[5], if i % 3 == 0 { 0.0 } else { 1.0 });
        assert_eq!(row[6], if i % 4 == 0 { 0.0 } else { 1.0 });
    }
    // The median stands in, as for a value that is not known.
    let [center, scale, median] = p.columns()[1].kept.as_ref().map(|k| [k.center, k.scale, k.median]).unwrap();
    close(m[[0, 1]], (median - center) / scale, 1e-12);
    assert_eq!(p.raw_of(5, 1.0), None);

    let mut out = Vec::new();
    let o = p.apply(&[1.0, f64::NAN, f64::NAN, f64::NAN, f64::NAN], &mut out).unwrap();
    assert_eq!((o.used, o.imputed, o.structural), (5, 1, 3));
    // Whoever has days to expiry trades options: its moneyness is not known.
    let o = p.apply(&[1.0, f64::NAN, 20.0, 3.0, 1.0], &mut out).unwrap();
    assert_eq!((o.imputed, o.structural, out[5]), (1, 0, 1.0));
    let warnings = p.warnings();
    assert!(warnings.iter().any(|w| w.contains("\"tier\": 12 of 120 values missing")), "{warnings:?}");
    assert!(!warnings.iter().any(|w| w.contains("moneyness") || w.contains("token_leverage")), "{warnings:?}");
}

#[test]
fn an_indicator_weighs_as_a_group_of_its_own() {
    let plan = |weights: Value| with(plain(), "weights", weights);
    let (p, m) = fit_specs(plan(json!("group")), &features(), &accounts()).unwrap();
    let weights: Vec<f64> = p.columns().iter().map(|c| c.kept.as_ref().unwrap().weight).collect();
    // Three groups of 1, 3, 1 features and two of one indicator: seven coordinates in five groups.
    let level = 7.0 / 5.0f64;
    for (got, size) in weights.iter().zip([1.0, 3.0, 3.0, 3.0, 1.0]) {
        close(*got, (level / size).sqrt(), 1e-12);
    }
    assert_eq!(p.indicators().iter().map(|i| i.weight).collect::<Vec<_>>(), [level.sqrt(); 2]);
    assert_eq!((m[[0, 5]], m[[1, 5]]), (0.0, level.sqrt()));
    let all = weights.iter().chain(p.indicators().iter().map(|i| &i.weight)).map(|w| w * w).sum::<f64>();
    close(all, 7.0, 1e-12);
}

#[test]
fn the_plan_has_the_last_word() {
    let (p, _) = unrotated(json!("median"));
    assert_eq!((p.indicators().len(), p.width()), (0, 5));
    let mut out = Vec::new();
    let o = p.apply(&[1.0, f64::NAN, f64::NAN, 1.0, 1.0], &mut out).unwrap();
    assert_eq!((o.imputed, o.structural), (2, 0));
    assert!(p.warnings().iter().any(|w| w.contains("moneyness")));

    let (p, _) = unrotated(json!({"moneyness": "median", "token_leverage": "auto", "tier": "structural"}));
    assert_eq!(names(&p)[5..], ["has_options", "has_tokens", "has_tier"]);
    assert_eq!(p.indicators()[0].features, [2]);

    let (specs, raw) = (features(), accounts());
    let strict = with(plain(), "missing", json!({"tier": "error"}));
    let e = fit_specs(strict.clone(), &specs, &raw).unwrap_err();
    assert_eq!((e.kind, e.message.as_str()), (Kind::InvalidParameter, "feature \"tier\" is missing in 12 of 120 rows"));
    let mut known = raw.clone();
    known.column_mut(4).mapv_inplace(|x| if x.is_nan() { 1.0 } else { x });
    let (p, _) = fit_specs(strict, &specs, &known).unwrap();
    let back: Preparation = serde_json::from_str(&serde_json::to_string(&p).unwrap()).unwrap();
    for p in [&p, &back] {
        let e = p.apply(&[f64::NAN, f64::NAN, 1.0, 1.0, f64::NAN], &mut out).unwrap_err();
        assert_eq!(e.message, "1 of 5 features missing: tier");
        assert!(p.apply(&[f64::NAN, f64::NAN, 1.0, 1.0, 2.0], &mut out).is_ok());
    }
}

#[test]
fn names_of_indicators_are_free() {
    let mut specs = features();
    specs[0].name = "has_options".into();
    // Tokens are lacked by the same rows as options, and so share their indicator; it is named after the first feature.
    let mut raw = accounts();
    for i in 0..120 {
        raw[[i, 3]] = if i % 3 == 0 { f64::NAN } else { (i % 13) as f64 };
    }
    let plan = plain();
    let (p, _) = fit_specs(plan.clone(), &specs, &raw).unwrap();
    assert_eq!((p.indicators().len(), p.indicators()[0].name.as_str()), (1, "has_moneyness"));
    assert_eq!(p.indicators()[0].features, [1, 2, 3]);
    let (p, _) = fit_specs(plan.clone(), &specs, &accounts()).unwrap();
    assert_eq!(p.indicators()[0].name, "has_moneyness");
    specs[4].name = "has_moneyness".into();
    let (p, _) = fit_specs(plan, &specs, &accounts()).unwrap();
    assert_eq!(p.indicators()[0].name, "has_moneyness_2");
}

/// Nobody lacks it: there is nothing to indicate, and who lacks it later is not known.
#[test]
fn without_absence_no_indicator() {
    let raw = accounts().mapv(|x| if x.is_finite() { x } else { 5.0 });
    let (p, m) = fit_specs(plain(), &features(), &raw).unwrap();
    assert_eq!((p.indicators().len(), m.ncols()), (0, 5));
    let mut out = Vec::new();
    assert_eq!(p.apply(&[1.0, f64::NAN, f64::NAN, 1.0, 1.0], &mut out).unwrap().imputed, 2);
    // What there was before is written as it was.
    let json = serde_json::to_string(&p).unwrap();
    for key in ["indicators", "codes", "lambda", "knots", "coded", "required", "block", "whiten", "parallel"] {
        assert!(!json.contains(&format!("\"{key}\"")), "{key}");
    }
}

#[test]
fn only_what_is_not_known_makes_an_account_insufficient() {
    let input = FitInput { specs: features(), raw: accounts(), volume: None };
    let options = FitOptions { k: Some(2), ..FitOptions::default() };
    let model = fit_model(input, &options, &Control::new()).unwrap().model;
    let insufficient = |row: [f64; 5]| model.assign(&row).unwrap().insufficient;
    assert!(!insufficient([1.0, f64::NAN, f64::NAN, f64::NAN, 1.0]), "three of five cannot be there");
    assert!(insufficient([f64::NAN, f64::NAN, 2.0, 2.0, f64::NAN]), "three of five are not known");
}

#[test]
fn the_catalogue_says_which_features_cannot_be_there() {
    let of = |name: &str| FEATURES.iter().find(|f| f.name == name).unwrap().spec().absent;
    assert_eq!(of("moneyness"), Absence::Structural("options".into()));
    assert_eq!(of("token_leverage"), Absence::Structural("leveraged_tokens".into()));
    assert_eq!(of("share_option"), Absence::Unknown, "an account without options has a share of 0");
    assert_eq!(of("volume_usd"), Absence::Unknown);
}

#[test]
fn damage_is_found() {
    let (p, _) = unrotated(json!("auto"));
    let good = serde_json::to_value(&p).unwrap();
    let damaged = |change: &dyn Fn(&mut Value)| {
        let mut json = good.clone();
        change(&mut json);
        serde_json::from_value::<Preparation>(json).map(|_| ()).map_err(|e| e.to_string())
    };
    assert!(damaged(&|_| {}).is_ok());
    for (change, what) in [
        (&(|j: &mut Value| j["indicators"][0]["features"] = json!([99])) as &dyn Fn(&mut Value), "has_options"),
        (&|j| j["indicators"][1]["features"] = json!([1]), "has_tokens"),
        (&|j| j["indicators"][1]["name"] = json!("volume"), "volume"),
        (&|j| j["indicators"][0]["weight"] = json!(0.0), "has_options"),
        (&|j| j["indicators"][0]["features"] = json!([]), "has_options"),
        (&|j| j["indicators"][0]["absent"] = json!(121), "has_options"),
        (&|j| j["columns"][0]["kept"]["coded"] = json!(true), "volume"),
        (&|j| j["columns"][0]["kept"]["lambda"] = json!(0.5), "volume"),
        (&|j| j["columns"][0]["kept"]["knots"] = json!([0.0, 1.0]), "volume"),
        (&|j| j["codes"] = json!([{"name": "x", "features": [0], "mode": 0}]), "category"),
    ] {
        assert!(damaged(change).unwrap_err().contains(what), "{what}");
    }
    let row: ArrayView1<f64> = ArrayView1::from(&[1.0, 2.0]);
    assert!(p.apply(&row.to_vec(), &mut Vec::new()).is_err());
}
