//! What the name of an instrument says, in the spelling of the venues: kind, underlying, quote, expiry, strike.
//!
//! | format | names |
//! | --- | --- |
//! | deribit | `BTC-PERPETUAL`, `SOL_USDC-PERPETUAL`, `BTC-29MAR24`, `XRP_USDC-30JUN24-0d625-C`, `BTC_USDC` |
//! | okx | `BTC-USD-SWAP`, `BTC-USD_UM-SWAP`, `BTC-USD-241227`, `BTC-USD-241227-100000-C`, `BTC-USDT` |
//! | binance | `BTCUSD_PERP`, `BTCUSD_241227`, `BTCUSDT_241227`, `BTC-241227-100000-C`, `BTCUSDT` |
//! | plain | `BTC-USD`, `BTC/USDT`, `ETH_BTC`, `BTCUSDT` |
//!
//! A name is read whole or not at all, upper and lower case alike. What the letters do not say is not guessed: a pair
//! needs a quote currency that is known, `BTCUSDT` may be a spot pair or a perpetual, and what is not read has a
//! [`Reason`].

mod part;

pub use super::fill::Kind;
use crate::{Error, Result};
use part::{decimal, is_code, is_leg, is_symbol, numbered_date, split, starts_with_digit, worded_date};

/// Longer names are not read. Bytes.
pub const LONGEST_NAME: usize = 100;

/// Currencies that others are quoted in.
const QUOTES: [&str; 47] = [
    "USD", "USDT", "USDC", "BUSD", "FDUSD", "TUSD", "USDP", "USDE", "USD1", "USDG", "PYUSD", "DAI", "EUR", "EURC",
    "EURI", "EURR", "EURT", "AEUR", "GBP", "JPY", "KRW", "CHF", "AUD", "CAD", "HKD", "SGD", "TRY", "BRL", "ARS", "MXN",
    "COP", "ZAR", "PLN", "CZK", "RON", "UAH", "NGN", "INR", "IDR", "BTC", "XBT", "ETH", "BNB", "SOL", "TRX", "XRP",
    "DOGE",
];

/// Endings that leave no doubt in a name without a separator, whatever comes before.
const SURE_QUOTES: [&str; 2] = ["USDT", "USDC"];

/// Coins that settle where a name without a separator ends: DOT-USD or DO-TUSD.
const COINS: [&str; 60] = [
    "BTC", "XBT", "ETH", "SOL", "BNB", "XRP", "DOGE", "ADA", "AVAX", "LINK", "LTC", "DOT", "MATIC", "POL", "TRX",
    "SHIB", "BCH", "NEAR", "UNI", "ATOM", "XLM", "ETC", "FIL", "ICP", "APT", "ARB", "AR", "OP", "INJ", "SUI", "TON",
    "PEPE", "WIF", "BONK", "AAVE", "MKR", "CRV", "SNX", "COMP", "LDO", "GRT", "ALGO", "EOS", "XTZ", "THETA", "SAND",
    "MANA", "AXS", "FTM", "HBAR", "VET", "RUNE", "SEI", "TIA", "ENA", "ORDI", "XMR", "ZEC", "DASH", "HYPE",
];

/// Whose spelling a name is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Deribit,
    Okx,
    Binance,
    /// Pairs only.
    Plain,
    /// Any of the others, where all that read the name read the same in it.
    Auto,
}

impl Format {
    pub const ALL: [Format; 5] = [Format::Deribit, Format::Okx, Format::Binance, Format::Plain, Format::Auto];

    pub fn name(self) -> &'static str {
        match self {
            Format::Deribit => "deribit",
            Format::Okx => "okx",
            Format::Binance => "binance",
            Format::Plain => "plain",
            Format::Auto => "auto",
        }
    }

    /// By name. 22023 with the allowed ones for any other.
    pub fn by_name(name: &str) -> Result<Format> {
        Format::ALL.into_iter().find(|f| f.name() == name).ok_or_else(|| {
            let allowed: Vec<&str> = Format::ALL.iter().map(|f| f.name()).collect();
            Error::invalid(format!("there is no instrument format \"{name}\""))
                .hint(format!("allowed are {}", allowed.join(", ")))
        })
    }
}

impl Kind {
    /// As in the column `kind` of a trade.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Spot => "spot",
            Kind::Future => "future",
            Kind::Perpetual => "perpetual",
            Kind::Option => "option",
            Kind::LeveragedToken => "leveraged_token",
            Kind::Other => "other",
        }
    }
}

/// What a name says.
#[derive(Clone, Debug, PartialEq)]
pub struct Instrument {
    /// Spot, future, perpetual or option: no more is read from a name here (see [`super::leveraged`]). `None` for a pair
    /// without a separator, which may be spot or a perpetual.
    pub kind: Option<Kind>,
    /// In capitals, as in the name.
    pub underlying: String,
    pub quote: String,
    /// Settled in the underlying coin: contracts of a future or perpetual have their face in the quote currency, the
    /// premium of an option is paid in the coin.
    pub inverse: bool,
    /// Microseconds since 2000-01-01 UTC; options and futures only.
    pub expiry: Option<i64>,
    /// In the quote currency; options only, as is the next.
    pub strike: Option<f64>,
    pub is_call: Option<bool>,
}

