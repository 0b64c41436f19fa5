//! Figures of all accounts for a model that was fitted on a sample of them.

use super::describe::describe;
use super::Model;
use crate::error::{Error, Result};

impl Model {
    /// Puts the accounts of each segment, and their volume in USD and that of no segment, in the place of the sample's; shares
    /// and descriptions follow. Profiles stay those of the sample. Volume shares are None where there is no volume.
    ///
    /// Accounts of no segment are what is left of `provenance.sampled_from`, where the algorithm knows such.
    ///
    /// Errors: `InvalidParameter` unless there is one count and one volume a segment and the counts add up to
    /// `provenance.sampled_from`, or to no more than that for an algorithm with noise.
    pub fn recount(&mut self, accounts: &[u64], volumes: &[f64], noise_volume: f64) -> Result<()> {
        let k = self.k();
        let known: u64 = accounts.iter().sum();
        let all = self.provenance.sampled_from.unwrap_or(0);
        let adds_up = known == all || (known < all && self.algorithm.supports().noise);
        if accounts.len() != k || volumes.len() != k || self.provenance.sampled_from.is_none() || !adds_up {
            return Err(Error::invalid(format!(
                "{known} accounts in {} segments do not fit the model",
                accounts.len()
            )));
        }
        self.quality.noise = all - known;
        let volume = volumes.iter().fold(noise_volume, |s, v| s + v);
        let known = volume > 0.0 && volume.is_finite();
        let noise = (known && self.quality.noise > 0).then(|| (noise_volume / volume).min(1.0));
        self.quality.noise_volume_share = noise;
        for (segment, (&n, v)) in self.segments.iter_mut().zip(accounts.iter().zip(volumes)) {
            segment.accounts = n;
            segment.share = n as f64 / all as f64;
            segment.volume_share = known.then(|| (v / volume).min(1.0));
            segment.description = describe(segment, &self.overall, self.preparation.columns(), k == 1);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::cluster::{Algorithm, Settings};
    use crate::control::Control;
    use crate::model::{fit, FitInput, FitOptions, Model};
    use crate::prepare::{FeatureSpec, Transform};
    use ndarray::Array2;

    fn model() -> Model {
        let spec = |name: &str| FeatureSpec {
            name: name.into(),
            label: name.into(),
            unit: String::new(),
            group: "own".into(),
            transform: Transform::Identity,
            ..FeatureSpec::default()
        };
        let raw = Array2::from_shape_fn((40, 2), |(i, j)| (i % 2 * 10) as f64 + (i * (j + 1)) as f64 * 0.01);
        let input = FitInput { specs: vec![spec("a"), spec("b")], raw, volume: None };
        let options = FitOptions { k: Some(2), ..FitOptions::default() };
        fit(input, &options, &Control::new()).unwrap().model
    }

    #[test]
    fn all_accounts_take_the_place_of_the_sample() {
        let mut model = model();
        model.provenance.sampled_from = Some(400);
        model.recount(&[300, 100], &[10.0, 30.0], 0.0).unwrap();
        assert_eq!((model.segments[0].accounts, model.segments[1].accounts), (300, 100));
        assert_eq!((model.segments[1].share, model.segments[1].volume_share), (0.25, Some(0.75)));
        assert!(model.segments[1].description.starts_with("100 accounts (25.0 %), 75.0 % of volume"));
        let json = model.to_json().unwrap();
        assert_eq!(Model::from_json(&json).unwrap().to_json().unwrap(), json);
        model.recount(&[300, 100], &[0.0, 0.0], 0.0).unwrap();
        assert_eq!(model.segments[0].volume_share, None);
    }

    #[test]
    fn noise_has_a_share_of_the_volume() {
        let raw = Array2::from_shape_fn((40, 1), |(i, _)| (i % 2 * 10) as f64 + if i == 39 { 500.0 } else { 0.0 });
        let spec = FeatureSpec { name: "a".into(), transform: Transform::Identity, ..FeatureSpec::default() };
        let volume = Some((0..40).map(|i| if i == 39 { 60.0 } else { 40.0 / 39.0 }).collect());
        let settings = Settings { eps: Some(1.0), min_points: Some(5), ..Settings::default() };
        let preparation = Some(serde_json::json!({"scale": null, "winsorise": null, "weights": null, "pca": null}));
        let options = FitOptions { algorithm: Algorithm::Dbscan, settings, preparation, ..FitOptions::default() };
        let input = FitInput { specs: vec![spec], raw, volume };
        let mut model = fit(input, &options, &Control::new()).unwrap().model;
        let near = |found: Option<f64>, expected: f64| found.is_some_and(|found| (found - expected).abs() < 1e-12);
        assert_eq!((model.k(), model.quality.noise), (2, 1));
        assert!(near(model.quality.noise_volume_share, 0.6));
        assert!(near(model.segments[0].volume_share, 20.0 * 40.0 / 39.0 / 100.0));
        model.provenance.sampled_from = Some(400);
        model.recount(&[200, 100], &[10.0, 30.0], 60.0).unwrap();
        model.warn_of_sizes();
        assert!(near(model.quality.noise_volume_share, 0.6) && near(model.segments[1].volume_share, 0.3));
        let told = "100 accounts (25.0 %), 60.0 % of volume, are in no segment (noise)";
        assert!(model.provenance.warnings.iter().any(|w| w == told), "{:?}", model.provenance.warnings);
        model.recount(&[300, 100], &[10.0, 30.0], 0.0).unwrap();
        assert_eq!(model.quality.noise_volume_share, None);
    }

    #[test]
    fn counts_have_to_fit_the_model() {
        let mut model = model();
        assert!(model.recount(&[20, 20], &[0.0, 0.0], 0.0).is_err(), "it is no sample");
        model.provenance.sampled_from = Some(400);
        assert!(model.recount(&[300, 99], &[0.0, 0.0], 0.0).is_err());
        assert!(model.recount(&[400], &[0.0], 0.0).is_err());
    }
}
