//! The rules of a model: the tree and its SQL say the same, and it is told how good they are.

use super::{data, model, random, row, spec};
use ndarray::Array2;
use proptest::prelude::*;
use segmentation::model::{fit, FitInput, FitOptions, Model};
use segmentation::prepare::Transform;
use segmentation::Control;
use serde_json::json;

/// What SQL says of a `CASE` of the rules, read by its own rules: NULL is not true, NaN is larger than every number.
fn sql_says(case: &str, names: &[&str], raw: &[Option<f64>]) -> String {
    let words: Vec<&str> = case.split_whitespace().collect();
    let value = |w: &str| w.trim_end_matches("::double").trim_matches('\'').parse::<f64>().unwrap();
    fn answer(words: &[&str], at: &mut usize, test: &dyn Fn(&str, &str, &str) -> bool) -> String {
        if words[*at] != "CASE" {
            let from = *at;
            while *at < words.len() && !["ELSE", "END"].contains(&words[*at]) {
                *at += 1;
            }
            return words[from..*at].join(" ");
        }
        // CASE WHEN c op n::double precision AND c op n::double precision THEN a ELSE b END
        let w = &words[*at..];
        assert_eq!((w[1], w[6], w[11]), ("WHEN", "AND", "THEN"), "{w:?}");
        let holds = test(w[2], w[3], w[4]) && test(w[7], w[8], w[9]);
        *at += 12;
        let yes = answer(words, at, test);
        assert_eq!(words[*at], "ELSE");
        *at += 1;
        let no = answer(words, at, test);
        assert_eq!(words[*at], "END");
        *at += 1;
        if holds {
            yes
        } else {
            no
        }
    }
    let test = |column: &str, op: &str, number: &str| {
        let Some(x) = raw[names.iter().position(|n| *n == column.trim_matches('"')).unwrap()] else { return false };
        let y = value(number);
        let order = x.partial_cmp(&y).unwrap_or(std::cmp::Ordering::Greater);
        match op {
            "<=" => order.is_le(),
            "<" => order.is_lt(),
            ">" => order.is_gt(),
            other => panic!("operator {other}"),
        }
    };
    answer(&words, &mut 0, &test)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn rules_and_their_sql_say_the_same(seed in any::<u64>(), k in 2usize..5) {
        let input = data(seed, 3, 5);
        let m = model(&input, k, json!({}));
        let rules = m.rules().unwrap();
        let sql = m.rules_sql().unwrap();
        let names = m.feature_names();
        for i in 0..40 {
            let mut raw = row(&input, seed.wrapping_add(i));
            let mut random = random(seed.wrapping_add(i) ^ 0xaa);
            let mut columns: Vec<Option<f64>> = raw.iter().copied().map(Some).collect();
            for (x, column) in raw.iter_mut().zip(&mut columns) {
                match (random() * 12.0) as u64 {
                    0 => (*x, *column) = (f64::NAN, None),
                    1 => (*x, *column) = (f64::NAN, Some(f64::NAN)),
                    2 => (*x, *column) = (f64::INFINITY, Some(f64::INFINITY)),
                    3 => (*x, *column) = (f64::NEG_INFINITY, Some(f64::NEG_INFINITY)),
                    _ => {}
                }
            }
            let name = format!("'{}'", m.segments[rules.segment(&raw)].name);
            prop_assert_eq!(sql_says(&sql, &names, &columns), name, "{}", sql);
        }
        let again = Model::from_json(&m.to_json().unwrap()).unwrap();
        prop_assert_eq!(again.rules(), m.rules());
    }
}

#[test]
fn rules_tell_how_good_they_are() {
    let input = data(3, 3, 5);
    let options = FitOptions { k: Some(3), ..FitOptions::default() };
    let f = fit(input.clone(), &options, &Control::new()).unwrap();
    let rules = f.model.rules().unwrap();
    assert_eq!(rules.grown_on + rules.held_out, 150);
    assert!((30..70).contains(&rules.held_out), "about a third: {}", rules.held_out);
    assert!(rules.is_faithful(), "{rules:?}");
    // Over all rows the share that is right is near that of the held-out ones.
    let right =
        input.raw.outer_iter().zip(&f.labels).filter(|(r, &l)| rules.segment(&r.to_vec()) == l as usize).count();
    assert!((right as f64 / 150.0 - rules.fidelity.unwrap()).abs() < 0.1);
    // Labels that have nothing to do with the features: two segments of one cloud whose border no rule finds.
    let mut noise = random(5);
    let raw = Array2::from_shape_fn((3000, 12), |_| noise() + noise() + noise());
    let specs = (0..12).map(|j| spec(&format!("f{j}"), Transform::Identity)).collect();
    let m = model(&FitInput { specs, raw, volume: None }, 4, json!({"pca": null}));
    assert!(!m.rules().unwrap().is_faithful(), "{:?}", m.rules());
    assert!(model(&input, 1, json!({})).rules().is_none() && model(&input, 1, json!({})).rules_sql().is_none());
}