/// Why a name, or a part of it, could not be read. Of several formats the one that came furthest, in this order, tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    UnknownFormat,
    UnknownQuote,
    AmbiguousPair,
    NoSuchDate,
    NoStrike,
    Combination,
    FormatsDiffer,
    TooLong,
    /// Not a failure: what [`Instrument::kind`] is `None` for.
    SpotOrPerpetual,
}

impl Reason {
    pub fn text(self) -> &'static str {
        match self {
            Reason::UnknownFormat => "unknown format",
            Reason::UnknownQuote => "unknown quote currency",
            Reason::AmbiguousPair => "ambiguous pair",
            Reason::NoSuchDate => "no such date",
            Reason::NoStrike => "strike is not a number above 0",
            Reason::Combination => "combination",
            Reason::FormatsDiffer => "formats differ",
            Reason::TooLong => "longer than 100 bytes",
            Reason::SpotOrPerpetual => "spot or perpetual",
        }
    }
}

/// Reads a name. `Err` has the reason; nothing panics or fails whatever the text.
pub fn parse(name: &str, format: Format) -> Result<Instrument, Reason> {
    if name.len() > LONGEST_NAME {
        return Err(Reason::TooLong);
    }
    let name = name.to_ascii_uppercase();
    match format {
        Format::Deribit => deribit(&name),
        Format::Okx => okx(&name),
        Format::Binance => binance(&name),
        Format::Plain => plain(&name),
        Format::Auto => agreed([deribit(&name), okx(&name), binance(&name), plain(&name)]),
    }
}

fn agreed(readings: [Result<Instrument, Reason>; 4]) -> Result<Instrument, Reason> {
    let mut agreed: Result<Instrument, Reason> = Err(Reason::UnknownFormat);
    for reading in readings {
        agreed = match (agreed, reading) {
            (Ok(a), Ok(b)) if a != b => return Err(Reason::FormatsDiffer),
            (Ok(a), _) => Ok(a),
            (Err(_), Ok(b)) => Ok(b),
            (Err(a), Err(b)) => Err(a.max(b)),
        };
    }
    agreed
}

fn deribit(name: &str) -> Result<Instrument, Reason> {
    // BTC is margined and settled in BTC; BTC_USDC in USDC.
    let contract = |asset: &str| match asset.split_once('_') {
        None => Instrument::of(asset, "USD", true),
        Some((base, quote)) => Instrument::of(base, quote, false),
    };
    let mut parts = [""; 5];
    match split(name, &mut parts) {
        [pair] if pair.contains('_') => separated(pair, '_'),
        [asset, "PERPETUAL"] => Ok(contract(asset)?.perpetual()),
        [asset, date] => Instrument::future(contract(asset), worded_date(date)),
        [asset, date, strike, right] if starts_with_digit(date) => {
            Instrument::option(contract(asset), worded_date(date), decimal(strike, 'D'), right)
        }
        // BTC-CS-27DEC24-90000_100000, BTC-FS-27DEC24_PERP, BTC-FS-27DEC24-PERP
        [asset, code, leg, ..] if is_code(code) && is_leg(leg) => {
            contract(asset)?;
            Err(Reason::Combination)
        }
        _ => Err(Reason::UnknownFormat),
    }
}

fn okx(name: &str) -> Result<Instrument, Reason> {
    // A contract on a pair with USD is settled in the coin, unless its family says margined in USD.
    let contract = |base: &str, quote: &str| match quote {
        "USD" => Instrument::of(base, quote, true),
        "USD_UM" => Instrument::of(base, "USD", false),
        "USDT" | "USDC" => Instrument::of(base, quote, false),
        _ => Err(Reason::UnknownQuote),
    };
    // Spreads: BTC-USDT_BTC-USDT-SWAP.
    if let Some((near, far)) = name.split_once('_') {
        if far.contains('-') && okx(near).is_ok() && okx(far).is_ok() {
            return Err(Reason::Combination);
        }
    }
    let mut parts = [""; 6];
    match split(name, &mut parts) {
        [base, quote] => spot(base, quote),
        [base, quote, "SWAP"] => Ok(contract(base, quote)?.perpetual()),
        [base, quote, date] => Instrument::future(contract(base, quote), numbered_date(date)),
        [base, quote, date, strike, right] => {
            Instrument::option(contract(base, quote), numbered_date(date), decimal(strike, '.'), right)
        }
        _ => Err(Reason::UnknownFormat),
    }
}

