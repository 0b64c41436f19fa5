//! What the preparation argument refuses, and what it says then.

use super::specs;
use segmentation::prepare::Plan;
use segmentation::Kind;
use serde_json::{json, Value};

#[test]
fn unknown_keys_and_values_name_what_is_allowed() {
    let s = specs(2);
    let error = |v: Value| Plan::from_json(Some(&v), &s).unwrap_err();
    for (plan, message, hint) in [
        (json!({"winsorize": null}), "unknown key \"winsorize\"", "winsorise"),
        (json!([1]), "must be a JSON object, got [1]", "transform"),
        (json!("robust"), "got \"robust\"", "scale"),
        (json!({"scale": "minmax"}), "\"scale\" in preparation: \"minmax\"", "robust"),
        (json!({"scale": 1}), "\"scale\"", "standard"),
        (json!({"transform": "log"}), "unknown transform \"log\"", "signed_log1p"),
        (json!({"transform": {"f0": "log"}}), "unknown transform \"log\"", "hellinger"),
        (json!({"transform": {"f0": null}}), "\"f0\"", "asinh"),
        (json!({"transform": {"volume": "log1p"}}), "unknown feature \"volume\"", "f0, f1"),
        (json!({"transform": 3}), "\"transform\"", "auto"),
        (json!({"winsorise": [0.9, 0.1]}), "\"winsorise\"", "low < high"),
        (json!({"winsorise": [0.1]}), "\"winsorise\"", "low < high"),
        (json!({"winsorise": [-0.1, 0.5]}), "\"winsorise\"", "low < high"),
        (json!({"winsorise": false}), "\"winsorise\" in preparation: false", "null"),
        (json!({"missing": "mean"}), "\"missing\"", "median"),
        (json!({"max_missing": 1.5}), "\"max_missing\" in preparation: 1.5", "between 0 and 1"),
        (json!({"weights": "none"}), "\"weights\"", "group"),
        (json!({"weights": {"f9": 1}}), "unknown feature \"f9\"", "f0, f1"),
        (json!({"weights": {"f0": -1}}), "\"f0\"", "1e6"),
        (json!({"weights": {"f0": "x"}}), "\"f0\"", "1e6"),
        (json!({"pca": 0}), "\"pca\" in preparation: 0", "share above 0"),
        (json!({"pca": 2}), "\"pca\" in preparation: 2", "components"),
        (json!({"pca": {"components": 0}}), "\"pca\"", "components"),
        (json!({"pca": {"components": 1.5}}), "\"pca\"", "components"),
        (json!({"pca": {"variance": 0.5, "components": 2}}), "\"pca\"", "variance"),
        (json!({"pca": "yes"}), "\"pca\" in preparation: \"yes\"", "null"),
        (json!({"pca": {"parallel": false}}), "\"pca\" in preparation: {\"parallel\":false}", "{\"parallel\": true}"),
        (json!({"pca": {"parallel": true, "variance": 0.5}}), "\"pca\"", "whiten"),
        (json!({"pca": {"whiten": 1}}), "\"pca\"", "true or false"),
        (json!({"pca": {}}), "\"pca\"", "whiten"),
        (json!({"correlated": 0}), "\"correlated\"", "above 0"),
        (json!({"scale": {"f9": "mad"}}), "unknown feature \"f9\" in \"scale\"", "f0, f1"),
        (json!({"scale": {"f0": "sd"}}), "\"scale\" of \"f0\" in preparation: \"sd\"", "quantile"),
        (json!({"missing": {"f9": "median"}}), "unknown feature \"f9\" in \"missing\"", "f0, f1"),
        (json!({"missing": {"f0": "mean"}}), "\"missing\" of \"f0\" in preparation: \"mean\"", "structural"),
        (json!({"missing": "structural"}), "\"missing\"", "{\"feature\": \"structural\""),
        (json!({"categorical": "ordinal"}), "\"categorical\" in preparation: \"ordinal\"", "one_hot"),
        (json!({"categorical": null}), "\"categorical\"", "codes"),
        (json!({"transform": "yeo-johnson"}), "unknown transform \"yeo-johnson\"", "yeo_johnson"),
    ] {
        let e = error(plan.clone());
        assert_eq!(e.kind, Kind::InvalidParameter, "{plan}");
        assert!(e.message.contains(message), "{plan}: {}", e.message);
        assert!(e.hint.as_deref().unwrap_or("").contains(hint), "{plan}: {:?}", e.hint);
    }
    assert_eq!(Plan::from_json(None, &s).unwrap(), Plan::from_json(Some(&json!({})), &s).unwrap());
    assert_eq!(Plan::from_json(Some(&Value::Null), &s).unwrap(), Plan::from_json(None, &s).unwrap());
    let twice = [s[0].clone(), s[0].clone()];
    assert!(Plan::from_json(None, &twice).unwrap_err().message.contains("listed twice"));
}
