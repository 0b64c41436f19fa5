//! What is known of the market beside an account's own trades: the venue's volume, its largest underlyings, and the
//! assumptions of the desk.

use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};

/// Given as JSON; everything is optional, and what is missing leaves its features NULL (`missing:market`).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Market {
    /// Volume of the whole venue in the window of the profiles, USD.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub venue_volume_usd: Option<f64>,
    /// Keys of the largest underlyings, as `allocation(profile)` tells them where they are not grouped.
    #[serde(skip_serializing_if = "Option::is_none", default, with = "keys")]
    pub top_underlyings: Option<Vec<u64>>,
    /// Expected return and volatility a year of the market as the desk assumes them, and the riskless rate.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub expected_return: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub volatility: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub risk_free: Option<f64>,
}

const KEYS: [&str; 5] = ["venue_volume_usd", "top_underlyings", "expected_return", "volatility", "risk_free"];

/// Largest number of underlyings in the list.
const TOP: usize = 1000;

impl Market {
    /// Reads the JSON form. 22023 for an unknown key or a value of another type.
    pub fn from_json(given: &serde_json::Value) -> Result<Market> {
        let fields = given.as_object().ok_or_else(|| {
            Error::invalid("market is not a JSON object").hint("for example '{\"venue_volume_usd\": 1e9}'")
        })?;
        for (key, value) in fields {
            let is_list = key == "top_underlyings";
            let fits = match value {
                serde_json::Value::Null => true,
                serde_json::Value::Array(keys) => is_list && keys.iter().all(serde_json::Value::is_i64),
                other => !is_list && other.is_number(),
            };
            if !KEYS.contains(&key.as_str()) {
                return Err(Error::invalid(format!("market has no \"{key}\""))
                    .hint(format!("allowed keys are {}", KEYS.join(", "))));
            }
            if !fits {
                let what = if is_list { "a list of keys, as allocation_key() gives them" } else { "a number" };
                return Err(Error::invalid(format!("market.{key} is {value}")).hint(format!("it takes {what}")));
            }
        }
        let market: Market =
            serde_json::from_value(given.clone()).map_err(|e| Error::invalid(format!("market cannot be read: {e}")))?;
        if let Some(volume) = market.venue_volume_usd.filter(|&v| v < 0.0) {
            return Err(Error::invalid(format!("market.venue_volume_usd = {volume} is below 0")));
        }
        if let Some(n) = market.top_underlyings.as_ref().map(Vec::len).filter(|&n| n > TOP) {
            return Err(Error::invalid(format!("market.top_underlyings has {n} keys, more than the limit of {TOP}")));
        }
        Ok(market)
    }
}

/// Keys are bigint in SQL, unsigned here.
mod keys {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<S: Serializer>(keys: &Option<Vec<u64>>, s: S) -> Result<S::Ok, S::Error> {
        keys.as_ref().map(|keys| keys.iter().map(|&k| k as i64).collect::<Vec<_>>()).serialize(s)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Vec<u64>>, D::Error> {
        let keys: Option<Vec<i64>> = Option::deserialize(d)?;
        Ok(keys.map(|keys| keys.into_iter().map(|k| k as u64).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes_and_refuses_the_unknown() {
        let json = r#"{"venue_volume_usd":12.5,"top_underlyings":[-3,7]}"#;
        let read = |json: &str| Market::from_json(&serde_json::from_str(json).unwrap());
        let market = read(json).unwrap();
        assert_eq!(serde_json::to_string(&market).unwrap(), json);
        assert!(read(r#"{"volume":1}"#).unwrap_err().hint.is_some());
        for bad in [
            "[1e8]",
            "null",
            "[]",
            "1",
            r#"{"volatility":"x"}"#,
            r#"{"top_underlyings":["BTC"]}"#,
            r#"{"venue_volume_usd":-1}"#,
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
        assert_eq!(read("{}").unwrap(), Market::default());
    }
}
