//! Leveraged tokens by the look of their names: proposals for a person to check, never a decision.
//!
//! | pattern | names | factor |
//! | --- | --- | --- |
//! | `3L` | a coin, a number from 2 to 10, L or S: `BTC3L`, `ETH5S` | the number, negative for S |
//! | `UP`, `DOWN` | `BTCUP`, `BTCDOWN` | not in the name: it moved between 1.25 and 4 |
//! | `BULL`, `BEAR`, `HEDGE`, `HALF` | `ETHBULL`, `ETHHEDGE`; alone they stand for bitcoin | 3, -3, -1, 0.5 |
//!
//! A name says less than it seems to: JUP and SYRUP end in UP and are ordinary coins.

use super::instrument::{is_known_coin, parse, Format, Kind};

/// A name that looks like a leveraged token's.
#[derive(Clone, Debug, PartialEq)]
pub struct Proposal {
    /// The name as it was given, quote currency included.
    pub symbol: String,
    /// What the token follows, in capitals.
    pub underlying: String,
    /// Signed leverage; `None` where the name does not tell.
    pub factor: Option<f64>,
    /// The ending that was found.
    pub pattern: &'static str,
    /// What to check before this is believed; `None` where the name leaves little doubt.
    pub doubt: Option<String>,
}

/// Endings that are words, with their factor.
const WORDS: [(&str, Option<f64>); 6] = [
    ("BULL", Some(3.0)),
    ("BEAR", Some(-3.0)),
    ("HEDGE", Some(-1.0)),
    ("HALF", Some(0.5)),
    ("DOWN", None),
    ("UP", None),
];

/// Proposes a row for a name that follows a pattern: a token's own or that of a spot pair (`BTC3L-USD`, `BTCUPUSDT`),
/// upper and lower case alike. `None` for any other. Never fails.
pub fn propose(symbol: &str) -> Option<Proposal> {
    let token = token(symbol)?;
    numbered(symbol, &token).or_else(|| worded(symbol, &token))
}

/// The token of a pair, or the name itself where it is no pair; `None` for derivatives and for what is no name.
fn token(symbol: &str) -> Option<String> {
    match parse(symbol, Format::Auto) {
        Ok(pair) => matches!(pair.kind, None | Some(Kind::Spot)).then_some(pair.underlying),
        Err(_) => {
            let bare = (2..=20).contains(&symbol.len()) && symbol.bytes().all(|b| b.is_ascii_alphanumeric());
            bare.then(|| symbol.to_ascii_uppercase())
        }
    }
}

fn numbered(symbol: &str, token: &str) -> Option<Proposal> {
    let (rest, pattern, sign) = match (token.strip_suffix('L'), token.strip_suffix('S')) {
        (Some(rest), _) => (rest, "3L", 1.0),
        (_, Some(rest)) => (rest, "3S", -1.0),
        _ => return None,
    };
    let underlying = rest.trim_end_matches(|c: char| c.is_ascii_digit());
    let factor: u32 = rest[underlying.len()..].parse().ok()?;
    if underlying.is_empty() || !(2..=10).contains(&factor) {
        return None;
    }
    Some(Proposal {
        symbol: symbol.to_string(),
        underlying: underlying.to_string(),
        factor: Some(sign * f64::from(factor)),
        pattern,
        doubt: doubt(token, underlying),
    })
}

fn worded(symbol: &str, token: &str) -> Option<Proposal> {
    let (underlying, (pattern, factor)) = WORDS.iter().find_map(|&word| Some((token.strip_suffix(word.0)?, word)))?;
    // Alone the first four are a name of their own, the last two are nothing.
    let alone = underlying.is_empty();
    if alone && factor.is_none() {
        return None;
    }
    let doubt = if alone {
        Some(format!("{token} alone stood for bitcoin on one venue, and other coins are called so"))
    } else {
        doubt(token, underlying).or_else(|| factor.is_none().then(|| "the factor is not in the name".to_string()))
    };
    Some(Proposal {
        symbol: symbol.to_string(),
        underlying: if alone { "BTC" } else { underlying }.to_string(),
        factor,
        pattern,
        doubt,
    })
}

/// JUP is J and UP, SYRUP is SYR and UP: a token follows a coin that is known.
fn doubt(token: &str, underlying: &str) -> Option<String> {
    (!is_known_coin(underlying))
        .then(|| format!("{underlying} is not a well-known coin: {token} may be an ordinary coin's name"))
}