fn binance(name: &str) -> Result<Instrument, Reason> {
    if let Some((pair, term)) = name.split_once('_') {
        let contract = |pair: &str| {
            let (base, quote) = joined(pair)?;
            match quote {
                "USD" => Instrument::of(base, quote, true),
                "USDT" | "USDC" | "BUSD" => Instrument::of(base, quote, false),
                _ => Err(Reason::UnknownFormat),
            }
        };
        return match term {
            // Perpetuals margined in dollars are named as the spot pair is, so this is one of the others.
            "PERP" => match pair.strip_suffix("USD") {
                Some(base) => Ok(Instrument::of(base, "USD", true)?.perpetual()),
                None => Err(Reason::UnknownFormat),
            },
            date => Instrument::future(contract(pair), numbered_date(date)),
        };
    }
    let mut parts = [""; 5];
    match split(name, &mut parts) {
        [pair] => either(pair),
        [base, date, strike, right] => {
            Instrument::option(Instrument::of(base, "USDT", false), numbered_date(date), decimal(strike, '.'), right)
        }
        _ => Err(Reason::UnknownFormat),
    }
}

fn plain(name: &str) -> Result<Instrument, Reason> {
    match name.find(['-', '/', '_']) {
        Some(at) => separated(name, name.as_bytes()[at] as char),
        None => either(name),
    }
}

fn separated(pair: &str, separator: char) -> Result<Instrument, Reason> {
    pair.split_once(separator).map_or(Err(Reason::UnknownFormat), |(base, quote)| spot(base, quote))
}

fn spot(base: &str, quote: &str) -> Result<Instrument, Reason> {
    Ok(Instrument { kind: Some(Kind::Spot), ..Instrument::of(base, quote, false)? })
}

/// A pair without a separator. The name does not tell whether it is spot.
fn either(pair: &str) -> Result<Instrument, Reason> {
    let (base, quote) = joined(pair)?;
    Instrument::of(base, quote, false)
}

/// Where a name without a separator divides. USDT and USDC end a name beyond doubt; any other end needs a coin that
/// is known before it, and only one end may have that.
fn joined(pair: &str) -> Result<(&str, &str), Reason> {
    if !is_symbol(pair) {
        return Err(Reason::UnknownFormat);
    }
    let splits = || QUOTES.iter().filter_map(|&q| Some((pair.strip_suffix(q)?, q))).filter(|(b, _)| !b.is_empty());
    if let Some(sure) = splits().find(|(_, quote)| SURE_QUOTES.contains(quote)) {
        return Ok(sure);
    }
    let mut known = splits().filter(|(base, _)| is_known_coin(base));
    match (known.next(), known.next()) {
        (Some(only), None) => Ok(only),
        (None, _) if splits().next().is_none() => Err(Reason::UnknownFormat),
        _ => Err(Reason::AmbiguousPair),
    }
}

impl Instrument {
    /// A pair, without a kind yet.
    fn of(base: &str, quote: &str, inverse: bool) -> Result<Instrument, Reason> {
        if !is_symbol(base) || !is_symbol(quote) || base == quote {
            return Err(Reason::UnknownFormat);
        }
        if !QUOTES.contains(&quote) {
            return Err(Reason::UnknownQuote);
        }
        Ok(Instrument {
            kind: None,
            underlying: base.to_string(),
            quote: quote.to_string(),
            inverse,
            expiry: None,
            strike: None,
            is_call: None,
        })
    }

    fn perpetual(self) -> Instrument {
        Instrument { kind: Some(Kind::Perpetual), ..self }
    }

    fn future(contract: Result<Instrument, Reason>, expiry: Result<i64, Reason>) -> Result<Instrument, Reason> {
        let (contract, expiry) = both(contract, expiry)?;
        Ok(Instrument { kind: Some(Kind::Future), expiry: Some(expiry), ..contract })
    }

    fn option(
        contract: Result<Instrument, Reason>,
        expiry: Result<i64, Reason>,
        strike: Result<f64, Reason>,
        right: &str,
    ) -> Result<Instrument, Reason> {
        let is_call = match right {
            "C" => Ok(true),
            "P" => Ok(false),
            _ => Err(Reason::UnknownFormat),
        };
        let (((contract, expiry), strike), is_call) = both(both(both(contract, expiry), strike), is_call)?;
        Ok(Instrument {
            kind: Some(Kind::Option),
            expiry: Some(expiry),
            strike: Some(strike),
            is_call: Some(is_call),
            ..contract
        })
    }
}

/// The shape of the whole name is judged before what it says: most names with hyphens in them hold no date at all.
fn both<A, B>(a: Result<A, Reason>, b: Result<B, Reason>) -> Result<(A, B), Reason> {
    match (a, b) {
        (Ok(a), Ok(b)) => Ok((a, b)),
        (Err(Reason::UnknownFormat), _) | (_, Err(Reason::UnknownFormat)) => Err(Reason::UnknownFormat),
        (Err(reason), _) | (_, Err(reason)) => Err(reason),
    }
}

/// Whether a coin is one of those that settle a doubt.
pub(super) fn is_known_coin(symbol: &str) -> bool {
    COINS.contains(&symbol)
}
